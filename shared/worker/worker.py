"""The worker: sessions one after the other, and what runs beside them (due events, reminders, sweeper, metrics)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from uuid import UUID

import asyncpg
import structlog

from shared import metrics
from shared.backoff import LONGEST, LONGEST_AWAY, Backoff, jittered
from shared.broker.link import Link, open_link
from shared.broker.outgoing import NotConfirmed, Outgoing
from shared.database import connection
from shared.health import Health
from shared.settings import Runtime
from shared.worker import reminders, store
from shared.worker.batch import Desk
from shared.worker.session import Session, Wake
from shared.worker.transact import Transactor
from shared.worker.trouble import Trouble, diagnose

log = structlog.get_logger()

CheckOwnPart = Callable[[], Awaitable[None]]

TICK_SECONDS = 0.1
"""Between two looks for what is due, at least: under load every batch sets reminders."""
SWEEP_EVERY, MEASURE_EVERY = 5.0, 15.0
"""Seconds."""
FRESH, LOOK_AGAIN = timedelta(seconds=1), 2.0
"""Rows as young as this are being sent, if whoever saved them lives; seconds after which a new session looks again, for
those of a process that died in the second before it."""
SWEEP_ROWS = 20
"""Outgoing rows that are read into memory at once."""


class Worker:
    """Supervises. Nothing in it waits for ever, and whatever ends a session, the next one begins."""

    def __init__(self, desk: Desk, pool: asyncpg.Pool, runtime: Runtime, health: Health, check: CheckOwnPart) -> None:
        self._desk = desk
        self._pool = pool
        self._runtime = runtime
        self._health = health
        self._check = check
        self._transactor = Transactor(desk, pool, health, runtime.pause_after)
        self._link: Link | None = None
        self._session: Session | None = None
        self._sweep_at, self._measure_at = monotonic() + SWEEP_EVERY, monotonic() + MEASURE_EVERY
        self._sweep_age = timedelta(seconds=runtime.sweep_seconds)
        self.wake = Wake()
        health.not_ready("broker", "not connected yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Sessions until `stop`."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with open_link(self._runtime.amqp_url, self._desk.service.name) as link:
                    await self._run_session(link, stop, backoff)
            except Exception as error:
                self._health.not_ready(part_of(error), f"{type(error).__name__}: {error}")
                log.warning("session.lost", error=f"{type(error).__name__}: {error}", exc_info=diagnose(error) is None)
            metrics.SESSIONS_LOST.inc(0 if stop.is_set() else 1)
            if not stop.is_set():
                await first(stop.wait(), backoff.wait())
        await self._leave_nothing_sent()

    async def _leave_nothing_sent(self) -> None:
        """Deletes the rows of what is confirmed: the next process would have to send them again."""
        try:
            await self._transactor.flush()
        except Exception as error:
            log.warning("outgoing.not_deleted", error=str(error), exc_info=diagnose(error) is None)

    async def _run_session(self, link: Link, stop: asyncio.Event, backoff: Backoff) -> None:
        await self._check()
        self._link = link
        await self._send_left_over()
        self._session = Session(self._desk, link, self._transactor, self._runtime, self.wake)
        running = asyncio.create_task(self._session.run(stop))
        started = monotonic()
        try:
            for part in ("broker", "database", "setup"):
                self._health.ready(part)
            log.info("session.up")
            await running
        finally:
            self._link = self._session = None
            if monotonic() - started > LONGEST:  # what ends each session at once must not be tried again at once
                backoff.reset()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await running

    async def send(self, messages: list[Outgoing]) -> bool:
        """Publishes now if there is a session. False: the messages' outgoing row stays, for the sweeper."""
        if self._link is None:
            return False
        try:
            await self._link.publish(messages, self._runtime.confirm_seconds)
        except NotConfirmed as error:
            log.warning("publish.not_confirmed", error=str(error))
            return False
        return True

    async def send_saved(self, batch: UUID, messages: list[Outgoing]) -> None:
        """Publishes a saved row; it is deleted with the next batch. Without a session the next one begins with it."""
        if self._link is None:
            self._transactor.unsent[batch] = messages
        elif await self.send(messages):
            self._transactor.sent.append(batch)

    async def tick(self) -> None:
        """Every second, and when reminders were set: due events and reminders; now and then the sweeper."""
        missed, misses = "", 0
        while True:
            await asyncio.sleep(jittered(misses, 1.0, LONGEST_AWAY) if misses else TICK_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0 - TICK_SECONDS):
                    await self.wake.due.wait()
            self.wake.due.clear()
            try:
                await self._carry_on()
            except Exception as error:
                if diagnose(error) is None:
                    log.exception("tick.failed")
                    continue
                misses += 1
                missed = "setup" if diagnose(error) is Trouble.SETUP else "database"
                self._health.not_ready(missed, f"{type(error).__name__}: {error}")
                log.warning("tick.failed", error=str(error))
            else:
                if missed:
                    self._health.ready(missed)
                missed, misses = "", 0

    async def _carry_on(self) -> None:
        session = self._session
        if session is None:
            return
        async with connection(self._pool) as con:
            if not self._transactor.paused:
                session.intake.offer(await store.load_due(con, self._runtime.batch_events))
        blocked = self._link is not None and await self._link.blocked()
        self._health.tell("blocked", "the broker blocks publishers (memory or disk alarm)" if blocked else None)
        metrics.PAUSED.set(self._transactor.paused)
        self._health.tell("paused", "too many dead letters running" if self._transactor.paused else None)
        await reminders.carry_on(self._pool, self._desk.service.name, self.send_saved)
        if session.idle:
            await self._transactor.flush()
        now = monotonic()
        if now >= self._sweep_at:
            older_than, self._sweep_age = self._sweep_age, timedelta(seconds=self._runtime.sweep_seconds)
            self._sweep_at = now + SWEEP_EVERY
            await self._sweep(older_than)
        if now >= self._measure_at:
            self._measure_at = now + MEASURE_EVERY
            await self._measure()

    async def _send_left_over(self) -> None:
        """What the last session saved and did not send, and what a process that died before us may have left."""
        for batch, messages in list(self._transactor.unsent.items()):
            if not await self.send(messages):
                raise NotConfirmed(f"batch {batch} is still not confirmed")
            del self._transactor.unsent[batch]
            self._transactor.sent.append(batch)
        older_than = timedelta(0) if self._transactor.in_doubt else FRESH
        self._transactor.in_doubt = False
        await self._sweep(older_than)
        self._sweep_at, self._sweep_age = monotonic() + LOOK_AGAIN, FRESH

    async def _sweep(self, older_than: timedelta) -> None:
        """Sends outgoing rows that nobody is known to have sent: their incoming message may never come back."""
        mine = {*self._transactor.sent, *self._transactor.unsent}
        while True:
            async with connection(self._pool) as con:
                rows = await store.load_outgoing(con, older_than, SWEEP_ROWS)
            left_over = [(batch, messages) for batch, messages in rows if batch not in mine]
            for batch, messages in left_over:
                if not await self.send(messages):
                    return
                log.info("outgoing.swept", batch=str(batch), messages=len(messages))
                async with connection(self._pool) as con:
                    await store.delete_outgoing(con, [batch])
            if len(rows) < SWEEP_ROWS or not left_over:
                return

    async def _measure(self) -> None:
        async with connection(self._pool) as con:
            sizes = await store.load_sizes(con)
        metrics.OUTGOING.set(sizes["outgoing"])
        metrics.CALLS_OPEN.set(sizes["calls"])
        for status in ("waiting", "dead", "held"):
            metrics.KEPT.labels(status).set(sizes[status])


def part_of(error: Exception) -> str:
    """What is not ready when a session ends or cannot begin with this."""
    if diagnose(error) is Trouble.SETUP:
        return "setup"
    return "database" if isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError)) else "broker"


async def first(*waits: Awaitable[object]) -> None:
    """Returns when one of them has; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
