"""A database connection that ends in the middle of an answer, or of which nothing more is heard."""

import asyncio

import asyncpg
import pytest

from schemas.payment import PaymentApproved
from shared import database
from shared.broker.link import open_link
from shared.broker.outgoing import Outgoing
from shared.database import connection
from shared.service import serve
from shared.worker import store
from tests.integration.worker.bench import Bench, event, payment, service, until
from tests.integration.worker.proxy import proxied

LOST = "cannot switch to state 12; another operation (2) is in progress"
"""What asyncpg says when PostgreSQL has ended the session and the next statement comes before the socket's end."""


async def test_connection_lost_in_the_middle_of_an_answer_is_not_used_again(bench: Bench) -> None:
    async with asyncpg.create_pool(bench.url, min_size=1, max_size=1) as pool:
        seen = []

        async def lose() -> None:
            async with connection(pool) as con:
                seen.append(await con.fetchval("select pg_backend_pid()"))
                raise asyncpg.InternalClientError(LOST)

        with pytest.raises(asyncpg.InterfaceError, match="another operation"):
            await lose()
        async with connection(pool) as con:
            assert await con.fetchval("select pg_backend_pid()") not in seen


async def test_event_whose_connection_is_lost_so_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no bug of the decision's: the event must not become a dead letter."""
    real, losses = store.load_known, iter((True, True, False))

    async def lost(*arguments: object) -> object:
        if next(losses, False):
            raise asyncpg.InternalClientError(LOST)
        return await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "load_known", lost)
    async with bench.working():
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1)
        assert len(bench.health.told("database", "another operation")) == 2
    assert bench.dead == []


async def test_database_that_is_not_heard_of_any_more_is_given_up_and_asked_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "COMMAND_SECONDS", 1.0)
    async with proxied(bench.url) as proxy, bench.working(database_url=proxy.through(bench.url)):
        await bench.publish(event(payment(payment="P1")))
        await until(lambda: len(bench.facts) == 1)
        proxy.stall()
        await bench.publish(event(payment(payment="P2")))
        await until(lambda: any(c.held_back for c in proxy.connections), why="an answer was held back")
        await until(lambda: len(bench.facts) == 2, 30)
        await until(lambda: not bench.health.reasons, 30)
    assert await bench.tally() == ("P1", "P2")


async def test_process_ends_in_time_though_its_database_is_not_heard_of_any_more(bench: Bench) -> None:
    """What is cancelled waits for the server's word that it stopped: a server that vanished never says it."""
    async with proxied(bench.url) as proxy:
        stop, runtime = asyncio.Event(), bench.runtime(database_url=proxy.through(bench.url), grace_seconds=1.0)
        task = asyncio.create_task(serve(service(), runtime, stop, bench.health))
        await bench.publish(event(payment(payment="P1")))
        await until(lambda: len(bench.facts) == 1)
        proxy.stall()
        await bench.publish(event(payment(payment="P2")))
        await until(lambda: any(c.held_back for c in proxy.connections), why="an answer was held back")
        stop.set()
        ended, _ = await asyncio.wait([task], timeout=15)
        proxy.cut()
        await task
        assert ended, "it waited for a word of the database though its grace period was over"


async def test_who_publishes_hears_that_it_is_cancelled_while_a_failed_publish_is_cleared_away(bench: Bench) -> None:
    """A worker's tick that does not hear it goes on for ever, and the process that waits for it never ends."""
    clearing = asyncio.Event()

    async def unconfirmed(message: Outgoing) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            clearing.set()
            await asyncio.sleep(0.2)
            raise

    async with open_link(bench.vhost.amqp_url, "test") as link:
        link._send = unconfirmed  # type: ignore[method-assign]
        message = Outgoing("fleet.events", PaymentApproved.TYPE, "application/json", b"{}", "m1")
        publishing = asyncio.create_task(link.publish([message], deadline=0.05))
        async with asyncio.timeout(10):
            await clearing.wait()
            publishing.cancel()
            await asyncio.wait([publishing])
    assert publishing.cancelled()
