"""Partner calls when the process, the database or the release is not what it was at the last try."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas.decision import Request
from schemas.model import Model
from shared.partner import store
from shared.partner.caller import Caller
from shared.partner.operation import Attempt, Operation, Policy
from tests.integration.worker.bench import NAME, Bench, until


class Ask(Request):
    what: str = "it"


class Told(Model):
    what: str = "done"


class Partner:
    def __init__(self) -> None:
        self.asked = 0

    async def send(self, request: Ask, attempt: Attempt) -> Told:
        self.asked += 1
        return Told()


async def sent_nowhere(batch: UUID, messages: Any) -> None:
    """The outgoing row stays."""


@asynccontextmanager
async def calling(bench: Bench, partner: Partner, policy: Policy) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncpg.create_pool(bench.url, min_size=1, max_size=3) as pool:
        operations = (Operation(Ask, partner.send, policy),)
        task = asyncio.create_task(Caller(NAME, "1", operations, pool, sent_nowhere, asyncio.Event()).run(stop))
        try:
            yield
        finally:
            stop.set()
            await task


async def call(bench: Bench, operation: str = "Ask", status: str = "pending", attempt: int = 0) -> None:
    await bench.rows(
        "insert into partner_call (id, partner, lane, key, aggregate, operation, request, status, attempt, due, "
        "created_at, exhaust_at, lease_until) values ($1, 'erp', 'l', 'k', 'tally', $2, '{}', $3, $4, now(), now(), "
        "$5, now() - interval '1 s') returning 1",
        uuid4(),
        operation,
        status,
        attempt,
        datetime.now(UTC) + timedelta(hours=1),
    )


async def statuses(bench: Bench, *expected: str) -> bool:
    return [row["status"] for row in await bench.rows("select status from partner_call order by seq")] == [*expected]


async def test_call_of_a_killed_process_is_not_made_again_where_a_person_must_look(bench: Bench) -> None:
    await call(bench, status="leased", attempt=1)
    partner = Partner()
    async with calling(bench, partner, Policy(uncertain="stop")):
        await until(lambda: statuses(bench, "exhausted"))
    assert partner.asked == 0


async def test_call_of_a_killed_process_is_made_again_where_the_partner_is_idempotent(bench: Bench) -> None:
    await call(bench, status="leased", attempt=1)
    partner = Partner()
    async with calling(bench, partner, Policy(uncertain="resend")):
        await until(lambda: statuses(bench, "answered"))


async def test_call_that_only_a_newer_release_knows_is_left_to_it(bench: Bench) -> None:
    await call(bench, operation="Unheard")
    await call(bench)
    async with calling(bench, Partner(), Policy()):

        async def given_back() -> bool:
            rows = await bench.rows("select status, error from partner_call where operation = 'Unheard'")
            return rows[0]["status"] == "pending" and "makes no call" in (rows[0]["error"] or "")

        await until(given_back)


async def test_answer_that_cannot_be_stored_is_no_failure_of_the_call(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = asyncio.Event()

    async def away(*_: Any) -> bool:
        refused.set()
        raise ConnectionRefusedError("the database restarts")

    monkeypatch.setattr(store, "save_answers_and_messages", away)
    await call(bench)
    async with calling(bench, Partner(), Policy()):
        await asyncio.wait_for(refused.wait(), 10)
    assert await statuses(bench, "leased"), "the lease runs out, then it is made again"
