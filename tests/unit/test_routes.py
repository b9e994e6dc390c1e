"""Where events go, and what of another release is left to it."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from schemas.decision import Answered, Decision, Exhausted, Request
from schemas.model import Message, Model
from schemas.runtime import CallAnswered, CallExhausted
from shared.worker.incoming import Incoming
from shared.worker.routes import Routes
from shared.worker.subscription import Aggregate, Answer, Service

NOW = datetime(2026, 7, 1, tzinfo=UTC)
CALL = str(uuid4())


class Ask(Request):
    what: str


class Told(Model):
    text: str


def decide(state: Any, event: Any, ctx: Any) -> Any:
    return Decision(state)


ROUTES = Routes(Service("billing", (Answer(Ask, Told, Aggregate("bill", Told), decide, exhausted=decide),)))


def assigned(data: Message) -> Incoming:
    item = Incoming(uuid4(), "/dropfleet/billing", "1", data.TYPE, data.subject, data=data)
    ROUTES.assign(item)
    return item


def answered(request: dict[str, Any], answer: dict[str, Any]) -> CallAnswered:
    return CallAnswered(
        call_id=CALL,
        operation="Ask",
        partner="erp",
        lane="O-1",
        key="O-1",
        generation=1,
        request=request,
        answer=answer,
        answered_at=NOW,
    )


def exhausted(request: dict[str, Any]) -> CallExhausted:
    return CallExhausted(
        call_id=CALL,
        operation="Ask",
        partner="erp",
        lane="O-1",
        key="O-1",
        generation=1,
        request=request,
        error="away",
        attempts=3,
        exhausted_at=NOW,
    )


def test_answers_go_to_their_decision_with_what_was_asked() -> None:
    item = assigned(answered({"what": "it"}, {"text": "yes"}))
    assert (item.key, item.fault) == ("bill:O-1", None)
    assert item.data == Answered(CALL, Ask(what="it"), Told(text="yes"), NOW)
    assert assigned(exhausted({"what": "it"})).data == Exhausted(CALL, Ask(what="it"), "away", NOW)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (answered({"what": "it", "sign": "s"}, {"text": "yes"}), "sign"),
        (answered({"what": "it"}, {"text": "yes", "more": "m"}), "more"),
        (answered({"what": "it"}, {}), "text"),
        (exhausted({"what": "it", "sign": "s"}), "sign"),
    ],
)
def test_answer_with_what_this_release_does_not_know_waits_for_the_one_that_does(said: Message, where: str) -> None:
    """Decided without it, what the newer release asked for would be lost."""
    item = assigned(said)
    assert item.fault is not None
    assert (item.fault.reason, item.fault.may_pass) == ("unknown_version", True)
    assert where in item.fault.error
    assert (item.key, item.closes_call) == ("bill:O-1", None)
