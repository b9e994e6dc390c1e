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

from schemas.runtime import DeadLetterInspectRequested, Finding
from shared.broker.outgoing import Outgoing
from shared.partner import store as calls
from shared.worker import deadletter, rehearsal, store
from shared.worker.fold import Fold, Result, is_held, is_our_own, messages
from shared.worker.incoming import Fault, Incoming
from shared.worker.outbox import Outbox
from shared.worker.replays import Replays
from shared.worker.routes import Routes, plain, qualified
from shared.worker.subscription import Service
from shared.worker.trouble import Trouble, diagnose


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
    step_by_step: bool = False
    """A replay with held events, one of which the database has refused: what goes before that one is to stay."""
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
        self._replays = Replays(desk.service.name, desk.routes)
        self._inspected: list[tuple[Incoming, list[Finding]]] = []
        self._fold: Fold

    async def run(self, only_rehearse: bool = False) -> None:
        """Raises what PostgreSQL raises, and Rehearsed instead of committing a rehearsal; then nothing has happened."""
        await self._inspect()
        self._items = await self._replays.opened(self._con, self._items)
        await self._find_keys()
        async with store.locked(self._con, self._desk.service.name, self._keys()):
            self._batch.stage = Stage.LOCKED
            self._items = await self._replays.call_again(self._con, self._items)
            self._items = await self._replays.with_held(self._con, self._items)
            held = await self._drop_known()
            await self._load(held)
            await (self._decide_step_by_step() if self._batch.step_by_step else self._decide())
            await self._save()
            if only_rehearse:
                raise rehearsal.Rehearsed
        self._batch.stage = Stage.SAVED

    async def _inspect(self) -> None:
        """Answers what replays would do, before anything is locked for this batch itself."""
        asked = {i.ref: i for i in self._items if i.fault is None and isinstance(i.data, DeadLetterInspectRequested)}
        self._items = [i for i in self._items if i.ref not in asked]
        self._inspected = [(order, await self._rehearsed(rehearsal.replays(order.data))) for order in asked.values()]

    async def _rehearsed(self, orders: Sequence[Incoming]) -> list[Finding]:
        """What came of replaying these together, all of it taken back; one by one where the database refuses it."""
        batch = Batch(list(orders))
        handling = Handling(self._desk, self._con, batch, (), len(orders) + 1)
        try:
            with contextlib.suppress(rehearsal.Rehearsed):
                await handling.run(only_rehearse=True)
            return await rehearsal.findings(self._con, orders, batch.results, handling._replays.again)
        except Exception as error:
            if diagnose(error) not in (Trouble.CULPRIT, None):
                raise
            if len(orders) == 1:
                return [rehearsal.refused(orders[0], error)]
        return [finding for order in orders for finding in await self._rehearsed([order])]

    @property
    def _order_refs(self) -> list[UUID]:
        """What control_room asked is remembered like events."""
        return [*self._replays.refs, *(order.ref for order, _ in self._inspected)]

    def _keys(self) -> set[str]:
        """What is locked: the events' keys; the events themselves where the key was looked up (another replica may
        not have found it yet) or there is none; and the replays' orders."""
        refs = [i.ref for i in self._items if i.key is None or (i.route is not None and i.route.find is not None)]
        return {i.key for i in self._items if i.key is not None} | {f"event:{r}" for r in (*refs, *self._order_refs)}

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
        fresh = [i.ref for i in self._items if i.kept is None] + self._order_refs
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
        self._replays.drop(known)
        self._inspected = [(order, found) for order, found in self._inspected if order.ref not in known]
        return held

    async def _load(self, held: dict[str, UUID]) -> None:
        decidable = [i for i in self._items if i.fault is None and i.key is not None]
        states: dict[str, Any] = {}
        for aggregate in {i.route.aggregate for i in decidable}:
            keys = {plain(i.key or "") for i in decidable if i.route.aggregate == aggregate}
            states |= await store.load_states(self._con, aggregate, list(keys))
        self._fold = Fold(self._desk.service.name, self._now, self._desk.ladder, states, held)
        first = {i.key: i for i in reversed(decidable)}
        if not self._batch.step_by_step:
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
        """In order within each key. What an event loads must show what an earlier one of its key did: that one is
        saved first, together with those of the other keys that are as far."""
        ended = False
        for every in self._rounds():
            items = [i for i in every if i.replay is not None] if ended else every
            if late := [i for i in items if _loads(i) and id(i) not in self._fold.references]:
                await self._save_states()
                await self._load_references(late)
            ended = self._fold_all(items) or ended
        decided = {id(result.item) for result in self._fold.results}
        self._batch.left = [i for i in self._items if id(i) not in decided]
        self._batch.results = self._fold.results
        self._batch.stage = Stage.DECIDED

    async def _decide_step_by_step(self) -> None:
        """As `_decide`, but an event that the database refuses is dead alone, and what was done before it stays."""
        for item in self._items:
            before = self._fold.mark(item)
            await self._con.execute("savepoint step")
            try:
                if item.fault is None and item.route is not None and item.route.load is not None:
                    await self._load_references([item])
                self._fold.add(item)
                await self._save_states()
                await self._save_effects(self._fold.results[-1:])
                self._outbox().add_all(messages(self._fold.results[-1:]))
            except Exception as error:
                if diagnose(error) not in (Trouble.CULPRIT, None):
                    raise
                await self._con.execute("rollback to savepoint step")
                self._fold.back_to(before)
                refuse(item, error)
                self._fold.add(item)
            await self._con.execute("release savepoint step")
        self._batch.results = self._fold.results
        self._batch.stage = Stage.DECIDED

    def _rounds(self) -> list[list[Incoming]]:
        """The events, cut before each that must see what an earlier one of its key did."""
        rounds: list[list[Incoming]] = [[]]
        place: dict[str | None, int] = {}
        for item in self._items:
            at = place.get(item.key, 0)
            if _loads(item) and id(item) not in self._fold.references:
                at += 1
            if item.key is not None:
                place[item.key] = at
            if at == len(rounds):
                rounds.append([])
            rounds[at].append(item)
        return rounds

    def _fold_all(self, items: Sequence[Incoming]) -> bool:
        """True: too many have died running. What is left stays undecided, but for what a replay is about: it is done
        with its order or not at all."""
        ended = False
        for item in items:
            if ended and item.replay is None:
                continue
            self._fold.add(item)
            ended = ended or (is_our_own(self._fold.results[-1]) and self._ends_run())
        return ended

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
        if not self._batch.step_by_step:
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
        outbox = self._outbox()
        outbox.add_all(messages(results))
        for result in results:
            if result.status == "dead" or (result.status == "held" and not is_held(result.item)):
                deadletter.record(outbox, self._desk.service.name, self._desk.version, result, self._now)
        name = self._desk.service.name
        deadletter.release(outbox, name, results, self._now)
        deadletter.say(outbox, name, list(self._replays.answers(results, self._now)), self._now)
        for order, found in self._inspected:
            deadletter.say_findings(outbox, name, order, found, self._now)
        self._batch.outgoing = outbox.packed()
        refs = [r.item.ref for r in results if r.item.kept is None]
        refs += self._order_refs
        if refs or self._batch.outgoing or self._sent:
            await store.save_done(self._con, refs, self._batch.id, self._batch.outgoing, self._sent)

    def _outbox(self) -> Outbox:
        return Outbox(self._desk.service.name, self._batch.id, self._now)


def _loads(item: Incoming) -> bool:
    """Whether its decision needs something beside the state."""
    return item.fault is None and item.key is not None and item.route is not None and item.route.load is not None


def refuse(item: Incoming, error: Exception) -> None:
    """Marks the one event with which a batch fails: it is a dead letter that holds its key."""
    if diagnose(error) is None:
        item.fault = Fault("decision_raised", "".join(traceback.format_exception(error)[-12:]))
    else:
        item.fault = Fault("database_refused", f"{type(error).__name__}: {error}")
