"""The transaction in the middle of the cycle: what happens to a batch of events happens at once or not at all.

    TAKEN → LOCKED → DECIDED → SAVED (committed) → SENT → ACKED

A crash before SAVED leaves no trace: the deliveries come again. A crash after it leaves the outgoing row:
the deliveries come again, are known, and the row is sent under the same ids.
"""

import contextlib
import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4, uuid5

from asyncpg import Connection

from schemas.runtime import (
    DeadLetterDiscardRequested,
    DeadLetterReplayRequested,
)
from shared.broker.outgoing import Outgoing
from shared.partner import store as calls
from shared.worker import deadletter, store
from shared.worker.decode import decode_brought, decode_kept
from shared.worker.fold import HOLDING, Fold, Result, is_held, is_our_own, messages
from shared.worker.incoming import Fault, Incoming, Kept, Replay
from shared.worker.outbox import Outbox
from shared.worker.routes import Routes, plain, qualified
from shared.worker.subscription import Service
from shared.worker.trouble import diagnose

_ORDERS = (DeadLetterReplayRequested, DeadLetterDiscardRequested)


class Stage(Enum):
    TAKEN = "taken"
    LOCKED = "locked"
    DECIDED = "decided"
    SAVED = "saved"
    SENT = "sent"
    ACKED = "acked"


@dataclass(slots=True)
class Batch:
    """Events on their way through the cycle together, and what became of them."""

    items: list[Incoming]
    one_by_one: bool = False
    """Each event in a transaction of its own: one of them may have killed a process."""
    id: UUID = field(default_factory=uuid4)
    stage: Stage = Stage.TAKEN
    results: list[Result] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    left: list[Incoming] = field(default_factory=list)
    """Events that were not decided because too many before them died."""
    duplicates: int = 0
    made_calls: bool = False
    made_reminders: bool = False


@dataclass(slots=True)
class Desk:
    """What every batch of a service needs."""

    service: Service
    routes: Routes
    version: str
    ladder: Sequence[float]


class Handling:
    """One batch in one transaction. Made anew for every try."""

    def __init__(self, desk: Desk, con: Connection, batch: Batch, sent: Sequence[UUID], may_die: int) -> None:
        self._desk = desk
        self._con = con
        self._batch = batch
        self._sent = sent
        self._may_die = may_die
        self._now = datetime.now(UTC)
        self._items = list(batch.items)
        self._orders: list[tuple[Incoming, Replay]] = []
        self._failed: list[tuple[Incoming, Replay]] = []
        self._unknown: list[Replay] = []
        self._again: set[UUID] = set()
        """Occurrences of exhausted calls that a replay made due again."""
        self._fold: Fold

    async def run(self) -> None:
        """Raises what PostgreSQL raises; then nothing has happened."""
        await self._open_replays()
        await self._find_keys()
        async with store.locked(self._con, self._desk.service.name, self._keys()):
            self._batch.stage = Stage.LOCKED
            await self._call_again()
            await self._open_held()
            held = await self._drop_known()
            await self._load(held)
            await self._decide()
            await self._save()
        self._batch.stage = Stage.SAVED

    def _keys(self) -> set[str]:
        """What is locked: the events' keys; the events themselves where they have none, and the replays' orders."""
        return {i.key if i.key is not None else f"event:{i.ref}" for i in self._items} | {
            f"event:{order.ref}" for order, _ in (*self._orders, *self._failed)
        }

    async def _open_replays(self) -> None:
        """Puts the dead events that replays are about into the place of the orders."""
        orders = [i for i in self._items if i.fault is None and isinstance(i.data, _ORDERS)]
        self._take_failed()
        if not orders:
            return
        self._orders = [(item, deadletter.order_of(item.data)) for item in orders]
        dead = {k.occurrence: k for k in await store.load_dead(self._con, [r.occurrence for _, r in self._orders])}
        self._unknown = [r for _, r in self._orders if r.occurrence not in dead]
        opened = [
            self._reopened(dead.pop(replay.occurrence), replay)
            for _, replay in self._orders
            if replay.occurrence in dead
        ]
        opened += [self._brought(r, r.body) for r in self._unknown if r.body and not r.discard]
        self._items = opened + [i for i in self._items if i not in orders]

    def _take_failed(self) -> None:
        """Orders whose transaction failed (see `refuse`): nothing of them was done, and that is the answer."""
        for item in self._items:
            if item.fault is not None and item.fault.reason in HOLDING and isinstance(item.data, _ORDERS):
                with contextlib.suppress(ValueError):  # an order that cannot be read is a dead letter itself
                    self._failed.append((item, deadletter.order_of(item.data)))
        failed = {item.ref for item, _ in self._failed}
        self._items = [i for i in self._items if i.ref not in failed]

    async def _call_again(self) -> None:
        """Replays that mean no event of this service may mean a partner call that is exhausted."""
        if self._unknown:
            self._again = await deadletter.calls_again(self._con, self._unknown)
            self._items = [i for i in self._items if i.replay is None or i.replay.occurrence not in self._again]

    def _brought(self, replay: Replay, body: bytes) -> Incoming:
        item = decode_brought(body)
        item.replay = replay
        if item.fault is None:
            self._desk.routes.assign(item)
        return item

    def _reopened(self, row: Kept, replay: Replay) -> Incoming:
        edited = replay.body if row.occurrence == replay.occurrence else None
        item = decode_kept(row, row.body if edited is None else edited)
        item.replay = replay
        if item.fault is None:
            self._desk.routes.assign(item)
        item.key = row.key or item.key
        return item

    async def _open_held(self) -> None:
        """Puts the events held behind the dead ones right after them. Under the lock: no more can come."""
        holders = {i.key: i for i in self._items if i.replay is not None and i.kept is not None and i.kept.key}
        if not holders:
            return
        behind: dict[str, list[Incoming]] = {}
        for row in await store.load_held(self._con, [key for key in holders if key is not None]):
            holder = holders[row.key]
            assert holder.replay is not None
            behind.setdefault(row.key or "", []).append(self._reopened(row, holder.replay))
        self._items = [
            one
            for item in self._items
            for one in ([item, *behind.get(item.key or "", [])] if holders.get(item.key) is item else [item])
        ]

    async def _find_keys(self) -> None:
        """Looks up the keys that messages do not carry; they never change, so no lock is needed."""
        unkeyed = [i for i in self._items if i.fault is None and i.key is None and i.route is not None]
        for find, group in groupby(unkeyed, key=lambda i: i.route.find):
            items = list(group)
            found = await find(self._con, [i.data for i in items])
            for item, key in zip(items, found, strict=True):
                item.key = None if key is None else qualified(item.route.aggregate, key)

    async def _drop_known(self) -> dict[str, UUID]:
        """Drops events that were handled or are kept already, doubles in the batch, and kept rows that moved on.

        Returns which of the events' keys a dead letter holds.
        """
        fresh = [i.ref for i in self._items if i.kept is None] + [o.ref for o, _ in (*self._orders, *self._failed)]
        keys = list({i.key for i in self._items if i.key is not None})
        known, held = await store.load_known(self._con, fresh, keys)
        moved = await store.load_kept(self._con, [i.ref for i in self._items if i.kept is not None])
        wanted: dict[UUID, Incoming] = {}
        for item in self._items:
            if (item.kept is None and item.ref not in known) or (
                item.kept is not None and moved.get(item.ref) == f"{item.kept.status}/{item.kept.attempt}"
            ):
                wanted.setdefault(item.ref, item)
        self._batch.duplicates = len(self._items) - len(wanted)
        self._items = list(wanted.values())
        self._orders = [(order, replay) for order, replay in self._orders if order.ref not in known]
        self._failed = [(order, replay) for order, replay in self._failed if order.ref not in known]
        return held

    async def _load(self, held: dict[str, UUID]) -> None:
        decidable = [i for i in self._items if i.fault is None and i.key is not None]
        states: dict[str, Any] = {}
        for aggregate in {i.route.aggregate for i in decidable}:
            keys = {plain(i.key or "") for i in decidable if i.route.aggregate == aggregate}
            states |= await store.load_states(self._con, aggregate, list(keys))
        self._fold = Fold(self._desk.service.name, self._now, self._desk.ladder, states, held)
        first = {i.key: i for i in reversed(decidable)}
        await self._load_references([i for i in decidable if first[i.key] is i])

    async def _load_references(self, items: Sequence[Incoming]) -> None:
        """What the decisions need beside their states, in bulk; locks the number series they may take from."""
        by_load: dict[Any, list[Incoming]] = {}
        for item in items:
            if item.route.load is not None:
                by_load.setdefault(item.route.load, []).append(item)
        series: set[str] = set()
        for load, group in by_load.items():
            loaded = await load(self._con, [plain(i.key or "") for i in group], [i.data for i in group])
            for item, reference in zip(group, loaded, strict=True):
                self._fold.references[id(item)] = reference
                if item.route.series is not None:
                    series.update(item.route.series(reference))
        if unlocked := series - self._fold.numbers.following.keys():
            self._fold.numbers.following |= await store.lock_series(self._con, list(unlocked))

    async def _decide(self) -> None:
        """In order. What an event loads must show what an earlier one of its key did: that one is saved first."""
        for item in self._items:
            waits_for_load = item.fault is None and item.route is not None and item.route.load is not None
            if waits_for_load and item.key is not None and id(item) not in self._fold.references:
                await self._save_states()
                await self._load_references([item])
            self._fold.add(item)
            if is_our_own(self._fold.results[-1]) and self._ends_run():
                self._batch.left = self._items[len(self._fold.results) :]
                break
        self._batch.results = self._fold.results
        self._batch.stage = Stage.DECIDED

    def _ends_run(self) -> bool:
        """Whether as many events running have died as may: a bad release must not drain the queue."""
        run = 0
        for result in reversed(self._fold.results):
            if result.status == "handled":
                return False
            run += is_our_own(result)
            if run >= self._may_die:
                return True
        return False

    async def _save_states(self) -> None:
        changed = {k: s for k, s in self._fold.states.items() if k in self._fold.changed and s is not None}
        for table in sorted({key.partition(":")[0] for key in changed}):
            await store.save_states(self._con, table, {k: s for k, s in changed.items() if k.startswith(f"{table}:")})
        self._fold.changed.clear()

    async def _save(self) -> None:
        con, results = self._con, self._fold.results
        await self._save_states()
        if unsettled := [r for r in results if r.status != "handled"]:
            await store.save_kept(con, unsettled, self._now)
        if settled := [r.item.ref for r in results if r.status == "handled" and r.item.kept is not None]:
            await store.settle_kept(con, settled)
        if self._fold.numbers.following:
            await store.save_series(con, self._fold.numbers.following)
        await self._save_effects(results)
        await self._save_done(results)

    async def _save_effects(self, results: Sequence[Result]) -> None:
        handled = [r for r in results if r.decision is not None]
        if closed := [r.item.closes_call for r in results if r.status == "handled" and r.item.closes_call is not None]:
            await calls.close_calls(self._con, closed)
        made = [
            calls.NewCall.of(call, uuid5(r.item.ref, f"{self._desk.service.name}/call/{n}"), r.item, self._now)
            for r in handled
            if r.decision is not None
            for n, call in enumerate(r.decision.calls)
        ]
        if made:
            await calls.save_calls(self._con, made)
            self._batch.made_calls = True
        await self._save_reminders(handled)
        rows = [row for r in handled if r.decision is not None for row in r.decision.rows]
        if rows and self._desk.service.save_rows is not None:
            await self._desk.service.save_rows(self._con, rows)

    async def _save_reminders(self, handled: Sequence[Result]) -> None:
        """In the order of the decisions: one may forget what another has just set."""
        wanted: dict[tuple[str, str, str], tuple[Any, ...] | None] = {}
        for result in handled:
            item, decision = result.item, result.decision
            assert decision is not None
            table, key = item.route.aggregate.table if item.route else "", plain(item.key or "")
            for name in decision.forget:
                wanted[table, key, name] = None
            for reminder in decision.reminders:
                generation = uuid5(item.ref, f"{self._desk.service.name}/reminder/{reminder.name}")
                note = json.dumps(dict(reminder.note))
                correlation = item.correlation or item.id
                wanted[table, key, reminder.name] = (reminder.due, note, correlation, generation)
        if forgotten := [slot for slot, reminder in wanted.items() if reminder is None]:
            await store.delete_reminders(self._con, forgotten)
        if set_ := [(*slot, *reminder) for slot, reminder in wanted.items() if reminder is not None]:
            await store.save_reminders(self._con, set_)
            self._batch.made_reminders = True

    async def _save_done(self, results: Sequence[Result]) -> None:
        outbox = Outbox(self._desk.service.name, self._batch.id, self._now)
        outbox.add_all(messages(results))
        for result in results:
            if result.status == "dead" or (result.status == "held" and not is_held(result.item)):
                deadletter.record(outbox, self._desk.service.name, self._desk.version, result, self._now)
        for order, replay in self._orders:
            deadletter.answer(outbox, self._desk.service.name, order, replay, results, self._again, self._now)
        for order, replay in self._failed:
            deadletter.answer_failed(outbox, self._desk.service.name, order, replay, self._now)
        self._batch.outgoing = outbox.packed()
        refs = [r.item.ref for r in results if r.item.kept is None]
        refs += [order.ref for order, _ in (*self._orders, *self._failed)]
        if refs or self._batch.outgoing or self._sent:
            await store.save_done(self._con, refs, self._batch.id, self._batch.outgoing, self._sent)


def refuse(item: Incoming, error: Exception) -> None:
    """Marks the one event with which a batch fails: it is a dead letter that holds its key."""
    if diagnose(error) is None:
        item.fault = Fault("decision_raised", "".join(traceback.format_exception(error)[-12:]))
    else:
        item.fault = Fault("database_refused", f"{type(error).__name__}: {error}")
