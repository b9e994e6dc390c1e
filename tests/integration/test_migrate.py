"""Roles, schemas and migrations on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from shared.migrate import SETTINGS, Migrated, MigrationFailed, migrate, service_url

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
    assert done.applied == ("0001_runtime", "0002_attempt", "0001_create_thing")
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
    assert sorted(m.applied for m in done) == [(), (), (), ("0001_runtime", "0002_attempt", "0001_create_thing")]


async def test_two_services_at_once_get_a_schema_each(database: str, folder: Path) -> None:
    both = await asyncio.gather(*(run(database, folder, service=name) for name in (FIRST, SECOND)))
    assert [m.applied for m in both] == [("0001_runtime", "0002_attempt", "0001_create_thing")] * 2


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


async def test_sessions_of_the_role_have_timeouts_and_miss_who_vanished(database: str, folder: Path) -> None:
    await run(database, folder)
    async with connected(service_url(database, FIRST, PASSWORD)) as role:
        values = {name: await role.fetchval(f"show {name}") for name in SETTINGS}
    assert values == {**SETTINGS, "statement_timeout": "1min", "idle_in_transaction_session_timeout": "1min"}


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
