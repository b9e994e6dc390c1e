"""order_intake's SQL on a real PostgreSQL, with its own migrations."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

import services.order_intake
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.order_intake.store import load_stores
from tests.builders import NOW, order_placed, store_changed

MIGRATIONS = Path(services.order_intake.__file__).parent / "migrations"


@pytest.fixture
async def con(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        await connection.execute(migration.read_text())
    yield connection
    await connection.close()


async def test_orders_of_known_and_unknown_stores_each_get_their_own(con: asyncpg.Connection) -> None:
    for name in ("store-1", "store-2"):
        timeline = Timeline[StoreChanged](versions=(store_changed(store_id=name),), sent_at=(NOW,))
        await con.execute("insert into store (key, version, body) values ($1, 1, $2)", name, timeline.model_dump_json())
    messages = [order_placed(order_id=f"order-{n}", store_id=f"store-{n}") for n in (2, 3, 1, 2)]
    found = await load_stores(con, [m.order_id for m in messages], messages)
    names = [None if timeline is None else timeline.current(NOW).store_id for timeline in found]
    assert names == ["store-2", None, "store-1", "store-2"]


async def test_no_message_loads_nothing(con: asyncpg.Connection) -> None:
    assert await load_stores(con, [], []) == []


async def test_state_tables_take_a_state_under_its_key_once(con: asyncpg.Connection) -> None:
    for table in ("sales_order", "store"):
        await con.execute(f"insert into {table} (key, version, body) values ('k', 1, '{{}}')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await con.execute(f"insert into {table} (key, version, body) values ('k', 1, '{{}}')")
        assert await con.fetchval(f"select updated_at is not null from {table}")
