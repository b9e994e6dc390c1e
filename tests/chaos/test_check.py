"""The check itself: each kind of loss and doubling is seen."""

import importlib
from dataclasses import replace
from typing import Any
from uuid import uuid5

import pytest

from schemas.billing import InvoiceIssued
from schemas.order import OrderPlaced, OrderReady
from schemas.runtime import CallAnswered, ReminderDue
from tests.chaos.causes import Entry, Memory, not_handled, without_cause
from tests.chaos.faults import FAULTS
from tests.chaos.play import Plan, names_of
from tests.chaos.victim import STEPS, Step

PLACED = Entry("/upstream/chaos", "placed", OrderPlaced.TYPE, None)
CALL = uuid5(PLACED.ref, "order_intake/call/0")
ANSWERED = Entry("/dropfleet/order_intake", "answered", CallAnswered.TYPE, str(CALL))
READY = Entry("/dropfleet/order_intake", "ready", OrderReady.TYPE, "answered")
DUE = Entry(
    "/dropfleet/order_intake",
    str(uuid5(uuid5(READY.ref, "order_intake/reminder/complete"), "due")),
    ReminderDue.TYPE,
    None,
)
JOURNAL = [PLACED, ANSWERED, READY, DUE]
ALL = frozenset(entry.ref for entry in JOURNAL)
MEMORIES = {
    "order_intake": Memory(ALL, frozenset({CALL}), frozenset({"complete"})),
    "po_dispatch": Memory(ALL, frozenset()),
    "billing": Memory(ALL, frozenset()),
}


def test_journal_in_which_each_follows_from_another_is_whole() -> None:
    assert without_cause(JOURNAL, MEMORIES) == []
    assert not_handled(JOURNAL, MEMORIES) == []


@pytest.mark.parametrize("lost", [PLACED, ANSWERED, READY])
def test_event_missing_in_the_journal_leaves_what_follows_without_cause(lost: Entry) -> None:
    after = JOURNAL[JOURNAL.index(lost) + 1]
    assert after in without_cause([entry for entry in JOURNAL if entry != lost], MEMORIES)


def test_event_of_nobody_knows_which_cause_is_seen() -> None:
    stray = Entry("/dropfleet/billing", "stray", InvoiceIssued.TYPE, "nobody")
    assert without_cause([*JOURNAL, stray], MEMORIES) == [stray]


def test_event_that_a_consumer_never_got_is_seen() -> None:
    memories = MEMORIES | {"billing": replace(MEMORIES["billing"], handled=ALL - {READY.ref})}
    assert not_handled(JOURNAL, memories) == [(READY, "billing")]


def test_same_seed_makes_the_same_schedule_and_another_seed_another() -> None:
    def order(seed: int, round: int) -> list[str]:
        plan = Plan(seed=seed, orders=1, faults=tuple(FAULTS))
        return [fault.name for faults in plan.lanes(round).values() for fault in faults]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 1)
    assert sorted(order(1, 0)) == sorted(FAULTS)


def test_beginning_of_a_name_means_all_that_begin_so() -> None:
    assert set(names_of(["database-k", "kill-gateway"])) == {
        "database-kill",
        "kill-gateway-received",
        "kill-gateway-confirmed",
    }
    with pytest.raises(KeyError):
        list(names_of(["nothing"]))


@pytest.mark.parametrize("step", {step.function: step for steps in STEPS.values() for step in steps.values()}.values())
def test_every_step_at_which_a_service_can_die_exists(step: Step) -> None:
    owner: Any = importlib.import_module(step.module)
    for part in step.function.split("."):
        owner = getattr(owner, part)
    assert callable(owner)
