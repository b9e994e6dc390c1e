"""Orders of control_room within a batch: the dead events that they are about take their place, then those held behind.

A replay is answered when it is settled: an event that must wait first is answered for by the batch that ends its
waiting, because its row remembers the order.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Connection

from shared.worker import deadletter, store
from shared.worker.deadletter import Answer
from shared.worker.decode import decode_all_kept, decode_brought
from shared.worker.fold import HOLDING, Result
from shared.worker.incoming import Incoming, Kept, Replay
from shared.worker.routes import Routes

_UNDONE = (*HOLDING, "unknown_version", "delivery_limit")


def is_order(item: Incoming) -> bool:
    return isinstance(item.data, Replay)


class Replays:
    """The orders of one batch. Made anew for every try."""

    def __init__(self, service: str, routes: Routes) -> None:
        self._service = service
        self._routes = routes
        self._orders: list[tuple[Incoming, Replay]] = []
        self._failed: list[tuple[Incoming, Replay]] = []
        """Orders whose transaction failed: nothing of them was done, and that is the answer."""
        self._waiting: list[tuple[Incoming, Replay]] = []
        """Orders that were asked again, and whose events still wait for what they need."""
        self._unknown: list[Replay] = []
        """Orders about what is no event of this service: a partner call, an event brought along, or nothing."""
        self.again: set[UUID] = set()
        """Occurrences of exhausted calls that were made due again."""

    @property
    def refs(self) -> list[UUID]:
        """The orders' own references: they are remembered like events."""
        return [order.ref for order, _ in self._all]

    @property
    def requests(self) -> set[UUID]:
        """The events that the orders came with: who does the same one elsewhere waits."""
        return {replay.request or order.ref for order, replay in self._all}

    @property
    def done(self) -> list[UUID]:
        """What is to be remembered of them: of a request that is done as a whole, itself."""
        by_request: dict[UUID, list[UUID]] = {}
        size: dict[UUID, int] = {}
        for order, replay in self._all:
            request = replay.request or order.ref
            by_request.setdefault(request, []).append(order.ref)
            size[request] = replay.together
        return [
            ref for request, refs in by_request.items() for ref in ([request] if len(refs) == size[request] else refs)
        ]

    @property
    def _all(self) -> list[tuple[Incoming, Replay]]:
        return [*self._orders, *self._failed, *self._waiting]

    async def opened(self, con: Connection, items: Sequence[Incoming]) -> list[Incoming]:
        """The items with the dead events that orders are about, at the front, in the place of the orders."""
        rest = [i for i in items if not self._takes_failed(i)]
        orders = {id(i): i for i in rest if i.fault is None and is_order(i)}
        if not orders:
            return rest
        asked: list[tuple[Incoming, Replay]] = [(item, item.data) for item in orders.values()]
        rows = {k.occurrence: k for k in await store.load_dead(con, [r.occurrence for _, r in asked])}
        for item, replay in asked:
            is_again = _is_under_way(replay, rows.get(replay.occurrence))
            (self._waiting if is_again else self._orders).append((item, replay))
        self._unknown = [r for _, r in self._orders if r.occurrence not in rows]
        dead = self._reopened([(rows.pop(r.occurrence), r) for _, r in self._orders if r.occurrence in rows])
        dead += [self._brought(r, r.body) for r in self._unknown if r.body and not r.discard]
        return dead + [i for i in rest if id(i) not in orders]

    def _takes_failed(self, item: Incoming) -> bool:
        """Whether it is an order that cannot be carried out: refused, or the process dies of it. One that cannot be
        read is a dead letter itself."""
        if item.fault is not None and item.fault.reason in _UNDONE and is_order(item):
            self._failed.append((item, item.data))
            return True
        return False

    def _brought(self, replay: Replay, body: bytes) -> Incoming:
        item = decode_brought(body)
        item.replay = replay
        if item.fault is None:
            self._routes.assign(item)
        return item

    def _reopened(self, asked: Sequence[tuple[Kept, Replay]]) -> list[Incoming]:
        items = decode_all_kept([(row, r.body if row.occurrence == r.occurrence else None) for row, r in asked])
        for item, (row, replay) in zip(items, asked, strict=True):
            item.replay = replay
            if item.fault is None:
                self._routes.assign(item)
            item.key = row.key or item.key
        return items

    async def call_again(self, con: Connection, items: list[Incoming]) -> list[Incoming]:
        """Orders that mean no event of this service may mean a partner call that is exhausted."""
        if not self._unknown:
            return items
        self.again = await deadletter.calls_again(con, self._unknown)
        return [i for i in items if i.replay is None or i.replay.occurrence not in self.again]

    async def with_held(self, con: Connection, items: list[Incoming]) -> list[Incoming]:
        """The items, with the events held behind dead ones right after them. Under the lock: no more can come."""
        holders = {i.key: i for i in items if i.replay is not None and i.kept is not None and i.kept.key}
        if not holders:
            return items
        behind: dict[str | None, list[Incoming]] = {}
        held: list[tuple[Kept, Replay]] = []
        for row in await store.load_held(con, [key for key in holders if key is not None]):
            holder = holders[row.key].replay
            assert holder is not None
            held.append((row, holder))
        for (row, _), item in zip(held, self._reopened(held), strict=True):
            behind.setdefault(row.key, []).append(item)
        return [
            one
            for item in items
            for one in ([item, *behind.get(item.key, [])] if holders.get(item.key) is item else [item])
        ]

    def drop(self, known: set[UUID]) -> None:
        """Forgets orders that were carried out before, and the second of two that came together."""
        self._orders = _once(self._orders, known)
        self._failed = _once(self._failed, known)
        self._waiting = _once(self._waiting, known)

    def answers(self, results: Sequence[Result], now: datetime) -> Iterator[Answer]:
        """What came of the orders, and of earlier ones whose events have waited until now."""
        by_replay: dict[int, list[Result]] = {}
        unsettled: dict[UUID, Result] = {}
        """What another order of this batch, about the same letter, did not settle."""
        for result in results:
            by_replay.setdefault(id(result.item.replay), []).append(result)
            if result.item.replay is not None and result.item.is_replayed and result.status != "handled":
                unsettled[result.item.replay.occurrence] = result
        for order, replay in self._orders:
            mine = by_replay.get(id(replay), [])
            about = next((r for r in mine if r.item.is_replayed), None)
            released = sum(1 for r in mine if r is not about and r.status == "handled")
            again = replay.occurrence in self.again
            twin = unsettled.get(replay.occurrence)
            if about is None or about.status != "waiting":
                yield deadletter.answer(self._service, replay, order, about or twin, released, again, now)
        for order, replay in self._waiting:
            yield deadletter.answer_waits(order, replay)
        for order, replay in self._failed:
            yield deadletter.answer_failed(self._service, order, replay, now)
        for replay, about in _earlier(results):
            yield deadletter.answer(self._service, replay, about.item, about, 0, False, now)


def _is_under_way(replay: Replay, row: Kept | None) -> bool:
    """Whether the event waits because of this very order: it will be answered for when that is over."""
    return row is not None and row.status == "waiting" and row.replay_id == replay.replay_id and not replay.discard


def _once(orders: Iterable[tuple[Incoming, Replay]], known: set[UUID]) -> list[tuple[Incoming, Replay]]:
    fresh: dict[UUID, tuple[Incoming, Replay]] = {}
    for order, replay in orders:
        if order.ref not in known and replay.request not in known:
            fresh.setdefault(order.ref, (order, replay))
    return list(fresh.values())


def _earlier(results: Iterable[Result]) -> Iterator[tuple[Replay, Result]]:
    """Replays whose events waited, where that is over: settled, or another replay goes on with it."""
    for result in results:
        row, now = result.item.kept, result.item.replay
        if row is None or now is None or row.status != "waiting" or row.occurrence is None or row.replay_id is None:
            continue
        if result.status != "waiting" or now.replay_id != row.replay_id:
            yield Replay(row.occurrence, row.replay_id, now.discard, None), result
