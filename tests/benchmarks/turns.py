"""Contenders that take turns, round after round, so that what else the machine does meets all of them alike."""

import json
from collections.abc import Awaitable, Callable, Mapping
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.benchmarks import hop_report
from tests.benchmarks.window import Figures

Contender = Callable[[], Awaitable[Figures]]
Found = dict[str, list[Figures]]


async def in_turn(contenders: Mapping[str, Contender], rounds: int, progress: Progress, *, warm: bool = True) -> Found:
    """Everybody once in a round, in this order and the other way round by turns. `warm`: a first round, in which caches
    fill, is not counted."""
    task = progress.add_task("warming up", total=(rounds + warm) * len(contenders))
    found: Found = {name: [] for name in contenders}
    for number in range(0 if warm else 1, rounds + 1):
        names = list(contenders)
        for name in reversed(names) if number % 2 else names:
            progress.update(task, description=f"round {number} of {rounds}: {name}" if number else "warming up")
            figures = await contenders[name]()
            progress.update(task, advance=1)
            if number:
                found[name].append(figures)
    return found


def ratio(found: Found, one: str, other: str) -> float:
    """The median of the rounds' ratios."""
    return round(median(a.per_second / b.per_second for a, b in zip(found[one], found[other], strict=True)), 3)


def cpu_ratio(found: Found, one: str, other: str) -> float:
    """As `ratio`, of the CPU that worker, broker and database spend on an event: how fast `one` would be where nothing
    else but CPU counts. It hardly depends on what else the machine does."""
    return round(median(b.system_us / a.system_us for a, b in zip(found[one], found[other], strict=True)), 3)


def ratios(found: Found, one: str, other: str) -> list[float]:
    """Of every round."""
    return [round(a.per_second / b.per_second, 2) for a, b in zip(found[one], found[other], strict=True)]


def contenders(found: Found) -> dict[str, dict[str, float]]:
    """For the document that `--json` prints."""
    return {name: hop_report.contender(figures) for name, figures in found.items()}


def table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Of what `contenders` says."""
    made = Table("", title=title, title_justify="left")
    for name in ("events/s", "min-max", "CPU µs/event", "with broker and database"):
        made.add_column(name, justify="right", no_wrap=True)
    for name, row in rows.items():
        span = f"{row['lowest']:,}-{row['highest']:,}"
        cells = (row["events_per_second"], span, row["cpu_us_per_event"], row["system_us_per_event"])
        made.add_row(name, *(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells))
    return made


def tell(found: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any], Console], None]) -> None:
    """One JSON document on stdout, or what people read."""
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        show(found, Console(highlight=False))
