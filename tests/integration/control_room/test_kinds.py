"""Whatever ends as a dead letter: control_room has its reason, its error, its history, its very bytes and headers."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
import pytest

from schemas import envelope
from schemas.payment import PaymentApproved
from services.control_room import servers
from services.control_room.__main__ import service as control_room
from services.control_room.looking import store
from services.control_room.state import WholeLetter
from shared.broker.link import Delivery
from shared.migrate import service_url
from shared.worker.suspects import message_of
from tests.conftest import PASSWORD, execute
from tests.integration.control_room.conftest import Room, fleet_cli
from tests.integration.control_room.test_dead_letters import limited
from tests.integration.partner.partner import ask, calling, serving, status
from tests.integration.worker.bench import NAME, event, pack, payment, service, until
from tests.integration.worker.test_failures import Switch

HEADERS = {"x-shop": "estrada-boa", "x-tries": 3}


@asynccontextmanager
async def fleet(room: Room, what: Any = None, **changes: Any) -> AsyncIterator[None]:
    """One service, with short ladders, and the control room."""
    url = service_url(room.admin_url, NAME, PASSWORD)
    changed = {"ladder_seconds": (0.05, 0.05), **changes}
    async with room.running(what or service(), url, **changed), room.running(control_room(room.settings), room.url):
        yield


async def publish(room: Room, body: bytes, key: str = PaymentApproved.TYPE, type: str = envelope.EVENT) -> None:
    await room.publish(body, "fleet.inbound", key, type, headers=HEADERS)


async def letters(room: Room, number: int = 1) -> list[WholeLetter]:
    """So many dead letters, whole, the oldest first."""

    async def found() -> list[WholeLetter]:
        async with servers.reading(room.url) as con:
            rows = await store.load_dead_letters(con, {}, 100)
            names = [row["occurrence"] for row in reversed(rows)]
            whole = await store.load_whole(con, names)
        return [whole[name] for name in names] if len(names) == number else []

    result: list[WholeLetter] = await until(found, 30)
    return result


def changed(**changes: Any) -> bytes:
    said = json.loads(event(payment(), "e-1"))
    return json.dumps({**said, "data": {**said["data"], **changes}}).encode()


CASES = [
    ("undecodable", b"\xff\xfe no event", PaymentApproved.TYPE, None, "not JSON", 1),
    ("invalid", changed(amount="12,50"), PaymentApproved.TYPE, None, "data.amount: ", 1),
    ("unknown_type", event(payment(), "e-1"), "payment.approved.v0", None, "payment.approved.v0", 1),
    ("unknown_version", event(payment(), "e-1", type="payment.approved.v9"), "payment.approved.v9", None, "newer", 3),
    ("too_old", event(payment(), "e-1", time="2020-01-01T00:00:00Z"), PaymentApproved.TYPE, None, "2020-01-01", 1),
    ("decision_raised", changed(payment_id="bad"), PaymentApproved.TYPE, "raises", "RuntimeError: a bug", 1),
    ("refused", changed(payment_id="bad"), PaymentApproved.TYPE, "refused", "placed_differently: ", 1),
    ("not_yet_exhausted", changed(payment_id="bad"), PaymentApproved.TYPE, "not yet", "needs ", 3),
]


@pytest.mark.parametrize(("reason", "body", "key", "broken", "error", "attempts"), CASES, ids=[c[0] for c in CASES])
async def test_dead_letter_tells_everything_about_what_died(
    room: Room, reason: str, body: bytes, key: str, broken: str | None, error: str, attempts: int
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    async with fleet(room, service(Switch(broken or ""))):
        await publish(room, body, key)
        [known] = await letters(room)
    said = known.letter
    assert said is not None
    assert (said.reason, said.service, said.event_type, said.attempts) == (reason, NAME, key, attempts)
    assert error in said.error
    assert said.service_version
    assert before < said.first_at <= said.last_at < datetime.now(UTC) + timedelta(seconds=1)
    assert (said.last_at > said.first_at) == (attempts > 1)
    assert base64.b64decode(said.body) == body, "the very bytes"
    assert said.headers == HEADERS
    assert said.content_type == envelope.EVENT
    if reason != "undecodable":
        assert (said.event_id, said.event_source) == ("e-1", "/upstream/test")


async def test_message_that_the_service_gives_up_undecoded_tells_its_deliveries(room: Room) -> None:
    body = event(payment(), "e-1")
    await publish(room, body)
    async with await aio_pika.connect(room.vhost.amqp_url) as connection:
        queue = await (await connection.channel()).get_queue(NAME, ensure=False)
        for _ in range(4):
            await (await queue.get()).reject(requeue=True)
    message = message_of(Delivery(0, NAME, "fleet.inbound", PaymentApproved.TYPE, envelope.EVENT, {}, body, True))
    mark = f"insert into {NAME}.attempt values ('{message}', -1, 3, 'a process that died', now())"
    await execute(room.admin_url, mark)
    async with fleet(room):
        [known] = await letters(room)
    assert known.letter is not None
    assert (known.letter.reason, known.letter.attempts) == ("delivery_limit", 5)
    assert base64.b64decode(known.letter.body) == body
    assert known.letter.headers.items() >= HEADERS.items()


async def test_events_held_behind_a_dead_one_are_seen_and_go_on_with_it(room: Room) -> None:
    switch = Switch("raises")
    bodies = [changed(payment_id="bad"), *(event(payment(payment=f"P{n}"), f"h-{n}") for n in range(3))]
    async with fleet(room, service(switch)):
        await publish(room, pack(bodies), type=envelope.PACK)
        known = await letters(room, 4)
        by_reason = {one.letter.event_id: one for one in known if one.letter is not None}
        dead, held = by_reason.pop("e-1"), by_reason
        assert {(one.status, one.letter.reason) for one in held.values() if one.letter} == {("held", "held")}
        assert [base64.b64decode(held[f"h-{n}"].letter.body) for n in range(3)] == bodies[1:]  # type: ignore[union-attr]
        shown = json.loads((await fleet_cli(room, "dead-letters", "show", dead.occurrence, "--json")).stdout)
        assert shown["waiting"] == 3
        assert (
            "3 dead letters of 3 that wait behind it"
            in (await fleet_cli(room, "dead-letters", "show", dead.occurrence)).stdout
        )
        one = held["h-0"].occurrence
        assert f"it waits behind {dead.occurrence}" in (await fleet_cli(room, "dead-letters", "show", one)).stdout
        refused = await fleet_cli(room, "dead-letters", "replay", one, "--why", "look", "--yes")
        assert "waits behind a dead letter" in refused.stdout
        switch.broken = None
        again = await fleet_cli(room, "dead-letters", "replay", dead.occurrence, "--why", "mended", "--yes")
        assert again.exit_code == 0, again.stdout + again.stderr

        async def all_over() -> bool:
            return all(one.status.is_over for one in await letters(room, 4))

        await until(all_over)


async def test_held_event_that_dies_in_its_turn_holds_the_next(room: Room) -> None:
    switch = Switch("raises")
    bodies = [changed(payment_id="bad"), event(payment(payment="P0"), "h-0"), event(payment(payment="P1"), "h-1")]
    async with fleet(room, service(switch)):
        await publish(room, pack(bodies), type=envelope.PACK)
        known = await letters(room, 3)
        first = next(one for one in known if one.letter and one.letter.event_id == "e-1")
        again = await fleet_cli(room, "dead-letters", "replay", first.occurrence, "--why", "hope", "--yes", "--json")
        assert again.exit_code == 1, "the bug is still there"
        [*_, new] = await letters(room, 4)
        shown = json.loads((await fleet_cli(room, "dead-letters", "show", new.occurrence, "--json")).stdout)
    assert new.letter is not None
    assert (new.letter.event_id, shown["waiting"]) == ("e-1", 2), "those behind it wait behind what it became"


async def test_exhausted_call_tells_what_was_asked_of_whom(room: Room) -> None:
    """There was no message, so there are no headers."""
    async with serving() as partner, fleet(room, calling(partner)):
        partner.acts["pay"].append(status(422))
        await publish(room, ask("pay"))
        [known] = await letters(room)
    said = known.letter
    assert said is not None
    assert (said.reason, said.kind, said.event_type, said.event_source) == ("call_exhausted", "call", "Ask", "acme")
    assert (said.attempts, said.first_at < said.last_at) == (1, True)
    assert (said.about, known.order_id) == ({"order_id": "ORD-1"}, "ORD-1")
    assert "answered 422" in said.error
    assert json.loads(base64.b64decode(said.body)) == {"partner": "acme", "what": "pay"}


async def test_twelve_megabytes_are_kept_to_the_last_byte(room: Room) -> None:
    body = b"x" * 6_000_000 + uuid4().bytes + b"y" * 6_000_000
    async with fleet(room):
        await publish(room, body)
        [known] = await letters(room)

        async def whole() -> bool:
            [one] = await letters(room)
            return one.letter is not None and len(one.letter.body) > 16_000_000

        await until(whole)
        [known] = await letters(room)
    assert known.letter is not None
    assert known.letter.body_bytes == len(body)
    assert hashlib.sha256(base64.b64decode(known.letter.body)).digest() == hashlib.sha256(body).digest()


async def test_broker_that_dead_letters_by_itself_is_told_with_bytes_and_headers(room: Room) -> None:
    body = event(payment(), "e-1")
    await limited(room, b"[" + body + b"]")
    async with room.running(control_room(room.settings), room.url):
        [known] = await letters(room)
    said = known.letter
    assert said is not None
    assert (said.reason, said.service, said.event_id) == ("delivery_limit", NAME, "e-1")
    assert base64.b64decode(said.body) == body
    assert "x-death" in said.headers
    assert "delivery_limit" in said.error


async def test_control_room_that_is_away_leaves_dead_letters_in_their_queue(room: Room) -> None:
    url = service_url(room.admin_url, NAME, PASSWORD)
    async with room.running(service(), url):
        await publish(room, b"rubbish")
        async with await aio_pika.connect(room.vhost.amqp_url) as connection:
            channel = await connection.channel()

            async def waits() -> bool:
                found = await channel.declare_queue(f"{NAME}.dead", passive=True)
                return found.declaration_result.message_count == 1

            await until(waits)
    async with room.running(control_room(room.settings), room.url):
        [known] = await letters(room)
    assert known.letter is not None
    assert base64.b64decode(known.letter.body) == b"rubbish"


async def test_database_that_is_away_leaves_dead_letters_in_their_queue(room: Room) -> None:
    admin = await asyncpg.connect(room.admin_url)
    await admin.execute("alter table control_room.dead_letter_facts rename to facts_away")
    try:
        async with fleet(room):
            await publish(room, b"rubbish")
            async with await aio_pika.connect(room.vhost.amqp_url) as connection:
                channel = await connection.channel()

                async def taken() -> bool:
                    found = await channel.declare_queue(f"{NAME}.dead", passive=True)
                    return found.declaration_result.message_count == 0

                await until(taken)
            await admin.execute("alter table control_room.facts_away rename to dead_letter_facts")
            [known] = await letters(room)
    finally:
        await admin.execute("alter table if exists control_room.facts_away rename to dead_letter_facts")
        await admin.close()
    assert known.letter is not None
