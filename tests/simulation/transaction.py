"""The middle of the worker cycle, as `shared.worker.batch` does it, on a store in memory; the fold is the real one."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from schemas.decision import Decision
from shared.settings import Runtime
from shared.worker import deadletter
from shared.worker.fold import Fold, Result, messages
from shared.worker.incoming import Incoming, Kept
from shared.worker.routes import plain, qualified
from tests.simulation.event import Arrived, Pack, Saying
from tests.simulation.lookups import FIND, LOAD
from tests.simulation.scheduler import START
from tests.simulation.store import CallRow, KeptRow, ReminderRow, Slot, Store

LADDER: tuple[float, ...] = Runtime.model_fields["ladder_seconds"].default


class RolledBack(Exception):
    """Nothing has happened; the batch is to be tried again."""


class Transaction:
    """One batch's. Its locks are the caller's to take and to give back."""

    def __init__(self, store: Store, items: Sequence[Incoming], now: datetime, wire: bool) -> None:
        self.store = store
        self.items = list(items)
        self.now = now
        self.outbox = Saying(store.service, now, wire)
        self.before: dict[str, Any] = {}
        """States as they were loaded."""
        self.fold: Fold
        self.results: list[Result] = []
        self.calls: list[CallRow] = []
        self.reminders: dict[Slot, ReminderRow | None] = {}
        self.packs: tuple[Pack, ...] = ()

    def find_keys(self) -> None:
        for item in self.items:
            if item.fault is None and item.key is None and item.route is not None:
                key = FIND[item.route.find](self.store.tables, item.data)
                item.key = None if key is None else qualified(item.route.aggregate, key)

    def keys(self) -> list[str]:
        """As the real one locks: also the events of which another replica may know another key or none."""
        first = self.items[0]
        if len(self.items) == 1 and first.key is not None and not _may_be_of_another_key(first):
            return [first.key]
        keys = {i.key for i in self.items if i.key is not None}
        return sorted(keys | {f"event:{i.ref}" for i in self.items if _may_be_of_another_key(i)})

    def decide(self) -> None:
        """Under the keys' locks. Raises RolledBack where another transaction has a number series."""
        self._drop_known()
        firsts = self._load_states()
        fold = self.fold = Fold(self.store.service, self.now, LADDER, dict(self.before), self.store.held())
        self.results = fold.results
        for item in firsts:
            if item.route.load is not None:
                self._load_reference(item, self.store.tables)
        for item in self.items:
            if item.fault is None and item.key is not None and item.route.load is not None:
                self._load_late(item)
            fold.add(item)
        self._say()

    def _load_states(self) -> list[Incoming]:
        """The first event of each key: what it loads is as the batch finds the tables."""
        firsts: list[Incoming] = []
        for item in self.items:
            if item.fault is None and item.key is not None and item.key not in self.before:
                self.before[item.key] = self._loaded(item)
                firsts.append(item)
        return firsts

    def _drop_known(self) -> None:
        wanted: dict[int, Incoming] = {}
        for item in self.items:
            if self._is_new(item):
                wanted.setdefault(item.ref.int, item)
        self.items = list(wanted.values())

    def _is_new(self, item: Incoming) -> bool:
        if item.kept is None:
            return not self.store.is_known(item.ref)
        row = self.store.kept.get(item.ref)
        return row is not None and (row.kept.status, row.kept.attempt) == (item.kept.status, item.kept.attempt)

    def _loaded(self, item: Incoming) -> Any:
        return self.store.state(item.route.aggregate.table, plain(item.key or ""))

    def _load_late(self, item: Incoming) -> None:
        """What an event loads must show what an earlier one of its key did in this batch."""
        if id(item) not in self.fold.references:
            self._load_reference(item, self._seen_from_inside())

    def _seen_from_inside(self) -> Mapping[str, Mapping[str, Any]]:
        tables: dict[str, Mapping[str, Any]] = dict(self.store.tables)
        for key in sorted(self.fold.changed):
            table = key.partition(":")[0]
            tables[table] = ChainMap({plain(key): self.fold.states[key]}, tables.get(table, {}))  # type: ignore[arg-type]
        return tables

    def _load_reference(self, item: Incoming, tables: Mapping[str, Mapping[str, Any]]) -> None:
        reference = LOAD[item.route.load](tables, plain(item.key or ""), item.data)
        self.fold.references[id(item)] = reference
        if item.route.series is not None:
            self._lock_series(item.route.series(reference))

    def reference_of(self, item: Incoming) -> Any:
        """What its decision would look up now."""
        load = item.route.load
        return None if load is None else LOAD[load](self.store.tables, plain(item.key or ""), item.data)

    def _lock_series(self, names: Sequence[str]) -> None:
        wanted = [name for name in names if name not in self.fold.numbers.following]
        if not self.store.lock([f"series:{name}" for name in wanted], self):
            raise RolledBack("a number series is taken")
        self.fold.numbers.following |= {name: self.store.series.get(name, 1) for name in wanted}

    def _say(self) -> None:
        """Messages, calls and reminders of the decisions, under ids derived from their causes."""
        service = self.store.service
        self.outbox.add_all(messages(self.results))
        for result in self.results:
            decision = result.decision
            if decision is not None:
                for n, call in enumerate(decision.calls):
                    self.calls.append(self._call(call, uuid5(result.item.ref, f"{service}/call/{n}"), result.item))
                if decision.forget or decision.reminders:
                    self._remind(result.item, decision)
            elif result.status == "dead":
                deadletter.record(self.outbox, service, "simulated", result, self.now)
        self.packs = self.outbox.packs()

    def _call(self, call: Any, id: UUID, cause: Incoming) -> CallRow:
        key = plain(cause.key or "")
        due = (self.now - START).total_seconds()
        correlation = cause.correlation or cause.id
        return CallRow(id, call.partner, call.lane or key, key, call.request, self.now, correlation, due)

    def _remind(self, item: Incoming, decision: Decision[Any]) -> None:
        table, key = item.route.aggregate.table if item.route else "", plain(item.key or "")
        for name in decision.forget:
            self.reminders[table, key, name] = None
        for reminder in decision.reminders:
            row = ReminderRow(reminder.due, dict(reminder.note), item.correlation or item.id, item.ref)
            self.reminders[table, key, reminder.name] = row

    def commit(self, row: int, sent: Sequence[int], seconds: float) -> None:
        """All of it at once. RolledBack: another worker was faster with one of the events."""
        store, fold = self.store, self.fold
        fresh = [result.item.ref for result in self.results if result.item.kept is None]
        for ref in fresh:
            if store.is_known(ref):
                raise RolledBack("another worker was faster")
        for key in sorted(fold.changed):
            state = fold.states[key]
            assert state is not None
            table, _, name = key.partition(":")
            store.save_state(table, name, state)
        for ref in fresh:
            store.inbox.add(ref.int)
        for result in self.results:
            self._settle(result)
        if fold.numbers.following:
            store.series |= fold.numbers.following
        for call in self.calls:
            store.save_call(call)
        for slot, reminder in self.reminders.items():
            store.reminders.pop(slot, None)
            if reminder is not None:
                store.reminders[slot] = reminder
        if self.packs:
            store.save_outgoing(row, self.packs, seconds)
        for other in sent:
            store.outgoing.pop(other, None)

    def _settle(self, result: Result) -> None:
        item = result.item
        if result.status == "handled":
            if self.store.kept:
                self.store.kept.pop(item.ref, None)
            if item.closes_call is not None:
                self.store.close_call(item.closes_call[0])
            for row in result.decision.rows if result.decision is not None else ():
                id = getattr(row, "movement_id", None) or getattr(row, "access_key", "")
                self.store.rows.setdefault((type(row).__name__, str(id)), row)
            return
        before = self.store.kept.get(item.ref)
        event = item.event if isinstance(item, Arrived) else None
        self.store.kept[item.ref] = KeptRow(self._kept(result, before), event)

    def _kept(self, result: Result, before: KeptRow | None) -> Kept:
        item = result.item
        return Kept(
            ref=item.ref,
            status=result.status,
            source=item.source,
            id=item.id,
            type=item.type,
            subject=item.subject,
            key=result.key,
            attempt=result.attempt,
            due=result.due,
            occurrence=result.occurrence,
            reason=result.reason,
            error=result.error,
            first_at=before.kept.first_at if before is not None else self.now,
            last_at=self.now,
            content_type=item.content_type,
            headers="{}",
            body=b"" if isinstance(item, Arrived) else item.raw,
        )


def _may_be_of_another_key(item: Incoming) -> bool:
    return item.kept is not None or item.key is None or (item.route is not None and item.route.find is not None)
