"""One hop, measured: consume `order.placed`, dedupe, state, publish `order.accepted`; durable; one worker process.

    python -m tests.benchmarks.hop [--json] [--events N] [--rounds R]

Ours and FastStream's take turns on the same private broker and database, so that what else the machine does meets all.
In each run the queue is filled first; the first tenth of the events is not measured, and neither is the first round,
in which FastStream's prefetch is chosen. What each contender published and stored is counted, and must be exact.
"""

import asyncio
import json
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from schemas import envelope
from tests.benchmarks import hop_report
from tests.benchmarks.hop_ground import Ground, ground, process
from tests.benchmarks.hop_service import NAME
from tests.benchmarks.window import Figures

PREFETCHES = (1, 10, 30, 100)
OURS = (f"{NAME}.inbox", f"{NAME}.hop_order")
PEERS = ("peer_inbox", "peer_order")
SLOWER = 4
"""FastStream gets a quarter of the events: the figures are per event, and the rounds stay short."""
NAMES = ("ours, single", "ours, packed", "FastStream", "ceiling, single", "ceiling, packed")


@dataclass
class Rounds:
    """What every round gave, by contender."""

    events: int
    prefetch: int = PREFETCHES[0]
    tuning: dict[int, float] = field(default_factory=dict)
    """FastStream's events per second by prefetch."""
    figures: dict[str, list[Figures]] = field(default_factory=lambda: {name: [] for name in NAMES})
    durable: dict[str, str] = field(default_factory=dict)


async def ours(place: Ground, events: int, packed: bool) -> Figures:
    await place.clear()
    await place.fill(events, envelope.PACK if packed else envelope.EVENT)
    return await place.hop("tests.benchmarks.hop_service", events=events, warm=events // 10, tables=OURS)


async def peer(place: Ground, events: int, prefetch: int) -> Figures:
    await place.clear()
    await place.fill(events, "application/json")
    arguments = (place.amqp_url, place.database_url, str(prefetch))
    return await place.hop("tests.benchmarks.hop_peer", *arguments, events=events, warm=events // 10, tables=PEERS)


async def ceiling(place: Ground, events: int, packed: bool) -> Figures:
    await place.clear()
    arguments = (str(events), str(events // 10), "packed" if packed else "single")
    pipe = asyncio.subprocess.PIPE
    module = "tests.benchmarks.hop_ceiling"
    async with process(module, *arguments, environment=place.environment, output=pipe) as child:
        said, _ = await child.communicate()
    return Figures(**json.loads(said.splitlines()[-1]))


async def one_round(place: Ground, events: int, prefetch: int) -> dict[str, Figures]:
    """Everybody once, in the order of NAMES."""
    found = (
        await ours(place, events, packed=False),
        await ours(place, events, packed=True),
        await peer(place, events // SLOWER, prefetch),
        await ceiling(place, events, packed=False),
        await ceiling(place, events, packed=True),
    )
    return dict(zip(NAMES, found, strict=True))


async def measure(events: int, rounds: int, progress: Progress) -> Rounds:
    result = Rounds(events)
    task = progress.add_task("warming up", total=rounds + 1)
    async with ground() as place:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            result.durable[name] = await place.value(f"show {name}")
        for prefetch in PREFETCHES * 2:  # the better of two: another process may have been in the way of one
            rate = (await peer(place, events // SLOWER // 2, prefetch)).per_second
            result.tuning[prefetch] = max(rate, result.tuning.get(prefetch, 0.0))
        result.prefetch = max(result.tuning, key=lambda prefetch: result.tuning[prefetch])
        await one_round(place, max(events // 4, 1000), result.prefetch)
        for number in range(rounds):
            progress.update(task, advance=1, description=f"round {number + 1} of {rounds}")
            for name, figures in (await one_round(place, events, result.prefetch)).items():
                result.figures[name].append(figures)
    return result


def summary(rounds: Rounds) -> dict[str, Any]:
    """The document that `--json` prints. Ratios are medians of the rounds' ratios."""

    def ratio(one: str, other: str) -> float:
        pairs = zip(rounds.figures[one], rounds.figures[other], strict=True)
        return round(median(a.per_second / b.per_second for a, b in pairs), 2)

    return {
        "events": rounds.events,
        "rounds": len(rounds.figures[NAMES[0]]),
        "contenders": {name: hop_report.contender(figures) for name, figures in rounds.figures.items()},
        "ratios": {
            "single_to_faststream": ratio("ours, single", "FastStream"),
            "packed_to_faststream": ratio("ours, packed", "FastStream"),
            "single_to_ceiling": ratio("ours, single", "ceiling, single"),
            "packed_to_ceiling": ratio("ours, packed", "ceiling, packed"),
        },
        "faststream": {
            "events": rounds.events // SLOWER,
            "prefetch": rounds.prefetch,
            "tuning": {str(prefetch): round(rate) for prefetch, rate in rounds.tuning.items()},
        },
        "durable": rounds.durable,
    }


def main(
    events: Annotated[int, typer.Option(min=1000, help="In each run of ours; FastStream gets a quarter.")] = 8000,
    rounds: Annotated[int, typer.Option(min=1, help="Measured; one more comes first and is not.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure one hop: ours, FastStream's, and ours without a broker."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = summary(asyncio.run(measure(events, rounds, progress)))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        hop_report.show(found)


if __name__ == "__main__":
    typer.run(main)
