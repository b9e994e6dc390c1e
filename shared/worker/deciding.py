"""Applies the decisions of a batch in the right order, with what each needs beside its state loaded before it."""

import traceback
from collections.abc import Sequence
from typing import Any

from asyncpg import Connection
from pydantic import ValidationError

from schemas.model import places
from shared.worker import store
from shared.worker.batch import Batch, Stage
from shared.worker.effects import Effects
from shared.worker.fold import Fold, is_our_own, messages
from shared.worker.incoming import Fault, Incoming
from shared.worker.outbox import Outbox
from shared.worker.routes import plain
from shared.worker.trouble import Trouble, diagnose


class Deciding:
    """The events of one batch, decided within its transaction. `may_die`: so many running end the batch."""

    def __init__(
        self, con: Connection, batch: Batch, fold: Fold, effects: Effects, items: Sequence[Incoming], may_die: int
    ) -> None:
        self._con = con
        self._batch = batch
        self._fold = fold
        self._effects = effects
        self._items = items
        self._may_die = may_die

    async def decide(self) -> None:
        """In order within each key. What an event loads must show what an earlier one of its key did: that one is
        saved first, together with those of the other keys that are as far."""
        await self._load_references(self._first_of_each_key())
        ended = False
        for every in self._rounds():
            items = [i for i in every if i.replay is not None] if ended else every
            if late := [i for i in items if _loads(i) and id(i) not in self._fold.references]:
                await self._effects.save_states()
                await self._load_references(late)
            ended = self._fold_all(items) or ended
        decided = {id(result.item) for result in self._fold.results}
        self._batch.left = [i for i in self._items if id(i) not in decided]
        self._batch.results = self._fold.results
        self._batch.stage = Stage.DECIDED

    async def decide_step_by_step(self) -> None:
        """As `decide`, but an event that the database refuses is dead alone, and what was done before it stays."""
        for item in self._items:
            before = self._fold.mark(item)
            await self._con.execute("savepoint step")
            try:
                if _loads(item):
                    await self._load_references([item])
                self._fold.add(item)
                await self._effects.save_states()
                await self._effects.save_asked(self._fold.results[-1:])
                Outbox(self._fold.service, self._batch.id, self._fold.now).add_all(messages(self._fold.results[-1:]))
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

    def _first_of_each_key(self) -> list[Incoming]:
        decidable = [i for i in self._items if i.fault is None and i.key is not None]
        first = {i.key: i for i in reversed(decidable)}
        return [i for i in decidable if first[i.key] is i]

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


def _loads(item: Incoming) -> bool:
    """Whether its decision needs something beside the state."""
    return item.fault is None and item.key is not None and item.route is not None and item.route.load is not None


def refuse(item: Incoming, error: Exception) -> None:
    """Marks the one event with which a batch fails: it is a dead letter that holds its key. What cannot be read of the
    database was written by a newer release: then the event waits for one."""
    if isinstance(error, ValidationError):
        what = f"a row of {error.title} cannot be read in this release"
        item.fault = Fault("unknown_version", f"{what}:\n{places(error)}", may_pass=True)
    elif diagnose(error) is None:
        item.fault = Fault("decision_raised", "".join(traceback.format_exception(error)[-12:]))
    else:
        item.fault = Fault("database_refused", f"{type(error).__name__}: {error}")
