"""One session with the broker: from a fresh connection until it is lost or the worker stops.

    CONNECTING → CAREFUL → OPEN → (DRAINING) → OVER
                     ↘______________↗

CAREFUL: one delivery at a time, because what comes first may be what killed the process before us; each close, by us
or by the broker (its consumer time-out), counts as a delivery of all that was prefetched. The first delivery that is
completed opens the full prefetch: nothing is held by a worker that is paused, or that its database refuses. Where
deliveries come that were given back more than once it stays careful, or becomes so again, until some in a row were not:
replicas that die one after the other hand each other what they had prefetched, and it must not die of that.
Three loops overlap: the next batch is decoded and the last one is sent while one is in the database.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum
from math import inf
from time import monotonic, perf_counter
from typing import Any
from uuid import UUID

import structlog

from shared import metrics
from shared.broker.link import Delivery, Link, LinkLost
from shared.settings import Runtime
from shared.worker import deadletter
from shared.worker.appetite import Appetite
from shared.worker.batch import Batch, Desk, Stage
from shared.worker.decode import decode, decode_kept, is_suspect
from shared.worker.incoming import Incoming, Kept
from shared.worker.transact import Transactor
from shared.worker.watermark import Watermark

log = structlog.get_logger()

LARGEST = 4
"""Batches' worth of events of one huge pack that go into one transaction: a database has so many locks only."""


HARMLESS = 32
"""Deliveries in a row that are not suspect, after one that was, before more than one is taken at once again."""


class State(Enum):
    CONNECTING = "connecting"
    CAREFUL = "careful"
    OPEN = "open"
    DRAINING = "draining"
    OVER = "over"


class Session:
    """Consumes, handles, publishes and acks on one link. `offer` adds due events that the inbox kept."""

    def __init__(self, desk: Desk, link: Link, transactor: Transactor, runtime: Runtime, saved: asyncio.Event) -> None:
        self._desk = desk
        self._link = link
        self._transactor = transactor
        self._runtime = runtime
        self._retention = timedelta(days=runtime.retention_days)
        self._saved = saved
        """Set after each batch that made calls or reminders: somebody waits to carry them on."""
        self._waiting: deque[Delivery | Kept] = deque()
        self._waiting_bytes = 0
        self._appetite = Appetite(runtime.prefetch, runtime.prefetch_bytes)
        self._prefetch = 1
        self._harmless = inf
        """Deliveries taken since the last suspect one."""
        self._arrived = asyncio.Event()
        self._offered: set[UUID] = set()
        self._next = Batch([])
        """It is filled for as long as another one is in the database: the fewer transactions, the faster."""
        self._filled = asyncio.Event()
        self._busy_at = -inf
        """When the last batch of several events was committed (monotonic seconds)."""
        self._room = asyncio.Event()
        self._room.set()
        self._full = asyncio.Event()
        """The opposite of `_room`."""
        self._committed: asyncio.Queue[Batch] = asyncio.Queue(maxsize=1)
        self._watermark = Watermark()
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
            self._prefetch = 1 if state is State.CAREFUL else self._appetite.prefetch
            each = max(1, self._prefetch // (1 + len(self._desk.service.queues)))
            await self._link.consume(self._desk.service.name, each, self._on_delivery)
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
        self._on_delivery(delivery if adopt is None else adopt(delivery))

    def _on_delivery(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._waiting_bytes += len(delivery.body)
        self._appetite.saw(len(delivery.body))
        if is_suspect(delivery):
            self._harmless = 0
        self._arrived.set()

    def offer(self, rows: Iterable[Kept]) -> None:
        """Adds kept events that are due, unless they are on their way already."""
        for row in rows:
            if row.ref not in self._offered:
                self._offered.add(row.ref)
                self._waiting.append(row)
                self._arrived.set()

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._next.items and self._committed.empty()

    async def _take(self) -> None:
        """Decodes what waits into the next batch: one event when idle, up to the limit under load."""
        while True:
            await self._arrived.wait()
            await self._room.wait()
            await self._adapt()
            self._fill()

    async def _adapt(self) -> None:
        """Opens the prefetch once a delivery is completed, as far as memory allows for deliveries as large as of late;
        narrows it while too many bytes wait."""
        first = self._waiting[0] if self._waiting else None
        harmless = isinstance(first, Delivery) and not is_suspect(first)
        trusted = harmless and self._harmless >= HARMLESS and self._has_acked and not self._transactor.wary
        if self.state is State.OPEN:
            if self._waiting_bytes > self._runtime.prefetch_bytes or self._harmless < HARMLESS:
                await self._narrow()
            elif self._appetite.outgrew(self._prefetch):
                await self._consume(State.OPEN)
        elif trusted and self.state is State.CAREFUL and self._waiting_bytes <= self._runtime.prefetch_bytes // 2:
            await self._consume(State.OPEN)

    async def _narrow(self) -> None:
        suspect = self._harmless < HARMLESS
        log.warning("session.narrowed", bytes=self._waiting_bytes, wary=self._transactor.wary, suspect=suspect)
        await self._consume(State.CAREFUL)

    def _fill(self) -> None:
        batch = self._next
        while self._waiting and self._room.is_set():
            first = self._waiting[0]
            alone = isinstance(first, Delivery) and is_suspect(first)
            if not (alone and batch.items):
                self._waiting.popleft()
                batch.items += self._opened(first)
                batch.one_by_one = alone
            if alone or len(batch.items) >= self._runtime.batch_events:
                self._room.clear()
                self._full.set()
        if not self._waiting:
            self._arrived.clear()
        if batch.items:
            self._filled.set()

    async def _next_batch(self) -> Batch:
        await self._filled.wait()
        await self._gather()
        batch, self._next = self._next, Batch([])
        self._filled.clear()
        self._full.clear()
        self._room.set()
        return batch

    async def _gather(self) -> None:
        """Under load a batch waits a moment for more events: many in one transaction cost little more than one. An
        event that comes after a quiet moment waits for nobody."""
        rest = self._busy_at + self._runtime.gather_seconds - monotonic()
        if rest > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._full.wait()

    def _opened(self, waiting: Delivery | Kept) -> list[Incoming]:
        if isinstance(waiting, Kept):
            items = [decode_kept(waiting)]
        else:
            self._waiting_bytes -= len(waiting.body)
            self._harmless = 0 if is_suspect(waiting) else self._harmless + 1
            items = [one for item in decode(waiting, self._retention) for one in deadletter.orders_in(item)]
            self._watermark.taken(waiting.tag, len(items))
        for item in items:
            if item.fault is None:
                self._desk.routes.assign(item)
        return items

    async def _handle(self) -> None:
        """Brings batches into the database, in order. Pauses after many dead letters running."""
        while not self._stop.is_set():
            batch = await self._or_stop(self._next_batch())
            while batch is not None and batch.items and not self._stop.is_set():
                await self._wait_while_paused()
                batch = await self._handle_some(batch)

    async def _handle_some(self, batch: Batch) -> Batch | None:
        """Handles the batch, or its first event only where caution is due; what is left of it."""
        careful = batch.one_by_one or self._transactor.paused
        size = 1 if careful else LARGEST * self._runtime.batch_events
        now, rest = Batch(batch.items[:size]), batch.items[size:]
        started = perf_counter()
        for part in await self._transactor.handle(now):
            self._report(part, perf_counter() - started)
            rest = part.left + rest
            await self._committed.put(part)
        if len(now.items) > 1:
            self._busy_at = monotonic()
        return Batch(rest, one_by_one=batch.one_by_one) if rest else None

    async def _wait_while_paused(self) -> None:
        metrics.PAUSED.set(self._transactor.paused)
        if self._transactor.paused:
            if self.state is State.OPEN:
                await self._narrow()
            log.error("worker.paused", dead_running=self._transactor.dead_running, probe_in=self._runtime.pause_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._runtime.pause_seconds):
                    await self._stop.wait()

    def _report(self, batch: Batch, seconds: float) -> None:
        if batch.made_calls or batch.made_reminders:
            self._saved.set()
        metrics.BATCH_EVENTS.observe(len(batch.items))
        metrics.BATCH_SECONDS.labels("database").observe(seconds)
        outcomes: dict[str, int] = {"duplicate": batch.duplicates} if batch.duplicates else {}
        now = datetime.now(UTC)
        for result in batch.results:
            outcomes[result.status] = outcomes.get(result.status, 0) + 1
            if result.status == "handled" and result.item.time is not None:
                metrics.EVENT_AGE_SECONDS.labels(result.item.type).observe((now - result.item.time).total_seconds())
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
        left = {id(item) for item in batch.left}
        up_to = None
        for item in batch.items:
            if item.kept is not None:
                self._offered.discard(item.ref)
            elif item.delivery is not None and id(item) not in left:
                up_to = self._watermark.done(item.delivery.tag) or up_to
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
