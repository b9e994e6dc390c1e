"""One connection to the broker: a channel to consume and one to publish. It lives once; its owner makes a new one.

aio-pika's robust mode is not used: it loses consumers after reconnects and publishes can hang in it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import aio_pika
import structlog
from aio_pika.connection import make_url
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from shared.broker.frames import read_whatever_comes
from shared.broker.outgoing import NotConfirmed, Outgoing

log = structlog.get_logger()

CONFIRM_SECONDS = 20.0
OPEN_SECONDS = 10.0
HEARTBEAT_SECONDS = 20
"""aiormq gives a silent connection up after three times that: a broker that vanished is missed in a minute."""


class LinkLost(Exception):
    """The connection or a channel closed, or the broker cancelled the consumer."""


@contextmanager
def told_apart() -> Iterator[None]:
    """LinkLost where aiormq cancels what waits on a closed connection; CancelledError only where a caller cancels."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise LinkLost("closed while waiting for the broker") from error


@dataclass(frozen=True, slots=True)
class Delivery:
    """One AMQP message that was delivered and is not acked yet."""

    tag: int
    queue: str
    exchange: str
    routing_key: str
    content_type: str
    headers: dict[str, Any]
    body: bytes
    redelivered: bool

    @property
    def count(self) -> int:
        """How often it was delivered before, as the quorum queue counts, at least. Every return and every close counts,
        handled or not; from RabbitMQ 4.3 on that is `x-acquired-count`, and `x-delivery-count` leaves out what was
        given back with a nack. On a first delivery such headers are a publisher's own and say nothing."""
        counts = (self.headers.get(name) for name in ("x-delivery-count", "x-acquired-count"))
        return max([1, *(n for n in counts if isinstance(n, int))]) if self.redelivered else 0


OnDelivery = Callable[[Delivery], None]


class Link:
    """Consumes, publishes and acks on one connection. `lost` is done as soon as any of it is over."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection, reading: AbstractChannel, writing: AbstractChannel):
        self._connection = connection
        self._reading = reading
        self._writing = writing
        self._tags: list[str] = []
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        parts = (("connection", reading.connection), ("consuming channel", reading), ("publishing channel", writing))
        for name, part in parts:
            part.closing.add_done_callback(partial(self._closed, name))
        reading.on_consumer_cancel_callbacks.add(lambda _: self._over("the broker cancelled the consumer"))

    def _closed(self, name: str, closing: "asyncio.Future[Any]") -> None:
        error = None if closing.cancelled() else closing.exception()
        self._over(f"{name} closed: {error!r}")

    def _over(self, why: str) -> None:
        if not self.lost.done():
            self.lost.set_result(why)

    @property
    def is_up(self) -> bool:
        return not self.lost.done()

    async def blocked(self) -> bool:
        """Whether the broker refuses publishes at the moment (its memory or disk alarm)."""
        transport = self._connection.transport
        if transport is None:
            return False
        try:
            async with asyncio.timeout(0.05):
                await transport.connection.ready()
        except TimeoutError:
            return True
        return False

    async def consume(self, queue: str, prefetch: int, on_delivery: OnDelivery) -> None:
        """Starts consuming; consumers started before on this link are cancelled first, their deliveries stay ours."""
        await self.stop_consuming()

        async def deliver(message: DeliveredMessage) -> None:
            self._deliver(on_delivery, queue, message)

        with told_apart():
            await self._reading.basic_qos(prefetch_count=prefetch, timeout=OPEN_SECONDS)
        await self._start(queue, deliver)

    async def consume_also(self, queue: str, on_delivery: OnDelivery) -> None:
        """Another queue on the same channel, with the prefetch set last, which counts for each queue by itself."""

        async def deliver(message: DeliveredMessage) -> None:
            self._deliver(on_delivery, queue, message)

        await self._start(queue, deliver)

    def _deliver(self, on_delivery: OnDelivery, queue: str, message: DeliveredMessage) -> None:
        """A delivery that nobody has taken must not be acked with a later one: it ends the link."""
        try:
            on_delivery(_delivery(queue, message))
        except Exception as error:
            self._over(f"a delivery could not be taken: {error!r}")
            raise

    async def _start(self, queue: str, deliver: Callable[[DeliveredMessage], Coroutine[Any, Any, Any]]) -> None:
        with told_apart():
            answer = await self._reading.basic_consume(queue, deliver, timeout=OPEN_SECONDS)
        self._tags.append(cast(str, answer.consumer_tag))

    async def stop_consuming(self) -> None:
        """Cancels all consumers of this link."""
        while self._tags and self.is_up:
            with told_apart():
                await self._reading.basic_cancel(self._tags.pop(), timeout=OPEN_SECONDS)

    async def ack_up_to(self, tag: int) -> None:
        """Acks every delivery up to `tag`: the caller makes sure that all of them are complete."""
        await self._reading.basic_ack(tag, multiple=True, wait=False)

    async def give_back(self) -> None:
        """Hands all unacked deliveries back (RabbitMQ 4.3 and later does not count a nack as a delivery)."""
        async with asyncio.timeout(OPEN_SECONDS):  # on a connection that is silent it would wait for its socket
            with told_apart():
                await self._reading.basic_nack(0, multiple=True, requeue=True)

    async def publish(self, messages: Sequence[Outgoing], deadline: float = CONFIRM_SECONDS) -> None:
        """Sends all and awaits every confirm. NotConfirmed: at least one was nacked, returned, or not confirmed in
        `deadline` seconds, not counting the time that the broker blocks publishers."""
        if not messages:
            return
        confirms = asyncio.gather(*(self._send(m) for m in messages))
        try:
            was_blocked = False
            while not (await asyncio.wait([confirms], timeout=deadline))[0]:
                is_blocked = await self.blocked()
                if not (is_blocked or was_blocked):
                    raise NotConfirmed(f"no confirm for {len(messages)} messages within {deadline} s")
                was_blocked = is_blocked
            with told_apart():
                await confirms
        except NotConfirmed:
            raise
        except DeliveryError as error:
            raise NotConfirmed(_explain(error)) from error
        except Exception as error:  # a lost connection ends what waits on it with whatever it was lost by
            raise NotConfirmed(f"channel lost while publishing: {error!r}") from error
        finally:
            confirms.cancel()
            await asyncio.wait([confirms])  # who cancels us meanwhile is heard
            if not confirms.cancelled():
                confirms.exception()

    async def _send(self, message: Outgoing) -> None:
        send: Any = self._writing.basic_publish  # `wait` (for the socket to drain) is missing in its abstract signature
        await send(
            message.body,
            exchange=message.exchange,
            routing_key=message.routing_key,
            mandatory=True,
            wait=False,
            properties=Basic.Properties(
                content_type=message.content_type, delivery_mode=2, message_id=message.message_id
            ),
        )


def _delivery(queue: str, message: DeliveredMessage) -> Delivery:
    properties = message.header.properties
    frame = cast(Basic.Deliver, message.delivery)
    return Delivery(
        tag=cast(int, frame.delivery_tag),
        queue=queue,
        exchange=frame.exchange or "",
        routing_key=frame.routing_key or "",
        content_type=properties.content_type or "",
        headers=dict(properties.headers or {}),
        body=message.body,
        redelivered=bool(frame.redelivered),
    )


def _explain(error: DeliveryError) -> str:
    frame = error.frame
    if isinstance(frame, Basic.Return):
        return f"returned by {frame.exchange!r} for {frame.routing_key!r}: {frame.reply_text}"
    return f"nacked by the broker: {error}"


@asynccontextmanager
async def open_link(url: str, name: str) -> AsyncIterator[Link]:
    """A connected link, closed on leaving. Raises what aio-pika raises when the broker is not there."""
    async with connected(url, name) as connection:
        with told_apart():
            async with asyncio.timeout(OPEN_SECONDS):
                reading = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
                writing = await (await connection.channel(on_return_raises=True)).get_underlay_channel()
        yield Link(connection, reading, writing)


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    """A plain connection, closed on leaving, also where it never came up: what `aio_pika.connect` leaves behind then
    closes itself when it is collected, perhaps where no loop runs any more ("close was never awaited")."""
    read_whatever_comes()
    address = make_url(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_SECONDS)
    connection = aio_pika.Connection(address, client_properties={"connection_name": name})
    try:
        with told_apart():
            await connection.connect(timeout=OPEN_SECONDS)
        yield connection
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(OPEN_SECONDS):
                with told_apart():
                    await connection.close()
