"""What the caller says: a partner's answer, or that a call is exhausted."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from schemas.model import Model
from schemas.runtime import CallAnswered, CallExhausted, DeadLetterRecorded
from shared.broker.outgoing import Outgoing
from shared.partner.store import Leased
from shared.worker.outbox import Outbox


def answered(service: str, batch: UUID, answers: Sequence[tuple[Leased, Model]], now: datetime) -> list[Outgoing]:
    outbox = Outbox(service, batch, now)
    for call, answer in answers:
        message = CallAnswered(
            call_id=str(call.id),
            operation=call.operation,
            partner=call.partner,
            lane=call.lane,
            key=call.key,
            generation=call.generation,
            request=json.loads(call.request),
            answer=answer.model_dump(mode="json"),
            answered_at=now,
        )
        _add(outbox, message, call, "answered")
    return outbox.packed()


def exhausted(
    service: str,
    version: str,
    batch: UUID,
    call: Leased,
    error: str,
    occurrence: UUID,
    now: datetime,
    about: Mapping[str, str],
) -> list[Outgoing]:
    """To the service, which may have something to decide, and to the dead letters, where a person sees it. `about`:
    what the state that the call was made for is named by."""
    outbox = Outbox(service, batch, now)
    message = CallExhausted(
        call_id=str(call.id),
        operation=call.operation,
        partner=call.partner,
        lane=call.lane,
        key=call.key,
        generation=call.generation,
        request=json.loads(call.request),
        error=error,
        attempts=call.attempt,
        exhausted_at=now,
    )
    _add(outbox, message, call, "exhausted")
    letter = _letter(service, version, call, message, occurrence, about)
    outbox.add(letter, id=str(occurrence), correlation=call.correlation, causation=str(call.id), trace=call.trace)
    return outbox.packed()


def _letter(
    service: str, version: str, call: Leased, message: CallExhausted, occurrence: UUID, about: Mapping[str, str]
) -> DeadLetterRecorded:
    return DeadLetterRecorded(
        occurrence=str(occurrence),
        service=service,
        service_version=version,
        kind="call",
        reason="call_exhausted",
        error=message.error,
        event_type=call.operation,
        event_source=call.partner,
        event_id=str(call.id),
        event_subject=call.key,
        key=None,
        about=about,
        attempts=call.attempt,
        first_at=call.created_at,
        last_at=message.exhausted_at,
        content_type="application/json",
        body=base64.b64encode(call.request.encode()).decode(),
    )


def _add(outbox: Outbox, message: CallAnswered | CallExhausted, call: Leased, what: str) -> None:
    outbox.add(
        message,
        id=str(uuid5(call.id, f"{what}/{call.generation}")),
        correlation=call.correlation,
        causation=str(call.id),
        trace=call.trace,
    )
