"""Each row of the failure table, made to happen: what fails, and what becomes of the event."""

import asyncio
import base64
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
from prometheus_client import REGISTRY

from schemas.decision import Context, Decision, Outcome, Refused, later
from schemas.envelope import reference
from schemas.order import OrderCompleted
from schemas.payment import PaymentApproved
from schemas.runtime import DeadLetterDiscardRequested, DeadLetterReplayRequested
from shared.worker import store
from tests.integration.worker.bench import NAME, Bench, Tally, count, event, payment, service, until


class Switch:
    """A decision that does as it is told for payments called `bad`."""

    def __init__(self, broken: str) -> None:
        self.broken: str | None = broken

    def __call__(self, tally: Tally | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        if not event.payment_id.startswith("bad"):
            return count(tally, event, ctx)
        match self.broken:
            case "raises":
                raise RuntimeError("a bug")
            case "not yet":
                return later("store.changed")
            case "refused":
                return Refused("placed_differently", "the total was 1.00 before")
            case "unstorable":
                return Decision(Tally(seen=("a\0b",)))
            case "unpublishable":
                message = OrderCompleted(order_id="x", store_id="s", channel_id="c", completed_at=ctx.now)
                return Decision(Tally(seen=("x",)), events=[message.model_copy(update={"order_id": None})])
        return count(tally, event, ctx)


async def test_decision_that_raises_is_dead_with_its_traceback_and_holds_only_its_key(bench: Bench) -> None:
    async with bench.working(service(Switch("raises"))):
        await bench.publish(
            event(payment("A", "bad"), "e1"), event(payment("A", "P2"), "e2"), event(payment("B", "P3"), "e3")
        )
        await until(lambda: len(bench.dead) == 1 and len(bench.facts) == 1)

        async def held() -> bool:
            return [(r["id"], r["status"]) for r in await bench.kept()] == [("e1", "dead"), ("e2", "held")]

        await until(held)
    letter = bench.dead[0]["data"]
    assert letter["reason"] == "decision_raised"
    assert "RuntimeError: a bug" in letter["error"]
    assert (letter["key"], letter["about"]) == ("tally:A", {"order_id": "A"})
    assert await bench.tally("A") == ()
    assert await bench.tally("B") == ("P3",)


async def test_replay_handles_the_dead_event_then_the_held_ones_in_order(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        await bench.publish(event(payment(payment="bad")), *(event(payment(payment=f"P{n}")) for n in range(3)))
        await until(lambda: len(bench.dead) == 1)
        switch.broken = None
        await bench.command(replay_of(bench.dead[0]))
        answer = await until(lambda: said(bench, "dead_letter.resolved.v1"))
        assert answer["outcome"] == "handled"
        await until(lambda: completed(bench) == 4)
        await bench.publish(event(payment(payment="after")))
        await until(lambda: completed(bench) == 5)
    assert await bench.tally() == ("bad", "P0", "P1", "P2", "after")
    assert await bench.kept() == []


async def test_kept_event_that_another_release_handles_under_another_key_is_left_to_it(bench: Bench) -> None:
    """A release that knows no key of an event locks the event itself: this one must, too, or both write its row."""
    switch = Switch("not yet")
    async with bench.working(service(switch), ladder_seconds=(0.2,) * 200):
        await bench.publish(event(payment(payment="bad"), "early"))
        [row] = await until(bench.kept)
        con = await asyncpg.connect(bench.url)
        async with store.locked(con, NAME, [f"event:{row['ref']}"]):
            switch.broken = None
            await until(lambda: waits_for_lock(bench))
            await store.settle_kept(con, [row["ref"]])
        await con.close()
        await bench.publish(event(payment(payment="P2")))
        await until(lambda: completed(bench) == 1)
    assert await bench.tally() == ("P2",)
    assert await bench.kept() == []


async def waits_for_lock(bench: Bench) -> bool:
    """Whether somebody in this database does; other tests have theirs on the same server."""
    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(await bench.rows(waiting))


def completed(bench: Bench) -> int:
    """What the service said of events. (How many were held when the replay came, and are told released, is timing.)"""
    return sum(said["type"] == OrderCompleted.TYPE for said in bench.facts)


async def test_failed_replay_is_a_new_occurrence_and_keeps_holding(bench: Bench) -> None:
    async with bench.working(service(Switch("raises"))):
        await bench.publish(event(payment(payment="bad")), event(payment(payment="P1")))
        await until(lambda: len(bench.dead) == 1)
        order = replay_of(bench.dead[0])
        await bench.command(order)
        answer = await until(lambda: said(bench, "dead_letter.failed.v1"))
        await until(lambda: len(bench.dead) == 2)
        assert answer["next_occurrence"] == bench.dead[1]["data"]["occurrence"] != order.occurrence
        await bench.command(replay_of(bench.dead[0]))
        again = await until(lambda: said(bench, "dead_letter.resolved.v1"))
        assert again["outcome"] == "already_handled", "the first occurrence is no more"
    assert [r["status"] for r in await bench.kept()] == ["dead", "held"]


async def test_discard_skips_the_dead_event_and_releases_the_held_ones(bench: Bench) -> None:
    async with bench.working(service(Switch("raises"))):
        await bench.publish(event(payment(payment="bad")), event(payment(payment="P1")))
        await until(lambda: len(bench.dead) == len(bench.held) == 1)
        occurrence = bench.dead[0]["data"]["occurrence"]
        await bench.command(
            DeadLetterDiscardRequested(occurrence=occurrence, replay_id="r", key=None, service="order_intake")
        )
        answer = await until(lambda: said(bench, "dead_letter.resolved.v1"))
        assert (answer["outcome"], answer["released"]) == ("discarded", 1)
    assert await bench.tally() == ("P1",)


async def test_edited_replay_handles_the_edited_event(bench: Bench) -> None:
    bad = event(payment(payment="P1"), "e1").replace(b'"1.00"', b'"1,00"')
    async with bench.working():
        await bench.publish(bad)
        await until(lambda: len(bench.dead) == 1)
        edited = base64.b64encode(bad.replace(b'"1,00"', b'"1.00"')).decode()
        await bench.command(replay_of(bench.dead[0]).model_copy(update={"body": edited}))
        await until(lambda: said(bench, "dead_letter.resolved.v1"))
    assert await bench.tally() == ("P1",)


async def test_refused_event_is_dead_and_holds_nobody(bench: Bench) -> None:
    async with bench.working(service(Switch("refused"))):
        await bench.publish(event(payment(payment="bad")), event(payment(payment="P1")))
        await until(lambda: len(bench.dead) == 1 and len(bench.facts) == 1)
    assert bench.dead[0]["data"]["reason"] == "refused"
    assert (bench.dead[0]["data"].get("key"), bench.dead[0]["data"]["about"]) == (None, {"order_id": "ORD-1"})
    assert "the total was 1.00 before" in bench.dead[0]["data"]["error"]


async def test_not_yet_climbs_the_ladder_and_is_handled_when_it_can(bench: Bench) -> None:
    switch = Switch("not yet")
    async with bench.working(service(switch), ladder_seconds=(0.1, 0.1, 60.0)):
        await bench.publish(event(payment(payment="bad")), event(payment(payment="P1")))
        await until(lambda: len(bench.facts) == 1)

        async def waits() -> bool:
            return [(r["status"], r["attempt"]) for r in await bench.kept()] == [("waiting", 3)]

        await until(waits)
        switch.broken = None
        await bench.rows("update inbox_kept set due = now() returning 1")
        await until(lambda: len(bench.facts) == 2)
    assert bench.dead == []
    assert await bench.kept() == []


async def test_not_yet_for_too_long_is_dead_with_what_is_missing(bench: Bench) -> None:
    async with bench.working(service(Switch("not yet")), ladder_seconds=(0.1, 0.1)):
        await bench.publish(event(payment(payment="bad")))
        await until(lambda: len(bench.dead) == 1)
    letter = bench.dead[0]["data"]
    assert (letter["reason"], letter["attempts"]) == ("not_yet_exhausted", 3)
    assert (letter.get("key"), letter["about"]) == (None, {"order_id": "ORD-1"})
    assert "store.changed" in letter["error"]


async def test_event_that_the_database_refuses_is_found_in_its_batch(bench: Bench) -> None:
    await bench.publish(*(event(payment("A", f"P{n}")) for n in range(5)), event(payment("B", "bad")))
    await bench.publish(*(event(payment("C", f"P{n}")) for n in range(5)))
    async with bench.working(service(Switch("unstorable"))):
        await until(lambda: len(bench.facts) == 10 and len(bench.dead) == 1)
    assert bench.dead[0]["data"]["reason"] == "database_refused"
    assert bench.dead[0]["data"]["key"] == "tally:B"


async def test_inbox_row_of_another_worker_runs_the_batch_again(bench: Bench) -> None:
    """Two inbox rows of one event at once: the second worker meets 23505, looks again, and finds it handled."""
    admin = await asyncpg.connect(bench.url)
    rival = admin.transaction()
    await rival.start()
    await admin.execute("insert into inbox (ref) values ($1)", reference("/upstream/test", "raced"))
    async with bench.working():
        await bench.publish(event(payment(), "raced"), event(payment("B"), "other"))
        await until(lambda: waits_for_lock(bench), why="the worker waits for the rival's row")
        await rival.commit()
        await until(lambda: len(bench.facts) == 1)
        await until(lambda: bench.queue_depth_is(0))
    await admin.close()
    assert await bench.tally() == ()
    assert await bench.tally("B") == ("P1",)


async def test_event_that_a_worker_began_before_midnight_is_not_handled_again_after_it(bench: Bench) -> None:
    """Two releases may hold no lock in common; the inbox is what keeps them apart, and its rows are filed by day."""
    yesterday = await asyncpg.connect(at_local_time(bench.url, 23, 58))
    rival = yesterday.transaction()
    await rival.start()
    await store.save_done(yesterday, [reference("/upstream/test", "late")], uuid4(), [], [])
    async with bench.working(database_url=at_local_time(bench.url, 0, 1)):
        await bench.publish(event(payment(), "late"))
        await until(lambda: waits_for_lock(bench), why="the worker waits for the rival's row")
        await rival.commit()
        await bench.publish(event(payment("B")))
        await until(lambda: len(bench.facts) == 1)
    await yesterday.close()
    assert await bench.tally() == ()
    assert await bench.tally("B") == ("P1",)


def at_local_time(url: str, hour: int, minute: int) -> str:
    """The database's URL with a time zone in which it is that time now, or up to a minute later."""
    now = datetime.now(UTC)
    ahead = (hour * 60 + minute - now.hour * 60 - now.minute) % (24 * 60)
    return f"{url}?timezone=HERE-{ahead // 60:02}:{ahead % 60:02}"


async def test_missing_migration_stops_the_worker_and_says_so(bench: Bench) -> None:
    await owner(bench, "alter table order_intake.tally rename to elsewhere")
    async with bench.working():
        await bench.publish(event(payment()))
        reason = await until(lambda: bench.health.reasons.get("setup"))
        assert "tally" in reason
        await owner(bench, "alter table order_intake.elsewhere rename to tally")
        await until(lambda: len(bench.facts) == 1, 60)
        await until(lambda: not bench.health.reasons)


async def test_many_dead_letters_running_pause_the_worker(bench: Bench) -> None:
    switch = Switch("raises")
    bodies = [event(payment(f"ORD-{n}", "bad")) for n in range(40)]
    await bench.publish(*bodies)
    async with bench.working(service(switch), pause_after=10, pause_seconds=0.5):
        await until(lambda: bench.health.reasons.get("paused"))
        await until(lambda: len(bench.dead) > 10, why="a probe after the pause")
        assert len(bench.dead) < 20
        switch.broken = None
        await until(lambda: len(bench.facts) == 40 - len(bench.dead), 30)
        await until(lambda: not bench.health.reasons)
        assert REGISTRY.get_sample_value("fleet_paused") == 0


async def test_many_states_running_that_this_release_cannot_read_pause_the_worker(bench: Bench) -> None:
    """They wait for another release; the rest of the queue is left to it too."""
    rows = "select 'ORD-' || n, 1, '{\"newer\": 1}' from generate_series(0, 39) n"
    await bench.rows(f"insert into tally (key, version, body) {rows} returning 1")
    await bench.publish(*(event(payment(f"ORD-{n}")) for n in range(40)))
    async with bench.working(pause_after=10, pause_seconds=0.5, ladder_seconds=(60.0,)):
        await until(lambda: bench.health.reasons.get("paused"))
        waiting = await bench.kept()
        assert {(row["status"], row["reason"]) for row in waiting} == {("waiting", "unknown_version")}
        assert len(waiting) < 20
        assert bench.dead == []


async def test_messages_that_come_back_unconfirmed_are_sent_again_under_the_same_id(bench: Bench) -> None:
    events = await bench.channel.get_exchange("fleet.events", ensure=False)
    routed = await bench.channel.get_exchange("fleet.routed", ensure=False)
    await routed.unbind(events, "#")
    journal = await bench.channel.get_queue("control_room.journal", ensure=False)
    await journal.unbind(events, "#")
    facts, bench.facts[:] = bench.facts, []
    await unbind_probe(bench)
    async with bench.working():
        await bench.publish(event(payment()))

        async def left() -> bool:
            return bool(await bench.rows("select 1 from outgoing"))

        await until(left)
        await until(lambda: bench.health.reasons.get("broker"), why="the returned message ends the session")
        await routed.bind(events, "#")
        await bind_probe(bench)

        async def sent() -> bool:
            return not await bench.rows("select 1 from outgoing")

        await until(sent, 40)
        await until(lambda: len(facts) >= 1)
    assert len({fact["id"] for fact in facts}) == 1
    assert await bench.tally() == ("P1",)


async def test_stop_under_load_loses_and_repeats_nothing(bench: Bench) -> None:
    await bench.publish(*(event(payment(f"ORD-{n}")) for n in range(300)))
    for _ in range(3):
        async with bench.working(batch_events=16) as stop:
            before = len(bench.facts)
            await until(lambda b=before: len(bench.facts) > b or len(bench.facts) == 300)
            stop.set()
    async with bench.working():
        await until(lambda: len({f["id"] for f in bench.facts}) == 300)
        await until(lambda: bench.queue_depth_is(0))
    assert len(bench.facts) == 300, "nothing was said twice"
    assert bench.dead == []


def replay_of(letter: dict[str, Any]) -> DeadLetterReplayRequested:
    return DeadLetterReplayRequested(
        occurrence=letter["data"]["occurrence"], replay_id=uuid4().hex, key=None, service="order_intake"
    )


def said(bench: Bench, type: str) -> Any:
    return next((fact["data"] for fact in bench.facts if fact["type"] == type), None)


async def owner(bench: Bench, statement: str) -> None:
    connection = await asyncpg.connect(bench.admin_url)
    await connection.execute(statement)
    await connection.close()


async def unbind_probe(bench: Bench) -> None:
    await bench.probe.unbind("fleet.events", "#")


async def bind_probe(bench: Bench) -> None:
    await bench.probe.bind("fleet.events", "#")
    await asyncio.sleep(0)
