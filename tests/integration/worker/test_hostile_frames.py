"""Frames that RabbitMQ passes on and pamqp alone would not read: each would end every connection that it came to."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from schemas import envelope
from schemas.payment import PaymentApproved
from shared import metrics
from tests.integration.worker.bench import Bench, event, payment, until

KEY, TYPE = PaymentApproved.TYPE, envelope.EVENT
MARK = "@@@@@@@@"
"""Is written as a well-behaved publisher would, and then overwritten on the wire with as many bytes."""


async def publish_raw(bench: Bench, key: str, properties: dict[str, Any], mark: bytes, written: bytes) -> None:
    """One message over a connection of its own, with `written` in the place of the mark."""
    body = event(payment(payment="hostile"), "hostile")
    async with await aio_pika.connect(bench.vhost.amqp_url) as connection:
        channel: Any = await (await connection.channel()).get_underlay_channel()
        frames: list[Any] = [
            Basic.Publish(exchange="fleet.inbound", routing_key=key),
            ContentHeader(0, len(body), Basic.Properties(delivery_mode=2, message_id="x", **properties)),
            ContentBody(body),
        ]
        frame = ChannelFrame.marshall(channel.number, frames)
        assert len(mark) == len(written)
        assert mark in frame.payload
        await channel.write_queue.put(replace(frame, payload=frame.payload.replace(mark, written)))
        await channel.queue_declare("order_intake", passive=True)  # answered after the message was taken, or refused


WIRE: dict[str, tuple[str, dict[str, Any], bytes, bytes, str | None]] = {
    "routing key": (f"payment.approved.{MARK}", {"content_type": TYPE}, MARK.encode(), b"\xff" * 8, "unknown_type"),
    "content type": (KEY, {"content_type": MARK}, MARK.encode(), b"\xfe" * 8, "undecodable"),
    "message id": (KEY, {"content_type": TYPE, "app_id": MARK}, MARK.encode(), b"\xfe" * 8, None),
    "name of a header": (KEY, {"content_type": TYPE, "headers": {MARK: 1}}, MARK.encode(), b"\xfe" * 8, "undecodable"),
    "time": (
        KEY,
        {"content_type": TYPE, "timestamp": datetime.fromtimestamp(0x40414243, UTC)},
        b"\0\0\0\0ABC"[:4] + b"@ABC",
        b"\x7f" * 8,
        None,
    ),
}


@pytest.mark.parametrize("what", WIRE)
async def test_bytes_that_are_no_text_cost_nobody_the_connection(bench: Bench, what: str) -> None:
    key, properties, mark, written, reason = WIRE[what]
    lost = metrics.SESSIONS_LOST._value.get()
    async with bench.working():
        await bench.publish(event(payment(payment="before")))
        await publish_raw(bench, key, properties, mark, written)
        await bench.publish(event(payment(payment="after")))
        await until(lambda: len(bench.facts) + len(bench.dead) == 3)
        await until(lambda: bench.queue_depth_is(0))
    assert [letter["data"]["reason"] for letter in bench.dead] == ([reason] if reason else [])
    assert {"before", "after"} <= set(await bench.tally())
    assert metrics.SESSIONS_LOST._value.get() == lost
