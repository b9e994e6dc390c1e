"""The same hop with FastStream, one transaction per message with inbox and outbox tables. Run as a process.

    python -m tests.benchmarks.hop_peer AMQP_URL DATABASE_URL PREFETCH

Written after FastStream's documentation: quorum queue, a channel with prefetch and publisher confirms, pydantic model
in the handler's signature, nack on error. Up to PREFETCH handlers run at the same time. The outgoing body is encoded
once and stored as it is sent; a redelivered event whose message may not have been sent sends it again.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid5

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue

from schemas.envelope import Event
from schemas.order import OrderAccepted, OrderPlaced
from tests.benchmarks.hop_service import NAME, accepted, order_of

TABLES = """
create table if not exists peer_inbox (ref uuid primary key, received_at timestamptz not null default now());
create table if not exists peer_order (
    key text primary key, version int not null, body jsonb not null, updated_at timestamptz not null default now());
create table if not exists peer_outbox (
    id uuid primary key, cause uuid not null, routing_key text not null, body bytea not null,
    created_at timestamptz not null default now());
create index if not exists peer_outbox_cause on peer_outbox (cause);
"""
EVENTS = RabbitExchange("fleet.events", type=ExchangeType.TOPIC, declare=False)


async def save(con: asyncpg.Connection, event: Event[OrderPlaced]) -> tuple[UUID, bytes] | None:
    """Inbox, state and outbox in one transaction; what is to be sent, None where it was sent before."""
    async with con.transaction():
        new = await con.fetchval(
            "insert into peer_inbox (ref) values ($1) on conflict do nothing returning ref", event.ref
        )
        if new is None:
            row = await con.fetchrow("select id, body from peer_outbox where cause = $1", event.ref)
            return None if row is None else (row["id"], row["body"])
        id, body = said(event)
        await con.execute(
            "insert into peer_order as t (key, version, body) values ($1, 1, $2) on conflict (key) do update "
            "set version = t.version + 1, body = excluded.body, updated_at = now()",
            event.data.order_id,
            order_of(event.data).model_dump_json(exclude_none=True),
        )
        await con.execute(
            "insert into peer_outbox (id, cause, routing_key, body) values ($1, $2, $3, $4)",
            id,
            event.ref,
            OrderAccepted.TYPE,
            body,
        )
        return id, body


def said(event: Event[OrderPlaced]) -> tuple[UUID, bytes]:
    now, id = datetime.now(UTC), uuid5(event.ref, OrderAccepted.TYPE)
    message = Event[OrderAccepted](
        specversion="1.0",
        id=str(id),
        source="/peer/order_intake",
        type=OrderAccepted.TYPE,
        subject=event.subject,
        time=now,
        correlationid=event.correlationid or event.id,
        causationid=event.id,
        data=accepted(event.data, now),
    )
    return id, message.model_dump_json(exclude_none=True).encode()


async def main(amqp_url: str, database_url: str, prefetch: int) -> None:
    channel = Channel(prefetch_count=prefetch, publisher_confirms=True, on_return_raises=True)
    broker = RabbitBroker(amqp_url, default_channel=channel, logger=None)
    app = FastStream(broker)
    queue = RabbitQueue(NAME, queue_type=QueueType.QUORUM, durable=True, declare=False)
    async with asyncpg.create_pool(database_url) as pool:

        @broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR)
        async def on_order_placed(event: Event[OrderPlaced]) -> None:
            async with pool.acquire() as con:
                outgoing = await save(cast(asyncpg.Connection, con), event)
            if outgoing is not None:
                id, body = outgoing
                await broker.publish(
                    body,
                    exchange=EVENTS,
                    routing_key=OrderAccepted.TYPE,
                    persist=True,
                    content_type="application/json",
                    message_id=str(id),
                )
                await pool.execute("delete from peer_outbox where id = $1", id)

        await app.run()


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
