"""The check itself: each kind of loss and doubling is seen."""

import importlib
from dataclasses import replace
from typing import Any
from uuid import uuid5

import pytest

from schemas.billing import InvoiceIssued
from schemas.envelope import reference
from schemas.order import OrderPlaced, OrderReady
from schemas.runtime import CallAnswered, DeadLetterBatchAnswered, DeadLetterBatchRequested, ReminderDue
from tests.chaos.causes import Entry, Memory, not_handled, without_cause
from tests.chaos.faults import FAULTS
from tests.chaos.letters import MENDED, Letter, Mending, wrong_letters
from tests.chaos.play import Outcome, Plan, names_of
from tests.chaos.series import Run, summary
from tests.chaos.victim import STEPS, Step

PLACED = Entry("/upstream/chaos", "placed", OrderPlaced.TYPE, None)
CALL = uuid5(PLACED.ref, "order_intake/call/0")
ANSWERED = Entry("/dropfleet/order_intake", "answered", CallAnswered.TYPE, str(CALL), "order_intake")
READY = Entry("/dropfleet/order_intake", "ready", OrderReady.TYPE, "answered")
DUE = Entry(
    "/dropfleet/order_intake",
    str(uuid5(uuid5(READY.ref, "order_intake/reminder/complete"), "due")),
    ReminderDue.TYPE,
    None,
    "order_intake",
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


def test_command_that_the_service_it_was_sent_to_never_got_is_seen() -> None:
    asked = Entry("/dropfleet/control_room", "asked", DeadLetterBatchRequested.TYPE, None, "billing")
    assert not_handled([asked], MEMORIES) == [(asked, "billing")]
    assert not_handled([replace(asked, to="control_room")], MEMORIES) == []


LETTER = Letter("o1", "e1", "resolved")


def test_dead_letter_that_was_mended_once_is_well() -> None:
    assert wrong_letters([LETTER], {"c1": MENDED}, {"e1"}, {"o1": "c1"}) == []


@pytest.mark.parametrize(
    ("letters", "mendings", "problem"),
    [
        ([], {}, "event e1: 0 dead letters"),
        ([LETTER, replace(LETTER, occurrence="o2")], {"c1": MENDED}, "event e1: 2 dead letters"),
        ([LETTER, Letter("o2", "e2", "resolved")], {"c1": MENDED}, "dead letter of e2"),
        ([replace(LETTER, status="open")], {"c1": MENDED}, "dead letter o1 is open"),
        ([LETTER], {}, "dead letter o1: nothing"),
        ([LETTER], {"c1": Mending("running", 0, 0, 1)}, "dead letter o1: Mending(status='running'"),
        ([LETTER], {"c1": Mending("done", 1, 0, 2)}, "dead letter o1: Mending(status='done'"),
        ([LETTER], {"c1": MENDED, "c2": MENDED}, "campaign c2"),
    ],
    ids=["lost", "doubled", "stray", "open", "not-ordered", "unfinished", "edited-twice", "nobodys"],
)
def test_dead_letter_that_is_not_as_it_must_be_is_seen(
    letters: list[Letter], mendings: dict[str, Mending], problem: str
) -> None:
    assert any(one.startswith(problem) for one in wrong_letters(letters, mendings, {"e1"}, {"o1": "c1"}))


def test_same_seed_makes_the_same_schedule_and_another_seed_another() -> None:
    def order(seed: int, round: int) -> list[str]:
        plan = Plan(seed=seed, orders=1, faults=tuple(FAULTS))
        return [fault.name for faults in plan.lanes(round).values() for fault in faults]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 1)
    assert sorted(order(1, 0)) == sorted(FAULTS)


def test_series_says_what_failed_and_how_to_repeat_it() -> None:
    plan = Plan(seed=7, orders=50, faults=tuple(FAULTS))
    failed = Run(Outcome(plan, problems=["nothing was injected"]), 100.0)
    assert str(failed).splitlines() == ["seed 7: FAILED, 100 s", "    nothing was injected"]
    assert summary([failed]) == (
        "0 of 1 runs passed; 0 faults in 2 minutes; "
        "to repeat the first that failed: python -m tests.chaos --seed 7 --orders 50"
    )


def test_processes_of_one_service_are_killed_in_turn_with_those_of_others() -> None:
    kills = Plan(seed=1, orders=1, faults=tuple(FAULTS)).lanes(0)["processes 1"]
    assert len({kill.victim for kill in kills}) > 2
    assert all(len({kill.victim for kill in three}) > 1 for three in zip(kills, kills[1:], kills[2:], strict=False))


def test_order_about_one_of_several_dead_letters_is_known_by_itself_or_with_the_others() -> None:
    asked = Entry("/dropfleet/control_room", "asked", DeadLetterBatchRequested.TYPE, None, "billing")
    [order] = asked.orders(["o1"])
    answer = Entry("/dropfleet/billing", "answer", DeadLetterBatchAnswered.TYPE, "asked/0")
    assert without_cause([order, answer], {}) == [order]
    for known in (reference(str(asked.ref), "o1"), asked.ref):
        memory = replace(MEMORIES["billing"], handled=frozenset({known}))
        assert not_handled([order], {"billing": memory}) == []
    memory = replace(MEMORIES["billing"], handled=frozenset({reference(str(asked.ref), "o2")}))
    assert not_handled([order], {"billing": memory}) == [(order, "billing")]


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
