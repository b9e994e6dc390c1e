"""What a second worker of the same service brings, on the same load: one hop with 1 and with 2 processes in turn.

    python -m tests.benchmarks.replicas [--events N] [--rounds R] [--json]

Broker, database and workers share the machine: where it has as many busy processes as cores already, a second
worker cannot bring much, and the figure says what it brings here. Each event must still be handled exactly once. The
first quarter is not measured: in it the processes start.
"""

import asyncio
import json
import os
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from schemas import envelope
from tests.benchmarks import hop_report
from tests.benchmarks.hop import OURS
from tests.benchmarks.hop_ground import Ground, ground
from tests.benchmarks.window import Figures

KINDS = {"single": envelope.EVENT, "packed": envelope.PACK}
WORKERS = (1, 2)
Found = dict[tuple[str, int], list[Figures]]


async def hop(place: Ground, events: int, kind: str, workers: int) -> Figures:
    await place.clear()
    await place.fill(events, KINDS[kind])
    module = "tests.benchmarks.hop_service"
    return await place.hop(module, events=events, warm=events // 4, tables=OURS, workers=workers)


async def measure(events: int, rounds: int, progress: Progress) -> Found:
    task = progress.add_task("warming up", total=rounds + 1)
    found: Found = {(kind, workers): [] for kind in KINDS for workers in WORKERS}
    async with ground() as place:
        for number in range(rounds + 1):
            for kind, workers in found:
                figures = await hop(place, events, kind, workers)
                if number:
                    found[kind, workers].append(figures)
            progress.update(task, advance=1, description=f"round {number + 1} of {rounds}")
    return found


def summary(events: int, found: Found) -> dict[str, Any]:
    """The document that `--json` prints. Ratios are medians of the rounds' ratios."""
    return {
        "events": events,
        "rounds": len(found["single", 1]),
        "cores": os.cpu_count(),
        "workers": {f"{workers}, {kind}": hop_report.contender(f) for (kind, workers), f in found.items()},
        "two_to_one": {
            kind: round(
                median(t.per_second / o.per_second for t, o in zip(found[kind, 2], found[kind, 1], strict=True)), 2
            )
            for kind in KINDS
        },
    }


def show(found: dict[str, Any]) -> None:
    table = Table(title=f"One hop, one service, {found['cores']} cores for all", title_justify="left")
    for name in ("workers, messages in", "events/s", "min-max", "CPU µs/event"):
        table.add_column(name, justify="left" if name.startswith("workers") else "right", no_wrap=True)
    for name, row in found["workers"].items():
        span = f"{row['lowest']:,}-{row['highest']:,}"
        table.add_row(name, f"{row['events_per_second']:,}", span, f"{row['cpu_us_per_event']:,}")
    console = Console()
    console.print(table)
    for kind, ratio in found["two_to_one"].items():
        console.print(f"2 workers ÷ 1, {kind}: {ratio:.2f}", highlight=False)
    console.print(f"{found['rounds']} rounds in turn, {found['events']} events each, exactly once.", highlight=False)


def main(
    events: Annotated[int, typer.Option(min=1000, help="In each run.")] = 24_000,
    rounds: Annotated[int, typer.Option(min=1, help="Measured; one more comes first and is not.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure a hop with one worker and with two."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = summary(events, asyncio.run(measure(events, rounds, progress)))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


if __name__ == "__main__":
    typer.run(main)
