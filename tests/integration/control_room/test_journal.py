"""The journal's consumer between a real broker and a real database."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aio_pika
import aiohttp
import asyncpg
import pytest

from schemas import envelope
from services.control_room import console, journal, servers
from services.control_room.entry import Described, Entry
from shared.database import connection
from tests.integration.control_room.conftest import Room
from tests.integration.worker.bench import until
from tests.unit.control_room.builders import AT, delivery, event


@asynccontextmanager
async def journaling(room: Room, pool: asyncpg.Pool) -> AsyncIterator[None]:
    task = asyncio.create_task(journal.run(pool, room.settings))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def say(room: Room, *events: dict[str, Any], exchange: str = "fleet.events") -> None:
    """As a service (packed) or an upstream system publishes; the fleet's queues are not consumed here."""
    body = json.dumps(list(events)).encode()
    await room.publish(body, exchange, events[0]["type"], envelope.PACK)


async def count(pool: asyncpg.Pool, condition: str = "true") -> int:
    return int(await pool.fetchval(f"select count(*) from journal where {condition}"))


async def waiting(room: Room) -> int:
    async with await aio_pika.connect(room.vhost.amqp_url) as connection:
        queue = await (await connection.channel()).declare_queue(journal.QUEUE, passive=True)
        return int(queue.declaration_result.message_count or 0)


async def test_what_both_entries_carry_is_kept_and_acked(room: Room, pool: asyncpg.Pool) -> None:
    async with journaling(room, pool):
        await say(room, event(id="1"), event(id="2"))
        await say(room, event(id="3", type="order.placed.v2", source="shop"), exchange="fleet.inbound")
        await room.publish(b"rubbish", "fleet.inbound", "order.placed.v2", "text/plain")
        await until(lambda: kept(pool, 4))
        await say(room, event(id="5"))
        await until(lambda: kept(pool, 5))
    assert await count(pool, "type is null") == 1
    assert await waiting(room) <= 1, "those before the last one are acked when it is kept"


async def kept(pool: asyncpg.Pool, number: int) -> bool:
    return await count(pool) == number


async def test_connection_that_is_cut_is_made_again_and_nothing_is_lost_or_doubled(
    room: Room, pool: asyncpg.Pool
) -> None:
    async with journaling(room, pool):
        await say(room, event(id="1"))
        await until(lambda: kept(pool, 1))
        cut = await until(lambda: cut_connections(room))
        await say(room, event(id="1"), event(id="2"))
        await until(lambda: kept(pool, 2))
    assert cut >= 1


async def cut_connections(room: Room) -> int:
    """Closes the journal's connection from the broker's side; how many there were."""
    cut = 0
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with session.get(f"{room.vhost.management_url}/api/vhosts/{room.vhost.name}/connections") as response:
            found = await response.json()
        for connection in found:
            if connection.get("client_properties", {}).get("connection_name") == journal.QUEUE:
                await session.delete(f"{room.vhost.management_url}/api/connections/{connection['name']}")
                cut += 1
    return cut


async def test_database_that_refuses_for_a_while_loses_nothing(room: Room, pool: asyncpg.Pool) -> None:
    admin = await asyncpg.connect(room.admin_url)
    await admin.execute("alter table control_room.journal rename to journal_away")
    async with journaling(room, pool):
        await say(room, event(id="1"))
        await until(lambda: nothing_ready(room))
        assert await admin.fetchval("select count(*) from control_room.journal_away") == 0
        await admin.execute("alter table control_room.journal_away rename to journal")
        await until(lambda: kept(pool, 1))
    await admin.close()


async def test_event_that_the_database_refuses_is_kept_as_bytes_and_those_beside_it_whole(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(entry: Entry) -> Described | None:
        return Described("store.changed", "s", AT, "no JSON") if entry.id == "2" else None

    monkeypatch.setattr(journal, "described", refused)
    async with connection(pool) as con:
        assert await journal.keep(con, [delivery(event(id=str(n))) for n in range(1, 4)]) == 3
    assert await pool.fetchval("select array_agg(id order by id) from journal where order_id is not null") == ["1", "3"]
    assert await count(pool, "type is null") == 1


async def test_order_is_held_up_by_its_dead_letter_however_many_others_there_are(
    room: Room, pool: asyncpg.Pool
) -> None:
    await pool.execute(
        "with n as (select 'o-' || n as o, case n when 0 then 'ORD-1' else 'ORD-X' end as named, n from "
        "generate_series(0, 1200) n), ledger as (insert into dead_letter (key, version, body) select o, 1, "
        "jsonb_build_object('occurrence', o, 'status', 'open', 'recorded', true) from n) "
        "insert into dead_letter_facts (occurrence, service, reason, error, pattern, order_id, attempts, first_at, "
        "last_at, words) select o, 'billing', 'invalid', 'e', 'e', named, 1, now(), now() + n * interval '1 s', "
        "''::tsvector from n"
    )
    async with servers.reading(room.url) as con:
        standing = (await console.load_standings(con, ["ORD-1"], datetime.now(UTC)))["ORD-1"]
    assert standing.sentence.endswith("held up by 1 dead letter of billing")


async def nothing_ready(room: Room) -> bool:
    return await waiting(room) == 0


async def test_timeline_of_an_order_has_what_partners_said_of_its_po_and_nothing_else(
    room: Room, pool: asyncpg.Pool
) -> None:
    created = {"order_id": "ORD-1", "po_number": "PC1", "supplier_id": "farol-sul", "lines": [{}], "total": "9.90"}
    said = {"po_number": "PC1", "supplier_id": "farol-sul"}
    partner = {"type": "supplier.po_confirmed.v1", "subject": "PC1", "source": "/partners/suppliers/farol-sul"}
    nf = {"type": "supplier.nf_issued.v1", "subject": "farol-sul", "source": "/partners/suppliers/farol-sul"}
    matched = {"type": "supplier_nf.matched.v1", "correlationid": "nf-1", "data": created}
    async with journaling(room, pool):
        await say(room, event(id="po", type="purchase_order.created.v1", data=created, time=at(1)))
        await say(room, event(id="ev-1", **partner, data=said, time=at(2)), exchange="fleet.inbound")
        await say(room, event(id="ev-2", **partner, data={**said, "supplier_id": "other"}), exchange="fleet.inbound")
        await say(room, event(id="nf-1", **nf, data={"supplier_id": "farol-sul"}, time=at(3)), exchange="fleet.inbound")
        await say(room, event(id="nf-2", **nf, data={"supplier_id": "farol-sul"}), exchange="fleet.inbound")
        await say(room, event(id="m", **matched, time=at(4)))
        await say(room, event(id="other", subject="ORD-2", data={"order_id": "ORD-2"}))
        await until(lambda: kept(pool, 7))
    async with servers.reading(room.url) as con:
        lines = await console.load_timeline(con, "ORD-1")
    assert [line.id for line in lines] == ["po", "ev-1", "nf-1", "m"]
    assert lines[0].words == "PC1 farol-sul 1 line 9.90"


def at(second: int) -> str:
    return datetime(2026, 11, 22, 12, 0, second, tzinfo=UTC).isoformat()
