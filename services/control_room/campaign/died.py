"""PURE: an order of a campaign that ended as a dead letter itself answers for its letters: nobody else will."""

import base64
import json

from pydantic import ValidationError

from schemas.model import Message
from schemas.runtime import (
    DeadLetterBatchAnswered,
    DeadLetterBatchRequested,
    DeadLetterInspected,
    DeadLetterInspectRequested,
    DeadLetterRecorded,
    Finding,
    LetterAnswer,
)

_LONGEST = 900


def answers_of(letter: DeadLetterRecorded) -> list[Message]:
    """What the campaign is told in the service's place; what the service answered before it died counts."""
    try:
        match letter.event_type:
            case DeadLetterBatchRequested.TYPE:
                return [_failed(letter, DeadLetterBatchRequested.model_validate(_data(letter)))]
            case DeadLetterInspectRequested.TYPE:
                return [_unknown(letter, DeadLetterInspectRequested.model_validate(_data(letter)))]
    except (ValidationError, ValueError, KeyError, TypeError):
        pass  # not even it can be read: the campaign asks again, and stops
    return []


def _data(letter: DeadLetterRecorded) -> object:
    return json.loads(base64.b64decode(letter.body))["data"]


def _failed(letter: DeadLetterRecorded, order: DeadLetterBatchRequested) -> Message:
    answers = [LetterAnswer(place=asked.place, outcome="failed", error=_why(letter)) for asked in order.letters]
    return DeadLetterBatchAnswered(
        service=letter.service, campaign_id=order.campaign_id, answers=tuple(answers), answered_at=letter.last_at
    )


def _unknown(letter: DeadLetterRecorded, request: DeadLetterInspectRequested) -> Message:
    findings = [
        Finding(place=asked.place, occurrence=asked.occurrence, finding="not_inspected", detail=_why(letter))
        for asked in request.letters
    ]
    return DeadLetterInspected(
        service=letter.service,
        inspection_id=request.inspection_id,
        findings=tuple(findings),
        inspected_at=letter.last_at,
    )


def _why(letter: DeadLetterRecorded) -> str:
    return f"the order to {letter.service} died itself, as {letter.occurrence}: {letter.error}"[:_LONGEST]
