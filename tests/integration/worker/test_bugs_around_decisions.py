"""Bugs beside the decisions (a load, a look-up, a state that no longer fits) kill their event, not the session."""

from collections.abc import Sequence
from typing import Any

from asyncpg import Connection

from schemas.payment import PaymentApproved
from shared.worker.subscription import Service, Subscription
from tests.integration.worker.bench import NAME, TALLY, Bench, count, event, payment, until


async def broken_load(con: Connection, keys: Sequence[str], messages: Sequence[PaymentApproved]) -> list[Any]:
    if any(m.payment_id == "bad" for m in messages):
        raise KeyError("no such thing")
    return [None for _ in messages]


async def test_load_that_raises_kills_only_its_event(bench: Bench) -> None:
    await bench.publish(event(payment("A")), event(payment("B", "bad")), event(payment("C")))
    async with bench.working(Service(NAME, (Subscription(PaymentApproved, TALLY, count, load=broken_load),))):
        await until(lambda: len(bench.facts) == 2 and len(bench.dead) == 1)
    letter = bench.dead[0]["data"]
    assert letter["reason"] == "decision_raised"
    assert "no such thing" in letter["error"]
    assert letter["key"] == "tally:B"


async def test_state_that_no_release_can_read_kills_only_its_event_at_the_end_of_the_ladder(bench: Bench) -> None:
    await bench.rows("""insert into tally (key, version, body) values ('B', 1, '{"gone": 1}') returning 1""")
    await bench.publish(event(payment("A")), event(payment("B")), event(payment("C")))
    async with bench.working():
        await until(lambda: len(bench.facts) == 2 and len(bench.dead) == 1)
    assert bench.dead[0]["data"]["reason"] == "unknown_version"
