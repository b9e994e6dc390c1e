"""Campaigns on real servers: the command line orders them, the control room drives them, a service processes them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from schemas import envelope
from schemas.decision import Answered, Context, Outcome, Refused
from schemas.payment import PaymentApproved
from services.control_room.__main__ import service as control_room
from shared.migrate import service_url
from shared.worker.subscription import Answer
from tests.conftest import PASSWORD
from tests.integration.control_room.conftest import Room, fleet_cli
from tests.integration.control_room.test_dead_letters import Bug, fleet, listed, pay, tally
from tests.integration.partner.partner import Ask, Said, answered, calling, serving
from tests.integration.worker.bench import NAME, TALLY, Tally, count, event, pack, payment, service, until
from tests.integration.worker.proxy import Proxy

ACT = ("--why", "mended", "--actor", "ana", "--json")


async def die(room: Room, number: int) -> None:
    """So many payments, of an order each, that the bug killed."""
    for n in range(number):
        await pay(room, f"P{n}", f"ORD-{n}")

    async def recorded() -> bool:
        return len(await listed(room)) == number

    await until(recorded)


async def replay(room: Room, *arguments: str) -> dict[str, Any]:
    result = await fleet_cli(room, "dead-letters", "replay", *arguments, *ACT)
    assert result.stdout, result.stderr
    return {"exit_code": result.exit_code, **json.loads(result.stdout)}


async def ended(room: Room, occurrence: str) -> list[tuple[str, str | None, str | None]]:
    shown = json.loads((await fleet_cli(room, "dead-letters", "show", occurrence, "--json")).stdout)
    return [(a["step"], a["actor"], a["outcome"]) for a in shown["actions"]]


async def test_selection_is_replayed_and_each_letter_has_its_rows(room: Room) -> None:
    bug = Bug()
    async with fleet(room, bug):
        await die(room, 15)
        bug.is_there = False
        done = await replay(room, "--service", NAME, "--yes")
        letters = await listed(room)
        rows = await ended(room, letters[0]["occurrence"])
    assert (done["exit_code"], done["status"], done["resolved"], done["outcomes"]) == (0, "done", 15, {"handled": 15})
    assert {letter["status"] for letter in letters} == {"resolved"}
    assert rows == [("ordered", "ana", None), ("resolved", None, "handled")]


async def test_canary_stops_while_the_bug_is_there_and_goes_on_when_it_is_mended(room: Room) -> None:
    bug = Bug()
    async with fleet(room, bug):
        await die(room, 5)
        stopped = await replay(room, "--service", NAME, "--yes")
        assert (stopped["exit_code"], stopped["status"], stopped["failed"], stopped["asked"]) == (1, "failing", 1, 1)
        bug.is_there = False
        id = stopped["campaign_id"]
        turned = await fleet_cli(room, "dead-letters", "resume", id[:8], "--why", "mended", "--actor", "rui")
        assert turned.exit_code == 0, turned.stderr
        watched = await fleet_cli(room, "dead-letters", "watch", id[:8], "--json")
        again = await fleet_cli(room, "dead-letters", "resume", id, "--why", "x", "--actor", "rui")
        listing = json.loads((await fleet_cli(room, "dead-letters", "campaigns", "--json")).stdout)
    done = json.loads(watched.stdout)
    assert (watched.exit_code, done["status"], done["resolved"], done["failed"]) == (1, "done", 4, 1)
    assert (again.exit_code, "cannot resume: it is done" in again.stderr) == (1, True)
    assert [(one["campaign_id"], one["actor"]) for one in listing] == [(id, "ana")]


async def test_dry_run_freezes_the_set_and_says_what_would_happen_and_start_begins_it(room: Room) -> None:
    bug = Bug()
    async with fleet(room, bug):
        await die(room, 3)
        planned = await replay(room, "--service", NAME)
        assert (planned["exit_code"], planned["status"]) == (0, "planned")
        assert planned["findings"] == {"would_fail": 3}
        assert all("KeyError: 'the bug'" in one["detail"] for one in planned["each"])
        assert {letter["status"] for letter in await listed(room)} == {"open"}
        await pay(room, "P9", "ORD-9")
        await until(lambda: is_there(room, 4))
        bug.is_there = False
        id = planned["campaign_id"]
        assert (await fleet_cli(room, "dead-letters", "start", id, "--why", "mended", "--actor", "ana")).exit_code == 0
        done = json.loads((await fleet_cli(room, "dead-letters", "watch", id, "--json")).stdout)
    assert (done["status"], done["size"], done["resolved"]) == ("done", 3, 3)


async def is_there(room: Room, number: int) -> bool:
    return len(await listed(room)) == number


async def test_dry_run_is_shown_as_tables(room: Room) -> None:
    async with fleet(room, Bug()):
        await die(room, 2)
        shown = await fleet_cli(room, "dead-letters", "replay", "--service", NAME, "--why", "look", "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    assert "2 dead letters to replay" in shown.stdout
    assert "would fail" in shown.stdout
    assert "fleet dead-letters start" in shown.stdout


async def test_campaign_that_nobody_follows_goes_on_by_itself(room: Room) -> None:
    bug = Bug()
    async with fleet(room, bug):
        await die(room, 12)
        bug.is_there = False
        told = await replay(room, "--service", NAME, "--yes", "--no-wait")
        assert set(told) == {"exit_code", "campaign_id"}
        await until(lambda: all_resolved(room))


async def all_resolved(room: Room) -> bool:
    return {letter["status"] for letter in await listed(room)} == {"resolved"}


async def test_order_is_replayed_in_its_original_sequence(room: Room) -> None:
    refuses = True

    def decide(known: Tally | None, said: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        return Refused("not_now", "a rule was wrong") if refuses else count(known, said, ctx)

    url = service_url(room.admin_url, NAME, PASSWORD)
    async with room.running(service(decide), url), room.running(control_room(room.settings), room.url):
        for n in range(4):
            await pay(room, f"P{n}")
            await until(lambda n=n: is_there(room, n + 1))
        refuses = False
        done = await replay(room, "--order", "ORD-1", "--yes")
    assert (done["status"], done["in_sequence"], done["step"]) == ("done", True, 4)
    assert await tally(room) == '["P0", "P1", "P2", "P3"]'


async def test_order_whose_key_is_held_by_what_names_no_order_goes_on_in_its_original_sequence(room: Room) -> None:
    """The partner's answer names the call's lane and no order; the payment after it waits behind it."""
    bug = True

    def decide(known: Tally | None, answer: Answered[Ask, Said], ctx: Context[Any]) -> Outcome[Tally]:
        if bug:
            raise KeyError("the bug")
        return answered(known, answer, ctx)

    url = service_url(room.admin_url, NAME, PASSWORD)
    async with serving() as partner:
        what = calling(partner)
        buggy = replace(what, subscriptions=(what.subscriptions[0], Answer(Ask, Said, TALLY, decide)))
        async with room.running(buggy, url), room.running(control_room(room.settings), room.url):
            await pay(room, "acme/pay/pay")
            [dead] = await until(lambda: listed(room))
            assert (dead["event_subject"], dead["order_id"]) == ("pay", "ORD-1")
            await pay(room, "acme/late/late")
            await until(lambda: is_there(room, 2))
            bug = False
            done = await replay(room, "--order", "ORD-1", "--yes")
            assert (done["status"], done["in_sequence"], done["size"], done["resolved"]) == ("done", True, 1, 1)
            await until(lambda: tally_is(room, '["pay=ok", "late=ok"]'))


async def tally_is(room: Room, seen: str) -> bool:
    return await tally(room) == seen


async def test_order_whose_events_died_in_one_batch_is_replayed_in_its_original_sequence(room: Room) -> None:
    """Published backwards and in one pack, so that neither arrival nor death tells the order."""
    refuses = True

    def decide(known: Tally | None, said: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        return Refused("not_now", "a rule was wrong") if refuses else count(known, said, ctx)

    now = datetime.now(UTC)
    clocks = {"P0": 5.0, "P1": 9.0, "P2": 1.0, "P3": 7.0}
    events = [
        event(
            payment(payment=name),
            f"e-{name}",
            time=(now + timedelta(seconds=seconds)).isoformat(),
            **({"causationid": "e-P1"} if name == "P2" else {}),
        )
        for name, seconds in reversed(clocks.items())
    ]
    url = service_url(room.admin_url, NAME, PASSWORD)
    async with room.running(service(decide), url), room.running(control_room(room.settings), room.url):
        await room.publish(pack(events), "fleet.inbound", PaymentApproved.TYPE, envelope.PACK)
        await until(lambda: is_there(room, 4))
        assert len({letter["first_at"] for letter in await listed(room)}) == 1
        refuses = False
        done = await replay(room, "--order", "ORD-1", "--yes")
    assert (done["status"], done["resolved"]) == ("done", 4)
    assert await tally(room) == '["P0", "P3", "P1", "P2"]', "P2 has the earliest time, but P1 caused it"


async def test_edited_event_is_handled_and_the_edit_is_kept(room: Room) -> None:
    bad = event(payment(payment="P1"), "e-1").replace(b'"1.00"', b'"1,00"')
    bug = Bug()
    bug.is_there = False
    async with fleet(room, bug):
        await room.publish(bad, "fleet.inbound", PaymentApproved.TYPE, envelope.EVENT)
        [dead] = await until(lambda: listed(room))
        edit = ("dead-letters", "edit", dead["occurrence"], "--why", "a comma", "--actor", "ana")
        wrong = await fleet_cli(room, *edit, "--set", "data.amount=x", "--yes")
        assert (wrong.exit_code, "data.amount" in wrong.stderr) == (2, True)
        other = await fleet_cli(room, *edit, "--set", "id=e-2", "--set", "data.amount=1.00", "--yes")
        assert (other.exit_code, "id: stays 'e-1'" in other.stderr) == (2, True)
        done = await fleet_cli(room, *edit, "--set", "data.amount=1.00", "--yes")
        assert done.exit_code == 0, done.stdout + done.stderr
        shown = await fleet_cli(room, "dead-letters", "show", dead["occurrence"])
        [exported] = (await fleet_cli(room, "dead-letters", "export")).stdout.splitlines()
    assert '+    "amount": "1.00"' in done.stdout
    assert "by ana: a comma" in shown.stdout
    assert '+    "amount": "1.00"' in shown.stdout
    assert [edit["actor"] for edit in json.loads(exported)["edits"]] == ["ana"]
    assert await tally(room) == '["P1"]'
    admin = await asyncpg.connect(room.admin_url)
    [row] = await admin.fetch("select * from control_room.replay_edit")
    await admin.close()
    assert (row["occurrence"], row["original"], b'"1.00"' in row["edited"]) == (dead["occurrence"], bad, True)


async def test_discard_of_a_selection_skips_them(room: Room) -> None:
    async with fleet(room, Bug()):
        await die(room, 3)
        result = await fleet_cli(room, "dead-letters", "discard", "--service", NAME, "--yes", *ACT)
        assert result.exit_code == 0, result.stderr
        assert {letter["status"] for letter in await listed(room)} == {"discarded"}


async def test_dead_letters_wait_in_their_queue_while_the_control_room_is_away(room: Room) -> None:
    url = service_url(room.admin_url, NAME, PASSWORD)
    async with room.running(service(Bug().decide), url):
        for n in range(3):
            await pay(room, f"P{n}", f"ORD-{n}")
        await until(lambda: kept_dead(room, 3))
    assert await listed(room) == []
    async with room.running(control_room(room.settings), room.url):
        await until(lambda: is_there(room, 3))


async def test_dead_letters_wait_in_their_queue_while_the_database_of_the_control_room_is_away(room: Room) -> None:
    bug = Bug()
    place = room.url.rpartition("@")[2].partition("/")[0]
    host, _, port = place.partition(":")
    proxy = Proxy(host, int(port))
    url = service_url(room.admin_url, NAME, PASSWORD)
    async with (
        room.running(service(bug.decide), url),
        room.running(control_room(room.settings), proxy.through(room.url)),
    ):
        await pay(room)
        await until(lambda: kept_dead(room, 1))
        assert await listed(room) == []
        await proxy.listen()
        await until(lambda: is_there(room, 1), 40)
    await proxy.close()


async def kept_dead(room: Room, number: int) -> bool:
    """Whether the service has so many dead letters."""
    admin = await asyncpg.connect(room.admin_url)
    try:
        found = await admin.fetchval(f"select count(*) from {NAME}.inbox_kept where status = 'dead'")
        return bool(found == number)
    finally:
        await admin.close()
