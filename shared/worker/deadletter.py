"""Dead letters: what is said about them when they happen, and the answer to an order to replay or discard one."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from asyncpg import Connection

from schemas.model import Message
from schemas.runtime import (
    DeadLetterDiscardRequested,
    DeadLetterFailed,
    DeadLetterRecorded,
    DeadLetterReleased,
    DeadLetterReplayRequested,
    DeadLetterResolved,
)
from shared.partner import store as calls
from shared.worker.fold import Result, is_held
from shared.worker.incoming import Incoming, Replay
from shared.worker.outbox import Outbox
from shared.worker.store import storable


def order_of(request: DeadLetterReplayRequested | DeadLetterDiscardRequested) -> Replay:
    body = request.body if isinstance(request, DeadLetterReplayRequested) else None
    return Replay(
        UUID(request.occurrence),
        request.replay_id,
        isinstance(request, DeadLetterDiscardRequested),
        None if body is None else base64.b64decode(body),
    )


async def calls_again(con: Connection, replays: Sequence[Replay]) -> set[UUID]:
    """Makes exhausted partner calls due again (or closes them, when discarded); which of the replays meant one."""
    return await calls.revive_calls(
        con,
        [r.occurrence for r in replays if not r.discard],
        [r.occurrence for r in replays if r.discard],
    )


def record(outbox: Outbox, service: str, version: str, result: Result, now: datetime) -> None:
    """Says that an event is dead (or held behind one), with everything one needs to know and to replay it."""
    item = result.item
    letter = DeadLetterRecorded(
        occurrence=str(result.occurrence),
        service=service,
        service_version=version,
        reason=cast(Any, result.reason),
        error=storable(result.error or ""),
        event_type=item.type,
        event_source=item.source,
        event_id=item.id,
        event_subject=item.subject,
        key=result.key,
        attempts=_attempts(result),
        first_at=item.kept.first_at if item.kept is not None else now,
        last_at=now,
        content_type=item.content_type,
        headers=item.headers,
        body="",
    )
    for part in letter.parts(item.raw if item.kept is None else item.kept.body):
        outbox.add(
            part,
            id=part.part_id,
            correlation=item.correlation or item.id,
            causation=item.id,
            trace=item.trace,
        )


def answer(
    outbox: Outbox,
    service: str,
    replay: Replay,
    cause: Incoming,
    about: Result | None,
    released: int,
    again: bool,
    now: datetime,
) -> None:
    """Tells control_room what came of a replay: processed, not merely sent. `about` is the event that was dead, None
    where the service has no such dead letter (any more); `cause` is the order, or the event itself once it waited."""
    common: dict[str, Any] = {
        "occurrence": str(replay.occurrence),
        "replay_id": replay.replay_id,
        "service": service,
    }
    said: Message
    if about is not None and about.status != "handled":
        next_one = None if about.status != "dead" else str(about.occurrence)
        error = storable(about.error or about.status)
        said = DeadLetterFailed(**common, error=error, next_occurrence=next_one, failed_at=now)
    else:
        outcome = "discarded" if replay.discard else "handled"
        if about is None:
            outcome = "called_again" if again else "already_handled"
        said = DeadLetterResolved(**common, outcome=cast(Any, outcome), released=released, resolved_at=now)
    waited = about is not None and cause is about.item
    outbox.add(
        said,
        id=f"{replay.replay_id}/{replay.occurrence}/answer" if waited else f"{cause.id}/answer",
        correlation=cause.correlation or cause.id,
        causation=cause.id,
    )


def answer_failed(outbox: Outbox, service: str, order: Incoming, replay: Replay, now: datetime) -> None:
    """The database did not take what the replay did: the dead letter is as dead as before."""
    said = DeadLetterFailed(
        occurrence=str(replay.occurrence),
        replay_id=replay.replay_id,
        service=service,
        error=storable(order.fault.error if order.fault is not None else ""),
        failed_at=now,
    )
    outbox.add(said, id=f"{order.id}/answer", correlation=order.correlation or order.id, causation=order.id)


def _attempts(result: Result) -> int:
    """Tries to decide it; of what is dead before it was decoded, its deliveries."""
    if result.reason == "delivery_limit" and result.item.delivery is not None:
        return result.item.delivery.count + 1
    return result.attempt


def release(outbox: Outbox, service: str, results: Sequence[Result], now: datetime) -> None:
    """Says which events wait behind a dead one no more, whatever became of them."""
    for result in results:
        item = result.item
        if is_held(item) and result.status != "held" and item.kept is not None and item.kept.occurrence is not None:
            said = DeadLetterReleased(occurrence=str(item.kept.occurrence), service=service, released_at=now)
            outbox.add(said, id=f"{said.occurrence}/released", correlation=item.correlation, causation=item.id)
