"""Inbox and outgoing as a state machine: whatever is repeated, cut off or killed, every event has its effect exactly
once, and what it says is sent at least once, always as the same bytes."""

import asyncio
import contextlib
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, invariant, multiple, rule
from hypothesis.stateful import run_state_machine_as_test as run

from schemas import envelope
from shared.backoff import Backoff
from shared.broker.outgoing import NotConfirmed, Outgoing
from shared.database import connection
from shared.worker import store
from shared.worker.worker import Worker
from tests.integration.machines.place import Cut, Killed, Place
from tests.integration.machines.process import Broker, Confirm, Process
from tests.integration.worker.bench import event, events_in, pack, payment, service

CONFIRMS: tuple[Confirm, ...] = (
    "all arrive and are confirmed",
    "nothing arrives",
    "some arrive, unconfirmed",
    "all, unconfirmed",
)
CUTS = st.none() | st.builds(Cut, st.integers(0, 6), st.booleans(), st.booleans())


class Protocol(RuleBasedStateMachine):
    """Two replicas of a service on one queue."""

    place: Place

    bodies = Bundle("bodies")

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()
        self.published: dict[str, str] = {}
        """Order by payment; a payment is one event."""
        self.place.pool.cut = None
        self.place.empty()
        self.processes = [Process(self.place, self.broker, service()) for _ in range(2)]

    @initialize(target=bodies)
    def begin(self) -> MultipleResults[bytes]:
        """A queue that has something to take from the first step on."""
        written: list[Any] = [self.write(order) for order in "AAB"]
        for body in written:
            self.broker.publish(body)
        return multiple(*written)

    @rule(target=bodies, order=st.sampled_from("AB"))
    def write(self, order: str) -> bytes:
        name = f"P{len(self.published)}"
        self.published[name] = order
        return event(payment(order, name), name)

    @rule(body=bodies)
    def publish(self, body: bytes) -> None:
        self.broker.publish(body)

    @rule(some=st.lists(bodies, min_size=1, max_size=4))
    def publish_pack(self, some: list[bytes]) -> None:
        self.broker.publish(pack(some))

    @rule(which=st.integers(0, 1), deliveries=st.integers(1, 4), cut=CUTS)
    def handle(self, which: int, deliveries: int, cut: Cut | None) -> None:
        process = self.processes[which]
        self.place.pool.cut = cut
        try:
            process.commit(process.take(deliveries))
        except Killed:
            self.die(which)
        self.place.pool.cut = None

    @rule(which=st.integers(0, 1), confirm=st.sampled_from(CONFIRMS), dies=st.booleans())
    def send(self, which: int, confirm: Confirm, dies: bool) -> None:
        process = self.processes[which]
        if not process.committed:
            return
        if dies:
            process.link.confirm = confirm
            with contextlib.suppress(NotConfirmed):
                self.place.run(process.link.publish(process.committed[0].outgoing))
            self.die(which)
            return
        try:
            process.send(confirm)
        except NotConfirmed:
            process.give_back()
            process.begin_session()

    @rule(which=st.integers(0, 1))
    def die(self, which: int) -> None:
        self.processes[which].give_back()
        self.processes[which] = Process(self.place, self.broker, service())

    @rule(which=st.integers(0, 1))
    def lose_session(self, which: int) -> None:
        self.processes[which].give_back()
        self.processes[which].begin_session()

    @rule(which=st.integers(0, 1))
    def sweep(self, which: int) -> None:
        process = self.processes[which]
        process.link.confirm = "all arrive and are confirmed"
        self.place.run(process.worker._sweep(timedelta(0)))

    @rule(which=st.integers(0, 1))
    def flush(self, which: int) -> None:
        self.place.run(self.processes[which].transactor.flush())

    @invariant()
    def effects_are_at_most_once(self) -> None:
        for order, seen in self.effects().items():
            assert len(seen) == len(set(seen)), "handled twice"
            assert {self.published[name] for name in seen} <= {order}

    @invariant()
    def what_is_acked_is_done_and_sent_or_about_to_be(self) -> None:
        done = {name for seen in self.effects().values() for name in seen}
        sent, waiting = payments(self.broker.sent), payments(self.outgoing())
        acked = {one["id"] for body in self.broker.acked for one in events_in(body)}
        assert acked <= done
        assert acked <= sent | waiting, "acked, and what it says is lost"
        assert sent <= done, "said before it was saved"

    @invariant()
    def what_is_sent_again_is_the_same(self) -> None:
        messages: dict[str, Outgoing] = {}
        said: dict[str, bytes] = {}
        for message in self.broker.sent:
            assert messages.setdefault(message.message_id, message) == message
            for one in envelope.slices(message.body):
                assert said.setdefault(json.loads(one)["id"], one) == one

    def teardown(self) -> None:
        """Quiescence: nothing is broken any more, and everything that waits is handled."""
        self.place.pool.cut = None
        while self.broker.ready or any(p.committed or p.link.unacked for p in self.processes):
            for process in self.processes:
                process.commit(process.take(4))
                while process.committed:
                    process.send("all arrive and are confirmed")
        for which in range(2):
            self.sweep(which)
            self.flush(which)
        for which in range(2):
            self.sweep(which)
        delivered = {one["id"] for body in self.broker.acked for one in events_in(body)}
        assert {name for seen in self.effects().values() for name in seen} == delivered
        assert payments(self.broker.sent) == delivered, "said, and never sent"
        ids: dict[str, set[str]] = {}
        for message in self.broker.sent:
            for one in events_in(message.body):
                ids.setdefault(one["data"]["channel_id"], set()).add(one["id"])
        assert all(len(known) == 1 for known in ids.values()), "one fact, one id"
        assert self.outgoing() == []
        self.effects_are_at_most_once()
        self.what_is_sent_again_is_the_same()

    def effects(self) -> dict[str, list[str]]:
        return {row["key"]: json.loads(row["body"])["seen"] for row in self.place.rows("select key, body from tally")}

    def outgoing(self) -> list[Outgoing]:
        async def load() -> list[Outgoing]:
            async with connection(self.place.pool.real) as con:
                return [m for _, messages in await store.load_outgoing(con, timedelta(0), 1000) for m in messages]

        return self.place.run(load())


def payments(messages: Iterable[Outgoing]) -> set[str]:
    """The payments that facts tell of."""
    return {one["data"]["channel_id"] for message in messages for one in events_in(message.body)}


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away is tried again at once."""

    async def wait(_: Backoff) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Backoff, "wait", wait)


def machine(at: Place) -> type[Protocol]:
    return type("Protocol", (Protocol,), {"place": at})


def test_whatever_is_cut_off_every_event_has_its_effect_once(place: Place, bounds: settings) -> None:
    run(machine(place), settings=bounds)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "cut off"])
@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
def test_cut_at_each_statement_happens_and_changes_nothing(place: Place, after: bool, killed: bool) -> None:
    for statement in range(10):
        one = machine(place)()
        one.publish(one.write("A"))
        cuts = place.pool.cuts
        one.handle(0, 1, Cut(statement, after, killed))
        if place.pool.cuts == cuts:
            break
        one.teardown()
    assert 4 <= statement < 9, "the last one was the commit"


async def forgets(con: Any, refs: Any, *others: Any) -> None:
    await SAVE_DONE(con, [], *others)


async def sweeps_nothing(*_: Any) -> None:
    """What a process that died left stays."""


SAVE_DONE = store.save_done


def test_machine_notices_an_inbox_that_forgets(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "save_done", forgets)
    one = machine(place)()
    body = one.write("A")
    for _ in range(2):
        one.publish(body)
        one.handle(0, 1, None)
    with pytest.raises(AssertionError, match="handled twice"):
        one.effects_are_at_most_once()


def test_machine_notices_that_nobody_sweeps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "_sweep", sweeps_nothing)
    one = machine(place)()
    one.publish(one.write("A"))
    one.handle(0, 1, None)
    one.die(0)
    with pytest.raises(AssertionError, match="said, and never sent"):
        one.teardown()
