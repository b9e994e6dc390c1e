"""One virtual host and one database for all these tests: making them costs more than the tests. Emptied in between."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.stack import Stack
from tests.conftest import fresh_database, fresh_vhost
from tests.integration.partner.partner import Partner, serving
from tests.integration.worker.bench import NAME, Bench, Diary, bench_on

TABLES = ("outgoing", "partner_call", "partner_gate", "reminder", "inbox", "inbox_kept", "tally")


@pytest.fixture(scope="package")
async def shared_bench(stack: Stack) -> AsyncIterator[Bench]:
    async with (
        fresh_vhost(stack.addresses) as vhost,
        fresh_database(stack.addresses.database_url) as database,
        bench_on(vhost, database) as one,
    ):
        yield one


@pytest.fixture
async def bench(shared_bench: Bench) -> AsyncIterator[Bench]:
    yield shared_bench
    admin = await asyncpg.connect(shared_bench.admin_url)
    await admin.execute(f"truncate {', '.join(f'{NAME}.{table}' for table in TABLES)}")
    await admin.close()
    await (await shared_bench.channel.get_queue(NAME, ensure=False)).purge()
    shared_bench.facts.clear()
    shared_bench.dead.clear()
    shared_bench.health = Diary()


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with serving() as one:
        yield one
