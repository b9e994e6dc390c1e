"""Outgoing rows of confirmed batches go with the next batch or with a flush, whichever comes: also when both come."""

import asyncio
from uuid import uuid4

import asyncpg

from shared.health import Health
from shared.worker.batch import Desk
from shared.worker.routes import Routes
from shared.worker.transact import Transactor
from tests.integration.worker.bench import Bench, service


async def test_rows_that_are_deleted_twice_at_the_same_time_are_forgotten_once(bench: Bench) -> None:
    async with asyncpg.create_pool(bench.url, min_size=2, max_size=2) as pool:
        transactor = Transactor(Desk(service(), Routes(service()), "0", (1.0,)), pool, Health(), 1)
        transactor.sent.extend((uuid4(), uuid4()))
        await asyncio.gather(transactor.flush(), transactor.flush())
        assert list(transactor.sent) == []
