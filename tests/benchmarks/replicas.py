"""What a second worker of the same service brings, on the same load: one hop with 1 and with 2 processes in turn.

    python -m tests.benchmarks.replicas [--events N] [--rounds R] [--json]

Broker, database and workers share the machine: where one worker keeps its cores busy already, a second one cannot bring
much, and the figure says what it brings here; what an event costs the whole machine says how far it can go. Each event
must still be handled exactly once. The first quarter is not measured: in it the processes start.
"""

import asyncio
import os
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from schemas import envelope
from tests.benchmarks import turns
from tests.benchmarks.hop import OURS
from tests.benchmarks.hop_ground import Ground, ground
from tests.benchmarks.window import Figures

KINDS = {"single": envelope.EVENT, "packs": envelope.PACK}
WORKERS = (1, 2)


async def hop(place: Ground, events: int, kind: str, workers: int) -> Figures:
    await place.clear()
    await place.fill(events, KINDS[kind])
    module = "tests.benchmarks.hop_service"
    return await place.hop(module, events=events, warm=events // 4, tables=OURS, workers=workers)


async def measure(events: int, rounds: int, progress: Progress) -> turns.Found:
    async with ground() as place:
        contenders = {
            name(kind, workers): partial(hop, place, events, kind, workers) for kind in KINDS for workers in WORKERS
        }
        return await turns.in_turn(contenders, rounds, progress)


def name(kind: str, workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}, {kind}"


def summary(events: int, found: turns.Found) -> dict[str, Any]:
    """The document that `--json` prints. Ratios are medians of the rounds' ratios."""
    pairs = {kind: (name(kind, 2), name(kind, 1)) for kind in KINDS}
    rows = turns.contenders(found)
    return {
        "events": events,
        "rounds": len(found[name("single", 1)]),
        "cores": os.cpu_count(),
        "workers": rows,
        "two_to_one": {kind: turns.ratio(found, *pair) for kind, pair in pairs.items()},
        "by_cpu": {kind: turns.cpu_ratio(found, *pair) for kind, pair in pairs.items()},
        "of_each_round": {kind: turns.ratios(found, *pair) for kind, pair in pairs.items()},
        "cores_busy": {
            one: round(row["events_per_second"] * row["system_us_per_event"] / 1e6, 2) for one, row in rows.items()
        },
    }


def show(found: dict[str, Any], console: Console) -> None:
    console.print(turns.table(f"One hop, one service, {found['cores']} cores for all", found["workers"]))
    for kind, ratio in found["two_to_one"].items():
        console.print(f"2 workers ÷ 1, {kind}: {ratio:.2f} (by CPU per event {found['by_cpu'][kind]:.2f})")
    busy = ", ".join(f"{cores} with {one}" for one, cores in found["cores_busy"].items())
    console.print(f"Cores that worker, broker and database keep busy, of {found['cores']}: {busy}.")
    console.print(f"{found['rounds']} rounds in turn, {found['events']} events each, exactly once.")


def main(
    events: Annotated[int, typer.Option(min=1000, help="In each run.")] = 12_000,
    rounds: Annotated[int, typer.Option(min=1, help="Measured; one more comes first and is not.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure a hop with one worker and with two."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = summary(events, asyncio.run(measure(events, rounds, progress)))
    turns.tell(found, as_json, show)


if __name__ == "__main__":
    typer.run(main)
