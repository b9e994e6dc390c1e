"""Roles, schemas and migrations on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from shared.migrate import Migrated, MigrationFailed, migrate, service_url

PASSWORD = "a password: with @ and /"
FIRST, SECOND = "probe_one", "probe_two"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service's own migrations."""
    (tmp_path / "0001_create_thing.sql").write_text("create table thing (key text primary key, body jsonb not null);\n")
    return tmp_path


async def run(database: str, *folders: Path, service: str = FIRST) -> Migrated:
    return await asyncio.to_thread(migrate, database, service, folders, PASSWORD)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_empty_database_gets_runtime_tables_then_the_services_own(database: str, folder: Path) -> None:
    done = await run(database, folder)
    assert done.applied == ("0001_runtime", "0001_create_thing")
    async with connected(service_url(database, FIRST, PASSWORD)) as role:
        assert await role.fetchval("select current_user") == f"fleet_{FIRST}"
        tables = await role.fetch("select tablename from pg_tables where schemaname = current_schema()")
    names = {row["tablename"] for row in tables}
    expected = {"inbox", "inbox_kept", "outgoing", "partner_call", "partner_gate", "reminder", "number_series", "thing"}
    assert expected <= names


async def test_migrated_twice_applies_nothing_the_second_time(database: str, folder: Path) -> None:
    await run(database, folder)
    assert (await run(database, folder)).applied == ()
    (folder / "0002_add_note.sql").write_text("alter table thing add column note text;\n")
    assert (await run(database, folder)).applied == ("0002_add_note",)


async def test_migrated_by_four_at_once_applies_each_migration_once(database: str, folder: Path) -> None:
    done = await asyncio.gather(*(run(database, folder) for _ in range(4)))
    assert sorted(m.applied for m in done) == [(), (), (), ("0001_runtime", "0001_create_thing")]


async def test_two_services_at_once_get_a_schema_each(database: str, folder: Path) -> None:
    both = await asyncio.gather(*(run(database, folder, service=name) for name in (FIRST, SECOND)))
    assert [m.applied for m in both] == [("0001_runtime", "0001_create_thing")] * 2


async def test_role_reads_and_writes_its_rows_and_nothing_else(database: str, folder: Path) -> None:
    await run(database, folder)
    await run(database, folder, service=SECOND)
    async with connected(service_url(database, FIRST, PASSWORD)) as role:
        await role.execute("insert into thing values ('a', '{}')")
        await role.execute("update thing set body = '{\"x\": 1}'")
        assert await role.fetchval("select count(*) from thing") == 1
        await role.execute("delete from thing")
        await role.execute("insert into inbox (ref) values (gen_random_uuid())")
        for forbidden in (
            f"select * from {SECOND}.thing",
            f"insert into {SECOND}.thing values ('a', '{{}}')",
            "drop table thing",
            "create table mine (x int)",
            "create table public.mine (x int)",
            "delete from _yoyo_migration",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.execute(forbidden)


async def test_role_with_another_password_is_refused(database: str, folder: Path) -> None:
    await run(database, folder)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(service_url(database, FIRST, "wrong"))


async def test_sessions_of_the_role_have_timeouts(database: str, folder: Path) -> None:
    await run(database, folder)
    async with connected(service_url(database, FIRST, PASSWORD)) as role:
        values = [
            await role.fetchval(f"show {name}")
            for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        ]
    assert values == ["10s", "1min", "1min"]


async def test_broken_migration_names_its_file_and_leaves_nothing(database: str, folder: Path) -> None:
    (folder / "0002_broken.sql").write_text("create table half (x int);\nselect * from nowhere;\n")
    with pytest.raises(MigrationFailed, match=r'0002_broken\.sql.*"nowhere"'):
        await run(database, folder)
    async with connected(database) as admin:
        assert await admin.fetchval(f"select to_regclass('{FIRST}.thing')") is not None
        assert await admin.fetchval(f"select to_regclass('{FIRST}.half')") is None
    (folder / "0002_broken.sql").write_text("create table half (x int);\n")
    assert (await run(database, folder)).applied == ("0002_broken",)


async def test_same_file_name_in_two_folders_is_refused(database: str, folder: Path) -> None:
    (folder / "0001_runtime.sql").write_text("select 1;\n")
    with pytest.raises(MigrationFailed, match="same name: 0001_runtime"):
        await run(database, folder)


async def test_rights_that_a_migration_takes_back_stay_taken(database: str, folder: Path) -> None:
    (folder / "0002_append_only.sql").write_text(f"revoke update, delete on thing from fleet_{FIRST};\n")
    await run(database, folder)
    await run(database, folder)
    async with connected(service_url(database, FIRST, PASSWORD)) as role:
        await role.execute("insert into thing values ('a', '{}')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await role.execute("delete from thing")


async def test_inbox_partitions_are_made_ahead_and_dropped_when_old(database: str) -> None:
    await run(database)
    async with connected(database) as admin:
        await admin.execute(f"set search_path = {FIRST}")
        week = "date_trunc('week', current_date)::date"
        for age in (3, 4, 9):
            await admin.execute(
                f"do $$ begin execute format('create table %I partition of inbox for values from (%L) to (%L)',"
                f" 'inbox_' || to_char({week} - {age * 7}, 'YYYYMMDD'), {week} - {age * 7}, {week} - {age * 7 - 7});"
                " end $$"
            )
    async with connected(service_url(database, FIRST, PASSWORD)) as role:
        assert tuple(await role.fetchrow("select * from inbox_partitions(10, 3)")) == (2, 2)
        assert tuple(await role.fetchrow("select * from inbox_partitions(10, 3)")) == (0, 0)
        kept = await role.fetchval("select count(*) from pg_inherits where inhparent = 'inbox'::regclass")
        assert kept == 1 + 10 + 1
        with pytest.raises(asyncpg.RaiseError, match="at least 1 week"):
            await role.fetchrow("select * from inbox_partitions(0, 3)")


async def test_inbox_partition_in_use_stays_until_the_next_call(database: str) -> None:
    await run(database)
    old = "date_trunc('week', current_date)::date - 70"
    async with connected(database) as admin, connected(service_url(database, FIRST, PASSWORD)) as role:
        await admin.execute(f"set search_path = {FIRST}")
        await admin.execute(
            "do $$ begin execute format('create table inbox_20200106 partition of inbox for values from (%L) to (%L)',"
            f" {old}, {old} + 7); end $$"
        )
        async with admin.transaction():
            await admin.fetch("select * from inbox_20200106")
            assert tuple(await role.fetchrow("select * from inbox_partitions()")) == (0, 0)
        assert tuple(await role.fetchrow("select * from inbox_partitions()")) == (0, 1)


async def test_new_partition_does_not_wait_for_writers_of_the_inbox(database: str) -> None:
    await run(database)
    async with (
        connected(service_url(database, FIRST, PASSWORD)) as writer,
        connected(service_url(database, FIRST, PASSWORD)) as job,
        writer.transaction(),
    ):
        await writer.execute("insert into inbox (ref) values (gen_random_uuid())")
        assert tuple(await job.fetchrow("select * from inbox_partitions(9)", timeout=5)) == (1, 0)


async def test_inbox_partitions_called_by_two_at_once_both_succeed(database: str) -> None:
    await run(database)
    url = service_url(database, FIRST, PASSWORD)
    async with connected(url) as first, connected(url) as second:
        rows = await asyncio.gather(*(c.fetchrow("select * from inbox_partitions(12)") for c in (first, second)))
    assert sorted(row["created"] for row in rows) == [0, 4]
