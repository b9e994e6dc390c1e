"""The transaction in the middle of the cycle: what happens to a batch of events happens at once or not at all.

Keys are found and locked, what is known is dropped, states are loaded; then `deciding` applies the decisions and
`effects` saves what they changed, with one outgoing row for all that is said.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from time import monotonic
from typing import Any
from uuid import UUID

from asyncpg import Connection

from schemas.runtime import DeadLetterInspectRequested, Finding
from shared.broker.outgoing import Outgoing
from shared.worker import deadletter, rehearsal, store
from shared.worker.batch import Batch, Desk, Stage
from shared.worker.deciding import Deciding
from shared.worker.effects import Effects
from shared.worker.fold import Fold, Result, is_held, messages
from shared.worker.incoming import Incoming
from shared.worker.outbox import Outbox
from shared.worker.replays import Replays
from shared.worker.routes import plain, qualified
from shared.worker.trouble import Trouble, diagnose


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
        self._postponed: list[Incoming] = []
        """Inspections that are left for the next batch."""

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
            fold = await self._begin_fold(held)
            effects = Effects(self._con, self._desk.service, self._batch, fold)
            deciding = Deciding(self._con, self._batch, fold, effects, self._items, self._may_die)
            await (deciding.decide_step_by_step() if self._batch.step_by_step else deciding.decide())
            self._batch.left = [*self._postponed, *self._batch.left]
            await effects.save()
            await self._save_done(fold.results)
            if only_rehearse:
                raise rehearsal.Rehearsed
        self._batch.stage = Stage.SAVED

    async def _inspect(self) -> None:
        """Answers what replays would do, before anything is locked for this batch itself, and not for long."""
        asked = {i.ref: i for i in self._items if i.fault is None and isinstance(i.data, DeadLetterInspectRequested)}
        self._items = [i for i in self._items if i.ref not in asked]
        began = monotonic()
        for order in asked.values():
            if not self._inspected or monotonic() - began < rehearsal.BATCH_SECONDS:
                self._inspected.append((order, await self._rehearsed(rehearsal.replays(order.data))))
            else:
                self._postponed.append(order)

    async def _rehearsed(self, orders: Sequence[Incoming]) -> list[Finding]:
        """What came of replaying these together, all of it taken back; one by one where the database refuses it."""
        batch = Batch(list(orders))
        handling = Handling(self._desk, self._con, batch, (), len(orders) + 1)
        try:
            async with asyncio.timeout(rehearsal.LONGEST_SECONDS) as limit:
                with contextlib.suppress(rehearsal.Rehearsed):
                    await handling.run(only_rehearse=True)
            return await rehearsal.findings(self._con, orders, batch.results, handling._replays.again)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                return [rehearsal.given_up(order) for order in orders]
            if diagnose(error) not in (Trouble.CULPRIT, None):
                raise
            if len(orders) == 1:
                return [rehearsal.refused(orders[0], error)]
        return [finding for order in orders for finding in await self._rehearsed([order])]

    @property
    def _inspection_refs(self) -> list[UUID]:
        return [order.ref for order, _ in self._inspected]

    def _keys(self) -> set[str]:
        """What is locked: the events' keys; the events themselves where another replica may know of another key or of
        none (it was looked up, or the event is kept and that one is of another release); what control_room asked."""
        refs = [i.ref for i in self._items if i.kept is not None or i.key is None or _is_looked_up(i)]
        asked = [*self._replays.requests, *self._inspection_refs]
        return {i.key for i in self._items if i.key is not None} | {f"event:{r}" for r in (*refs, *asked)}

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
        asked = {*self._replays.refs, *self._replays.requests, *self._inspection_refs}
        fresh = [*(i.ref for i in self._items if i.kept is None), *asked]
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

    async def _begin_fold(self, held: dict[str, UUID]) -> Fold:
        """The states of the events' keys, as they are before the first one is decided."""
        decidable = [i for i in self._items if i.fault is None and i.key is not None]
        states: dict[str, Any] = {}
        for aggregate in {i.route.aggregate for i in decidable}:
            keys = {plain(i.key or "") for i in decidable if i.route.aggregate == aggregate}
            states |= await store.load_states(self._con, aggregate, list(keys))
        return Fold(self._desk.service.name, self._now, self._desk.ladder, states, held)

    async def _save_done(self, results: Sequence[Result]) -> None:
        """The events are known from now on, what is said of them is there to be sent, and no attempt is open."""
        self._batch.outgoing = self._said(results)
        if marks := [item.mark for item in self._batch.items if item.mark is not None]:
            await store.end_attempts(self._con, marks)
        refs = [*(r.item.ref for r in results if r.item.kept is None), *self._replays.done, *self._inspection_refs]
        if refs or self._batch.outgoing or self._sent:
            await store.save_done(self._con, refs, self._batch.id, self._batch.outgoing, self._sent)

    def _said(self, results: Sequence[Result]) -> list[Outgoing]:
        """What the decisions said, what is dead, held or released, and the answers to control_room."""
        name = self._desk.service.name
        outbox = Outbox(name, self._batch.id, self._now)
        outbox.add_all(messages(results))
        for result in results:
            if result.status == "dead" or (result.status == "held" and not is_held(result.item)):
                deadletter.record(outbox, name, self._desk.version, result, self._now)
        deadletter.release(outbox, name, results, self._now)
        deadletter.say(outbox, name, list(self._replays.answers(results, self._now)), self._now)
        for order, found in self._inspected:
            deadletter.say_findings(outbox, name, order, found, self._now)
        return outbox.packed()


def _is_looked_up(item: Incoming) -> bool:
    return item.route is not None and item.route.find is not None
