"""One process of a service: its session with the broker, its transactions, its publishes and acks, and its clockwork.

The steps are those of `shared.worker.session`, `transact` and `worker`; where a task yields, the process may be killed
or its connection be lost. What a process remembers dies with it, what a session has not acked comes again.
"""

import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid5

from schemas.runtime import ReminderDue
from shared.worker.incoming import Incoming
from shared.worker.outbox import derived
from shared.worker.suspects import ATTEMPTS, MARKED_FROM
from shared.worker.watermark import Watermark
from tests.simulation.broker import Waiting
from tests.simulation.calling import Calling
from tests.simulation.event import Pack, Saying, opened, reopened
from tests.simulation.scheduler import IDLE, Steps, Task
from tests.simulation.store import KeptRow, Store
from tests.simulation.transaction import RolledBack, Transaction

if TYPE_CHECKING:
    from tests.simulation.world import World

SWEEP_SECONDS = 30.0
SENT_AT_ONCE = 1
"""Batches that are sent while the next one is handled."""
MOST_REDELIVERIES = ATTEMPTS - 2
"""From the next one on a message is a dead letter by design: who kills a process more often must not wonder."""


@dataclass(slots=True)
class Batch:
    """`tags` are those of the deliveries that brought its events, one for each event."""

    row: int
    items: list[Incoming]
    tags: list[int]
    packs: tuple[Pack, ...] = ()


class Replica:
    """`name` is unique, also after a restart of the process it stays the same."""

    def __init__(self, name: str, store: Store, world: "World") -> None:
        self.name = name
        self.store = store
        self.world = world
        self._routes = world.routes[store.service]
        self.skew = timedelta(seconds=world.random.uniform(-1, 1) * world.profile.skew)
        """How far its clock is off."""
        self.unacked: dict[int, Waiting] = {}
        self.sent: list[int] = []
        """Outgoing rows that are confirmed; they go with the next transaction."""
        self.unsent: dict[int, tuple[Pack, ...]] = {}
        self.in_doubt = False
        self.linked = False
        """Connected: what is saved from now on is published at once."""
        self.up = False
        """Consuming."""
        self.tasks: dict[str, Task] = {}
        self._tag = 0
        self.start()

    @property
    def now(self) -> datetime:
        return self.world.scheduler.now + self.skew if self.skew else self.world.scheduler.now

    # the process and its session

    def start(self) -> None:
        """A fresh process: it remembers nothing."""
        self.sent, self.unsent, self.in_doubt = [], {}, False
        self.calling = Calling(self)
        self._spawn("ticking", self._tick())
        self._spawn("calling", self.calling.lease())
        self.connect()

    def connect(self) -> None:
        self._spawn("session", self._open_session())

    def _spawn(self, name: str, steps: Steps) -> None:
        self.tasks[name] = self.world.scheduler.spawn(f"{self.name}.{name}", steps)

    def wake(self, name: str) -> None:
        task = self.tasks.get(name)
        if task is not None:
            self.world.scheduler.wake(task)

    @property
    def is_busy(self) -> bool:
        """In the middle of something."""
        tasks = (*self.tasks.values(), *self.calling.running())
        return any(task.awake and task.at is not IDLE for task in tasks)

    @property
    def may_be_hit(self) -> bool:
        return all(waiting.count < MOST_REDELIVERIES for waiting in self.unacked.values())

    def lose_session(self) -> dict[str, str]:
        """The connection breaks: everything unacked comes again. Where its tasks were."""
        return self._cut([name for name in ("session", "handling", "sending") if name in self.tasks])

    def die(self) -> dict[str, str]:
        """The process is killed. Where its tasks were."""
        return self._cut(list(self.tasks)) | self.calling.die()

    def stop(self) -> None:
        """At the end of its world, which an invariant that does not hold may have brought in the middle of work."""
        for task in (*self.tasks.values(), *self.calling.running()):
            task.steps.close()

    def _cut(self, names: list[str]) -> dict[str, str]:
        places = {name: self.tasks[name].at for name in names}
        for name in names:
            self.world.scheduler.end(self.tasks.pop(name))
        self.linked = self.up = False
        unacked, self.unacked = list(self.unacked.values()), {}
        self.world.broker.give_back(self.store.service, unacked)
        return places

    def _open_session(self) -> Steps:
        """First what the last session has saved and not sent, then what a dead process may have left."""
        self.linked = True
        for row, packs in list(self.unsent.items()):
            yield from self.publish(packs)
            self.unsent.pop(row, None)
            self.sent.append(row)
        older_than, self.in_doubt = (0.0 if self.in_doubt else 1.0), False
        yield from self._sweep(older_than)
        self.up = True
        self._watermark = Watermark()
        self._offered: set[object] = set()
        self._due: deque[KeptRow] = deque()
        self._committed: deque[Batch] = deque()
        self._spawn("handling", self._handle())
        self._spawn("sending", self._send())
        self.wake("ticking")

    # from deliveries to committed batches

    def _handle(self) -> Steps:
        due, committed, queue = self._due, self._committed, self.world.broker.queues[self.store.service]
        while True:
            if not queue and not due:
                yield IDLE
                continue
            batches = self._take()
            yield "taken"
            for batch in batches:
                yield from self._transact(batch)
                committed.append(batch)
                self.wake("sending")
                while len(committed) > SENT_AT_ONCE:
                    yield IDLE

    def _take(self) -> list[Batch]:
        """What waits, up to a batch; what may have killed a process is handled event by event."""
        items: list[Incoming] = []
        tags: list[int] = []
        next_row = self.world.next_row
        most, broker, service = self.world.profile.batch, self.world.broker, self.store.service
        while self._due and len(items) < most:
            row = self._due.popleft()
            items.append(reopened(row.kept, row.event, self._routes))
        while len(items) < most and (waiting := broker.take(service)) is not None:
            found = self._opened(waiting)
            if waiting.count >= MARKED_FROM - 1:
                first = [Batch(next_row(), items, tags)] if items else []
                return [*first, *(Batch(next_row(), [item], [self._tag]) for item in found)]
            items += found
            tags += [self._tag] * len(found)
        return [Batch(next_row(), items, tags)]

    def _opened(self, waiting: Waiting) -> list[Incoming]:
        self._tag += 1
        self.unacked[self._tag] = waiting
        found = opened(waiting.pack, self._tag, self._routes)
        self._watermark.taken(self._tag, len(found))
        self.world.taken(self, self._tag, waiting)
        return found

    def _transact(self, batch: Batch) -> Steps:
        """Until it is committed. Two things go wrong here: the database rolls back, or its answer gets lost."""
        while True:
            transaction = Transaction(self.store, batch.items, self.now, self.world.profile.wire)
            transaction.find_keys()
            try:
                while not self.store.lock(transaction.keys(), transaction):
                    yield IDLE
                transaction.decide()
                yield "decided"
                answered = self._commit(transaction, batch)
            except RolledBack:
                answered = False
            finally:
                self.store.unlock(transaction)
            if answered:
                batch.packs = transaction.packs
                if batch.packs:
                    self.unsent[batch.row] = batch.packs
                yield "committed"
                return
            batch.row = self.world.next_row()
            yield "rolled back"

    def _commit(self, transaction: Transaction, batch: Batch) -> bool:
        """False: it was cut off, before the commit or after it, which nobody here can know."""
        profile, random = self.world.profile, self.world.random
        if random.random() < profile.database:
            self.in_doubt = True
            if random.random() < 0.5:
                raise RolledBack("the database went away")
            self.world.orphaned(self.store.service)
            self._write(transaction, batch.row, ())
            return False
        sent, self.sent = self.sent, []
        try:
            self._write(transaction, batch.row, sent)
        except RolledBack:
            self.sent = sent + self.sent
            raise
        return True

    def _write(self, transaction: Transaction, row: int, sent: "list[int] | tuple[int, ...]") -> None:
        transaction.commit(row, sent, self.world.scheduler.seconds)
        self.world.committed(self.store, transaction)

    # from committed batches to acks

    def _send(self) -> Steps:
        """Publishes what batches said, then acks what is complete. Nowhere else is anything acked."""
        while True:
            if not self._committed:
                yield IDLE
                continue
            batch = self._committed[0]
            if batch.packs:
                yield from self.publish(batch.packs)
                if self.unsent.pop(batch.row, None) is not None:
                    self.sent.append(batch.row)
                yield "published"
            self._ack(batch)
            if len(self._committed) > SENT_AT_ONCE:
                self.wake("handling")
            self._committed.popleft()

    def publish(self, packs: tuple[Pack, ...]) -> Steps:
        """A connection that is lost meanwhile has carried some of them."""
        for pack in packs:
            self.world.publish(self, pack)
            yield "publishing"

    def _ack(self, batch: Batch) -> None:
        up_to = None
        for tag in batch.tags:
            up_to = self._watermark.done(tag) or up_to
        if self._offered:
            self._offered.difference_update([item.ref for item in batch.items if item.kept is not None])
        if up_to is not None:
            self.ack_up_to(up_to)

    def ack_up_to(self, tag: int) -> None:
        while self.unacked and (first := next(iter(self.unacked))) <= tag:
            del self.unacked[first]

    # what runs beside: due events, reminders, the sweeper

    def _tick(self) -> Steps:
        scheduler, looked = self.world.scheduler, -1.0
        while True:
            while self.up and looked != scheduler.seconds:  # what it said took its time: it looks again
                looked = scheduler.seconds
                self._offer_due()
                yield from self._remind()
                yield from self._sweep(SWEEP_SECONDS)
                if not self._committed and not self.unacked:
                    self._flush()
            yield IDLE

    def _offer_due(self) -> None:
        if not self.store.kept:
            return
        now = self.world.scheduler.now
        for ref, row in self.store.kept.items():
            due = row.kept.due
            if row.kept.status == "waiting" and due is not None and due <= now and ref not in self._offered:
                self._offered.add(ref)
                self._due.append(row)
                self.wake("handling")

    def _remind(self) -> Steps:
        due = self.store.take_due_reminders(self.world.scheduler.now) if self.store.reminders else ()
        if not due:
            return
        saying = Saying(self.store.service, self.now, self.world.profile.wire)
        for (_, key, name), row in due:
            note = json.loads(json.dumps(dict(row.note)))
            message = ReminderDue(name=name, key=key, due=row.due, note=note)
            generation = uuid5(row.cause, f"{self.store.service}/reminder/{name}")
            saying.add(message, id=derived(generation, "due"), correlation=row.correlation)
        yield from self.send_saved(saying)

    def send_saved(self, saying: Saying) -> Steps:
        """The row is in the store in the same step as what it follows from; then it is published."""
        row, packs = self.world.next_row(), saying.packs()
        self.store.save_outgoing(row, packs, self.world.scheduler.seconds)
        self.world.said(self.store.service, saying.events)
        yield "row saved"
        yield from self.send_row(row, packs)

    def send_row(self, row: int, packs: tuple[Pack, ...]) -> Steps:
        """Without a session the next one begins with it."""
        if not self.linked:
            self.unsent[row] = packs
            return
        yield from self.publish(packs)
        self.sent.append(row)

    def _sweep(self, older_than: float) -> Steps:
        """Sends outgoing rows that nobody is known to have sent."""
        if not self.store.outgoing:
            return
        latest = self.world.scheduler.seconds - older_than
        mine = {*self.sent, *self.unsent}
        for row, saved in list(self.store.outgoing.items()):
            if row not in mine and saved.at <= latest:
                yield from self.publish(saved.packs)
                self.store.outgoing.pop(row, None)

    def _flush(self) -> None:
        for row in self.sent:
            self.store.outgoing.pop(row, None)
        self.sent = []
