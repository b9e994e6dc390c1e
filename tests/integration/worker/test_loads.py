"""What decisions load beside their state, when a batch has several events of a key."""

from collections.abc import Sequence
from typing import Any

from asyncpg import Connection

from schemas import envelope
from schemas.decision import Context, Decision, Outcome, Refused
from schemas.payment import PaymentApproved
from shared.worker.subscription import Service, Subscription
from tests.integration.worker.bench import NAME, TALLY, Bench, Tally, event, payment, until
from tests.integration.worker.test_failures import replay_of

ORDERS, EACH = 4, 3


async def test_loads_of_a_batch_see_what_earlier_events_of_their_key_did_in_one_load_for_all_keys(bench: Bench) -> None:
    loads: list[int] = []

    async def load(con: Connection, keys: Sequence[str], messages: Sequence[Any]) -> list[int]:
        loads.append(len(keys))
        rows = await con.fetch("select key, jsonb_array_length(body -> 'seen') as seen from tally")
        seen = {row["key"]: row["seen"] for row in rows}
        return [seen.get(key, 0) for key in keys]

    def decide(tally: Tally | None, event: PaymentApproved, ctx: Context[int]) -> Outcome[Tally]:
        known = (tally or Tally()).seen
        return Decision(Tally(seen=(*known, f"{event.payment_id} after {ctx.reference}")))

    events = [event(payment(f"ORD-{order}", f"P{n}")) for n in range(EACH) for order in range(ORDERS)]
    wanted = tuple(f"P{n} after {n}" for n in range(EACH))
    async with bench.working(Service(NAME, (Subscription(PaymentApproved, TALLY, decide, load=load),))):
        await bench.publish(b"[" + b",".join(events) + b"]", content_type=envelope.PACK)
        for order in range(ORDERS):
            await until(lambda order=order: tallied(bench, f"ORD-{order}", wanted))
    assert loads == [ORDERS] * EACH


async def tallied(bench: Bench, order: str, wanted: tuple[str, ...]) -> bool:
    return await bench.tally(order) == wanted


async def test_replays_of_one_key_are_all_done_where_the_events_beside_them_pause_the_worker(bench: Bench) -> None:
    mended = False

    async def load(con: Connection, keys: Sequence[str], messages: Sequence[Any]) -> list[int]:
        return [0] * len(keys)

    def decide(tally: Tally | None, event: PaymentApproved, ctx: Context[int]) -> Outcome[Tally]:
        if event.payment_id == "bad":
            raise RuntimeError("a bug")
        if not mended:
            return Refused("too_early", "not open yet")
        return Decision(Tally(seen=(*(tally or Tally()).seen, event.payment_id)))

    working = Service(NAME, (Subscription(PaymentApproved, TALLY, decide, load=load),))
    async with bench.working(working):
        await bench.publish(*(event(payment(payment=f"P{n}")) for n in range(3)))
        await until(lambda: len(bench.dead) == 3)
    mended = True
    orders = [replay_of(letter) for letter in bench.dead]
    for order in orders:
        await bench.command(order)
    await bench.publish(*(event(payment(f"O{n}", "bad")) for n in range(3)))
    async with bench.working(working, pause_after=3, pause_seconds=0.1):
        await until(lambda: len(answers(bench)) == len(orders))
        await until(lambda: len(bench.dead) == 6)
    assert answers(bench) == ["handled"] * len(orders)
    assert await bench.tally() == ("P0", "P1", "P2")


def answers(bench: Bench) -> list[str]:
    return [f["data"]["outcome"] for f in bench.facts if f["type"] == "dead_letter.resolved.v1"]
