"""Reminders: messages that a service sends to itself at a time."""

from datetime import timedelta
from typing import Any

from schemas.decision import Context, Decision, Outcome, Reminder
from schemas.order import OrderCompleted
from schemas.payment import PaymentApproved
from schemas.runtime import ReminderDue
from shared.worker.subscription import Service, Subscription, Timer
from tests.integration.worker.bench import NAME, TALLY, Bench, Tally, event, payment, until


def plan(tally: Tally | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
    """`payment_id` is `set/<name>/<milliseconds>/<note>` or `forget/<name>`."""
    match event.payment_id.split("/"):
        case ["set", name, wait, note]:
            due = ctx.now + timedelta(milliseconds=int(wait))
            return Decision(tally or Tally(), reminders=[Reminder(name, due, {"note": note})])
        case ["forget", name]:
            return Decision(tally or Tally(), forget=[name])
    raise ValueError(event.payment_id)


def remind(tally: Tally | None, event: ReminderDue, ctx: Context[Any]) -> Outcome[Tally]:
    assert ctx.now >= event.due
    said = f"{event.name}: {event.note['note']}"
    fact = OrderCompleted(order_id=event.key, store_id="s", channel_id=said, completed_at=ctx.now)
    return Decision(Tally(seen=(*(tally or Tally()).seen, said)), events=[fact])


SERVICE = Service(
    NAME, (Subscription(PaymentApproved, TALLY, plan), Timer("ring", TALLY, remind), Timer("last", TALLY, remind))
)


async def told(bench: Bench, what: str, order: str = "ORD-1") -> None:
    await bench.publish(event(payment(order, what)))


async def is_set(bench: Bench, count: int = 1) -> bool:
    return len(await bench.rows("select 1 from reminder")) == count


async def test_reminder_comes_once_to_the_key_that_set_it(bench: Bench) -> None:
    async with bench.working(SERVICE):
        await told(bench, "set/ring/300/a", "ORD-1")
        await told(bench, "set/ring/300/b", "ORD-2")
        await until(lambda: len(bench.facts) == 2)
        await told(bench, "set/last/300/end")
        await until(lambda: len(bench.facts) == 3)
        await until(lambda: is_set(bench, 0))
    assert await bench.tally("ORD-1") == ("ring: a", "last: end")
    assert await bench.tally("ORD-2") == ("ring: b",)


async def test_reminder_of_the_same_name_replaces_the_one_before(bench: Bench) -> None:
    async with bench.working(SERVICE):
        await told(bench, "set/ring/60000/first")
        await until(lambda: is_set(bench))
        await told(bench, "set/ring/300/second")
        await until(lambda: len(bench.facts) == 1)
        assert await is_set(bench, 0)
    assert await bench.tally() == ("ring: second",)


async def test_forgotten_reminder_does_not_come(bench: Bench) -> None:
    async with bench.working(SERVICE):
        await told(bench, "set/ring/6000/never")
        await until(lambda: is_set(bench))
        await told(bench, "forget/ring")
        await until(lambda: is_set(bench, 0))
        await told(bench, "set/last/6000/after it would have come")
        await until(lambda: len(bench.facts) == 1)
    assert await bench.tally() == ("last: after it would have come",)


async def test_reminder_survives_a_restart(bench: Bench) -> None:
    async with bench.working(SERVICE):
        await told(bench, "set/ring/1000/still there")
        await until(lambda: is_set(bench))
    assert bench.facts == []

    async def due() -> bool:
        return bool(await bench.rows("select 1 from reminder where due < now()"))

    await until(due)
    async with bench.working(SERVICE):
        await until(lambda: len(bench.facts) == 1)
    assert await bench.tally() == ("ring: still there",)


async def test_two_workers_send_a_reminder_once(bench: Bench) -> None:
    async with bench.working(SERVICE), bench.working(SERVICE):
        for n in range(20):
            await told(bench, "set/ring/500/x", f"ORD-{n}")
        await until(lambda: len(bench.facts) == 20)
        await until(lambda: is_set(bench, 0))
        await until(lambda: bench.queue_depth_is(0))
    assert len({fact["id"] for fact in bench.facts}) == 20
    for n in range(20):
        assert await bench.tally(f"ORD-{n}") == ("ring: x",)
