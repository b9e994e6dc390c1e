"""Ten durable steps of an order, and nothing else: ours as ten hops, and a DBOS workflow on the same PostgreSQL.

    python -m tests.benchmarks.steps [--json] [--orders N] [--rounds R]

A step saves the order's state, once and durably, and says what is next. Ours is the hop of `tests.benchmarks.hop`, ten
for an order: a worker process consumes a message, knows whether it saw it before, saves the state and publishes the
next message to a quorum queue. In the fleet most hops take packs; single messages are the worst. DBOS: one process, at
its best number of workflows; a step is one upsert and DBOS's own record of it. No partner is called on either
side. Rounds in turn on the same servers; all figures are per order, and the faster gets more of them, so that no run is
over before it is steady.
"""

import asyncio
import json
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.benchmarks import turns
from tests.benchmarks.hop import ours
from tests.benchmarks.hop_ground import Ground, ground, process
from tests.benchmarks.window import Figures
from tests.conftest import fresh_database

STEPS = 10
CONCURRENCIES = (8, 16, 32)
TUNED = 3
"""Each concurrency is tried with a third of the orders."""
MORE = 4
"""Times as many orders go through ours."""
AIM = 10.0
NAMES = ("ours, single messages", "ours, packs", "DBOS")


async def dbos(place: Ground, orders: int, concurrency: int) -> Figures:
    async with fresh_database(place.database_url) as url:
        arguments = (url, str(orders), str(concurrency), str(concurrency))
        pipe = asyncio.subprocess.PIPE
        module = "tests.benchmarks.peer_dbos"
        async with process(module, *arguments, environment=place.environment, output=pipe) as child:
            said, _ = await child.communicate()
    return Figures(**json.loads(said.splitlines()[-1]))


async def hops(place: Ground, orders: int, packed: bool) -> Figures:
    """Ten hops as one order."""
    one = await ours(place, orders * STEPS, packed)
    return Figures(one.per_second / STEPS, one.cpu_us * STEPS, one.peak_mb)


async def measure(orders: int, rounds: int, progress: Progress) -> dict[str, Any]:
    task = progress.add_task("choosing DBOS's concurrency", total=None)
    async with ground() as place:
        tuning = {c: (await dbos(place, max(orders // TUNED, c), c)).per_second for c in CONCURRENCIES}
        best = max(tuning, key=lambda c: tuning[c])
        await ours(place, orders * STEPS, packed=False)  # warms the servers up; DBOS's were warmed by the choosing
        progress.remove_task(task)
        contenders = (partial(hops, place, MORE * orders, False), partial(hops, place, MORE * orders, True))
        peer = partial(dbos, place, orders, best)
        found = await turns.in_turn(dict(zip(NAMES, (*contenders, peer), strict=True)), rounds, progress, warm=False)
    return summary(orders, found, tuning)


def summary(orders: int, found: turns.Found, tuning: dict[int, float]) -> dict[str, Any]:
    """The document that `--json` prints. Ratios are medians of the rounds' ratios."""
    single, packs, peer = NAMES
    return {
        "orders": orders,
        "rounds": len(found[peer]),
        "contenders": {
            name: {
                "orders_per_second": round(median(f.per_second for f in some), 1),
                "cpu_ms_per_order": round(median(f.cpu_us for f in some) / 1000, 2),
                "peak_mb": round(max(f.peak_mb for f in some)),
            }
            for name, some in found.items()
        },
        "ratios": {
            "single_to_dbos": round(turns.ratio(found, single, peer), 1),
            "packs_to_dbos": round(turns.ratio(found, packs, peer), 1),
        },
        "of_each_round": {name: turns.ratios(found, name, peer) for name in (single, packs)},
        "dbos_tuning": {str(c): round(rate, 1) for c, rate in tuning.items()},
    }


def show(found: dict[str, Any], console: Console) -> None:
    table = Table("ten steps of an order", title_justify="left")
    for name in ("orders/s", "CPU ms/order of the process", "peak MB"):
        table.add_column(name, justify="right")
    for name, row in found["contenders"].items():
        table.add_row(name, *(f"{value:,}" for value in row.values()))
    console.print(table)
    tried = ", ".join(f"{c}: {rate}/s" for c, rate in found["dbos_tuning"].items())
    ratios = found["ratios"]
    console.print(
        f"Ours ÷ DBOS: {ratios['single_to_dbos']} with single messages, {ratios['packs_to_dbos']} with packs (aim ≥ "
        f"{AIM:g}). {found['rounds']} rounds in turn. DBOS by workflows at once: {tried}.",
    )


def main(
    orders: Annotated[int, typer.Option(min=50, help="Of DBOS in each run; ours gets four times as many.")] = 150,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure ten steps of an order: ours and DBOS."""
    if find_spec("dbos") is None:
        raise typer.BadParameter("DBOS is not installed: pip install -e .[bench] -c constraints.txt")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = asyncio.run(measure(orders, rounds, progress))
    turns.tell(found, as_json, show)


if __name__ == "__main__":
    typer.run(main)
