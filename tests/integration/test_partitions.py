"""Tables that are partitioned by time: what comes has its partition, what is past goes, and nobody waits for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from deploy.local.stack import Stack
from services.control_room import upkeep
from shared.migrate import migrate, service_url
from shared.worker import partitions
from shared.worker.partitions import Partitioned
from tests.conftest import PASSWORD, fresh_database

NAME = "probe_partitions"
JOURNAL = Path(upkeep.__file__).parent / "migrations"
INBOX, CALLS = partitions.of_runtime(21)
DAYS = Partitioned("journal", 1, 7, 30)
"""As control_room has it."""
COLUMN = {"inbox": "received_on", "partner_call_done": "closed_on", "journal": "received_at"}


@pytest.fixture
async def database(stack: Stack) -> AsyncIterator[str]:
    async with fresh_database(stack.addresses.database_url) as url:
        await asyncio.to_thread(migrate, url, NAME, [JOURNAL], PASSWORD)
        yield url


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    """Under the service's role."""
    async with asyncpg.create_pool(service_url(database, NAME, PASSWORD), min_size=1, max_size=4) as one:
        yield one


@asynccontextmanager
async def administrator(database: str) -> AsyncIterator[asyncpg.Connection]:
    admin = await asyncpg.connect(database, server_settings={"search_path": NAME, "timezone": "UTC"})
    try:
        yield admin
    finally:
        await admin.close()


async def shift(database: str, table: Partitioned, days: int) -> None:
    """As if the table's partitions and rows had been made so many days (whole partitions) ago."""
    async with administrator(database) as admin:
        for name, first in await made(admin, table.table):
            then = first - timedelta(days=days)
            await admin.execute(f"alter table {table.table} detach partition {name}")
            await admin.execute(
                f"update {name} set {COLUMN[table.table]} = {COLUMN[table.table]} - interval '{days} d'"
            )
            await admin.execute(f"alter table {name} rename to was_{table.table}_{then:%Y%m%d}")
        for row in await admin.fetch("select relname from pg_class where relname like 'was_%' and relkind = 'r'"):
            name = row["relname"].removeprefix("was_")
            first = datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
            await admin.execute(f"alter table {row['relname']} rename to {name}")
            await admin.execute(
                f"alter table {table.table} attach partition {name} "
                f"for values from ('{first}') to ('{first + timedelta(days=table.days)}')"
            )


async def made(con: Any, table: str) -> list[tuple[str, date]]:
    """The partitions and their first days."""
    rows = await con.fetch(
        "select relname from pg_inherits join pg_class on oid = inhrelid where inhparent = $1::text::regclass "
        "order by relname",
        table,
    )
    return [(r["relname"], datetime.strptime(r["relname"][-8:], "%Y%m%d").replace(tzinfo=UTC).date()) for r in rows]


def today() -> date:
    return datetime.now(UTC).date()


def first_days(found: Sequence[tuple[str, date]]) -> list[date]:
    return [first for _, first in found]


@pytest.mark.parametrize("table", [INBOX, CALLS, DAYS], ids=lambda table: table.table)
async def test_partitions_are_made_ahead_and_dropped_behind(
    database: str, pool: asyncpg.Pool, table: Partitioned
) -> None:
    assert await partitions.keep_one(pool, table) == (0, 0), "the migration made them"
    before = first_days(await made(pool, table.table))
    past = table.days * (table.ahead + table.keep_days // table.days + 2)
    await shift(database, table, past)
    created, dropped = await partitions.keep_one(pool, table)
    after = first_days(await made(pool, table.table))
    assert created == len(before) == table.ahead + 2
    assert set(before) <= set(after)
    assert max(after) > today() + timedelta(days=table.days * (table.ahead - 1))
    assert dropped >= 1
    ends = [first + timedelta(days=table.days) for first in after]
    assert min(ends) > today() - timedelta(days=table.keep_days), "all that is past its time is gone"
    assert len(after) == len(before) + created - dropped
    assert await partitions.keep_one(pool, table) == (0, 0)


async def test_row_is_kept_for_as_long_as_its_retention(database: str, pool: asyncpg.Pool) -> None:
    tight = Partitioned("journal", 1, 7, 5)
    for age in (4, 5, 6):
        async with administrator(database) as admin:
            first = today() - timedelta(days=age)
            await admin.execute(
                f"create table journal_{first:%Y%m%d} partition of journal "
                f"for values from ('{first}') to ('{first + timedelta(days=1)}')"
            )
    assert await partitions.keep_one(pool, tight) == (0, 1)
    assert min(first_days(await made(pool, "journal"))) == today() - timedelta(days=5)


async def test_reader_that_does_not_let_go_delays_the_drop_and_no_writer(database: str, pool: asyncpg.Pool) -> None:
    await shift(database, INBOX, INBOX.days * (INBOX.ahead + 8))
    await partitions.keep_one(pool, replace(INBOX, keep_days=3650))
    slowest = 0.0
    async with administrator(database) as reader, pool.acquire() as writer:
        async with reader.transaction():
            await reader.fetch("select count(*) from inbox")
            job = asyncio.create_task(partitions.keep_one(pool, INBOX))
            while not job.done():
                started = perf_counter()
                await writer.execute("insert into inbox (ref) values (gen_random_uuid())", timeout=10)
                slowest = max(slowest, perf_counter() - started)
        assert job.result() == (0, 0)
        overdue = REGISTRY.get_sample_value("fleet_partitions_overdue", {"table": "inbox"})
        assert overdue is not None
        assert overdue >= 3
        assert slowest < 5.0, "the drop gives way after 200 ms, once for all that is overdue"
    assert (await partitions.keep_one(pool, INBOX))[1] == overdue
    assert REGISTRY.get_sample_value("fleet_partitions_overdue", {"table": "inbox"}) == 0


async def test_new_partition_does_not_wait_for_writers(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as writer, writer.transaction():
        await writer.execute("insert into inbox (ref) values (gen_random_uuid())")
        further = Partitioned("inbox", 7, INBOX.ahead + 1, INBOX.keep_days)
        assert await asyncio.wait_for(partitions.keep_one(pool, further), 5) == (1, 0)


async def test_called_by_many_at_once_each_partition_is_made_once(pool: asyncpg.Pool) -> None:
    further = Partitioned("inbox", 7, INBOX.ahead + 4, INBOX.keep_days)
    done = await asyncio.gather(*(partitions.keep_one(pool, further) for _ in range(4)))
    await partitions.keep_one(pool, further)
    assert sum(created for created, _ in done) == 4


async def test_rows_that_still_matter_survive_the_drop_of_their_time(database: str, pool: asyncpg.Pool) -> None:
    for status in ("waiting", "dead", "held"):
        await pool.execute(
            "with known as (insert into inbox (ref) values (gen_random_uuid()) returning ref) insert into inbox_kept "
            "(ref, status, source, id, first_at, last_at, body) select ref, $1, 's', $1, now(), now(), '' from known",
            status,
        )
    for status in ("pending", "leased", "answered", "exhausted"):
        await pool.execute(
            "insert into partner_call (id, partner, lane, key, aggregate, operation, request, status, due, created_at, "
            "exhaust_at) values (gen_random_uuid(), 'erp', 'l', 'k', 't', 'Ask', '{}', $1, now(), now(), now())",
            status,
        )
    for table in (INBOX, CALLS):
        await shift(database, table, table.days * (table.ahead + 8))
        assert (await partitions.keep_one(pool, table))[1] > 0
    assert await pool.fetchval("select count(*) from inbox") == 0, "what was handled then is forgotten"
    kept = await pool.fetch("select status from inbox_kept order by seq")
    calls = await pool.fetch("select status from partner_call order by seq")
    assert [row["status"] for row in kept] == ["waiting", "dead", "held"]
    assert [row["status"] for row in calls] == ["pending", "leased", "answered", "exhausted"]


async def test_table_of_another_kind_or_a_step_of_nothing_is_refused(pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.RaiseError, match="at least 1"):
        await pool.fetchrow("select * from time_partitions('inbox', 7, 0, 21)")
    with pytest.raises(asyncpg.PostgresError):
        await pool.fetchrow("select * from time_partitions('number_series', 7, 8, 21)")
    assert await pool.fetchval("select count(*) from number_series") == 0
