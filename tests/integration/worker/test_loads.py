"""What decisions load beside their state, when a batch has several events of a key."""

from collections.abc import Sequence
from typing import Any

from asyncpg import Connection

from schemas import envelope
from schemas.decision import Context, Decision, Outcome
from schemas.payment import PaymentApproved
from shared.worker.subscription import Service, Subscription
from tests.integration.worker.bench import NAME, TALLY, Bench, Tally, event, payment, until

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
