"""Answers that come at once: stored together, and none stored because of another."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.broker.outgoing import Outgoing
from shared.database import connection
from shared.partner import store
from shared.partner.answers import Answers
from tests.integration.partner.partner import Ask, Said
from tests.integration.worker.bench import NAME, Bench

NUL = "\0"
"""What a jsonb does not take."""


class Sent:
    """What was sent, and how often."""

    def __init__(self) -> None:
        self.times = 0
        self.texts: list[str] = []

    async def __call__(self, batch: UUID, messages: list[Outgoing]) -> None:
        self.times += 1
        for message in messages:
            self.texts += [event["data"]["answer"]["text"] for event in json.loads(message.body)]


@pytest.fixture
async def pool(bench: Bench) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(bench.url, min_size=1, max_size=2) as one:
        yield one


async def leased(pool: asyncpg.Pool, count: int) -> list[store.Leased]:
    now = datetime.now(UTC)
    made = [
        store.NewCall(
            id=uuid4(),
            partner="acme",
            lane=str(n),
            key="ORD-1",
            aggregate="tally",
            operation="Ask",
            request=Ask(partner="acme", what=str(n)).model_dump_json(),
            created_at=now,
            exhaust_at=now + timedelta(minutes=1),
            correlation="c",
            trace=None,
        )
        for n in range(count)
    ]
    async with connection(pool) as con:
        await store.save_calls(con, made)
        return await store.lease_calls(con, [store.Wanted("acme", count, timedelta(minutes=1))], ["Ask"], uuid4())


async def test_answers_that_come_at_once_are_told_together_each_once(bench: Bench, pool: asyncpg.Pool) -> None:
    sent, calls = Sent(), await leased(pool, 10)
    answers = Answers(NAME, pool, sent)
    await asyncio.gather(*(answers.add(call, Said(text=call.lane)) for call in calls))
    assert sorted(sent.texts) == [str(n) for n in range(10)]
    assert sent.times == 2, "the first alone, then all that came while it was stored"
    assert {row["status"] for row in await bench.rows("select status from partner_call")} == {"answered"}


async def test_answer_that_the_database_refuses_keeps_no_other_back(bench: Bench, pool: asyncpg.Pool) -> None:
    sent, calls = Sent(), await leased(pool, 5)
    texts = ["0", "1", NUL, "3", "4"]
    answers = Answers(NAME, pool, sent)
    outcomes = await asyncio.gather(
        *(answers.add(call, Said(text=text)) for call, text in zip(calls, texts, strict=True)), return_exceptions=True
    )
    assert [type(o) for o in outcomes if o is not None] == [asyncpg.UntranslatableCharacterError]
    assert sorted(sent.texts) == ["0", "1", "3", "4"]
    rows = await bench.rows("select status, count(*) as calls from partner_call group by 1 order by 1")
    assert [tuple(row) for row in rows] == [("answered", 4), ("leased", 1)]


async def test_answer_whose_lease_is_lost_is_neither_stored_nor_told(bench: Bench, pool: asyncpg.Pool) -> None:
    sent, calls = Sent(), await leased(pool, 2)
    await pool.execute("update partner_call set lease_token = gen_random_uuid() where id = $1", calls[0].id)
    answers = Answers(NAME, pool, sent)
    await asyncio.gather(*(answers.add(call, Said(text=call.lane)) for call in calls))
    assert sent.texts == [calls[1].lane]
    rows = await bench.rows("select id, status from partner_call")
    assert {row["id"]: row["status"] for row in rows} == {calls[0].id: "leased", calls[1].id: "answered"}


async def test_lease_leaves_calls_behind_a_gate_that_closed_meanwhile(bench: Bench, pool: asyncpg.Pool) -> None:
    calls = await leased(pool, 2)
    await pool.execute("update partner_call set status = 'pending'")
    wanted = [store.Wanted("acme", 8, timedelta(minutes=1))]
    async with connection(pool) as con:
        await store.save_circuit(con, "acme", 5, datetime.now(UTC) + timedelta(minutes=1))
        assert await store.lease_calls(con, wanted, ["Ask"], uuid4()) == []
        probe = await store.lease_calls(con, wanted, ["Ask"], uuid4(), gate_locked=True)
        assert {call.id for call in probe} == {call.id for call in calls}


async def test_call_that_a_release_which_is_gone_had_under_way_is_given_up_as_uncertain(
    bench: Bench, pool: asyncpg.Pool
) -> None:
    """It may have had its effect: a replay by a release that knows it asks first."""
    begun, _ = await leased(pool, 2)
    await pool.execute(
        "update partner_call set exhaust_at = now() - interval '1 s', lease_until = now() - interval '1 s', "
        "status = case when id = $1 then 'leased' else 'pending' end",
        begun.id,
    )
    async with connection(pool) as con:
        given_up = await store.lease_unknown_over(con, ["Another"], uuid4())
    assert {call.uncertain for call in given_up if call.id == begun.id} == {True}
    assert {call.uncertain for call in given_up if call.id != begun.id} == {False}
