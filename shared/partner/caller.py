"""Makes the calls that decisions asked for: leased, oldest first per lane, each partner on its own.

An answer is stored on the call's row together with the message that tells the service, in one transaction.
"""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic, perf_counter
from typing import Any
from uuid import UUID, uuid4, uuid5

import aiohttp
import structlog
from asyncpg import Connection, Pool
from pydantic import ValidationError

from schemas.model import Model, places
from schemas.text import storable_error
from shared import metrics
from shared.backoff import LONGEST_AWAY, jittered
from shared.broker.outgoing import Outgoing
from shared.database import connection
from shared.partner import gate, store
from shared.partner.answers import Answers
from shared.partner.errors import Rejected, Unavailable, Uncertain, Unreadable
from shared.partner.operation import Attempt, Operation, Policy
from shared.partner.report import exhausted
from shared.worker.store import save_outgoing
from shared.worker.trouble import Trouble, diagnose

log = structlog.get_logger()

Send = Callable[[UUID, list[Outgoing]], Awaitable[None]]
"""Sends the messages of a saved outgoing row, now or later; whoever does it deletes the row."""

LONGEST_WAIT = 60.0
"""Seconds between two tries of one call, at most, unless the partner asks for more."""
LONGEST_PAUSE = 3600.0
"""Seconds that a partner may ask us to wait: a header that says a century must not stop all calls to it."""
LEASE = timedelta(seconds=20)
"""For how long nobody else makes the calls of a process that was killed, or that the database is away from."""
RENEW_EVERY = 5.0
"""Seconds. Most calls are over before."""
UNKNOWN_EVERY = 15.0
"""Seconds between two looks for calls that no release has made in time."""
POLL = 0.5
GATHER, GATHER_LATE = 0.02, 0.06
"""Seconds between two looks for due calls, at least: what ends and begins in between is leased at once. The longer
where calls come late, which is under load."""


class Caller:
    """Leases due calls and makes them. `wake` is set when a batch has made new ones; `named` are the fields by which
    messages name states, by aggregate."""

    def __init__(
        self,
        service: str,
        version: str,
        operations: tuple[Operation, ...],
        pool: Pool,
        send: Send,
        wake: asyncio.Event,
        named: Mapping[str, str] | None = None,
    ) -> None:
        self._service = service
        self._version = version
        self._operations = {o.name: o for o in operations}
        self._pool = pool
        self._send = send
        self._wake = wake
        self._named = named or {}
        self._running: dict[str, dict[asyncio.Task[None], store.Leased]] = {}
        self._unknown_at = monotonic()
        self._troubled: set[str] = set()
        """Partners whose last call failed, here or at another replica: a success must close their circuit."""
        self._answers = Answers(service, pool, send)
        self._late = False
        """Whether the calls that were leased last had waited longer than between two looks."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then waits for the calls under way."""
        if not self._operations:
            await stop.wait()
            return
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            renewing = asyncio.create_task(self._renew())
            try:
                await self._until_stop(session, stop)
            finally:
                renewing.cancel()

    async def _until_stop(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            looked = monotonic()
            try:
                started = await self._start_due(session)
                failures = 0
            except Exception as error:
                log.warning("calls.not_leased", error=str(error), exc_info=diagnose(error) is None)
                started, failures = 0, failures + 1
            if not started:
                await self._sleep(stop, jittered(failures, POLL, LONGEST_AWAY) if failures else POLL)
            await asyncio.sleep(max(0.0, looked + (GATHER_LATE if self._late else GATHER) - monotonic()))
        await asyncio.gather(*(t for tasks in self._running.values() for t in tasks), return_exceptions=True)

    async def _renew(self) -> None:
        """Keeps the leases of what is under way, however long it takes. Until cancelled."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            calls = [call for tasks in self._running.values() for call in tasks.values()]
            try:
                async with connection(self._pool) as con:
                    await store.renew_leases(con, calls, LEASE)
            except Exception as error:
                log.warning("calls.not_renewed", error=str(error), exc_info=diagnose(error) is None)

    async def _sleep(self, stop: asyncio.Event, seconds: float) -> None:
        waits = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(stop.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._wake.clear()

    async def _start_due(self, session: aiohttp.ClientSession) -> int:
        """Leases what each partner has room for and starts it; how many calls were started."""
        async with connection(self._pool) as con:
            waiting = await store.load_open_partners(con, list(self._operations))
            self._troubled |= {partner for partner, _, doors in waiting if doors.failures}
            over = await store.lease_over(con, [p for p, _, doors in waiting if doors.open_until is not None], uuid4())
            for call in over:
                error = "its window is over; the partner was away"
                self._start(call, self._store_exhausted(call, error, call.uncertain))
            for call in (unknown := await self._lease_unknown(con)):
                error = f"no release that knows {call.operation!r} has made it within its window"
                self._start(call, self._store_exhausted(call, error, call.uncertain))
            started = 0
            async for calls in self._lease(con, waiting):
                for call in calls:
                    self._start(call, self._make(session, call))
                started += len(calls)
                self._late = bool(calls) and _has_waited(calls[0])
        return started + len(over) + len(unknown)

    async def _lease_unknown(self, con: Connection) -> list[store.Leased]:
        """Calls of a newer release that is gone, e.g. after a rollback, when their window is over."""
        if monotonic() < self._unknown_at:
            return []
        self._unknown_at = monotonic() + UNKNOWN_EVERY
        return await store.lease_unknown_over(con, list(self._operations), uuid4())

    async def _lease(
        self, con: Connection, waiting: Sequence[tuple[str, str, store.Gate]]
    ) -> AsyncIterator[list[store.Leased]]:
        """All partners in one statement, but for those whose gate must be looked at under a lock. What is leased is
        started even where the next partner's lease fails."""
        token, now, known = uuid4(), datetime.now(UTC), list(self._operations)
        free: list[store.Wanted] = []
        for partner, operation, doors in waiting:
            policy = self._policy(operation)
            room = policy.concurrency - len(self._running.get(partner, ()))
            wanted = store.Wanted(partner, room, LEASE)
            if room > 0 and gate.is_free(policy, doors, now):
                free.append(wanted)
            elif room > 0:
                yield await gate.lease(con, wanted, known, policy, doors, token)
        if free:
            yield await store.lease_calls(con, free, known, token)

    def _policy(self, operation: str) -> Policy:
        """A partner is called by the policy of its oldest open call: operations that may be open together share one.
        Of a partner with unknown ones only, nothing is leased."""
        known = self._operations.get(operation)
        return known.policy if known is not None else Policy()

    def _start(self, call: store.Leased, work: Coroutine[Any, Any, None]) -> None:
        partner, task = call.partner, asyncio.create_task(work)
        self._running.setdefault(partner, {})[task] = call

        def finished(done: asyncio.Task[None]) -> None:
            self._running[partner].pop(done, None)
            self._wake.set()
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("call.not_stored", partner=partner, error=str(error), exc_info=error)

        task.add_done_callback(finished)

    async def _make(self, session: aiohttp.ClientSession, call: store.Leased) -> None:
        """One try, and what came of it."""
        operation = self._operations[call.operation]
        started = perf_counter()
        answer: Model | None = None
        outcome, error, retry_after = "answered", "", None
        try:
            answer = await self._try(session, operation, call)
        except Unavailable as problem:
            outcome, error, retry_after = "unavailable", str(problem), problem.retry_after
        except (Uncertain, TimeoutError) as problem:
            outcome, error = "uncertain", str(problem) or "timed out"
        except Unreadable as problem:
            outcome, error = "unreadable", str(problem)
        except Rejected as problem:
            outcome, error = "rejected", str(problem)
        except Exception:
            outcome, error = "failed", traceback.format_exc(limit=-8)
        metrics.CALLS.labels(call.partner, call.operation, outcome).inc()
        metrics.CALL_SECONDS.labels(call.partner).observe(perf_counter() - started)
        if answer is not None:
            # Where the database is away this raises: the lease runs out, and the call is made again as uncertain.
            await self._store_answer(call, answer)
            await self._note_success(call.partner)
        else:
            log.warning(
                "call.failed", outcome=outcome, partner=call.partner, operation=call.operation, call=str(call.id)
            )
            await self._settle(call, operation.policy, outcome, error, retry_after)

    async def _store_answer(self, call: store.Leased, answer: Model) -> None:
        try:
            await self._answers.add(call, answer)
        except Exception as error:
            if diagnose(error) not in (Trouble.CULPRIT, None):  # None: it cannot even be written as JSON
                raise
            await self._store_exhausted(call, f"it was answered, but the answer cannot be stored: {error}", True)

    async def _try(self, session: aiohttp.ClientSession, operation: Operation, call: store.Leased) -> Model:
        attempt = Attempt(session, str(call.id), call.attempt, call.created_at)
        request = _read(operation, call)
        if call.uncertain and operation.policy.uncertain == "stop" and call.attempt > 1:
            raise Rejected("whoever made it last did not say what came of it (killed, or cut off from the database)")
        async with asyncio.timeout(operation.policy.timeout):
            if call.uncertain and operation.query is not None and operation.policy.uncertain == "query":
                found = await operation.query(request, attempt)
                if found is not None:
                    return found
            return await operation.send(request, attempt)

    async def _settle(
        self, call: store.Leased, policy: Policy, outcome: str, error: str, retry_after: float | None
    ) -> None:
        """Tries again later, or gives up: at once where trying again cannot help. What came of the call is stored
        before the circuit, which all calls of the partner share: a crash between them forgets a failure, or leaves the
        circuit open until its next probe. What could not be read says nothing of either."""
        # With `stop` an uncertain call is only made after a person has said so, and that it was not taken is certain.
        made = outcome != "unreadable"
        uncertain = outcome == "uncertain" or (call.uncertain and (policy.uncertain != "stop" or not made))
        now = datetime.now(UTC)
        hopeless = outcome in ("rejected", "failed") or (outcome == "uncertain" and policy.uncertain == "stop")
        if hopeless or now >= call.exhaust_at:
            await self._store_exhausted(call, f"{outcome}: {error}", uncertain)
        else:
            await self._store_retry(call, now, error, uncertain, retry_after)
        if outcome in ("unavailable", "uncertain"):
            await self._note_failure(call.partner)
        elif made:
            await self._note_success(call.partner)  # it answers: what is wrong is the call

    async def _store_retry(
        self, call: store.Leased, now: datetime, error: str, uncertain: bool, retry_after: float | None
    ) -> None:
        wait = max(jittered(call.attempt, 0.25, LONGEST_WAIT), min(retry_after or 0.0, LONGEST_PAUSE))
        async with connection(self._pool) as con, con.transaction():
            due = now + timedelta(seconds=wait)
            await store.save_retry(con, call, due, storable_error(error), uncertain)
            if retry_after is not None:
                await store.save_next_at(con, call.partner, due)

    async def _note_success(self, partner: str) -> None:
        if partner in self._troubled:
            self._troubled.discard(partner)
            async with connection(self._pool) as con:
                await gate.note_success(con, partner)

    async def _note_failure(self, partner: str) -> None:
        self._troubled.add(partner)
        async with connection(self._pool) as con:
            await gate.note_failure(con, partner)

    async def _store_exhausted(self, call: store.Leased, error: str, uncertain: bool) -> None:
        batch, now = uuid4(), datetime.now(UTC)
        occurrence = uuid5(call.id, f"exhausted/{call.generation}")
        said, named = storable_error(error), self._named.get(call.aggregate)
        about = {} if named is None else {named: call.key}
        messages = exhausted(self._service, self._version, batch, call, said, occurrence, now, about)
        async with connection(self._pool) as con, con.transaction():
            if not await store.save_exhausted(con, call, storable_error(error), occurrence, uncertain):
                return
            await save_outgoing(con, batch, messages)
        log.error("call.exhausted", partner=call.partner, operation=call.operation, call=str(call.id))
        await self._send(batch, messages)


def _read(operation: Operation, call: store.Leased) -> Model:
    """Raises Unreadable. A field that is not known is not left out: who asked meant it."""
    try:
        return operation.request.model_validate_json(call.request)
    except ValidationError as error:
        raise Unreadable(f"{call.operation} of another release: {places(error)}") from error


def _has_waited(call: store.Leased) -> bool:
    return (datetime.now(UTC) - call.created_at).total_seconds() > GATHER_LATE
