"""Messages that come again and again: those that only waited are handled, what ends the process each time is dead."""

from typing import Any

import aio_pika
import asyncpg

from schemas import envelope
from schemas.decision import Context, Outcome, later
from schemas.payment import PaymentApproved
from shared.broker.link import Delivery
from shared.worker.suspects import ATTEMPTS, MARKED_FROM, WHOLE, message_of
from tests.integration.worker.bench import NAME, Bench, Tally, event, pack, payment, service, until
from tests.integration.worker.test_campaign_batches import answers, batch, die
from tests.integration.worker.test_failures import Switch, owner
from tests.integration.worker.test_process import all_done, ends, process
from tests.integration.worker.victim import DEADLY


async def prefetched_and_closed(bench: Bench, times: int, messages: int = 1) -> None:
    """Consumers die in turn, each with all the messages in its prefetch, and none has looked at one."""
    for _ in range(times):
        connection = await aio_pika.connect(bench.vhost.amqp_url)
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        taken: list[aio_pika.abc.AbstractIncomingMessage] = []
        queue = await channel.get_queue(NAME, ensure=False)

        async def take(
            message: aio_pika.abc.AbstractIncomingMessage, into: list[aio_pika.abc.AbstractIncomingMessage] = taken
        ) -> None:
            into.append(message)

        await queue.consume(take)
        await until(lambda t=taken: len(t) == messages)
        await connection.close()


async def test_messages_that_only_waited_in_the_prefetch_of_the_dying_are_handled(bench: Bench) -> None:
    await bench.publish(*(event(payment(f"ORD-{n}"), f"e{n}") for n in range(5)))
    await prefetched_and_closed(bench, ATTEMPTS + 3, messages=5)
    async with bench.working():
        await all_done(bench, {f"e{n}" for n in range(5)})
    assert bench.dead == []
    assert await bench.rows("select 1 from attempt") == []


async def test_process_that_dies_marks_what_it_was_at_from_the_third_delivery_on(bench: Bench) -> None:
    await bench.publish(event(payment(payment="deadly"), "killer"))
    begun: list[list[tuple[int, int]]] = []
    for _ in range(ATTEMPTS):
        async with process(bench) as victim:
            assert await ends(victim) == DEADLY
        rows = await bench.rows("select place, begun from attempt order by place")
        begun.append([(row["place"], row["begun"]) for row in rows])
    assert begun == [[]] * (MARKED_FROM - 1) + [[(0, 1)], [(0, 2)], [(0, 3)]]
    async with process(bench):
        [letter] = await until(lambda: bench.dead)
    assert letter["data"]["reason"] == "delivery_limit"
    assert "the last 3 attempts, at this alone, never ended" in letter["data"]["error"]
    assert letter["data"]["event_id"] == "killer"
    assert await bench.rows("select 1 from attempt") == []


async def test_event_that_kills_is_dead_alone_and_the_rest_of_its_pack_is_handled(bench: Bench) -> None:
    names = ["a", "b", "deadly", "c", "d"]
    whole = pack(event(payment(f"ORD-{name}", name), f"e-{name}") for name in names)
    await bench.publish(whole, content_type=envelope.PACK)
    for _ in range(ATTEMPTS):
        async with process(bench) as victim:
            assert await ends(victim) == DEADLY
    async with process(bench):
        await all_done(bench, {f"e-{name}" for name in names if name != "deadly"})
        [letter] = await until(lambda: bench.dead)
    assert letter["data"]["event_id"] == "e-deadly"
    assert await bench.tally("ORD-deadly") == ()


async def test_waiting_event_that_kills_when_its_time_comes_is_dead_and_the_rest_is_handled(bench: Bench) -> None:
    def wait(known: Tally | None, paid: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        return later("store.changed")

    async with bench.working(service(wait), ladder_seconds=(600.0,)):
        await bench.publish(event(payment(payment="deadly"), "killer"), event(payment("B"), "other"))
        await until(lambda: waits(bench, 2))
    admin = await asyncpg.connect(bench.admin_url)
    await admin.execute(f"update {NAME}.inbox_kept set due = now() - interval '2 min'")
    await admin.close()
    for _ in range(ATTEMPTS - (MARKED_FROM - 1)):
        async with process(bench) as victim:
            assert await ends(victim) == DEADLY
    async with process(bench):
        await until(lambda: len(bench.facts) == 1)
        [letter] = await until(lambda: bench.dead)
    assert (letter["data"]["reason"], letter["data"]["event_id"]) == ("delivery_limit", "killer")
    assert "the last 3 attempts, at this alone, never ended" in letter["data"]["error"]
    assert await bench.rows("select 1 from attempt") == []


async def waits(bench: Bench, count: int) -> bool:
    return [row["status"] for row in await bench.kept()] == ["waiting"] * count


async def test_letter_of_which_a_replay_kills_is_answered_as_failed_and_the_others_are_replayed(bench: Bench) -> None:
    def broken(known: Tally | None, paid: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        raise RuntimeError("a bug")

    async with bench.working(service(broken)):
        letters = await die(bench, "a", "deadly", "b")
    await bench.command(batch(letters))
    for _ in range(ATTEMPTS):
        async with process(bench) as victim:
            assert await ends(victim) == DEADLY
    async with process(bench):
        await until(lambda: len(answers(bench)) == 3)
    deadly = next(one.place for one in letters if one.event_id == "e-deadly")
    assert answers(bench) == {one.place: "failed" if one.place == deadly else "handled" for one in letters}
    assert len(bench.dead) == 3, "the order itself is no dead letter"


async def given_back(bench: Bench, times: int) -> Delivery:
    """The message as the worker will get it."""
    queue = await bench.channel.get_queue(NAME, ensure=False)
    for _ in range(times):
        message = await until(lambda: queue.get(fail=False))
        await message.nack(requeue=True)
    key, kind = message.routing_key or "", message.content_type or ""
    return Delivery(0, NAME, "fleet.inbound", key, kind, dict(message.headers), message.body, True)


async def test_message_that_kills_while_it_is_decoded_is_dead_undecoded(bench: Bench) -> None:
    await bench.publish(event(payment(), "e1"))
    delivery = await given_back(bench, MARKED_FROM - 1)
    await bench.rows("insert into attempt values ($1, $2, 3, 'host/1', now())", message_of(delivery), WHOLE)
    async with bench.working():
        [letter] = await until(lambda: bench.dead)
    assert letter["data"]["reason"] == "delivery_limit"
    assert "begun by host/1" in letter["data"]["error"]
    assert await bench.tally() == ()
    assert await bench.rows("select 1 from attempt") == []


async def test_attempt_that_waits_for_a_role_or_a_migration_does_not_count(bench: Bench) -> None:
    await bench.publish(event(payment(), "e1"))
    await given_back(bench, MARKED_FROM)
    await owner(bench, f"revoke all on {NAME}.tally from fleet_{NAME}")
    try:
        for _ in range(ATTEMPTS):
            async with bench.working():
                await until(lambda: bench.health.told("setup"))

                async def taken_back() -> bool:
                    rows = await bench.rows("select begun from attempt where place = 0")
                    return [row["begun"] for row in rows] == [0]

                await until(taken_back)
    finally:
        await owner(bench, f"grant select, insert, update, delete on {NAME}.tally to fleet_{NAME}")
    async with bench.working():
        await all_done(bench, {"e1"})
    assert bench.dead == []


async def test_suspect_message_is_handled_as_ever_by_a_decision_that_raises(bench: Bench) -> None:
    await bench.publish(event(payment("A", "bad"), "e1"), event(payment("A", "P2"), "e2"))
    await given_back(bench, MARKED_FROM)
    async with bench.working(service(Switch("raises"))):
        await until(lambda: len(bench.dead) == 1 and len(bench.held) == 1)
    assert bench.dead[0]["data"]["reason"] == "decision_raised"
    assert await bench.rows("select 1 from attempt") == []


async def test_order_of_events_beside_a_suspect_one_is_kept(bench: Bench) -> None:
    await bench.publish(*(event(payment(payment=f"P{n}"), f"e{n}") for n in range(6)))
    await prefetched_and_closed(bench, MARKED_FROM, messages=6)
    await bench.publish(*(event(payment(payment=f"P{n}"), f"e{n}") for n in range(6, 12)))
    async with bench.working():
        await all_done(bench, {f"e{n}" for n in range(12)})
    assert await bench.tally() == tuple(f"P{n}" for n in range(12))
