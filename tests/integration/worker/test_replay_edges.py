"""Replays that do not simply succeed: whatever comes of them, nobody is held for ever and every order is answered."""

import base64
from typing import Any

from schemas.decision import Context, Outcome
from schemas.payment import PaymentApproved
from schemas.runtime import DeadLetterDiscardRequested, DeadLetterReplayRequested
from tests.integration.worker.bench import NAME, Bench, Tally, event, payment, service, until
from tests.integration.worker.test_failures import Switch, replay_of


async def dead_with_one_behind(bench: Bench) -> DeadLetterReplayRequested:
    await bench.publish(event(payment(payment="bad"), "e1"), event(payment(payment="P1"), "e2"))
    await until(lambda: len(bench.dead) == 1)

    async def held() -> bool:
        return [r["status"] for r in await bench.kept()] == ["dead", "held"]

    await until(held)
    return replay_of(bench.dead[0])


async def test_replay_that_ends_refused_releases_those_behind(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        order = await dead_with_one_behind(bench)
        switch.broken = "refused"
        await bench.command(order)
        await until(lambda: said_of(bench, order, "dead_letter.failed.v1"))
        await until(lambda: tally_is(bench, ("P1",)), why="what was held goes on")
    assert [(r["id"], r["status"]) for r in await bench.kept()] == [("e1", "dead")]


async def test_replay_that_must_wait_releases_those_behind(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch), ladder_seconds=(0.1, 60.0, 60.0)):
        order = await dead_with_one_behind(bench)
        switch.broken = "not yet"
        await bench.command(order)
        await until(lambda: tally_is(bench, ("P1",)), why="what was held goes on")
    assert [(r["id"], r["status"]) for r in await bench.kept()] == [("e1", "waiting")]


async def test_replay_that_must_wait_is_answered_when_it_is_handled(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch), ladder_seconds=(0.2,) * 500):
        order = await dead_with_one_behind(bench)
        switch.broken = "not yet"
        await bench.command(order)
        await until(lambda: waits(bench, "e1"))
        assert not answers_to(bench, order)
        switch.broken = None
        await until(lambda: said_of(bench, order, "dead_letter.resolved.v1"))
    assert [a["data"]["outcome"] for a in answers_to(bench, order)] == ["handled"]
    assert await bench.tally() == ("P1", "bad")


async def test_replay_that_waits_in_vain_is_answered_with_the_dead_letter_that_it_became(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch), ladder_seconds=(0.2, 0.2)):
        order = await dead_with_one_behind(bench)
        switch.broken = "not yet"
        await bench.command(order)
        await until(lambda: said_of(bench, order, "dead_letter.failed.v1"))
        await until(lambda: len(bench.dead) == 2)
    assert [a["data"]["next_occurrence"] for a in answers_to(bench, order)] == [bench.dead[1]["data"]["occurrence"]]
    assert bench.dead[1]["data"]["reason"] == "not_yet_exhausted"


async def test_discard_of_what_waits_for_its_replay_ends_both(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch), ladder_seconds=(60.0, 60.0)):
        order = await dead_with_one_behind(bench)
        switch.broken = "not yet"
        await bench.command(order)
        await until(lambda: waits(bench, "e1"))
        discard = DeadLetterDiscardRequested(service=NAME, occurrence=order.occurrence, replay_id="discard-1")
        await bench.command(discard)
        await until(lambda: answers_to(bench, order) and answers_to(bench, discard))
    assert [a["data"]["outcome"] for one in (order, discard) for a in answers_to(bench, one)] == ["discarded"] * 2
    assert await bench.kept() == []


async def test_edit_that_must_wait_is_handled_as_edited(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch), ladder_seconds=(0.2,) * 500):
        order = await dead_with_one_behind(bench)
        switch.broken = "not yet"
        edited = event(payment(payment="bad edited"), "e1")
        order = order.model_copy(update={"body": base64.b64encode(edited).decode()})
        await bench.command(order)
        await until(lambda: waits(bench, "e1"))
        original = (await bench.kept())[0]
        assert (b'"bad"' in original["body"], original["edited"]) == (True, edited)
        switch.broken = None
        await until(lambda: said_of(bench, order, "dead_letter.resolved.v1"))
    assert await bench.tally() == ("P1", "bad edited")


async def test_held_event_that_the_database_refuses_is_dead_and_holds_those_behind_it(bench: Bench) -> None:
    first, refused = Switch("raises"), Switch("unstorable")

    def decide(tally: Tally | None, paid: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        return (first if paid.payment_id == "bad first" else refused)(tally, paid, ctx)

    async with bench.working(service(decide)):
        bodies = [event(payment(payment=p), p.replace(" ", "-")) for p in ("bad first", "P1", "bad second", "P2")]
        await bench.publish(*bodies)
        await until(lambda: len(bench.dead) == 1)
        await until(lambda: are_kept(bench, ["bad-first", "P1", "bad-second", "P2"]))
        first.broken = None
        order = replay_of(bench.dead[0])
        await bench.command(order)
        await until(lambda: said_of(bench, order, "dead_letter.resolved.v1"))
        await until(lambda: len(bench.dead) == 2)
    assert await bench.tally() == ("bad first", "P1")
    assert [(r["id"], r["status"], r["reason"]) for r in await bench.kept()] == [
        ("bad-second", "dead", "database_refused"),
        ("P2", "held", "held"),
    ]
    assert answers_to(bench, order)[0]["data"]["released"] == 1


async def test_replays_behind_the_last_that_may_die_are_not_answered_before_they_are_handled(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        await bench.publish(*(event(payment(f"O{n}", "bad")) for n in range(8)))
        await until(lambda: len(bench.dead) == 8)
        orders = [replay_of(letter) for letter in bench.dead]
    for order in orders:
        await bench.command(order)
    async with bench.working(service(switch), pause_after=3, pause_seconds=0.1):
        await until(lambda: len([f for f in bench.facts if f["type"].startswith("dead_letter.")]) == 8)
    assert {f["type"] for f in bench.facts} == {"dead_letter.failed.v1"}
    assert len(bench.dead) == 16


async def test_replay_that_the_database_refuses_is_answered_as_failed(bench: Bench) -> None:
    async with bench.working(service(Switch("unstorable"))):
        await bench.publish(event(payment(payment="bad"), "e1"))
        await until(lambda: len(bench.dead) == 1)
        order = replay_of(bench.dead[0])
        await bench.command(order)
        await until(lambda: said_of(bench, order, "dead_letter.failed.v1"))
        await until(lambda: bench.queue_depth_is(0))
    assert [(r["id"], r["status"], r["key"]) for r in await bench.kept()] == [("e1", "dead", "tally:ORD-1")]


async def test_replay_that_meets_a_state_of_another_release_is_answered_as_failed_and_may_be_ordered_again(
    bench: Bench,
) -> None:
    await bench.rows("""insert into tally (key, version, body) values ('ORD-1', 1, '{"newer": 1}') returning 1""")
    async with bench.working():
        await bench.publish(event(payment(), "e1"))
        await until(lambda: len(bench.dead) == 1)
        assert bench.dead[0]["data"]["reason"] == "unknown_version"
        order = replay_of(bench.dead[0])
        await bench.command(order)
        await until(lambda: said_of(bench, order, "dead_letter.failed.v1"))
        await bench.rows("""update tally set body = '{"seen": ["P0"]}' returning 1""")
        again = replay_of(bench.dead[-1])
        await bench.command(again)
        await until(lambda: said_of(bench, again, "dead_letter.resolved.v1"))
        await until(lambda: tally_is(bench, ("P0", "P1")))


async def test_event_replayed_after_the_retention_and_delivered_again_is_handled_once(bench: Bench) -> None:
    switch = Switch("raises")
    bad = event(payment(payment="bad"), "e1")
    async with bench.working(service(switch)):
        await bench.publish(bad)
        await until(lambda: len(bench.dead) == 1)
        assert await bench.rows("delete from inbox returning ref"), "its partition is dropped"
        switch.broken = None
        order = replay_of(bench.dead[0])
        await bench.command(order)
        await until(lambda: said_of(bench, order, "dead_letter.resolved.v1"))
        await bench.publish(bad, event(payment(payment="P1"), "e2"))
        await until(lambda: tally_is(bench, ("bad", "P1")), why="the second delivery changes nothing")


async def waits(bench: Bench, id: str) -> bool:
    return (id, "waiting") in [(r["id"], r["status"]) for r in await bench.kept()]


async def are_kept(bench: Bench, ids: list[str]) -> bool:
    return [r["id"] for r in await bench.kept()] == ids


def answers_to(bench: Bench, order: DeadLetterReplayRequested | DeadLetterDiscardRequested) -> list[dict[str, Any]]:
    return [f for f in bench.facts if f["data"].get("replay_id") == order.replay_id]


def said_of(bench: Bench, order: DeadLetterReplayRequested, type: str) -> bool:
    return any(f["type"] == type and f["data"]["replay_id"] == order.replay_id for f in bench.facts)


async def tally_is(bench: Bench, expected: tuple[str, ...]) -> bool:
    return await bench.tally() == expected
