"""The whole fleet, measured: all services as processes on a real broker and database, against sandbox partners.

    python -m tests.benchmarks.fleet [--json] [--orders N] [--rounds R] [--no-peer]

Each round: N orders at once, which gives the most that the fleet does; then half as many at half that pace, which gives
how long each hop takes (from when an event says it was published until it is handled); then the same orders again, step
for step, as DBOS workflows on the same PostgreSQL against the same sandbox. What DBOS does less is said in the report.
An order is done when it is completed and nothing of any order is open.
"""

import asyncio
import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from shared import logs
from tests.benchmarks import fleet_report
from tests.benchmarks.ages import Ages, between, quantile
from tests.benchmarks.fleet_ground import Ground, ground
from tests.benchmarks.usage import cpu_between, of_all
from tests.benchmarks.window import Figures

WARM = 20
CONCURRENCIES = (8, 16, 32)
PARTNERS = ("sandbox", "benchmark")
"""Processes that are not the fleet's: they play its partners."""


@dataclass(frozen=True, slots=True)
class Burst:
    """So many orders at once."""

    orders: int
    events: int
    seconds: float
    cpu: dict[str, float]
    """Seconds by process."""


@dataclass
class Rounds:
    """What every round gave."""

    orders: int
    bursts: list[Burst] = field(default_factory=list)
    ages: Ages = field(default_factory=dict)
    """Of all rounds' half loads together."""
    half_loads: list[float] = field(default_factory=list)
    """Orders a second."""
    resident_mb: dict[str, float] = field(default_factory=dict)
    peers: list[Figures] = field(default_factory=list)
    tuning: dict[int, float] = field(default_factory=dict)
    """The peer's orders a second by concurrency."""
    peer_steps: float = 0.0
    """An order, of which `peer_calls` call a partner."""
    peer_calls: float = 0.0


async def burst(place: Ground, orders: int) -> Burst:
    before, events = of_all(place.processes), await place.count_events()
    seconds = await place.through(orders)
    cpu = cpu_between(before, of_all(place.processes))
    return Burst(orders, await place.count_events() - events, seconds, cpu)


async def half_load(place: Ground, orders: int, per_second: float) -> Ages:
    before = await place.ages()
    await place.through(orders, per_second)
    return between(before, await place.ages())


async def measure(orders: int, rounds: int, with_peer: bool, progress: Progress) -> Rounds:
    result = Rounds(orders)
    task = progress.add_task("starting", total=rounds + 1)
    async with ground() as place:
        progress.update(task, description="warming up")
        await place.through(WARM)
        if with_peer:
            some = await place.scripts(WARM)
            result.tuning = {c: (await place.peer(some, c)).per_second for c in CONCURRENCIES}
        for number in range(rounds):
            progress.update(task, advance=1, description=f"round {number + 1} of {rounds}")
            result.bursts.append(await burst(place, orders))
            half = orders / result.bursts[-1].seconds / 2
            result.half_loads.append(half)
            for slot, buckets in (await half_load(place, max(orders // 2, 1), half)).items():
                known = result.ages.setdefault(slot, dict.fromkeys(buckets, 0.0))
                result.ages[slot] = {le: known.get(le, 0.0) + count for le, count in buckets.items()}
            if with_peer:
                best = max(result.tuning, key=lambda c: result.tuning[c])
                scripts = await place.scripts(orders)
                result.peers.append(await place.peer(scripts, best))
                result.peer_steps = sum(len(script.steps) for script in scripts) / orders
                result.peer_calls = sum(script.calls for script in scripts) / orders
        result.resident_mb = {name: one.resident_mb for name, one in of_all(place.processes).items()}
    return result


def summary(rounds: Rounds) -> dict[str, Any]:
    """The document that `--json` prints. Medians of the rounds; the ratio is the median of the rounds' ratios."""
    bursts = rounds.bursts
    found: dict[str, Any] = {
        "orders": rounds.orders,
        "rounds": len(bursts),
        "orders_per_second": round(median(b.orders / b.seconds for b in bursts), 2),
        "messages_per_second": round(median(b.events / b.seconds for b in bursts)),
        "messages_per_order": round(median(b.events / b.orders for b in bursts), 1),
        "half_load_orders_per_second": round(median(rounds.half_loads), 2),
        "processes": {name: _process(rounds, name) for name in bursts[0].cpu},
        "hops": {f"{service} {type}": _hop(buckets) for (service, type), buckets in sorted(rounds.ages.items())},
    }
    ours = [name for name in bursts[0].cpu if name not in PARTNERS]
    found["cpu_ms_per_order"] = round(sum(found["processes"][name]["cpu_ms_per_order"] for name in ours))
    found["partners_cpu_ms_per_order"] = round(
        sum(found["processes"][name]["cpu_ms_per_order"] for name in bursts[0].cpu if name in PARTNERS)
    )
    if rounds.peers:
        found["dbos"] = {
            "orders_per_second": round(median(p.per_second for p in rounds.peers), 2),
            "cpu_ms_per_order": round(median(p.cpu_us for p in rounds.peers) / 1000),
            "steps_per_order": round(rounds.peer_steps, 1),
            "calls_per_order": round(rounds.peer_calls, 1),
            "tuning": {str(c): round(rate, 1) for c, rate in rounds.tuning.items()},
        }
        found["ratio_to_dbos"] = round(
            median(b.orders / b.seconds / p.per_second for b, p in zip(bursts, rounds.peers, strict=True)), 2
        )
    return found


def _process(rounds: Rounds, name: str) -> dict[str, float]:
    return {
        "cpu_ms_per_order": round(median(b.cpu[name] / b.orders for b in rounds.bursts) * 1000, 1),
        "cpu_us_per_message": round(median(b.cpu[name] / b.events for b in rounds.bursts) * 1e6),
        "resident_mb": round(rounds.resident_mb[name]),
    }


def _hop(buckets: dict[float, float]) -> dict[str, float]:
    return {
        "events": round(max(buckets.values())),
        "p50_ms": round(quantile(buckets, 0.5) * 1000),
        "p99_ms": round(quantile(buckets, 0.99) * 1000),
    }


def main(
    orders: Annotated[int, typer.Option(min=10, help="At once, in each round.")] = 200,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    peer: Annotated[bool, typer.Option(help="Measure DBOS beside it.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure the whole fleet, and a DBOS workflow beside it."""
    if peer and find_spec("dbos") is None:
        raise typer.BadParameter("DBOS is not installed: pip install -e .[bench] -c constraints.txt, or --no-peer")
    logs.configure("benchmark", "error", "text")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = summary(asyncio.run(measure(orders, rounds, peer, progress)))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        fleet_report.show(found)


if __name__ == "__main__":
    typer.run(main)
