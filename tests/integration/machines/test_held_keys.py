"""Held keys as a state machine: what a bug kills holds its key, later events wait behind it in order, and replays,
edits and discards release them in order until one fails. A model of twenty lines says what must be there."""

import base64
import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run

from schemas.decision import Context, Outcome
from schemas.payment import PaymentApproved
from schemas.runtime import (
    DeadLetterDiscardRequested,
    DeadLetterFailed,
    DeadLetterRecorded,
    DeadLetterReleased,
    DeadLetterReplayRequested,
    DeadLetterResolved,
)
from shared.worker import store
from shared.worker.batch import Batch
from tests.integration.machines.place import Cut, Killed, Place
from tests.integration.machines.process import Broker, Process
from tests.integration.worker.bench import NAME, Tally, count, event, events_in, pack, payment, service

CUTS = st.none() | st.builds(Cut, st.integers(0, 9), st.booleans(), st.just(True))
ANSWERS = (DeadLetterResolved.TYPE, DeadLetterFailed.TYPE)
Ordered = DeadLetterReplayRequested | DeadLetterDiscardRequested


@dataclass
class Said:
    """A payment's event, as the model knows it."""

    id: str
    key: str
    name: str


@dataclass
class Model:
    """What must be in the tables after each batch."""

    broken: set[str] = field(default_factory=set)
    """Payments on which the decision raises."""
    seen: dict[str, list[str]] = field(default_factory=dict)
    dead: dict[str, Said] = field(default_factory=dict)
    """By key."""
    held: dict[str, list[Said]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)
    deaths: int = 0
    waited: int = 0
    answers: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Outcome and number of released events, by replay."""

    def arrives(self, one: Said) -> None:
        if one.id in self.known:
            return
        self.known.add(one.id)
        if one.key in self.dead:
            self.held.setdefault(one.key, []).append(one)
            self.waited += 1
        else:
            self.decide(one)

    def decide(self, one: Said) -> bool:
        if one.name in self.broken:
            self.dead[one.key] = one
            self.deaths += 1
            return False
        self.seen.setdefault(one.key, []).append(one.name)
        return True

    def acts(self, order: Ordered, on: Said | None) -> None:
        """`on` is the dead event of the occurrence, None where it is none any more."""
        if order.replay_id in self.answers:
            return
        if on is None:
            self.answers[order.replay_id] = ("already_handled", 0)
            return
        del self.dead[on.key]
        if discards := isinstance(order, DeadLetterDiscardRequested):
            self.discarded.add(on.id)
        else:
            mended = None if order.body is None else json.loads(base64.b64decode(order.body))["data"]["payment_id"]
            if not self.decide(Said(on.id, on.key, mended or on.name)):
                self.answers[order.replay_id] = ("failed", 0)
                self.dead[on.key].name = on.name
                return
        behind, released = self.held.pop(on.key, []), 0
        while behind and on.key not in self.dead:
            released += self.decide(behind.pop(0))
        if behind:
            self.held[on.key] = behind
        self.answers[order.replay_id] = ("discarded" if discards else "handled", released)


class HeldKeys(RuleBasedStateMachine):
    place: Place

    written = Bundle("written")

    def __init__(self) -> None:
        super().__init__()
        self.place.pool.cut = None
        self.place.empty()
        self.model = Model()
        self.broker = Broker()
        self.counter = itertools.count()
        self.occurrences: list[str] = []
        """Of all dead letters there ever were."""
        self.process = self.begin()

    def begin(self) -> Process:
        return Process(self.place, self.broker, service(self.decide), pause_after=3)

    def decide(self, tally: Tally | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        if event.payment_id in self.model.broken:
            raise RuntimeError("a bug")
        return count(tally, event, ctx)

    @rule(target=written, key=st.sampled_from("ABC"), broken=st.booleans())
    def write(self, key: str, broken: bool) -> Said:
        one = Said(f"e{next(self.counter)}", key, f"P{next(self.counter)}")
        if broken:
            self.model.broken.add(one.name)
        self.broker.publish(body_of(one))
        return one

    @rule(one=written)
    def publish_again(self, one: Said) -> None:
        self.broker.publish(body_of(one))

    @rule(some=st.lists(written, min_size=2, max_size=5))
    def publish_pack(self, some: list[Said]) -> None:
        self.broker.publish(pack(body_of(one) for one in some))

    @rule(one=written)
    def mend_the_bug(self, one: Said) -> None:
        self.model.broken.discard(one.name)

    @rule(data=st.data(), action=st.sampled_from(("replay", "discard", "edit")), twice=st.booleans())
    def order(self, data: st.DataObject, action: str, twice: bool) -> None:
        if not self.occurrences:
            return
        occurrence = data.draw(st.sampled_from(self.occurrences[-4:]))
        replay_id = f"r{next(self.counter)}"
        common: dict[str, Any] = {"occurrence": occurrence, "replay_id": replay_id, "service": NAME}
        if action == "discard":
            order: Ordered = DeadLetterDiscardRequested(**common)
        else:
            order = DeadLetterReplayRequested(**common, body=self.edited(occurrence) if action == "edit" else None)
        body = event(order, replay_id, source="/dropfleet/control_room")
        for _ in range(1 + twice):
            self.broker.publish(body, order.TYPE)

    def edited(self, occurrence: str) -> str | None:
        """The dead event with a payment id on which no decision raises."""
        one = self.dead_by_occurrence().get(occurrence)
        if one is None:
            return None
        return base64.b64encode(body_of(Said(one.id, one.key, f"{one.name}-mended"))).decode()

    @rule(deliveries=st.integers(1, 6), cut=CUTS)
    def handle(self, deliveries: int, cut: Cut | None) -> None:
        orders, events = [], []
        for routing_key, body in itertools.islice(self.broker.ready, deliveries):
            if routing_key == PaymentApproved.TYPE:
                events += [said_in(one) for one in events_in(body)]
            else:
                orders.append(order_in(body))
        dead = self.dead_by_occurrence()
        parts = self.commit(deliveries, cut)
        for order in orders:
            self.model.acts(order, dead.pop(str(order.occurrence), None))
        for one in events:
            self.model.arrives(one)
        if cut is None:
            self.check_answers(parts, orders)

    def commit(self, deliveries: int, cut: Cut | None) -> list[Batch]:
        """Once, whatever is cut off in the middle."""
        self.place.pool.cut = cut
        try:
            parts = self.process.commit(self.process.take(deliveries))
        except Killed:
            self.process.give_back()
            self.process = self.begin()
            parts = self.process.commit(self.process.take(deliveries))
        self.place.pool.cut = None
        while self.process.committed:
            self.process.send("all arrive and are confirmed")
        return parts

    def dead_by_occurrence(self) -> dict[str, Said]:
        rows = self.place.rows("select occurrence::text, id, key from inbox_kept where status = 'dead'")
        by_id = {one.id: one for one in self.model.dead.values()}
        assert {row["id"] for row in rows} == by_id.keys()
        found = {row["occurrence"]: by_id[row["id"]] for row in rows}
        self.occurrences += [occurrence for occurrence in found if occurrence not in self.occurrences]
        return found

    def check_answers(self, parts: list[Batch], orders: Iterable[Ordered]) -> None:
        told = [one for part in parts for m in part.outgoing for one in events_in(m.body) if "replay_id" in one["data"]]
        for one in told:
            data = one["data"]
            outcome = data.get("outcome", "failed")
            assert self.model.answers[data["replay_id"]] == (outcome, data.get("released", 0))
        assert max(Counter(one["data"]["replay_id"] for one in told).values(), default=1) == 1, "answered twice"

    @invariant()
    def tables_are_as_the_model_says(self) -> None:
        rows = self.place.rows("select key, body from tally")
        assert {row["key"]: json.loads(row["body"])["seen"] for row in rows} == self.model.seen
        kept = self.place.rows("select id, status, key from inbox_kept order by key, status, seq")
        found = [(row["key"], row["status"], row["id"]) for row in kept]
        dead = [(f"tally:{key}", "dead", one.id) for key, one in self.model.dead.items()]
        held = [(f"tally:{key}", "held", one.id) for key, behind in self.model.held.items() for one in behind]
        assert found == sorted([*dead, *held], key=lambda row: row[:2])

    @invariant()
    def nothing_is_held_without_a_dead_holder(self) -> None:
        assert self.model.held.keys() <= self.model.dead.keys()
        orphans = "select 1 from inbox_kept h where status = 'held' and not exists (select 1 from inbox_kept d "
        assert self.place.rows(f"{orphans} where d.key = h.key and d.status = 'dead')") == []

    def teardown(self) -> None:
        """All bugs are mended and all dead letters replayed: everything that came was handled, in its order."""
        while self.broker.ready:
            self.handle(6, None)
        self.model.broken.clear()
        while self.dead_by_occurrence():
            for occurrence in self.dead_by_occurrence():
                order = DeadLetterReplayRequested(
                    occurrence=occurrence, replay_id=f"r{next(self.counter)}", service=NAME
                )
                self.broker.publish(event(order, order.replay_id, source="/dropfleet/control_room"), order.TYPE)
            while self.broker.ready:
                self.handle(6, None)
            self.tables_are_as_the_model_says()
        assert self.place.rows("select 1 from inbox_kept") == []
        handled = sum(len(seen) for seen in self.model.seen.values())
        assert handled + len(self.model.discarded) == len(self.model.known), "lost"
        self.place.run(self.process.worker._sweep(timedelta(0)))  # what a killed process left
        told = list({one["id"]: one for m in self.broker.sent for one in events_in(m.body)}.values())
        letters = [one["data"] for one in told if one["type"] == DeadLetterRecorded.TYPE]
        deaths = [letter["occurrence"] for letter in letters if letter["reason"] == "decision_raised"]
        assert len(deaths) == len(set(deaths)) == self.model.deaths == len(self.occurrences), "every death is told once"
        waited = [letter["occurrence"] for letter in letters if letter["reason"] == "held"]
        released = [one["data"]["occurrence"] for one in told if one["type"] == DeadLetterReleased.TYPE]
        assert sorted(waited) == sorted(released), "what is told to wait is told to go on"
        assert len(waited) == self.model.waited
        answers = [one["data"]["replay_id"] for one in told if one["type"] in ANSWERS]
        assert sorted(answers) == sorted(self.model.answers), "every order is answered once"


def body_of(one: Said) -> bytes:
    return event(payment(one.key, one.name), one.id)


def said_in(one: dict[str, Any]) -> Said:
    return Said(one["id"], one["data"]["order_id"], one["data"]["payment_id"])


def order_in(body: bytes) -> Ordered:
    said = json.loads(body)
    kind = DeadLetterDiscardRequested if said["type"] == DeadLetterDiscardRequested.TYPE else DeadLetterReplayRequested
    return kind.model_validate(said["data"])


def machine(at: Place) -> type[HeldKeys]:
    return type("HeldKeys", (HeldKeys,), {"place": at})


def test_held_keys_are_released_in_order_and_nothing_is_lost(place: Place, bounds: settings) -> None:
    run(machine(place), settings=bounds)


def test_order_that_comes_twice_in_a_batch_is_carried_out_in_that_batch(place: Place) -> None:
    one = machine(place)()
    one.write("A", broken=True)
    one.handle(1, None)
    one.model.broken.clear()
    one.write("A", broken=False)
    [occurrence] = one.dead_by_occurrence()
    order = DeadLetterReplayRequested(occurrence=occurrence, replay_id="r", service=NAME)
    for _ in range(2):
        one.broker.publish(event(order, "r", source="/dropfleet/control_room"), order.TYPE)
    assert len(one.process.commit(one.process.take(3))) == 1, "not split"


def test_replay_that_is_killed_at_each_statement_is_done_once(place: Place) -> None:
    for statement in range(20):
        one = machine(place)()
        one.write("A", broken=True)
        one.write("A", broken=False)
        one.handle(2, None)
        one.model.broken.clear()
        [occurrence] = one.dead_by_occurrence()
        order = DeadLetterReplayRequested(occurrence=occurrence, replay_id="r", service=NAME)
        one.broker.publish(event(order, "r", source="/dropfleet/control_room"), order.TYPE)
        cuts = place.pool.cuts
        one.handle(1, Cut(statement, after=True, killed=True))
        one.tables_are_as_the_model_says()
        one.teardown()
        if place.pool.cuts == cuts:
            break
    assert 6 <= statement < 19, "the last one was the commit"


async def backwards(con: Any, keys: Any) -> Any:
    return (await LOAD_HELD(con, keys))[::-1]


async def holds_nobody(con: Any, refs: Any, keys: Any) -> Any:
    known, _ = await LOAD_KNOWN(con, refs, keys)
    return known, {}


LOAD_HELD, LOAD_KNOWN = store.load_held, store.load_known


@pytest.mark.parametrize(
    ("name", "broken"),
    [("load_held", backwards), ("load_known", holds_nobody)],
    ids=["released backwards", "later events overtake"],
)
def test_machine_notices_broken_holding(
    place: Place, bounds: settings, monkeypatch: pytest.MonkeyPatch, name: str, broken: Any
) -> None:
    monkeypatch.setattr(store, name, broken)
    without_shrinking = settings(bounds, max_examples=200, phases=(Phase.generate,), database=None, derandomize=True)
    with pytest.raises(AssertionError):
        run(machine(place), settings=without_shrinking)
