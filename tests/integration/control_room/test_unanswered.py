"""Campaigns whose orders get lost, or die themselves: they learn of it, ask again, and do not wait for ever."""

import json
from datetime import timedelta
from typing import Any

import aio_pika
import asyncpg
import pytest

from services.control_room.__main__ import service as control_room
from services.control_room.campaign import pace
from services.control_room.campaign.reading import store
from services.control_room.campaign.state import Campaign
from services.control_room.servers import reading
from shared.broker.link import Delivery
from shared.migrate import service_url
from shared.worker.suspects import ATTEMPTS, MARKED_FROM, WHOLE, message_of
from tests.conftest import PASSWORD
from tests.integration.control_room.conftest import Room, fleet_cli
from tests.integration.control_room.test_campaigns import die, replay
from tests.integration.control_room.test_dead_letters import Bug, fleet, listed, tally
from tests.integration.worker.bench import NAME, service, until


async def waiting(room: Room) -> int:
    """Messages that nobody has taken out of the service's queue."""
    async with await aio_pika.connect(room.vhost.amqp_url) as connection:
        queue = await (await connection.channel()).declare_queue(NAME, passive=True)
        return queue.declaration_result.message_count or 0


async def never_decoded(room: Room) -> None:
    """The message in the service's queue as one that each time ends the process that decodes it."""
    async with await aio_pika.connect(room.vhost.amqp_url) as connection:
        queue = await (await connection.channel()).get_queue(NAME, ensure=False)
        for _ in range(MARKED_FROM - 1):
            message = await until(lambda: queue.get(fail=False))
            await message.nack(requeue=True)
    delivery = Delivery(0, NAME, "", message.routing_key, message.content_type, {}, message.body, True)
    begun = ATTEMPTS - (MARKED_FROM - 1)
    admin = await asyncpg.connect(room.admin_url)
    await admin.execute(
        f"insert into {NAME}.attempt values ($1, $2, $3, 'host/1', now())", message_of(delivery), WHOLE, begun
    )
    await admin.close()


async def waits(room: Room, number: int) -> bool:
    return await waiting(room) == number


async def campaign(room: Room, id: str) -> Campaign:
    async with reading(room.url) as con:
        known = await store.load_campaign(con, id)
    assert known is not None
    return known


async def is_now(room: Room, id: str, status: str) -> bool:
    async with reading(room.url) as con:
        known = await store.load_campaign(con, id)
    return known is not None and known.status == status


async def turns(room: Room, id: str) -> list[tuple[str, str | None]]:
    async with reading(room.url) as con:
        return [(row["step"], row["outcome"]) for row in await store.load_steps(con, id)]


async def dead_with_nobody_there(room: Room, number: int) -> None:
    async with room.running(service(Bug().decide), service_url(room.admin_url, NAME, PASSWORD)):
        await die(room, number)


def mended(room: Room) -> Any:
    bug = Bug()
    bug.is_there = False
    return room.running(service(bug.decide), service_url(room.admin_url, NAME, PASSWORD))


async def test_order_that_kills_its_service_each_time_fails_its_letters_and_stops_the_campaign(room: Room) -> None:
    async with room.running(control_room(room.settings), room.url):
        await dead_with_nobody_there(room, 3)
        id = (await replay(room, "--service", NAME, "--yes", "--no-wait"))["campaign_id"]
        await until(lambda: waits(room, 1))
        await never_decoded(room)
        async with mended(room):
            await until(lambda: is_now(room, id, "failing"))
            watched = json.loads((await fleet_cli(room, "dead-letters", "watch", id, "--json")).stdout)
            [failure] = watched["failures"]
            assert f"the order to {NAME} died itself" in failure["error"]
            assert "never ended" in failure["error"]
            assert [row["occurrence"] for row in await listed(room, status="failed")] == [failure["occurrence"]]
            await fleet_cli(room, "dead-letters", "resume", id, "--why", "go on", "--actor", "ana")
            await until(lambda: is_now(room, id, "done"))
            again = await replay(room, failure["occurrence"], "--yes")
    assert (again["status"], again["resolved"]) == ("done", 1), "and its letter can be replayed"


async def test_order_that_got_lost_is_given_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "ANSWER_WITHIN", timedelta(seconds=1))
    async with room.running(control_room(room.settings), room.url):
        await dead_with_nobody_there(room, 2)
        id = (await replay(room, "--service", NAME, "--yes", "--no-wait"))["campaign_id"]
        await until(lambda: waits(room, 1))
        async with await aio_pika.connect(room.vhost.amqp_url) as connection:
            await (await (await connection.channel()).get_queue(NAME, ensure=False)).purge()
        async with mended(room):
            await until(lambda: is_now(room, id, "done"), 30)
    assert ("asked_again", "1 letters that nobody answered for") in await turns(room, id)
    assert {letter["status"] for letter in await listed(room)} == {"resolved"}


async def test_campaign_that_nobody_answers_stops_and_what_was_asked_often_is_done_once(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "ANSWER_WITHIN", timedelta(seconds=0.5))
    async with room.running(control_room(room.settings), room.url):
        await dead_with_nobody_there(room, 2)
        id = (await replay(room, "--service", NAME, "--yes", "--no-wait"))["campaign_id"]
        await until(lambda: is_now(room, id, "failing"), 40)
        assert (await turns(room, id))[-1] == ("failing", "no answer about 1 letters, asked 4 times")
        assert await waiting(room) == 1 + pace.ASKED_AGAIN
        monkeypatch.setattr(pace, "ANSWER_WITHIN", timedelta(minutes=10))
        async with mended(room):
            await until(lambda: answered(room, id))
            await fleet_cli(room, "dead-letters", "resume", id, "--why", "it is back", "--actor", "ana")
            await until(lambda: is_now(room, id, "done"))
        known = await campaign(room, id)
    assert (known.resolved, known.failed, known.outcomes) == (2, 0, {"handled": 2})


async def answered(room: Room, id: str) -> bool:
    return (await campaign(room, id)).resolved == 1


async def test_dry_run_of_more_than_one_part_is_answered_part_by_part(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.control_room.campaign.decide import inspection

    monkeypatch.setattr(inspection, "INSPECTED_AT_ONCE", 3)
    async with fleet(room, Bug()):
        await die(room, 8)
        planned = await replay(room, "--service", NAME)
    assert planned["findings"] == {"would_fail": 8}
    assert await tally(room) is None
