"""Runs batches in the database, whatever it answers: waits while it is away, finds the event it will not take."""

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from os import getpid
from socket import gethostname
from typing import TypeVar
from uuid import UUID

import asyncpg
import structlog

from shared import metrics
from shared.backoff import LONGEST_AWAY, Backoff
from shared.broker.outgoing import Outgoing
from shared.database import connection
from shared.health import Health
from shared.worker import store
from shared.worker.batch import Batch, Desk
from shared.worker.deciding import refuse
from shared.worker.fold import Result, is_our_own
from shared.worker.handling import Handling
from shared.worker.incoming import Attempt, Mark
from shared.worker.replays import is_order
from shared.worker.trouble import Trouble, diagnose, sqlstate

log = structlog.get_logger()

T = TypeVar("T")


class GaveUp(Exception):
    """Told to stop while the database is away or not set up; the events come again."""


class Transactor:
    """Handles batches one after the other. Counts the dead letters running, which may pause the worker."""

    def __init__(self, desk: Desk, pool: asyncpg.Pool, health: Health, pause_after: int) -> None:
        self._desk = desk
        self._pool = pool
        self._health = health
        self._pause_after = pause_after
        self._name = f"{gethostname()}/{getpid()}"
        self.dead_running = 0
        self._to_regain = 0
        """Events to be handled running until the last pause is forgotten."""
        self._begun: Mark | None = None
        """The attempt under way."""
        self.sent: list[UUID] = []
        """Batches whose messages are confirmed: their outgoing rows go with the next batch's transaction."""
        self.stopping = False
        """Waiting for the database ends with GaveUp."""
        self.in_doubt = False
        """Whether a transaction was cut off, perhaps after its commit: its outgoing row may be there, unsent."""
        self.unsent: dict[UUID, list[Outgoing]] = {}
        """Messages that are saved and not confirmed: what a lost session leaves to the next one."""

    @property
    def paused(self) -> bool:
        return self.dead_running >= self._pause_after

    @property
    def wary(self) -> bool:
        """Paused, or out of a pause by a few events only: nothing is taken in advance, it might be held for hours."""
        return self.paused or self._to_regain > 0

    def note_sent(self, batch: Batch) -> None:
        """The batch's messages are confirmed."""
        if self.unsent.pop(batch.id, None) is not None:
            self.sent.append(batch.id)

    async def handle(self, batch: Batch) -> list[Batch]:
        """The batch as it was committed, in one or, where an event had to be singled out, several parts."""
        try:
            await self._until_done(lambda: self._once(batch))
            return [batch]
        except GaveUp:
            raise
        except Exception as error:
            if len(batch.items) == 1:
                if batch.items[0].fault is not None:
                    raise  # not even the dead letter can be stored
                if is_order(batch.items[0]) and not batch.step_by_step:
                    return await self.handle(Batch(batch.items, step_by_step=True))
                refuse(batch.items[0], error)
                await self._until_done(lambda: self._once(batch))
                return [batch]
            batch.left = []  # of the try that failed
            log.warning("batch.split", events=len(batch.items), sqlstate=sqlstate(error), error=str(error))
        parts: list[Batch] = []
        for item in batch.items:
            if self.paused:
                batch.left.append(item)
                continue
            parts += await self.handle(Batch([item]))
        if batch.left and parts:
            parts[-1].left = batch.left
        return parts

    async def load_attempts(self, message: UUID) -> dict[int, Attempt]:
        """What is known of attempts at a message, by the place of the event in it."""

        async def look() -> dict[int, Attempt]:
            async with connection(self._pool) as con:
                return await store.load_attempts(con, message)

        return await self._until_done(look)

    async def begin_attempt(self, mark: Mark) -> None:
        """Is stored before the attempt is made."""

        async def begin() -> None:
            async with connection(self._pool) as con:
                await store.begin_attempt(con, mark, self._name)
            self._begun = mark

        await self._until_done(begin)

    async def _until_done(self, work: Callable[[], Awaitable[T]]) -> T:
        """Tries until the database has taken it. Raises what singles out an event (the database refuses it, or
        a look-up or a load raises), and GaveUp."""
        backoff = Backoff(longest=LONGEST_AWAY)
        races = 0
        while True:
            try:
                return await work()
            except Exception as error:
                match diagnose(error):
                    case Trouble.AWAY:
                        await self._wait(error, backoff)
                    case Trouble.RACE if races < 5:
                        races += 1
                    case Trouble.SETUP:
                        await self._wait_for_setup(error, backoff)
                    case _:
                        raise

    async def _once(self, batch: Batch) -> None:
        sent = list(self.sent)
        async with connection(self._pool) as con:
            limit = 1 if self.paused else self._pause_after - self.dead_running
            self.in_doubt = True
            await Handling(self._desk, con, batch, sent, limit).run()
            if batch.outgoing:  # noted before anything is awaited: whoever is cut off from here on leaves it behind
                self.unsent[batch.id] = batch.outgoing
            self.in_doubt = False
        self._begun = None
        self._forget(sent)
        self._health.ready("database")
        self._health.ready("setup")
        self._count(batch.results)

    async def _wait(self, error: BaseException, backoff: Backoff) -> None:
        state = sqlstate(error)
        metrics.DATABASE_RETRIES.labels(state).inc()
        self._health.not_ready("database", f"{state}: {error}")
        log.warning("database.away", sqlstate=state, error=str(error), failures=backoff.failures + 1)
        await self._pass_time(error, backoff)

    async def _wait_for_setup(self, error: BaseException, backoff: Backoff) -> None:
        """Wrong role, or a migration is missing. The session stays: each one that is closed counts as a delivery, and
        after a few of them the events would be dead letters."""
        self._health.not_ready("setup", f"the database refuses this service: {sqlstate(error)}: {error}")
        log.error("worker.not_set_up", error=str(error), hint="run `fleet migrate`; is the role right?")
        await self._take_back_attempt()
        await self._pass_time(error, backoff)

    async def _take_back_attempt(self) -> None:
        """It waits for a person: sessions that end meanwhile say nothing about its event."""
        if self._begun is not None:
            with contextlib.suppress(Exception):
                async with connection(self._pool) as con:
                    await store.take_back_attempt(con, self._begun)
                self._begun = None

    async def _pass_time(self, error: BaseException, backoff: Backoff) -> None:
        if self.stopping:
            raise GaveUp(f"{sqlstate(error)}: {error}") from error
        await backoff.wait()

    def _count(self, results: Sequence[Result]) -> None:
        for status, events in Counter([result.status for result in results]).items():
            metrics.EVENTS.labels(status).inc(events)
        for result in results:
            if result.status == "handled":
                self.dead_running = 0
                self._to_regain = max(0, self._to_regain - 1)
            else:
                self._count_trouble(result)

    def _count_trouble(self, result: Result) -> None:
        if result.status == "dead":
            metrics.DEAD_LETTERS.labels(result.reason).inc()
        if is_our_own(result):
            self.dead_running += 1
            self._to_regain = self._pause_after if self.wary else 0
        item = result.item
        log.warning(
            f"event.{result.status}",
            reason=result.reason,
            type=item.type,
            id=item.id,
            key=item.key,
            attempt=result.attempt,
            occurrence=str(result.occurrence) if result.occurrence else None,
        )

    def _forget(self, sent: list[UUID]) -> None:
        self.sent = [batch for batch in self.sent if batch not in sent]

    async def flush(self) -> None:
        """Deletes the outgoing rows of confirmed batches while no batch comes that would."""
        if not self.sent:
            return
        sent = list(self.sent)
        async with connection(self._pool) as con:
            await store.delete_outgoing(con, sent)
        self._forget(sent)
