"""An order as a DBOS workflow of ten durable steps, on the same PostgreSQL. Run as a process.

    python -m tests.benchmarks.peer_dbos DATABASE_URL ORDERS WARM CONCURRENCY

WARM orders go first and are not measured.

Each step saves the order's state (one upsert of the whole jsonb document, as a service of the fleet does) and is then
remembered by DBOS. DBOS as its documentation has it for speed: async workflows, steps on asyncpg, a pool as large as
the concurrency, no tracing, only errors logged. Orders are started directly, so many at once; a queue would cost it one
more statement an order. Saving a state twice changes nothing, so no step needs a transaction with DBOS's own record,
which would cost it more. Prints its figures as JSON.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from time import perf_counter
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import psutil
import uvloop
from dbos import DBOS, DBOSConfig, SetWorkflowID

from deploy.local import world
from schemas.order import OrderPlaced
from tests.benchmarks.window import Figures, peak_mb

T = TypeVar("T")
State = dict[str, Any]

TABLE = "create table if not exists peer_state (key text primary key, version int not null, body jsonb not null)"
SAVE = (
    "insert into peer_state as t (key, version, body) values ($1, 1, $2::jsonb) "
    "on conflict (key) do update set version = t.version + 1, body = excluded.body"
)
STEPS = (
    "accepted",
    "registered",
    "routed",
    "po_created",
    "po_sent",
    "s2_matched",
    "r_authorised",
    "handed_over",
    "s1_matched",
    "completed",
)
"""What happens to an order in the fleet, one after the other."""


@contextmanager
def launched(url: str, concurrency: int) -> Iterator[None]:
    """DBOS, from before its steps are defined until the end of the block."""
    config = DBOSConfig(
        name="peer",
        system_database_url=url,
        sys_db_pool_size=concurrency,
        log_level="ERROR",
        enable_otlp=False,
        run_migrations=True,
    )
    DBOS(config=config)
    try:
        yield
    finally:
        DBOS.destroy()


async def timed(
    workflow: Callable[[T], Awaitable[None]], warm: Sequence[T], orders: Sequence[T], concurrency: int
) -> Figures:
    """Launches DBOS and runs the workflow for each, so many at once; figures of `orders`. Raises what a step raises."""
    DBOS.launch()
    room = asyncio.Semaphore(concurrency)

    async def one(order: T) -> None:
        async with room:
            with SetWorkflowID(str(uuid4())):
                await workflow(order)

    await asyncio.gather(*(one(order) for order in warm))
    process, started = psutil.Process(), perf_counter()
    before = process.cpu_times()
    await asyncio.gather(*(one(order) for order in orders))
    seconds, after = perf_counter() - started, process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Figures(len(orders) / seconds, cpu / len(orders) * 1e6, peak_mb(process))


def placed(orders: int) -> list[State]:
    """The demo's orders, under ids of their own in each call."""
    run = uuid4().hex[:8]
    found = [m for m in world.orders(2 * orders, 1) if isinstance(m, OrderPlaced)][:orders]
    return [m.model_dump(mode="json") | {"order_id": f"{run}-{m.order_id}"} for m in found]


async def main(url: str, orders: int, warm: int, concurrency: int) -> None:
    async with asyncpg.create_pool(url, min_size=concurrency, max_size=concurrency) as pool:
        await pool.execute(TABLE)
        with launched(url, concurrency):

            @DBOS.step()
            async def step(name: str, state: State) -> State:
                state["history"] = [*state.get("history", ()), name]
                await pool.execute(SAVE, state["order_id"], json.dumps(state))
                return state

            @DBOS.workflow()
            async def order(state: State) -> None:
                for name in STEPS:
                    state = await step(name, state)

            figures = await timed(order, placed(warm), placed(orders), concurrency)
    print(json.dumps(asdict(figures)), flush=True)


if __name__ == "__main__":
    url, orders, warm, concurrency = sys.argv[1:]
    uvloop.run(main(url, int(orders), int(warm), int(concurrency)))
