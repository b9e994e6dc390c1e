"""A dead letter from its death to its end: a real service, the real control room, and the command line."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aio_pika
import asyncpg
import pytest

from schemas import envelope
from schemas.decision import Context, Outcome
from schemas.payment import PaymentApproved
from services.control_room import console, servers, store
from services.control_room.__main__ import service as control_room
from shared.migrate import service_url
from tests.conftest import PASSWORD
from tests.integration.control_room.conftest import Room, fleet_cli, fleet_process
from tests.integration.control_room.test_store import save_letter
from tests.integration.worker.bench import NAME, Tally, count, event, payment, service, until


class Bug:
    """A decision that raises until it is mended."""

    def __init__(self) -> None:
        self.is_there = True

    def decide(self, tally: Tally | None, said: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        if self.is_there:
            raise KeyError("the bug")
        return count(tally, said, ctx)


@asynccontextmanager
async def fleet(room: Room, bug: Bug) -> AsyncIterator[None]:
    """One service with a bug, and the control room."""
    url = service_url(room.admin_url, NAME, PASSWORD)
    async with room.running(service(bug.decide), url), room.running(control_room(room.settings), room.url):
        yield


async def listed(room: Room, **chosen: str) -> list[dict[str, Any]]:
    """What the command would list; a process for every look would be slow."""
    async with servers.reading(room.url) as con:
        return [dict(row) for row in await store.load_dead_letters(con, chosen, 100)]


async def pay(room: Room, number: str = "P1", order: str = "ORD-1") -> None:
    await room.publish(event(payment(order, number)), "fleet.inbound", PaymentApproved.TYPE, envelope.EVENT)


async def tally(room: Room) -> str | None:
    """The payments of ORD-1 that the service counted."""
    admin = await asyncpg.connect(room.admin_url)
    try:
        seen: str | None = await admin.fetchval(f"select body ->> 'seen' from {NAME}.tally where key = 'ORD-1'")
        return seen
    finally:
        await admin.close()


async def die(room: Room) -> str:
    """The occurrence of a payment that the bug killed."""
    await pay(room)
    [dead] = await until(lambda: listed(room))
    assert (dead["service"], dead["reason"], dead["order_id"]) == (NAME, "decision_raised", "ORD-1")
    return str(dead["occurrence"])


async def test_replay_after_the_bug_is_mended_ends_resolved_and_is_recorded(room: Room) -> None:
    bug = Bug()
    async with fleet(room, bug):
        occurrence = await die(room)
        bug.is_there = False
        result = await fleet_process(
            room, "dead-letters", "replay", "--order", "ORD-1", "--why", "mended", "--actor", "ana", "--yes"
        )
        assert result.exit_code == 0, result.stdout + result.stderr
        shown = json.loads((await fleet_cli(room, "dead-letters", "show", occurrence, "--json")).stdout)
    assert shown["status"] == "resolved"
    assert [(a["step"], a["actor"], a["reason"], a["outcome"]) for a in shown["actions"]] == [
        ("ordered", "ana", "mended", None),
        ("resolved", None, None, "handled"),
    ]


async def test_replay_while_the_bug_is_there_fails_and_leaves_a_new_dead_letter(room: Room) -> None:
    async with fleet(room, Bug()):
        occurrence = await die(room)
        result = await fleet_cli(room, "dead-letters", "replay", occurrence, "--why", "hope", "--yes", "--json")
        assert result.exit_code == 1, result.stdout + result.stderr
        ended = json.loads(result.stdout)
        assert (ended["status"], ended["failed"], [f["occurrence"] for f in ended["failures"]]) == (
            "done",
            1,
            [occurrence],
        )
        [new] = await until(lambda: listed(room, status="open"))
        [old] = await listed(room, status="failed")
    assert (old["occurrence"], old["next_occurrence"]) == (occurrence, new["occurrence"])


async def test_discarded_dead_letter_lets_the_next_event_go_on(room: Room) -> None:
    bug = Bug()
    async with fleet(room, bug):
        occurrence = await die(room)
        bug.is_there = False
        await pay(room, "P2")
        result = await fleet_cli(room, "dead-letters", "discard", occurrence, "--why", "test order", "--yes")
        assert result.exit_code == 0, result.stdout + result.stderr
        shown = await fleet_cli(room, "dead-letters", "list", "--reason", "decision_raised", "--json")
        assert [row["status"] for row in json.loads(shown.stdout)] == ["discarded"]
        assert await tally(room) == '["P2"]'


async def test_dry_run_and_refusal_to_confirm_do_nothing(room: Room) -> None:
    async with fleet(room, Bug()):
        occurrence = await die(room)
        dry = await fleet_cli(room, "dead-letters", "replay", occurrence, "--why", "look", "--dry-run")
        refused = await fleet_cli(room, "dead-letters", "replay", occurrence, "--why", "look", input="n\n")
        shown = json.loads((await fleet_cli(room, "dead-letters", "show", occurrence, "--json")).stdout)
    assert (dry.exit_code, refused.exit_code, shown["status"], shown["actions"]) == (0, 0, "open", [])
    assert dry.stdout.splitlines()[0] == "1 dead letter to replay"
    assert f"\n{occurrence[:8]}  open" in dry.stdout


async def test_show_prints_where_it_failed_and_the_original_bytes(room: Room) -> None:
    async with fleet(room, Bug()):
        occurrence = await die(room)
        shown = await fleet_process(room, "dead-letters", "show", occurrence)
    assert "KeyError: 'the bug'" in shown.stdout
    assert '"payment_id": "P1"' in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["replay", "--why", "x"], 2),
        (["replay", "nobody", "--why", "x"], 1),
        (["discard", "5d0c0", "--why", "x"], 2),
        (["show", "nobody"], 1),
        (["replay", "--order", "nobody", "--why", ""], 2),
    ],
)
async def test_action_on_nothing_says_so(room: Room, arguments: list[str], code: int) -> None:
    result = await fleet_cli(room, "dead-letters", *arguments)
    assert (result.exit_code, bool(result.stderr)) == (code, True)


async def test_beginning_of_an_id_names_the_dead_letter_where_it_is_the_only_one(
    room: Room, con: asyncpg.Connection
) -> None:
    for occurrence in ("5d0c0b9e-0000-4000-8000-000000000001", "5d0c0b9e-1111-4000-8000-000000000001"):
        await save_letter(con, occurrence=occurrence)
    shown = await fleet_cli(room, "dead-letters", "show", "5D0C0B9E-1", "--json")
    assert json.loads(shown.stdout)["occurrence"] == occurrence
    for arguments in (["show"], ["discard", "--why", "x", "--yes"]):
        both = await fleet_cli(room, "dead-letters", *arguments, "5d0c0b")
        assert (both.exit_code, both.stdout) == (1, "")
        assert both.stderr.startswith("fleet: 5d0c0b is ambiguous; it begins 5d0c0b9e-0000-4000-8000-000000000001, ")


@pytest.mark.parametrize("name", ["FLEET_DATABASE_URL", "FLEET_AMQP_URL"])
async def test_server_that_is_away_is_said_in_one_line(name: str, room: Room, con: asyncpg.Connection) -> None:
    occurrence = await save_letter(con)
    scheme = "postgresql" if name == "FLEET_DATABASE_URL" else "amqp"
    away = replace(room, changed={name: f"{scheme}://user:secret@127.0.0.1:1/fleet"})
    result = await fleet_cli(away, "dead-letters", "replay", occurrence, "--why", "look", "--yes")
    [said] = result.stderr.splitlines()
    assert (result.exit_code, name in said, "127.0.0.1:1" in said, "secret" in said) == (1, True, True, False)


async def test_order_that_nobody_knows_is_not_shown(room: Room) -> None:
    assert (await fleet_cli(room, "orders", "show", "nobody")).exit_code == 1
    assert json.loads((await fleet_cli(room, "orders", "list", "--json")).stdout) == []


async def test_order_is_shown_with_its_timeline(room: Room) -> None:
    bug = Bug()
    bug.is_there = False
    async with fleet(room, bug):
        await pay(room)

        async def told() -> bool:
            async with servers.reading(room.url) as con:
                return len(await console.load_timeline(con, "ORD-1")) == 2

        await until(told)
        document = json.loads((await fleet_cli(room, "orders", "show", "ORD-1", "--json")).stdout)
        table = await fleet_process(room, "orders", "show", "ORD-1")
    assert [line["type"] for line in document["messages"]] == ["payment.approved.v1", "order.completed.v1"]
    assert "payment.approved.v1" in table.stdout
    assert "order.completed.v1" in table.stdout


async def test_message_that_the_broker_itself_dead_letters_becomes_one_for_each_event(room: Room) -> None:
    await limited(room, json.dumps([json.loads(event(payment(payment=f"P{n}"), f"e-{n}")) for n in range(2)]).encode())
    async with room.running(control_room(room.settings), room.url):
        found = await until(lambda: two(room))
    assert {row["reason"] for row in found} == {"delivery_limit"}
    assert {(row["service"], row["event_type"], row["order_id"]) for row in found} == {
        (NAME, PaymentApproved.TYPE, "ORD-1")
    }


async def test_replay_of_what_the_broker_dead_lettered_handles_it_once(room: Room) -> None:
    bug = Bug()
    bug.is_there = False
    await limited(room, b"[" + event(payment()) + b"]")
    async with fleet(room, bug):
        [dead] = await until(lambda: listed(room))
        again = ("replay", dead["occurrence"], "--why", "the node was killed again and again", "--yes")
        assert (await fleet_cli(room, "dead-letters", *again)).exit_code == 0
        actions = json.loads((await fleet_cli(room, "dead-letters", "show", dead["occurrence"], "--json")).stdout)
    assert [a["outcome"] for a in actions["actions"]] == [None, "handled"]
    assert await tally(room) == '["P1"]'


async def test_replay_of_what_the_broker_dead_lettered_fails_where_the_event_is_dead_again(room: Room) -> None:
    await limited(room, b'[{"id": "1", "source": "shop", "type": "payment.approved.v1", "data": {}}]')
    async with fleet(room, Bug()):
        [dead] = await until(lambda: listed(room))
        result = await fleet_cli(room, "dead-letters", "replay", dead["occurrence"], "--why", "look", "--yes")
        assert result.exit_code == 1
        [new] = await until(lambda: listed(room, status="open"))
    assert new["reason"] == "invalid"


async def two(room: Room) -> list[dict[str, Any]]:
    found = await listed(room)
    return found if len(found) == 2 else []


async def limited(room: Room, body: bytes) -> None:
    """Delivers a message more often than its queue allows; the queue dead-letters as a service's does."""
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 1,
        "x-dead-letter-exchange": "fleet.dead",
        "x-dead-letter-routing-key": f"{NAME}.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    async with await aio_pika.connect(room.vhost.amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("limited", durable=True, arguments=arguments)
        message = aio_pika.Message(body, content_type=envelope.PACK, delivery_mode=2)
        await channel.default_exchange.publish(message, queue.name)
        for _ in range(2):
            taken = await until(lambda: queue.get(fail=False))
            await taken.reject(requeue=True)
        letters = f"{NAME}.dead"

        async def moved() -> bool:
            state = await channel.declare_queue(letters, passive=True)
            return state.declaration_result.message_count == 1

        await until(moved)
