"""What decisions change beside what they say: states, inbox, calls, reminders and rows, saved in bulk."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from asyncpg import Connection

from shared.partner import store as calls
from shared.worker import store
from shared.worker.batch import Batch
from shared.worker.fold import Fold, Result
from shared.worker.routes import plain
from shared.worker.subscription import Service

SOON = timedelta(seconds=1)
"""What is due later than that is found by the look of every second."""


class Effects:
    """Saves what a fold came to, within the batch's transaction."""

    def __init__(self, con: Connection, service: Service, batch: Batch, fold: Fold) -> None:
        self._con = con
        self._service = service
        self._batch = batch
        self._fold = fold

    async def save(self) -> None:
        """All of it. (Step by step, what each decision asked for is saved already.)"""
        await self.save_states()
        await self._save_inbox(self._fold.results, self._fold.now)
        if self._fold.numbers.following:
            await store.save_series(self._con, self._fold.numbers.following)
        if not self._batch.step_by_step:
            await self.save_asked(self._fold.results)

    async def save_states(self) -> None:
        changed = {k: s for k, s in self._fold.states.items() if k in self._fold.changed and s is not None}
        for table in sorted({key.partition(":")[0] for key in changed}):
            await store.save_states(self._con, table, {k: s for k, s in changed.items() if k.startswith(f"{table}:")})
        self._fold.changed.clear()

    async def _save_inbox(self, results: Sequence[Result], now: datetime) -> None:
        if unsettled := [r for r in results if r.status != "handled"]:
            await store.save_kept(self._con, unsettled, now)
        if settled := [r.item.ref for r in results if r.status == "handled" and r.item.kept is not None]:
            await store.settle_kept(self._con, settled)

    async def save_asked(self, results: Sequence[Result]) -> None:
        """The calls, reminders and rows that decisions asked for, and the ends of the calls that were answered."""
        handled = [r for r in results if r.decision is not None]
        if closed := [r.item.closes_call for r in results if r.status == "handled" and r.item.closes_call is not None]:
            await calls.close_calls(self._con, closed)
        await self._save_calls(handled)
        await self._save_reminders(handled)
        rows = [row for r in handled if r.decision is not None for row in r.decision.rows]
        if rows and self._service.save_rows is not None:
            await self._service.save_rows(self._con, rows)

    async def _save_calls(self, handled: Sequence[Result]) -> None:
        made = [
            calls.NewCall.of(call, uuid5(r.item.ref, f"{self._service.name}/call/{n}"), r.item, self._fold.now)
            for r in handled
            if r.decision is not None
            for n, call in enumerate(r.decision.calls)
        ]
        if made:
            await calls.save_calls(self._con, made)
            self._batch.made_calls = True

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
                generation = uuid5(item.ref, f"{self._service.name}/reminder/{reminder.name}")
                note = json.dumps(dict(reminder.note))
                correlation = item.correlation or item.id
                wanted[table, key, reminder.name] = (reminder.due, note, correlation, generation)
        if forgotten := [slot for slot, reminder in wanted.items() if reminder is None]:
            await store.delete_reminders(self._con, forgotten)
        if set_ := [(*slot, *reminder) for slot, reminder in wanted.items() if reminder is not None]:
            await store.save_reminders(self._con, set_)
            self._batch.reminds_soon = min(reminder[3] for reminder in set_) <= self._fold.now + SOON
