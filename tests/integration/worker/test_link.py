"""A link that is lost says so: it never cancels those who wait on it."""

import asyncio
from typing import Any

import pytest
from aio_pika.connection import Connection
from aio_pika.exceptions import AMQPConnectionError

from deploy.local.ports import free_ports
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


async def test_connection_that_never_came_up_is_closed_by_its_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it closes itself when it is collected, and that is never awaited where no loop runs then."""
    left: list[Connection] = []
    connect = Connection.connect

    async def noting(connection: Connection, **more: Any) -> None:
        left.append(connection)
        await connect(connection, **more)

    monkeypatch.setattr(Connection, "connect", noting)
    with pytest.raises(AMQPConnectionError):
        async with open_link(f"amqp://127.0.0.1:{free_ports(1)[0]}", "test"):
            pass
    assert [connection.is_closed for connection in left] == [True]


async def test_delivery_that_cannot_be_taken_ends_the_link(bench: Bench) -> None:
    def broken(_: Any) -> None:
        raise RuntimeError("a bug")

    async with open_link(bench.vhost.amqp_url, "test") as link:
        await link.consume(NAME, 10, broken)
        await bench.publish(event(payment()))
        await until(lambda: not link.is_up)
