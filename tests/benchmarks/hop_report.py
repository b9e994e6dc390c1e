"""The figures of the hop for people."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.window import Figures

AIMS = {
    "single_to_faststream": ("ours, single in ÷ FastStream", 8.0),
    "packed_to_faststream": ("ours, packs in ÷ FastStream", 12.0),
    "single_to_ceiling": ("ours, single in ÷ no-broker ceiling", 0.7),
    "packed_to_ceiling": ("ours, packs in ÷ no-broker ceiling", 0.7),
}
WHAT = {
    "ours, single": "ours, single events in",
    "ours, packed": "ours, packs in",
    "FastStream": "FastStream, inbox + outbox",
    "ceiling, single": "ceiling: ours, no broker",
    "ceiling, packed": "ceiling with packs",
}


def contender(figures: Sequence[Figures]) -> dict[str, float]:
    rates = [f.per_second for f in figures]
    return {
        "events_per_second": round(median(rates)),
        "lowest": round(min(rates)),
        "highest": round(max(rates)),
        "cpu_us_per_event": round(median(f.cpu_us for f in figures)),
        "system_us_per_event": round(median(f.system_us for f in figures)),
        "peak_mb": round(max(f.peak_mb for f in figures)),
    }


def show(found: dict[str, Any], console: Console | None = None) -> None:
    """Two tables, and what was compared with what."""
    console = console or Console()
    console.print(_contenders(found))
    console.print(_ratios(found))
    peer = found["faststream"]
    tried = ", ".join(f"{prefetch}: {rate}/s" for prefetch, rate in peer["tuning"].items())
    durable = ", ".join(f"{name}={value}" for name, value in found["durable"].items())
    console.print(
        f"{found['rounds']} rounds in turn, {found['events']} events each ({peer['events']} for FastStream). Durable: "
        f"{durable}, quorum queues, persistent, every publish confirmed.\nFastStream runs with prefetch "
        f"{peer['prefetch']}, its best here ({tried}).\nIt is compared with single messages in both rows: one "
        "transaction an event is its way, whatever the messages carry.",
        highlight=False,
    )


def _contenders(found: dict[str, Any]) -> Table:
    table = Table(title="One hop: consume, dedupe, state, publish", title_justify="left")
    table.add_column("one worker process", no_wrap=True)
    for name in ("events/s", "min-max", "CPU µs/event", "peak MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in found["contenders"].items():
        span = f"{row['lowest']:,}-{row['highest']:,}"
        cells = (f"{row['events_per_second']:,}", span, f"{row['cpu_us_per_event']:,}", f"{row['peak_mb']}")
        table.add_row(WHAT[name], *cells)
    return table


def _ratios(found: dict[str, Any]) -> Table:
    table = Table("ratio", title="Ratios, medians of the rounds'", title_justify="left")
    for name in ("measured", "aim"):
        table.add_column(name, justify="right")
    for name, (text, aim) in AIMS.items():
        ratio = found["ratios"][name]
        table.add_row(text, f"[{'green' if ratio >= aim else 'red'}]{ratio:.2f}", f"≥ {aim:g}")
    return table
