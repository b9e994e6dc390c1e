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
    for part in letter.parts(item.raw):
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
    order: Incoming,
    replay: Replay,
    results: Sequence[Result],
    again: set[UUID],
    now: datetime,
) -> None:
    """Tells control_room what came of a replay: processed, not merely sent."""
    mine = [r for r in results if r.item.replay is replay]
    dead = next((r for r in mine if r.item.kept is None or r.item.kept.status == "dead"), None)
    common: dict[str, Any] = {
        "occurrence": str(replay.occurrence),
        "replay_id": replay.replay_id,
        "service": service,
        "freed": tuple(str(r.item.kept.occurrence) for r in mine if _is_freed(r) and r.item.kept is not None),
    }
    said: Message
    if dead is not None and dead.status != "handled":
        next_one = None if dead.occurrence is None else str(dead.occurrence)
        said = DeadLetterFailed(
            **common, error=storable(dead.error or dead.status), next_occurrence=next_one, failed_at=now
        )
    else:
        released = sum(1 for r in mine if r is not dead and r.status == "handled")
        outcome = "discarded" if replay.discard else "handled"
        if dead is None:
            outcome = "called_again" if replay.occurrence in again else "already_handled"
        said = DeadLetterResolved(**common, outcome=cast(Any, outcome), released=released, resolved_at=now)
    outbox.add(
        said,
        id=f"{order.id}/answer",
        correlation=order.correlation or order.id,
        causation=order.id,
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


def _is_freed(result: Result) -> bool:
    kept = result.item.kept
    return is_held(result.item) and result.status != "held" and kept is not None and kept.occurrence is not None
