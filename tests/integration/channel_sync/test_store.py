"""channel_sync's SQL on a real PostgreSQL, with its own migrations."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

import services.channel_sync
from schemas.timeline import Timeline
from services.channel_sync.state import ChannelOrder
from services.channel_sync.store import find_orders, load_references
from tests.unit.channel_sync import builders as b

MIGRATIONS = Path(services.channel_sync.__file__).parent / "migrations"


@pytest.fixture
async def con(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        await connection.execute(migration.read_text())
    yield connection
    await connection.close()


async def save(con: asyncpg.Connection, table: str, key: str, body: str) -> None:
    await con.execute(f"insert into {table} (key, version, body) values ($1, 1, $2)", key, body)


async def save_order(con: asyncpg.Connection, number: int, channel: str = "magalu") -> None:
    message = b.accepted(
        order_id=f"order-{number}",
        channel_id=channel,
        channel_order_code=f"C-{number}",
        store_id=f"store-{number % 2}",
    )
    state = b.Order().hear(message).state
    assert state is not None
    await save(con, "channel_order", state.order_id, state.model_dump_json())


async def test_reports_find_their_orders_by_channel_and_code(con: asyncpg.Connection) -> None:
    for number in (1, 2):
        await save_order(con, number)
    await save_order(con, 3, channel="amazon")
    asked = [("magalu", "C-2"), ("amazon", "C-2"), ("magalu", "C-9"), ("amazon", "C-3"), ("magalu", "C-2")]
    reports = [b.reported("shipped", channel_id=channel, channel_order_code=code) for channel, code in asked]
    assert await find_orders(con, reports) == ["order-2", None, None, "order-3", "order-2"]


async def test_order_that_was_not_accepted_is_not_found(con: asyncpg.Connection) -> None:
    await save(con, "channel_order", "order-1", ChannelOrder(order_id="order-1").model_dump_json())
    assert await find_orders(con, [b.reported("shipped", channel_order_code="C-1")]) == [None]


async def test_references_come_from_the_acceptance_or_from_the_order_accepted_before(con: asyncpg.Connection) -> None:
    await save_order(con, 1)
    for channel in ("magalu", "amazon"):
        versions = (
            b.channel_changed(channel_id=channel),
            b.channel_changed(channel_id=channel, valid_from=b.NOW + timedelta(1)),
        )
        await save(con, "channel", channel, Timeline(versions=versions).model_dump_json())
    await save(con, "store", "store-1", Timeline(versions=(b.store_changed(store_id="store-1"),)).model_dump_json())
    messages = [
        b.dispatched(order_id="order-1"),
        b.accepted(order_id="order-2", channel_id="amazon", store_id="store-1"),
        b.dispatched(order_id="order-3"),
        b.accepted(order_id="order-4", channel_id="unknown", store_id="unknown"),
    ]
    found = await load_references(con, [m.subject for m in messages], messages)
    names = [
        (
            reference.channel and reference.channel.current(b.NOW).channel_id,
            reference.store and reference.store.current(b.NOW).store_id,
        )
        for reference in found
    ]
    assert names == [("magalu", "store-1"), ("amazon", "store-1"), (None, None), (None, None)]
    assert found[0].channel is not None
    assert len(found[0].channel.versions) == 2


async def test_nothing_asked_loads_nothing(con: asyncpg.Connection) -> None:
    assert await load_references(con, [], []) == []
    assert await find_orders(con, []) == []


async def test_lookup_by_code_uses_its_index(con: asyncpg.Connection) -> None:
    await con.execute("set enable_seqscan = off")
    plan = await con.fetch(
        "explain select key from channel_order where channel_id = 'magalu' and channel_order_code = 'C-1'"
    )
    assert "channel_order_by_code" in "\n".join(row[0] for row in plan)
