"""One session with the broker: from a fresh connection until it is lost or the worker stops.

    CONNECTING → CAREFUL → OPEN → (DRAINING) → OVER
                     ↘______________↗

CAREFUL: one delivery at a time, because what comes first may be what killed the process before us; each close, by us
or by the broker (its consumer time-out), counts as a delivery of all that was prefetched. The first delivery that is
completed opens the full prefetch: nothing is held by a worker that is paused, or that its database refuses. Where
deliveries come that were given back more than once it stays careful, or becomes so again, until some in a row were not;
each of them is handled alone, see `suspects`.
Three loops overlap: the next batch is decoded and the last one is sent while one is in the database.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from time import perf_counter
from typing import Any

import structlog

from shared import metrics
from shared.broker.link import Delivery, Link, LinkLost
from shared.settings import Runtime
from shared.worker import suspects
from shared.worker.batch import Batch, Desk, Stage
from shared.worker.incoming import Incoming, Kept, Mark
from shared.worker.intake import Intake
from shared.worker.transact import Transactor

log = structlog.get_logger()

LARGEST = 4
"""Batches' worth of events of one huge pack that go into one transaction: a database has so many locks only."""


class State(Enum):
    CONNECTING = "connecting"
    CAREFUL = "careful"
    OPEN = "open"
    DRAINING = "draining"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Wake:
    """Set after a batch for those who carry on what it saved."""

    calls: asyncio.Event = field(default_factory=asyncio.Event)
    """It made calls."""
    due: asyncio.Event = field(default_factory=asyncio.Event)
    """It set a reminder that is due at once."""


class Session:
    """Consumes, handles, publishes and acks on one link."""

    def __init__(self, desk: Desk, link: Link, transactor: Transactor, runtime: Runtime, wake: Wake) -> None:
        self._desk = desk
        self._link = link
        self._transactor = transactor
        self._runtime = runtime
        self.intake = Intake(desk.routes, runtime)
        self._wake = wake
        self._prefetch = 1
        self._committed: asyncio.Queue[Batch] = asyncio.Queue(maxsize=1)
        self._has_acked = False
        self._stop = asyncio.Event()
        self._consuming = asyncio.Lock()
        self.state = State.CONNECTING
        self._enter(State.CONNECTING)

    def _enter(self, state: State) -> None:
        if self.state is State.DRAINING and state is not State.OVER:
            return  # it began while the broker was asked for something else
        metrics.SESSION.labels(self.state.value).set(0)
        metrics.SESSION.labels(state.value).set(1)
        self.state = state

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: then what is in the database is sent and acked. Raises what ended it otherwise."""
        await self._consume(State.CAREFUL)
        loops = [asyncio.create_task(loop()) for loop in (self._take, self._handle, self._send)]
        stopping = asyncio.create_task(stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [*loops, stopping, self._link.lost]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for loop in loops:
                if loop.done() and not loop.cancelled():
                    loop.result()
            if not self._link.is_up:
                raise LinkLost(self._link.lost.result())
            if any(loop.done() for loop in loops):
                raise LinkLost("a loop of the session was cut off")
            await self._drain(loops)
        finally:
            self._enter(State.OVER)
            for task in (*loops, stopping):
                task.cancel()
            await asyncio.gather(*loops, stopping, return_exceptions=True)

    async def _consume(self, state: State) -> None:
        async with self._consuming:
            if self.state is State.DRAINING:
                return
            self._prefetch = 1 if state is State.CAREFUL else self.intake.appetite.prefetch
            each = self.intake.prefetch = max(1, self._prefetch // (1 + len(self._desk.service.queues)))
            await self._link.consume(self._desk.service.name, each, self.intake.deliver)
            for queue in self._desk.service.queues:
                await self._link.consume_also(queue, self._on_foreign_delivery)
            self._enter(state)

    async def _drain(self, loops: list["asyncio.Task[None]"]) -> None:
        """Stops taking, finishes the batch in the database, publishes, acks, gives the rest back."""
        self._enter(State.DRAINING)
        taking, handling, sending = loops
        async with self._consuming:  # a call to the broker that is cut off would close the channel
            taking.cancel()
            await self._link.stop_consuming()
        self._transactor.stopping = True
        self._stop.set()
        finishing = asyncio.create_task(self._finish(handling))
        try:
            ends: list[asyncio.Future[Any]] = [finishing, sending, self._link.lost]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not finishing.done():
                raise LinkLost("lost while stopping; what is not acked comes again")
            finishing.result()
        finally:
            finishing.cancel()
        sending.cancel()
        with contextlib.suppress(Exception):
            await self._transactor.flush()  # or the next session's sweep sends them once more
        with contextlib.suppress(Exception):
            await self._link.give_back()

    async def _finish(self, handling: "asyncio.Task[None]") -> None:
        await handling
        await self._committed.join()

    def _on_foreign_delivery(self, delivery: Delivery) -> None:
        adopt = self._desk.service.adopt
        self.intake.deliver(delivery if adopt is None else adopt(delivery))

    @property
    def idle(self) -> bool:
        return self.intake.is_empty and self._committed.empty()

    async def _take(self) -> None:
        """Decodes what waits into the next batch: one event when idle, up to the limit under load."""
        while True:
            await self.intake.wait()
            await self._adapt()
            self.intake.fill()

    async def _adapt(self) -> None:
        """Opens the prefetch once a delivery is completed, as far as memory allows for deliveries as large as of late;
        narrows it while too many bytes wait."""
        intake, most = self.intake, self._runtime.prefetch_bytes
        if self.state is State.OPEN:
            if intake.waiting_bytes > most or intake.is_suspicious:
                await self._narrow()
            elif intake.appetite.outgrew(self._prefetch):
                await self._consume(State.OPEN)
        elif self.state is State.CAREFUL and self._is_trusting and intake.waiting_bytes <= most // 2:
            await self._consume(State.OPEN)

    @property
    def _is_trusting(self) -> bool:
        careless = not self.intake.is_suspicious and not self._transactor.wary
        return careless and self._has_acked and self.intake.begins_harmless

    async def _narrow(self) -> None:
        log.warning(
            "session.narrowed",
            bytes=self.intake.waiting_bytes,
            wary=self._transactor.wary,
            suspect=self.intake.is_suspicious,
        )
        await self._consume(State.CAREFUL)

    async def _handle(self) -> None:
        """Brings batches into the database, in order. Pauses after many dead letters running."""
        while not self._stop.is_set():
            taken = await self._or_stop(self.intake.next_batch())
            if taken is None:
                return
            batch = taken if taken.suspect is None else await self._or_stop(self._examine(taken.suspect))
            while batch is not None and batch.items and not self._stop.is_set():
                await self._wait_while_paused()
                batch = await self._handle_some(batch)
            self.intake.dealt_with(taken)

    async def _handle_some(self, batch: Batch) -> Batch | None:
        """Handles the batch, or its first event only where caution is due; what is left of it."""
        careful = batch.one_by_one or self._transactor.paused
        size = 1 if careful else LARGEST * self._runtime.batch_events
        now, rest = Batch(batch.items[:size]), batch.items[size:]
        if batch.one_by_one:
            await self._begin_attempt(now.items[0])
        started = perf_counter()
        for part in await self._transactor.handle(now):
            self._report(part, perf_counter() - started)
            rest = part.left + rest
            await self._committed.put(part)
        if len(now.items) > 1:
            self.intake.committed_several()
        return Batch(rest, one_by_one=batch.one_by_one) if rest else None

    async def _examine(self, suspect: Delivery | Kept) -> Batch:
        """Its events, those that are proven to kill with a fault; all of them where it is decoding."""
        message = suspects.message_of(suspect)
        before = await self._transactor.load_attempts(message)
        whole = Mark(message, suspects.WHOLE)
        if (fault := suspects.proven(suspect, before.get(suspects.WHOLE))) is not None:
            items = self.intake.refused(suspect, fault)
            items[-1].mark = whole
        else:
            await self._transactor.begin_attempt(whole)
            items = self.intake.opened(suspect)
            suspects.mark(suspect, items, before)
        return Batch(items, one_by_one=True)

    async def _begin_attempt(self, item: Incoming) -> None:
        if item.mark is not None and (item.fault is None or item.fault.reason != "delivery_limit"):
            await self._transactor.begin_attempt(item.mark)

    async def _wait_while_paused(self) -> None:
        if self._transactor.paused:
            if self.state is State.OPEN:
                await self._narrow()
            log.error("worker.paused", dead_running=self._transactor.dead_running, probe_in=self._runtime.pause_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._runtime.pause_seconds):
                    await self._stop.wait()

    def _report(self, batch: Batch, seconds: float) -> None:
        if batch.made_calls:
            self._wake.calls.set()
        if batch.reminds_soon:
            self._wake.due.set()
        metrics.BATCH_EVENTS.observe(len(batch.items))
        metrics.BATCH_SECONDS.labels("database").observe(seconds)
        outcomes: dict[str, int] = {"duplicate": batch.duplicates} if batch.duplicates else {}
        now = datetime.now(UTC)
        age_of = cache(metrics.EVENT_AGE_SECONDS.labels)
        for result in batch.results:
            outcomes[result.status] = outcomes.get(result.status, 0) + 1
            if result.status == "handled" and result.item.time is not None:
                age_of(result.item.type).observe((now - result.item.time).total_seconds())
        log.info("batch.handled", events=len(batch.items), database_ms=round(seconds * 1000, 1), **outcomes)

    async def _send(self) -> None:
        """Publishes what batches said, then acks what is complete. Nowhere else is anything acked."""
        while True:
            batch = await self._committed.get()
            started = perf_counter()
            await self._link.publish(batch.outgoing, self._runtime.confirm_seconds)
            batch.stage = Stage.SENT
            self._transactor.note_sent(batch)
            await self._ack(batch)
            metrics.BATCH_SECONDS.labels("publish").observe(perf_counter() - started)
            self._committed.task_done()

    async def _ack(self, batch: Batch) -> None:
        up_to = self.intake.completed(batch)
        if up_to is not None:
            await self._link.ack_up_to(up_to)
            self._has_acked = True
        batch.stage = Stage.ACKED

    async def _or_stop(self, getting: Coroutine[Any, Any, Batch]) -> Batch | None:
        """What is awaited, or None when the session stops first."""
        task = asyncio.create_task(getting)
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stop.cancel()
