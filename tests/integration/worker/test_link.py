"""A link that is lost says so: it never cancels those who wait on it."""

import asyncio
from typing import Any

import pytest

from shared.broker.link import open_link
from shared.broker.outgoing import NotConfirmed, Outgoing
from tests.integration.worker.bench import NAME, Bench, event, payment, until


async def test_publish_on_a_connection_that_is_closed_is_not_confirmed(bench: Bench) -> None:
    messages = [Outgoing("fleet.inbound", "payment.approved.v1", "text/plain", b"x", str(n)) for n in range(2000)]
    async with open_link(bench.vhost.amqp_url, "test") as link:
        publishing = asyncio.create_task(link.publish(messages))
        await asyncio.sleep(0)
        await link._connection.close()
        with pytest.raises(NotConfirmed):
            await publishing


async def test_cancelled_publish_stays_cancelled(bench: Bench) -> None:
    messages = [Outgoing("fleet.inbound", "payment.approved.v1", "text/plain", b"x", str(n)) for n in range(2000)]
    async with open_link(bench.vhost.amqp_url, "test") as link:
        publishing = asyncio.create_task(link.publish(messages))
        await asyncio.sleep(0)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing


async def test_delivery_that_cannot_be_taken_ends_the_link(bench: Bench) -> None:
    def broken(_: Any) -> None:
        raise RuntimeError("a bug")

    async with open_link(bench.vhost.amqp_url, "test") as link:
        await link.consume(NAME, 10, broken)
        await bench.publish(event(payment()))
        await until(lambda: not link.is_up)
