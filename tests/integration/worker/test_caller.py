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
from shared.database import connection
from shared.partner import caller, store
from shared.partner.caller import Caller
from shared.partner.errors import Unavailable
from shared.partner.operation import Attempt, Operation, Policy
from tests.integration.worker.bench import NAME, Bench, until


class Ask(Request):
    what: str = "it"


class NewerAsk(Ask):
    """The same request in a newer release."""

    sign: str | None = None


NewerAsk.__name__ = Ask.__name__


class Told(Model):
    what: str = "done"


class Partner:
    def __init__(self) -> None:
        self.asked = self.queried = 0
        self.refuses = 0
        """So many times it does not take what it is asked."""
        self.answer = asyncio.Event()
        self.answer.set()

    async def send(self, request: Ask, attempt: Attempt) -> Told:
        self.asked += 1
        if self.asked <= self.refuses:
            raise Unavailable("busy")
        await self.answer.wait()
        return Told()

    async def query(self, request: Ask, attempt: Attempt) -> Told | None:
        self.queried += 1
        return Told()


async def sent_nowhere(batch: UUID, messages: Any) -> None:
    """The outgoing row stays."""


@asynccontextmanager
async def calling(bench: Bench, partner: Partner, policy: Policy, request: type[Request] = Ask) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncpg.create_pool(bench.url, min_size=1, max_size=3) as pool:
        operations = (Operation(request, partner.send, policy, partner.query),)
        task = asyncio.create_task(Caller(NAME, "1", operations, pool, sent_nowhere, asyncio.Event()).run(stop))
        try:
            yield
        finally:
            stop.set()
            await task


async def call(
    bench: Bench,
    operation: str = "Ask",
    status: str = "pending",
    attempt: int = 0,
    *,
    partner: str = "erp",
    lane: str = "l",
    window: float = 3600,
    uncertain: bool = False,
    occurrence: UUID | None = None,
    request: str = "{}",
) -> None:
    await bench.rows(
        "insert into partner_call (id, partner, lane, key, aggregate, operation, request, status, attempt, due, "
        "created_at, exhaust_at, lease_until, uncertain, occurrence) values ($1, $6, $7, 'k', 'tally', $2, $10, $3, "
        "$4, now(), now(), $5, now() - interval '1 s', $8, $9) returning 1",
        uuid4(),
        operation,
        status,
        attempt,
        datetime.now(UTC) + timedelta(seconds=window),
        partner,
        lane,
        uncertain,
        occurrence,
        request,
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
    await call(bench, operation="Unheard", lane="new")
    await call(bench)
    async with calling(bench, Partner(), Policy()):
        await until(lambda: statuses(bench, "pending", "answered"))
    [row] = await bench.rows("select attempt, error from partner_call where operation = 'Unheard'")
    assert (row["attempt"], row["error"]) == (0, None)


async def test_calls_that_only_a_newer_release_knows_do_not_probe_a_circuit(bench: Bench) -> None:
    for n in range(5):
        await call(bench, operation="Unheard", lane=f"new-{n}")
    await call(bench)
    await bench.rows("insert into partner_gate values ('erp', now(), now() - interval '1 s', 9) returning 1")
    async with calling(bench, Partner(), Policy()):
        await until(lambda: statuses(bench, *["pending"] * 5, "answered"))
    [gate] = await bench.rows("select open_until, failures from partner_gate")
    assert (gate["open_until"], gate["failures"]) == (None, 0)


async def test_rate_of_a_partner_holds_while_its_oldest_call_is_of_a_newer_release(bench: Bench) -> None:
    await call(bench, operation="Unheard", lane="new")
    await call(bench, lane="1")
    await call(bench, lane="2")
    async with calling(bench, Partner(), Policy(rate=1 / 60)):
        await until(lambda: statuses(bench, "pending", "answered", "pending"))
        await until(lambda: looked_again(bench))
    assert await statuses(bench, "pending", "answered", "pending", "answered")


async def looked_again(bench: Bench) -> bool:
    """Whether the caller has leased what it could since: another partner's call shows it."""
    if not await bench.rows("select 1 from partner_call where partner = 'other'"):
        await call(bench, partner="other")
    return bool(await bench.rows("select 1 from partner_call where partner = 'other' and status = 'answered'"))


@pytest.mark.parametrize("uncertain", [False, True])
async def test_request_with_a_field_of_a_newer_release_is_left_to_it(bench: Bench, uncertain: bool) -> None:
    """The old one neither makes it without the field nor gives it up, and forgets nothing that is known of it."""
    await call(bench, attempt=1, uncertain=uncertain, request='{"sign": "secret"}')
    await bench.rows("insert into partner_gate values ('erp', now(), null, 2) returning 1")
    old, new = Partner(), Partner()
    async with calling(bench, old, Policy(uncertain="query")):
        await until(lambda: tried(bench, 3))
        [row] = await bench.rows("select status, uncertain, error from partner_call")
        [gate] = await bench.rows("select failures from partner_gate")
        async with calling(bench, new, Policy(uncertain="query"), NewerAsk):
            await until(lambda: statuses(bench, "answered"))
    assert (row["uncertain"], gate["failures"]) == (uncertain, 2)
    assert "sign: Extra inputs are not permitted" in row["error"]
    assert "secret" not in row["error"]
    assert (old.asked, old.queried) == (0, 0)
    assert (new.asked, new.queried) == ((0, 1) if uncertain else (1, 0))


async def test_uncertain_request_of_a_newer_release_still_stops_there(bench: Bench) -> None:
    await call(bench, attempt=1, uncertain=True, request='{"sign": "secret"}')
    new = Partner()
    async with calling(bench, Partner(), Policy(uncertain="stop")):
        await until(lambda: tried(bench, 2))
    async with calling(bench, new, Policy(uncertain="stop"), NewerAsk):
        await until(lambda: statuses(bench, "exhausted"))
    assert new.asked == 0


async def test_request_that_no_release_can_read_in_its_window_is_exhausted(bench: Bench) -> None:
    await call(bench, request='{"sign": "secret"}', window=-1)
    async with calling(bench, Partner(), Policy()):
        await until(lambda: statuses(bench, "exhausted"))
    [row] = await bench.rows("select error from partner_call")
    assert row["error"].startswith("unreadable: Ask of another release: sign")


async def tried(bench: Bench, attempts: int) -> bool:
    """Whether it is waiting for its next try after so many."""
    rows = await bench.rows("select attempt, error from partner_call where status = 'pending'")
    return any(row["attempt"] >= attempts and row["error"] for row in rows)


@pytest.mark.parametrize("status", ["pending", "leased"])
async def test_call_that_no_release_makes_in_its_window_is_exhausted(
    bench: Bench, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "UNKNOWN_EVERY", 0.1)
    await call(bench, operation="Unheard", status=status, window=-1)
    async with calling(bench, Partner(), Policy()):
        await until(lambda: statuses(bench, "exhausted"))
    [row] = await bench.rows("select error from partner_call")
    assert "'Unheard'" in row["error"]


async def test_low_rate_allows_one_call_and_the_next_a_minute_later(bench: Bench) -> None:
    await call(bench, lane="1")
    await call(bench, lane="2")
    async with calling(bench, Partner(), Policy(rate=1 / 60)):
        await until(lambda: statuses(bench, "answered", "pending"))
        [row] = await bench.rows("select next_at - now() as rest from partner_gate")
        assert timedelta(seconds=50) < row["rest"] <= timedelta(seconds=60)
        await bench.rows("update partner_gate set next_at = next_at - interval '55 s' returning 1")
        await until(lambda: looked_again(bench))
        assert await statuses(bench, "answered", "pending", "answered")
        await until(lambda: statuses(bench, "answered", "answered", "answered"), why="five seconds later")


@pytest.mark.parametrize("rate", [0.3, 0.7, 1.0])
async def test_rate_allows_the_next_call_when_the_share_of_the_last_is_over(bench: Bench, rate: float) -> None:
    for n in range(3):
        await call(bench, lane=str(n))
    async with calling(bench, Partner(), Policy(rate=rate)):
        for made in (1, 2, 3):
            await until(lambda m=made: statuses(bench, *["answered"] * m, *["pending"] * (3 - m)))
            await bench.rows("update partner_gate set next_at = next_at - $1::interval", timedelta(seconds=1 / rate))


async def test_revived_call_that_a_person_let_go_is_tried_again_where_it_was_not_taken(bench: Bench) -> None:
    occurrence = uuid4()
    await call(bench, status="exhausted", attempt=1, uncertain=True, occurrence=occurrence)
    partner = Partner()
    partner.refuses = 2
    async with calling(bench, partner, Policy(uncertain="stop")):
        async with asyncpg.create_pool(bench.url, min_size=1, max_size=1) as pool, connection(pool) as con:
            assert await store.revive_calls(con, [occurrence], []) == {occurrence}
        await until(lambda: statuses(bench, "answered"))
    assert partner.asked == 3


async def test_revived_call_of_a_partner_that_can_be_asked_is_asked_about_first(bench: Bench) -> None:
    occurrence = uuid4()
    await call(bench, status="exhausted", attempt=1, uncertain=True, occurrence=occurrence)
    partner = Partner()
    async with calling(bench, partner, Policy(uncertain="query")):
        async with asyncpg.create_pool(bench.url, min_size=1, max_size=1) as pool, connection(pool) as con:
            await store.revive_calls(con, [occurrence], [])
        await until(lambda: statuses(bench, "answered"))
    assert (partner.queried, partner.asked) == (1, 0)


async def test_lease_of_a_slow_call_is_kept_while_its_process_lives(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(caller, "RENEW_EVERY", 0.2)
    await call(bench)
    partner = Partner()
    partner.answer.clear()
    async with calling(bench, partner, Policy(timeout=30)), calling(bench, partner, Policy(timeout=30)):
        await until(lambda: partner.asked == 1)
        [row] = await bench.rows("select lease_until from partner_call")

        async def renewed() -> bool:
            rows = await bench.rows("select lease_until > $1 as is_so from partner_call", first + timedelta(seconds=2))
            return bool(rows[0]["is_so"])

        first = row["lease_until"]
        await until(renewed)
        assert partner.asked == 1, "nobody else has made it"
        partner.answer.set()
        await until(lambda: statuses(bench, "answered"))
    assert partner.asked == 1


async def test_lease_of_a_process_that_is_gone_ends_long_before_the_time_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "LEASE", timedelta(seconds=1))
    await call(bench)
    gone, partner = Partner(), Partner()
    gone.answer.clear()
    async with asyncpg.create_pool(bench.url, min_size=1, max_size=3) as pool:
        operations = (Operation(Ask, gone.send, Policy(timeout=600)),)
        killed = asyncio.create_task(
            Caller(NAME, "1", operations, pool, sent_nowhere, asyncio.Event()).run(asyncio.Event())
        )
        await until(lambda: gone.asked == 1)
        pool.terminate()
        async with calling(bench, partner, Policy(timeout=600)):
            await until(lambda: statuses(bench, "answered"))
        killed.cancel()
    assert partner.asked == 1


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
