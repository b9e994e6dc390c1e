"""The ledger: every message on every status, twice, late and out of order."""

import json
from typing import Any

import pytest

from schemas.decision import Decision
from schemas.runtime import (
    DeadLetterBatchAnswered,
    DeadLetterBatchRequested,
    DeadLetterInspected,
    DeadLetterInspectRequested,
)
from services.control_room import decide
from services.control_room.state import ActionRow, DeadLetter, LetterRow, Status
from tests.unit.control_room import builders
from tests.unit.control_room.builders import ctx, failed, letter, resolved
from tests.unit.control_room.campaigns import encoded

DECISIONS: dict[str, Any] = {
    "DeadLetterRecorded": decide.on_recorded,
    "DeadLetterResolved": decide.on_resolved,
    "DeadLetterFailed": decide.on_failed,
}


def told(state: DeadLetter | None, *messages: Any) -> Decision[DeadLetter]:
    """The last decision after telling all messages in order."""
    outcome: Decision[DeadLetter] = Decision(state)
    for n, message in enumerate(messages):
        decided = DECISIONS[type(message).__name__](outcome.state, message, ctx(f"cause-{n}"))
        assert isinstance(decided, Decision)
        outcome = decided
    return outcome


def state(decision: Decision[DeadLetter]) -> DeadLetter:
    assert decision.state is not None
    return decision.state


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([letter()], Status.OPEN),
        ([letter(), resolved()], Status.RESOLVED),
        ([letter(), resolved(outcome="already_handled")], Status.RESOLVED),
        ([letter(), resolved(outcome="called_again")], Status.RESOLVED),
        ([letter(), resolved(outcome="discarded")], Status.DISCARDED),
        ([letter(), failed()], Status.FAILED),
        ([letter(), failed(), resolved(replay_id="act-2")], Status.RESOLVED),
        ([letter(), resolved(), failed(replay_id="act-2")], Status.RESOLVED),
        ([resolved()], Status.RESOLVED),
        ([resolved(), letter()], Status.RESOLVED),
        ([failed(), letter()], Status.FAILED),
    ],
)
def test_messages_in_this_order_lead_to_the_status(messages: list[Any], status: Status) -> None:
    assert state(told(None, *messages)).status is status


@pytest.mark.parametrize(
    "before", [[], [letter()], [letter(), failed(replay_id="act-0")], [letter(), resolved(replay_id="act-0")]]
)
@pytest.mark.parametrize("message", [letter(), resolved(), failed()])
def test_decided_twice_the_second_time_nothing(before: list[Any], message: Any) -> None:
    once = told(None, *before, message)
    again = told(once.state, message)
    assert (again.state, list(again.events), list(again.rows)) == (once.state, [], [])


def test_end_is_recorded_with_its_outcome() -> None:
    [end] = told(None, letter(), failed()).rows
    assert isinstance(end, ActionRow)
    assert (end.step, end.action_id, end.outcome) == ("failed", "act-1", "KeyError: 'x'")


def test_order_is_read_out_of_the_dead_event() -> None:
    assert state(told(None, letter())).order_id == "ORD-1"


@pytest.mark.parametrize("body", ["", "AAAA", "e30=", "W10=", "eyJkYXRhIjogN30="])
def test_body_without_an_order_names_none(body: str) -> None:
    assert state(told(None, letter(body=body))).order_id is None


def test_letter_keeps_nothing_that_jsonb_refuses() -> None:
    [kept, _] = told(None, letter(error="a\0b", headers={"x\0": ["\0", {"y": "\0"}]}, event_id="\0")).rows
    assert isinstance(kept, LetterRow)
    assert "\\u0000" not in json.dumps(kept.model_dump(mode="json"))


def campaign_order(model: Any, **fields: Any) -> bytes:
    asked = {"service": "billing", "letters": [{"place": n, "occurrence": f"o-{n}"} for n in (4, 7)], **fields}
    return json.dumps(builders.event(type=model.TYPE, data=asked)).encode()


def test_order_of_a_campaign_that_died_answers_for_its_letters() -> None:
    body = campaign_order(DeadLetterBatchRequested, campaign_id="c-1", action="replay")
    dead = letter(reason="delivery_limit", event_type=DeadLetterBatchRequested.TYPE, body=encoded(body))
    [said] = told(None, dead).events
    assert isinstance(said, DeadLetterBatchAnswered)
    assert (said.campaign_id, [(a.place, a.outcome) for a in said.answers]) == ("c-1", [(4, "failed"), (7, "failed")])
    assert "the order to billing died itself" in said.answers[0].error
    assert told(told(None, dead).state, dead).events == ()


def test_inspection_that_died_answers_for_its_letters() -> None:
    body = campaign_order(DeadLetterInspectRequested, inspection_id="c-1/4")
    [said] = told(None, letter(event_type=DeadLetterInspectRequested.TYPE, body=encoded(body))).events
    assert isinstance(said, DeadLetterInspected)
    assert [(f.place, f.finding) for f in said.findings] == [(4, "not_inspected"), (7, "not_inspected")]


@pytest.mark.parametrize("body", [b"rubbish", b"{}", b'{"data": {"service": "billing"}}'])
def test_order_that_died_because_it_cannot_be_read_answers_for_nobody(body: bytes) -> None:
    dead = letter(event_type=DeadLetterBatchRequested.TYPE, body=encoded(body))
    assert told(None, dead).events == []
