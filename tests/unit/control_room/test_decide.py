"""The ledger: every message on every status, twice, late and out of order."""

import json
from typing import Any

import pytest

from schemas.decision import Decision, NotYet
from schemas.runtime import DeadLetterDiscardRequested, DeadLetterReplayRequested
from services.control_room import decide
from services.control_room.state import ActionRow, DeadLetter, Status
from tests.unit.control_room.builders import ctx, failed, letter, ordered, resolved

DECISIONS: dict[str, Any] = {
    "DeadLetterRecorded": decide.on_recorded,
    "DeadLetterActionOrdered": decide.on_action_ordered,
    "DeadLetterResolved": decide.on_resolved,
    "DeadLetterFailed": decide.on_failed,
}


def told(state: DeadLetter | None, *messages: Any) -> Decision[DeadLetter]:
    """The last decision after telling all messages in order."""
    outcome: Any = Decision(state)
    for n, message in enumerate(messages):
        outcome = DECISIONS[type(message).__name__](outcome.state, message, ctx(f"cause-{n}"))
        assert isinstance(outcome, Decision)
    return outcome


def state(decision: Decision[DeadLetter]) -> DeadLetter:
    assert decision.state is not None
    return decision.state


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([letter()], Status.OPEN),
        ([letter(), ordered()], Status.REPLAYING),
        ([letter(), ordered(action="discard")], Status.DISCARDING),
        ([letter(), ordered(), resolved()], Status.RESOLVED),
        ([letter(), ordered(), resolved(outcome="already_handled")], Status.RESOLVED),
        ([letter(), ordered(), resolved(outcome="called_again")], Status.RESOLVED),
        ([letter(), ordered(action="discard"), resolved(outcome="discarded")], Status.DISCARDED),
        ([letter(), ordered(), failed()], Status.FAILED),
        ([letter(), ordered(), failed(), ordered(action_id="act-2")], Status.REPLAYING),
        ([letter(), ordered(), failed(), ordered(action_id="act-2"), resolved(replay_id="act-2")], Status.RESOLVED),
        ([letter(), ordered(), ordered(action_id="act-2"), failed()], Status.REPLAYING),
        ([letter(), ordered(), ordered(action_id="act-2"), resolved(), failed(replay_id="act-2")], Status.RESOLVED),
        ([resolved()], Status.RESOLVED),
        ([resolved(), letter()], Status.RESOLVED),
        ([failed(), letter()], Status.FAILED),
        ([letter(), ordered(), resolved(), ordered(action_id="act-2", action="discard")], Status.RESOLVED),
    ],
)
def test_messages_in_this_order_lead_to_the_status(messages: list[Any], status: Status) -> None:
    assert state(told(None, *messages)).status is status


@pytest.mark.parametrize("before", [[], [letter()], [letter(), ordered()], [letter(), ordered(), resolved()]])
@pytest.mark.parametrize("message", [letter(), ordered(), resolved(), failed()])
def test_decided_twice_the_second_time_nothing(before: list[Any], message: Any) -> None:
    if not before and type(message).__name__ == "DeadLetterActionOrdered":
        pytest.skip("waits for its letter")
    once = told(None, *before, message)
    again = told(once.state, message)
    assert (again.state, list(again.events), list(again.rows)) == (once.state, [], [])


def test_order_before_its_letter_waits() -> None:
    assert decide.on_action_ordered(None, ordered(), ctx()) == NotYet("dead_letter.recorded")
    only_outcome = told(None, failed()).state
    assert isinstance(decide.on_action_ordered(only_outcome, ordered(), ctx()), NotYet)


def test_replay_is_asked_of_the_service_that_has_the_event() -> None:
    [request] = told(None, letter(), ordered()).events
    assert request == DeadLetterReplayRequested(
        occurrence=letter().occurrence, service="billing", replay_id="act-1", key="invoice:ORD-1"
    )


def test_replay_of_what_the_broker_dead_lettered_carries_the_bytes() -> None:
    mine = letter(service_version="broker", reason="delivery_limit")
    [request] = told(None, mine, ordered()).events
    assert isinstance(request, DeadLetterReplayRequested)
    assert request.body == mine.body


def test_discard_is_asked_of_the_service_that_has_the_event() -> None:
    [request] = told(None, letter(), ordered(action="discard")).events
    assert isinstance(request, DeadLetterDiscardRequested)
    assert (request.service, request.replay_id) == ("billing", "act-1")


def test_action_is_recorded_with_who_when_and_why_and_how_it_ended() -> None:
    [start] = told(None, letter(), ordered()).rows
    [end] = told(None, letter(), ordered(), failed()).rows
    assert isinstance(start, ActionRow)
    assert isinstance(end, ActionRow)
    assert (start.step, start.actor, start.reason, start.action) == ("ordered", "ana", "fixed in 0.1.1", "replay")
    assert (end.step, end.action_id, end.outcome) == ("failed", "act-1", "KeyError: 'x'")


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([letter(), ordered(), resolved()], "resolved"),
        ([letter(), ordered(), failed(next_occurrence="next")], "failed"),
    ],
)
def test_action_with_nothing_to_act_on_ends_at_once_and_asks_nobody(before: list[Any], step: str) -> None:
    decision = told(None, *before, ordered(action_id="act-2"))
    assert list(decision.events) == []
    assert [row.step for row in decision.rows if isinstance(row, ActionRow)] == ["ordered", step]


def test_order_is_read_out_of_the_dead_event() -> None:
    assert state(told(None, letter())).order_id == "ORD-1"


@pytest.mark.parametrize("body", ["", "AAAA", "e30=", "W10=", "eyJkYXRhIjogN30="])
def test_body_without_an_order_names_none(body: str) -> None:
    assert state(told(None, letter(body=body))).order_id is None


def test_letter_keeps_nothing_that_jsonb_refuses() -> None:
    kept = state(told(None, letter(error="a\0b", headers={"x\0": ["\0", {"y": "\0"}]}, event_id="\0")))
    assert "\\u0000" not in json.dumps(kept.model_dump(mode="json"))
