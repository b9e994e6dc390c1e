"""A worker on a real broker and a real database, with decisions of the test's own, seen from outside.

It runs under the name of a real service, because queues and rights derive from the catalogue.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
from aio_pika.abc import AbstractExchange

from schemas import envelope
from schemas.decision import Context, Decision, Outcome
from schemas.model import Message, Model
from schemas.order import OrderCompleted
from schemas.payment import PaymentApproved
from shared import logs
from shared.broker.apply import apply
from shared.health import Health
from shared.migrate import migrate, service_url
from shared.service import serve
from shared.settings import Runtime
from shared.worker.subscription import Aggregate, Service, Subscription
from tests.conftest import PASSWORD, VirtualHost

NAME = "order_intake"
logs.configure(NAME, "error", "text")
MIGRATIONS = Path(__file__).parent / "migrations"


class Tally(Model):
    """The state: the payments that were counted, in order."""

    seen: tuple[str, ...] = ()


TALLY = Aggregate("tally", Tally, named="order_id")
Decide = Callable[[Tally | None, PaymentApproved, Context[Any]], Outcome[Tally]]


def count(tally: Tally | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
    """Handles every event, and says so once."""
    known = tally or Tally()
    said = OrderCompleted(order_id=event.order_id, store_id="s", channel_id=event.payment_id, completed_at=ctx.now)
    return Decision(Tally(seen=(*known.seen, event.payment_id)), events=[said])


def service(decide: Decide = count, **more: Any) -> Service:
    return Service(NAME, (Subscription(PaymentApproved, TALLY, decide), *more.pop("subscriptions", ())), **more)


def payment(order: str = "ORD-1", payment: str = "P1") -> PaymentApproved:
    return PaymentApproved(order_id=order, payment_id=payment, amount="1.00", approved_at=datetime.now(UTC))


def event(data: Message, id: str | None = None, **attributes: Any) -> bytes:
    """A CloudEvent as an upstream system writes it; `attributes` replace or add to what it says."""
    said = {
        "specversion": "1.0",
        "id": id or uuid4().hex,
        "source": "/upstream/test",
        "type": data.TYPE,
        "subject": data.subject,
        "time": datetime.now(UTC).isoformat(),
        "data": data.model_dump(mode="json"),
        **attributes,
    }
    return json.dumps(said).encode()


@dataclass(slots=True)
class Diary(Health):
    """Remembers every reason that there was for not being ready, by part."""

    past: list[tuple[str, str]] = field(default_factory=list)

    def not_ready(self, part: str, why: str) -> None:
        self.past.append((part, why))
        Health.not_ready(self, part, why)

    def told(self, part: str, what: str = "") -> list[str]:
        """What was said of the part, where it contains `what`."""
        return [why for name, why in self.past if name == part and what in why]


@dataclass
class Bench:
    """Publishes to the worker, sees what it publishes, looks into its tables."""

    vhost: VirtualHost
    admin_url: str
    url: str
    connection: aio_pika.abc.AbstractConnection
    inbound: AbstractExchange
    channel: aio_pika.abc.AbstractChannel
    probe: aio_pika.abc.AbstractQueue
    facts: list[dict[str, Any]] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    """Dead letters of events that wait behind one in `dead`."""
    parts: list[dict[str, Any]] = field(default_factory=list)
    """What brings the rest of long bodies."""
    health: Diary = field(default_factory=Diary)

    async def publish(
        self, *bodies: bytes, key: str = PaymentApproved.TYPE, content_type: str = envelope.EVENT, headers: Any = None
    ) -> None:
        for body in bodies:
            message = aio_pika.Message(body, content_type=content_type, delivery_mode=2, headers=headers)
            await self.inbound.publish(message, key)

    async def command(self, data: Message, id: str | None = None) -> None:
        """What another service, or control_room, tells this one."""
        exchange = await self.channel.get_exchange(f"fleet.to.{NAME}", ensure=False)
        body = event(data, id, source="/dropfleet/control_room")
        await exchange.publish(aio_pika.Message(body, content_type=envelope.EVENT), data.TYPE)

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def kept(self) -> list[asyncpg.Record]:
        return await self.rows("select * from inbox_kept order by seq")

    async def tally(self, order: str = "ORD-1") -> tuple[str, ...]:
        rows = await self.rows("select body from tally where key = $1", order)
        return Tally.model_validate_json(rows[0]["body"]).seen if rows else ()

    async def queue_depth_is(self, depth: int, queue: str = NAME) -> bool:
        """Whether so many messages wait in the queue, ready (unacked ones are not counted)."""
        found = await self.channel.declare_queue(queue, passive=True)
        return int(found.declaration_result.message_count or 0) == depth

    def runtime(self, **changes: Any) -> Runtime:
        values: dict[str, Any] = {
            "amqp_url": self.vhost.amqp_url,
            "database_url": self.url,
            "health_host": "127.0.0.1",
            "health_port": 0,
            "ladder_seconds": (0.2, 0.3),
            "log_level": "error",
            **changes,
        }
        return Runtime(**values)

    @asynccontextmanager
    async def working(self, what: Service | None = None, **changes: Any) -> AsyncIterator[asyncio.Event]:
        """The worker runs for the block; yields what stops it."""
        stop = asyncio.Event()
        self.health = Diary()
        task = asyncio.create_task(serve(what or service(), self.runtime(**changes), stop, self.health))
        try:
            yield stop
        finally:
            stop.set()
            await task


async def until(condition: Callable[[], Any | Awaitable[Any]], seconds: float = 60.0, why: str = "") -> Any:
    """What the condition says once it is true. AssertionError: not within `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            try:
                async with asyncio.timeout_at(end + 1.0):  # RabbitMQ may answer a question about a queue never
                    value = await value
            except TimeoutError:
                value = None
        if value:
            return value
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {seconds} s: {why or condition}")
        await asyncio.sleep(0.03)


async def prepare(vhost: VirtualHost, database: str) -> None:
    await apply(vhost.amqp_url, vhost.management_url)
    await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)


_LET_GO = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and state like 'idle in transaction%' and pid <> pg_backend_pid()
"""
"""A test that failed while it held a lock has left it."""


async def empty(vhost: VirtualHost, database: str) -> None:
    """Leaves nothing of a test in tables and queues. Making them costs more than most tests."""
    calls = ("partner_call", "partner_call_done", "partner_gate")
    tables = ("outgoing", "attempt", *calls, "reminder", "inbox", "inbox_kept", "number_series", "tally")
    async with asyncio.timeout(60):  # of a queue without a leader RabbitMQ answers nothing
        admin = await asyncpg.connect(database)
        await admin.execute(_LET_GO)
        await admin.execute(f"truncate {', '.join(f'{NAME}.{table}' for table in tables)}")
        await admin.close()
        async with await aio_pika.connect(vhost.amqp_url) as connection:
            channel = await connection.channel()
            for queue in (NAME, f"{NAME}.dead", "control_room.journal", "fleet.unrouted"):
                await (await channel.get_queue(queue, ensure=False)).purge()


@asynccontextmanager
async def bench_on(vhost: VirtualHost, database: str) -> AsyncIterator[Bench]:
    """On a virtual host and a database of its own."""
    await prepare(vhost, database)
    async with bench_at(vhost, database) as bench:
        yield bench


@asynccontextmanager
async def bench_at(vhost: VirtualHost, database: str) -> AsyncIterator[Bench]:
    """On a virtual host and a database that are prepared."""
    connection = await aio_pika.connect(vhost.amqp_url)
    channel = await connection.channel()
    inbound = await channel.get_exchange("fleet.inbound", ensure=False)
    watching = await connection.channel()
    seen = await watching.declare_queue("", exclusive=True)
    bench = Bench(vhost, database, service_url(database, NAME, PASSWORD), connection, inbound, channel, seen)
    await seen.bind("fleet.events", "#")
    await seen.consume(collect(bench.facts), no_ack=True)
    letters = await watching.get_queue(f"{NAME}.dead", ensure=False)
    await letters.consume(sort_out(bench), no_ack=True)
    try:
        yield bench
    finally:
        await connection.close()


def collect(into: list[dict[str, Any]]) -> Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]]:
    async def on(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        into.extend(events_in(message.body))

    return on


def sort_out(bench: Bench) -> Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]]:
    async def on(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        for letter in events_in(message.body):
            said = letter["data"]
            is_part, is_held = said.get("body_offset"), said.get("reason") == "held"
            (bench.parts if is_part else bench.held if is_held else bench.dead).append(letter)

    return on


def events_in(body: bytes) -> Sequence[dict[str, Any]]:
    said = json.loads(body)
    return said if isinstance(said, list) else [said]


def pack(bodies: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(bodies) + b"]"
