"""A campaign, message by message: canaries, pace, failures, turns, and everything said twice."""

import json
from datetime import timedelta
from typing import Any

import pytest

from schemas.decision import NotYet
from schemas.replay import ReplayStepDue
from schemas.runtime import ReminderDue
from services.control_room.campaign.decide import turns
from services.control_room.campaign.decide.steps import PACE, UNANSWERED
from services.control_room.campaign.pace import ANSWER_WITHIN, ASKED_AGAIN
from services.control_room.campaign.state import Status
from tests.unit.control_room import builders
from tests.unit.control_room.builders import AT
from tests.unit.control_room.campaigns import (
    Table,
    answered,
    encoded,
    inspected,
    listed,
    ordered,
    steered,
)


def parts(size: int) -> list[Any]:
    return [listed(min(1000, size - first), first) for first in range(0, size, 1000)]


def begun(size: int, **changes: Any) -> Table:
    return Table().say(ordered(size, **changes), *parts(size))


def asked(table: Table) -> list[int]:
    return [one.place for batch in table.asked for one in batch.letters]


@pytest.mark.parametrize("size", [1, 2, 11, 12, 111, 112, 3000, 5001])
def test_campaign_of_any_size_asks_for_each_letter_once_and_is_done(size: int) -> None:
    table = begun(size)
    seen: list[int] = []
    while table.asked:
        seen += asked(table)
        table.answer()
    assert seen == list(range(size))
    assert (table.known.status, table.known.resolved, table.known.failed) == (Status.DONE, size, 0)
    assert table.turns == ["ordered", "done"]


def test_canaries_are_one_then_ten_then_a_hundred_each_processed_before_the_next() -> None:
    table = begun(2000)
    steps = []
    for _ in range(3):
        steps.append(len(asked(table)))
        table.answer()
    assert steps == [1, 10, 100]
    assert 1000 - 256 <= len(asked(table)) <= 1000, "after the canaries as many as may be on their way"


def test_after_the_canaries_more_is_asked_as_answers_come_in_and_never_more_than_the_window() -> None:
    table = begun(5000)
    for _ in range(3):
        table.answer()
    table.asked.clear()
    while table.known.asked < 5000:
        assert len(table.known.open) <= 1000
        table.say(answered(*sorted(table.known.open)[:300]))
    assert table.known.failed == 0


def test_requests_go_to_the_service_of_each_letter() -> None:
    table = Table(p1={"service": "po_dispatch"}, p3={"service": "po_dispatch"}).say(ordered(5), *parts(5))
    table.answer()
    assert {(b.service, tuple(one.place for one in b.letters)) for b in table.asked} == {
        ("po_dispatch", (1, 3)),
        ("billing", (2, 4)),
    }


@pytest.mark.parametrize("canary", [0, 1, 2])
def test_failure_in_a_canary_stops_it(canary: int) -> None:
    table = begun(3000)
    for _ in range(canary):
        table.answer()
    last = asked(table)[-1]
    table.say(answered(last, outcome="failed"))
    assert table.known.status is Status.FAILING
    table.answer()
    assert (table.asked, table.known.status) == ([], Status.FAILING)
    assert table.turns == ["ordered", "failing"]


@pytest.mark.parametrize(("failures", "status"), [(10, Status.RUNNING), (11, Status.FAILING)])
def test_more_failures_than_may_be_in_a_step_stop_it(failures: int, status: Status) -> None:
    table = begun(5000)
    for _ in range(3):
        table.answer()
    table.say(answered(*asked(table)[:failures], outcome="failed"))
    assert table.known.status is status


def test_failures_are_counted_afresh_in_each_step() -> None:
    table = begun(5000)
    for _ in range(3):
        table.answer()
    failed = 0
    while table.known.asked < 5000:
        places = sorted(table.known.open)
        table.say(answered(*places[:2], outcome="failed"), answered(*places[2:]))
        failed += 2
    assert (table.known.status, table.known.failed) == (Status.RUNNING, failed)


def test_campaign_of_one_that_fails_is_done_and_failed() -> None:
    table = begun(1)
    table.answer("failed")
    assert (table.known.status, table.known.failed) == (Status.DONE, 1)


def test_in_sequence_each_waits_for_the_one_before_and_the_first_failure_stops() -> None:
    table = begun(4, in_sequence=True)
    assert asked(table) == [0]
    table.answer()
    assert asked(table) == [1]
    table.answer("failed")
    assert (table.asked, table.known.status) == ([], Status.FAILING)


def test_resumed_it_begins_with_the_canary_where_it_stopped() -> None:
    table = begun(3000)
    table.answer()
    table.answer("failed")
    table.say(steered("resume"))
    assert asked(table) == [11]
    table.answer()
    assert asked(table) == list(range(12, 22))


def test_resumed_while_answers_are_missing_it_waits_for_them_and_does_not_stop_because_of_them() -> None:
    table = begun(3000)
    table.answer()
    places = asked(table)
    table.asked.clear()
    table.say(steered("pause"), steered("resume"))
    assert table.asked == []
    table.say(answered(*places, outcome="failed"))
    assert (table.known.status, asked(table)) == (Status.RUNNING, [11])


def test_paused_it_counts_answers_and_asks_for_nothing() -> None:
    table = begun(100).say(steered("pause"))
    table.answer()
    assert (table.known.status, table.known.resolved, table.asked) == (Status.PAUSED, 1, [])


def test_stopped_it_counts_answers_and_stays_stopped() -> None:
    table = begun(1).say(steered("stop"))
    table.answer()
    assert (table.known.status, table.known.resolved) == (Status.STOPPED, 1)
    assert table.turns == ["ordered", "stopped"]


@pytest.mark.parametrize(
    ("before", "steering", "status"),
    [
        (["pause"], "start", Status.PAUSED),
        ([], "resume", Status.RUNNING),
        ([], "start", Status.RUNNING),
        (["stop"], "resume", Status.STOPPED),
        (["stop"], "stop", Status.STOPPED),
        (["pause"], "pause", Status.PAUSED),
    ],
)
def test_turn_that_does_not_fit_is_recorded_and_changes_nothing(
    before: list[str], steering: str, status: Status
) -> None:
    table = begun(100).say(*map(steered, before), steered(steering))
    assert (table.known.status, table.turns[-1]) == (status, "ignored")


def test_turn_before_its_campaign_waits() -> None:
    context: Any = builders.ctx()
    assert turns.on_steered(None, steered("stop"), context) == NotYet("replay.campaign_ordered")


def test_planned_campaign_starts_when_somebody_says_so() -> None:
    table = begun(3, starts=False)
    assert (table.known.status, table.asked) == (Status.PLANNED, [])
    table.say(steered("start"))
    assert (table.known.status, asked(table)) == (Status.RUNNING, [0])


def test_set_is_whole_before_anything_is_asked_whatever_comes_first() -> None:
    table = Table().say(listed(500, 1000), ordered(1500))
    assert table.asked == []
    table.say(listed(1000))
    assert asked(table) == [0]


def test_set_is_frozen_once_it_is_whole() -> None:
    table = begun(2).say(listed(5, 7))
    assert table.known.listed == 2
    assert len([row for row in table.rows if type(row).__name__ == "LettersRow"]) == 1


def test_settled_letters_are_skipped_and_recorded() -> None:
    table = Table(p0={"settled": "was resolved before"}, p1={"settled": "became o-9; act on that one"})
    table.say(ordered(3), *parts(3))
    assert asked(table) == [2]
    table.answer()
    assert (table.known.status, table.known.skipped, table.known.failed) == (Status.DONE, 2, 0)
    assert [r.outcome for r in table.rows if type(r).__name__ == "SkippedRow"] == [
        "was resolved before",
        "became o-9; act on that one",
    ]


def test_letter_that_nobody_knows_fails() -> None:
    table = Table(p0={"service": None}).say(ordered(2), *parts(2))
    assert (table.known.status, table.known.failed, table.asked) == (Status.FAILING, 1, [])


def test_rate_lets_so_many_go_a_second() -> None:
    table = begun(5000, rate=100.0)
    for _ in range(2):
        while not table.asked:
            table.wait()
        table.answer()
    started, before = table.now, table.known.asked
    while (table.now - started).total_seconds() < 10:
        while table.asked:
            table.answer()
        if PACE in table.reminders:
            table.wait()
    rate = (table.known.asked - before) / (table.now - started).total_seconds()
    assert 80 <= rate <= 125


def test_rate_below_one_a_second_waits_as_long_as_it_says() -> None:
    table = begun(3, rate=0.25)
    assert asked(table) == [0]
    started = table.now
    table.answer()
    table.wait()
    assert asked(table) == [1]
    assert (table.now - started).total_seconds() == 4.0


def test_rate_allows_more_also_where_the_clock_of_this_replica_is_behind_the_database() -> None:
    table = begun(3, rate=1.0)
    table.later(0.5)
    table.answer()
    early = table.reminders.pop(PACE)
    table.now = early.due - timedelta(milliseconds=50)
    table.say(ReminderDue(name=PACE, key="c-1", due=early.due, note=early.note))
    assert not asked(table)
    table.wait()
    assert asked(table) == [1]


def test_campaign_that_rests_longer_than_an_answer_may_take_does_not_look_at_itself_all_the_time() -> None:
    table = begun(3, rate=0.001)
    table.answer()
    table.wait(UNANSWERED)
    assert table.reminders[UNANSWERED].due == table.now + ANSWER_WITHIN
    assert PACE in table.reminders
    table.wait()
    assert asked(table) == [1]


def test_reminder_is_forgotten_when_it_is_paused() -> None:
    table = begun(3, rate=0.25)
    table.answer()
    assert PACE in table.reminders
    table.say(steered("pause"))
    assert PACE not in table.reminders


def test_step_that_was_called_before_asks_for_nothing_again() -> None:
    table = begun(100)
    before = table.known
    decision = table.tell(ReplayStepDue(campaign_id="c-1", asked=0))
    assert (decision.state, list(decision.events)) == (before, [])


def test_what_the_broker_dead_lettered_and_what_was_edited_brings_its_bytes() -> None:
    original = json.dumps(builders.event(type="payment.approved.v1", subject="ORD-1", data={})).encode()
    edited = json.dumps(
        builders.event(
            type="payment.approved.v1",
            data={"order_id": "ORD-1", "payment_id": "P", "amount": "1.00", "approved_at": "2026-11-22T12:00:00Z"},
        )
    ).encode()
    table = Table(
        p0={"written_here": True, "original": encoded(original)},
        p1={"edited": encoded(edited), "original": encoded(original)},
    ).say(ordered(2), *parts(2))
    assert table.asked[0].letters[0].body == encoded(original)
    table.answer()
    assert table.asked[0].letters[0].body == encoded(edited)
    [row] = [row for row in table.rows if type(row).__name__ == "EditRow"]
    assert (row.original, row.edited) == (encoded(original), encoded(edited))
    assert '+    "amount": "1.00"' in row.difference


def test_edit_that_does_not_fit_fails_and_is_not_asked() -> None:
    original = json.dumps(builders.event()).encode()
    edited = original.replace(b"e-1", b"e-2")
    table = Table(p0={"edited": encoded(edited), "original": encoded(original)}).say(ordered(1), *parts(1))
    assert (table.known.failed, table.asked) == (1, [])
    [row] = [row for row in table.rows if type(row).__name__ == "SkippedRow"]
    assert "id: stays 'e-1'" in row.outcome


def test_dry_run_asks_services_what_would_happen_and_counts_what_they_say() -> None:
    table = Table(p1={"settled": "was resolved before"}).say(ordered(40, starts=False, inspect=100), *parts(40))
    assert [len(one.letters) for one in table.inspections] == [32, 7]
    first, second = table.inspections
    table.say(inspected(first.inspection_id, *(one.place for one in first.letters)))
    table.say(inspected(second.inspection_id, *(one.place for one in second.letters), finding="would_fail"))
    assert (table.known.inspected, table.known.inspections) == (40, frozenset())
    assert table.known.findings == {"nothing_to_do": 1, "would_be_handled": 32, "would_fail": 7}
    assert table.asked == []


def test_dry_run_asks_about_as_many_as_it_was_told() -> None:
    table = begun(3000, starts=False, inspect=300)
    found = 0
    while table.inspections:
        found += table.inspect()
    assert (found, table.known.inspected) == (300, 300)


def test_dry_run_asks_about_the_next_part_only_when_all_of_the_one_before_came() -> None:
    table = begun(3000, starts=False, inspect=3000)
    first = list(table.inspections)
    assert sum(len(one.letters) for one in first) == 256
    for one in first[:-1]:
        table.say(inspected(one.inspection_id, *(asked.place for asked in one.letters)))
    assert len(table.inspections) == len(first)
    table.say(inspected(first[-1].inspection_id, *(asked.place for asked in first[-1].letters)))
    assert [one.letters[0].place for one in table.inspections[len(first) :]] == list(range(256, 512, 32))


def test_dry_run_of_what_is_settled_goes_on_by_itself() -> None:
    letters = {f"p{n}": {"settled": "was resolved before"} for n in range(256)}
    table = Table(**letters).say(ordered(300, starts=False, inspect=300), *parts(300))
    assert [one.letters[0].place for one in table.inspections] == [256, 288]


def test_campaign_that_was_started_is_not_inspected_any_more() -> None:
    table = begun(3000, starts=False, inspect=3000).say(steered("start"))
    table.inspect()
    assert (table.inspections, table.known.inspected) == ([], 256)


def test_letters_that_nobody_answers_for_are_asked_for_again() -> None:
    table = begun(20)
    table.answer()
    before = asked(table)
    table.asked.clear()
    table.wait(UNANSWERED)
    assert asked(table) == before
    assert (table.known.status, table.turns) == (Status.RUNNING, ["ordered", "asked_again"])
    while table.asked:
        table.answer()
    assert (table.known.status, table.known.resolved, table.reminders) == (Status.DONE, 20, {})


def test_campaign_that_hears_of_its_letters_asks_for_nothing_again() -> None:
    table = begun(20)
    table.later(500)
    table.answer()
    table.wait(UNANSWERED)
    assert (table.turns, table.reminders[UNANSWERED].due) == (["ordered"], AT + timedelta(seconds=500) + ANSWER_WITHIN)


def test_campaign_without_an_answer_stops_and_says_why_and_goes_on_when_it_is_resumed() -> None:
    table = begun(3)
    for _ in range(ASKED_AGAIN + 1):
        table.wait(UNANSWERED)
    assert (table.known.status, table.reminders) == (Status.FAILING, {})
    assert table.rows[-1].outcome == "no answer about 1 letters, asked 4 times"
    table.asked.clear()
    table.say(steered("resume"))
    table.wait(UNANSWERED)
    assert asked(table) == [0]


def test_letter_that_waits_for_something_is_not_answered_and_keeps_the_campaign_patient() -> None:
    table = begun(3)
    for _ in range(2 * ASKED_AGAIN):
        table.wait(UNANSWERED)
        table.say(answered(0, outcome="waiting"))
    assert (table.known.status, table.known.open, table.known.resolved) == (Status.RUNNING, frozenset({0}), 0)


def test_open_letter_that_was_settled_by_others_is_not_asked_for_again() -> None:
    table = begun(2)
    table.letters[0] = {"settled": "was resolved before"}
    table.wait(UNANSWERED)
    assert (table.known.skipped, table.known.open) == (1, frozenset({1}))


def test_step_that_got_lost_is_made_up_for() -> None:
    table = begun(3, starts=False)
    [lost] = table.tell(steered("start")).events
    assert (lost, asked(table)) == (ReplayStepDue(campaign_id="c-1", asked=0), [])
    table.wait(UNANSWERED)
    assert asked(table) == [0]


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ([], ordered(5)),
        ([ordered(5)], listed(5)),
        ([ordered(5), listed(5)], ordered(5)),
        ([ordered(5), listed(5)], answered(0)),
        ([ordered(5), listed(5)], answered(0, outcome="failed")),
        ([ordered(5), listed(5)], ReplayStepDue(campaign_id="c-1", asked=0)),
        ([ordered(5, starts=False), listed(5)], steered("start")),
        ([ordered(5), listed(5)], steered("pause")),
        ([ordered(5), listed(5)], steered("stop")),
        ([ordered(5), listed(5), steered("pause")], steered("resume")),
        ([ordered(5, starts=False, inspect=5), listed(5)], inspected("c-1/0", 0, 1, 2, 3, 4)),
    ],
)
def test_decided_twice_the_second_time_nothing(before: list[Any], message: Any) -> None:
    table = Table().say(*before)
    table.tell(message, "same")
    once = table.known
    again = table.tell(message, "same")
    assert (again.state, list(again.events), list(again.rows)) == (once, [], [])


def test_answer_to_a_campaign_that_nobody_knows_changes_nothing() -> None:
    assert Table().tell(answered(0)).state is None
