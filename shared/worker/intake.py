"""What waits to be handled, and the batch that is filled with it while another one is in the database.

Deliveries and kept events that are due wait in the order in which they came. The next batch takes one when idle, so no
latency is added, and up to the limit under load. What was given back more than once goes alone, not decoded yet: it
may be what killed the process before us.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from math import inf
from time import monotonic
from uuid import UUID

from shared.broker.link import Delivery
from shared.settings import Runtime
from shared.worker import deadletter
from shared.worker.appetite import Appetite
from shared.worker.batch import Batch
from shared.worker.decode import decode, decode_kept, refused, refused_kept
from shared.worker.incoming import Fault, Incoming, Kept
from shared.worker.replays import is_order
from shared.worker.routes import Routes
from shared.worker.suspects import is_suspect
from shared.worker.watermark import Watermark

HARMLESS = 32
"""Deliveries in a row that are not suspect, after one that was, before more than one is taken at once again."""


class Intake:
    """From deliveries to batches. `wait` and `fill` are for who decodes, `next_batch` for who handles."""

    def __init__(self, routes: Routes, runtime: Runtime) -> None:
        self._routes = routes
        self._retention = timedelta(days=runtime.retention_days)
        self._batch_events = runtime.batch_events
        self._gather_seconds = runtime.gather_seconds
        self.prefetch = 1
        """Deliveries of a queue that may be unacked."""
        self.appetite = Appetite(runtime.prefetch, runtime.prefetch_bytes)
        self.waiting_bytes = 0
        self._waiting: deque[Delivery | Kept] = deque()
        self._arrived = asyncio.Event()
        self._offered: set[UUID] = set()
        self._harmless = inf
        """Deliveries taken since the last suspect one."""
        self._next = Batch([])
        """It is filled for as long as another one is in the database: the fewer transactions, the faster."""
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._full = asyncio.Event()
        """The batch need not wait for more."""
        self._busy_at = -inf
        """When the last batch of several events was committed (monotonic seconds)."""
        self._watermark = Watermark()

    def deliver(self, delivery: Delivery) -> None:
        """A delivery has come."""
        self._waiting.append(delivery)
        self.waiting_bytes += len(delivery.body)
        self.appetite.saw(len(delivery.body))
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
    def is_empty(self) -> bool:
        return not self._waiting and not self._next.items and self._next.suspect is None

    @property
    def is_suspicious(self) -> bool:
        """Whether a delivery that was given back more than once has come of late."""
        return self._harmless < HARMLESS

    @property
    def begins_harmless(self) -> bool:
        """Whether the oldest that waits is a delivery that is not suspect."""
        first = self._waiting[0] if self._waiting else None
        return isinstance(first, Delivery) and not is_suspect(first)

    async def wait(self) -> None:
        """Returns when something waits and the next batch has room for it."""
        await self._arrived.wait()
        await self._room.wait()

    def fill(self) -> None:
        """Decodes what waits into the next batch, as far as there is room. What a campaign asks for together is
        enough: the sooner it is answered, the sooner more is asked for."""
        batch = self._next
        while self._waiting and self._room.is_set():
            first = self._waiting[0]
            if not is_suspect(first):
                self._waiting.popleft()
                batch.items += self.opened(first)
                is_full = len(batch.items) >= self._batch_events or is_order(batch.items[-1])
            else:
                if not batch.items:
                    self._waiting.popleft()
                    batch.suspect = first
                is_full = True
            if is_full:
                self._room.clear()
                self._full.set()
            elif len(self._watermark) >= self.prefetch:
                self._full.set()  # nothing more comes before one of these is acked
        if not self._waiting:
            self._arrived.clear()
        if batch.items or batch.suspect:
            self._filled.set()

    def opened(self, waiting: Delivery | Kept) -> list[Incoming]:
        """Its events, decoded and with their routes."""
        if isinstance(waiting, Kept):
            items = [decode_kept(waiting)]
        else:
            items = [one for item in decode(waiting, self._retention) for one in deadletter.orders_in(item)]
            self._taken(waiting, items)
        for item in items:
            if item.fault is None:
                self._routes.assign(item)
        return items

    def refused(self, waiting: Delivery | Kept, fault: Fault) -> list[Incoming]:
        """Its events, not decoded."""
        if isinstance(waiting, Kept):
            return [refused_kept(waiting, fault)]
        items = refused(waiting, fault)
        self._taken(waiting, items)
        return items

    def _taken(self, delivery: Delivery, items: list[Incoming]) -> None:
        self.waiting_bytes -= len(delivery.body)
        self._harmless = 0 if is_suspect(delivery) else self._harmless + 1
        self._watermark.taken(delivery.tag, len(items))
        self.appetite.opened(len(items))

    async def next_batch(self) -> Batch:
        """The batch as it is by now; waits for its first event."""
        await self._filled.wait()
        await self._gather()
        batch, self._next = self._next, Batch([])
        self._filled.clear()
        self._full.clear()
        if batch.suspect is None:
            self._room.set()
        return batch

    def dealt_with(self, batch: Batch) -> None:
        """Until a suspect is dealt with nothing else is decoded: it must not be blamed for that. (After any
        other batch there may be a suspect one in the next, which has no room for more.)"""
        if batch.suspect is not None:
            self._room.set()

    async def _gather(self) -> None:
        """Under load a batch waits for more events: many in one transaction cost little more than one. It waits no
        longer than its first event is late already: where all go through at once nobody is kept waiting, and the later
        they are the more go together. An event that comes after a quiet moment waits for nobody."""
        late = self._next.items[0].lateness if self._next.items else 0.0
        rest = self._busy_at + min(self._gather_seconds, late) - monotonic()
        if rest > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._full.wait()

    def committed_several(self) -> None:
        """There is load: the next batch may wait for more."""
        self._busy_at = monotonic()

    def completed(self, batch: Batch) -> int | None:
        """What is published is complete: up to which delivery may be acked now, None where nothing more."""
        left = {id(item) for item in batch.left}
        up_to = None
        for item in batch.items:
            if item.kept is not None:
                self._offered.discard(item.ref)
            elif item.delivery is not None and id(item) not in left:
                up_to = self._watermark.done(item.delivery.tag) or up_to
        return up_to
