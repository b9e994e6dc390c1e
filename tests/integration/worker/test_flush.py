"""Outgoing rows: those of confirmed batches go with the next batch or a flush, those that a process left are sent."""

import asyncio
import json
from uuid import uuid4

import asyncpg

from schemas import envelope
from shared.broker.outgoing import Outgoing
from shared.broker.topology import EVENTS
from shared.health import Health
from shared.worker import store
from shared.worker.batch import Desk
from shared.worker.routes import Routes
from shared.worker.transact import Transactor
from tests.integration.worker.bench import Bench, event, payment, service, until


async def test_rows_that_are_deleted_twice_at_the_same_time_are_forgotten_once(bench: Bench) -> None:
    async with asyncpg.create_pool(bench.url, min_size=2, max_size=2) as pool:
        transactor = Transactor(Desk(service(), Routes(service()), "0", (1.0,)), pool, Health(), 1)
        transactor.sent.extend((uuid4(), uuid4()))
        await asyncio.gather(transactor.flush(), transactor.flush())
        assert list(transactor.sent) == []


async def test_what_a_process_left_in_the_second_before_the_next_one_begins_does_not_wait_for_the_sweeper(
    bench: Bench,
) -> None:
    said = await _said_once(bench)
    con = await asyncpg.connect(bench.url)
    try:
        await store.save_outgoing(con, uuid4(), [said])
    finally:
        await con.close()
    async with bench.working(sweep_seconds=3600.0):
        await until(lambda: len(bench.facts) == 2, 30, "it is sent")
    assert bench.facts[0] == bench.facts[1]


async def _said_once(bench: Bench) -> Outgoing:
    """A message of the service's own, as it was sent."""
    await bench.publish(event(payment()))
    async with bench.working():
        await until(lambda: bench.facts)
        await until(lambda: bench.queue_depth_is(0))
    [fact] = bench.facts
    return Outgoing(EVENTS, fact["type"], envelope.EVENT, json.dumps(fact).encode(), fact["id"])
