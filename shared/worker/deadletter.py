"""Dead letters: what is said about them when they happen, and the answer to an order to replay or discard one."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from asyncpg import Connection

from schemas import envelope
from schemas.model import Message
from schemas.runtime import (
    TOGETHER,
    AskedLetter,
    DeadLetterBatchAnswered,
    DeadLetterBatchRequested,
    DeadLetterDiscardRequested,
    DeadLetterFailed,
    DeadLetterInspected,
    DeadLetterRecorded,
    DeadLetterReleased,
    DeadLetterReplayRequested,
    DeadLetterResolved,
    Finding,
    LetterAnswer,
)
from schemas.text import storable_error
from shared.partner import store as calls
from shared.worker.fold import Result, is_held
from shared.worker.incoming import Fault, Incoming, Replay
from shared.worker.outbox import Outbox
from shared.worker.routes import plain

_ERRORS = 200_000
"""Characters of errors in one answer, or one error."""


def orders_in(item: Incoming) -> list[Incoming]:
    """An event with its order, where it is one; a batch of a campaign as one order for each letter: each is
    remembered, tried and fails for itself."""
    if item.fault is not None:
        return [item]
    match item.data:
        case DeadLetterBatchRequested(letters=letters):
            request = str(item.ref)
            return [_one_of(item, envelope.reference(request, letter.occurrence), letter) for letter in letters]
        case DeadLetterReplayRequested(occurrence=occurrence, replay_id=replay_id, body=body):
            _ordered(item, occurrence, replay_id, False, body)
        case DeadLetterDiscardRequested(occurrence=occurrence, replay_id=replay_id):
            _ordered(item, occurrence, replay_id, True)
    return [item]


def _one_of(item: Incoming, ref: UUID, letter: AskedLetter) -> Incoming:
    batch: DeadLetterBatchRequested = item.data
    one = Incoming(
        ref=ref,
        source=item.source,
        id=f"{item.id}/{letter.place}",
        type=item.type,
        subject=item.subject,
        time=item.time,
        correlation=item.correlation,
        trace=item.trace,
        delivery=item.delivery,
        index=item.index,
    )
    _ordered(
        one,
        letter.occurrence,
        f"{batch.campaign_id}/{letter.place}",
        batch.action == "discard",
        letter.body,
        item.ref,
        len(batch.letters),
    )
    return one


def _ordered(item: Incoming, occurrence: str, replay_id: str, discard: bool, body: str | None = None, *of: Any) -> None:
    try:
        brought = None if body is None or discard else base64.b64decode(body)
        item.data = Replay(UUID(occurrence), replay_id, discard, brought, *of)
    except ValueError as error:
        item.fault = Fault("invalid", f"occurrence: {occurrence!r} is none of a service: {error}")


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
        error=storable_error(result.error or ""),
        event_type=item.type,
        event_source=item.source,
        event_id=item.id,
        event_subject=item.subject,
        key=result.key,
        about=_about(item),
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


@dataclass(frozen=True, slots=True)
class Waits:
    """No end: the event needs something that has not come. It is said to who asks again."""

    replay_id: str


Said = DeadLetterResolved | DeadLetterFailed | Waits


@dataclass(frozen=True, slots=True)
class Answer:
    """What control_room is told of one replay. `cause` is the order, or the event itself once it waited."""

    said: Said
    id: str
    cause: Incoming


def answer(
    service: str, replay: Replay, cause: Incoming, about: Result | None, released: int, again: bool, now: datetime
) -> Answer:
    """What came of a replay: processed, not merely sent. `about` is the event that was dead, None where the service
    has no such dead letter (any more)."""
    said: Said
    if about is not None and about.status != "handled":
        said = DeadLetterFailed(
            occurrence=str(replay.occurrence),
            replay_id=replay.replay_id,
            service=service,
            error=storable_error(about.error or about.status),
            next_occurrence=None if about.status != "dead" else str(about.occurrence),
            failed_at=now,
        )
    else:
        outcome = "discarded" if replay.discard else "handled"
        if about is None:
            outcome = "called_again" if again else "already_handled"
        said = DeadLetterResolved.of_valid(
            occurrence=str(replay.occurrence),
            replay_id=replay.replay_id,
            service=service,
            outcome=outcome,
            released=released,
            resolved_at=now,
        )
    waited = about is not None and cause is about.item
    return Answer(said, f"{replay.replay_id}/{replay.occurrence}/answer" if waited else f"{cause.id}/answer", cause)


def answer_failed(service: str, order: Incoming, replay: Replay, now: datetime) -> Answer:
    """The database did not take what the replay did: the dead letter is as dead as before."""
    said = DeadLetterFailed(
        occurrence=str(replay.occurrence),
        replay_id=replay.replay_id,
        service=service,
        error=storable_error(order.fault.error if order.fault is not None else ""),
        failed_at=now,
    )
    return Answer(said, f"{order.id}/answer", order)


def answer_waits(order: Incoming, replay: Replay) -> Answer:
    return Answer(Waits(replay.replay_id), f"{order.id}/answer", order)


def say(outbox: Outbox, service: str, answers: Sequence[Answer], now: datetime) -> None:
    """Says each answer; those of one campaign (`replay_id` is `campaign/place`) together. Each is given in one batch
    only, so the first one's id makes an id that is never used again."""
    campaigns: dict[str, list[Answer]] = {}
    for one in answers:
        campaign, slash, _ = one.said.replay_id.rpartition("/")
        if slash:
            campaigns.setdefault(campaign, []).append(one)
        elif not isinstance(one.said, Waits):
            _add(outbox, one.said, one.id, one.cause)
    for campaign, group in campaigns.items():
        for some in _parts(group):
            together = DeadLetterBatchAnswered.of_valid(
                service=service,
                campaign_id=campaign,
                answers=tuple(_in_short(one.said) for one in some),
                answered_at=now,
            )
            _add(outbox, together, some[0].id, some[0].cause)


def _parts(answers: Sequence[Answer]) -> Iterator[list[Answer]]:
    """What one message carries."""
    part: list[Answer] = []
    errors = 0
    for one in answers:
        more = len(one.said.error) if isinstance(one.said, DeadLetterFailed) else 0
        if part and (len(part) == TOGETHER or errors + more > _ERRORS):
            yield part
            part, errors = [], 0
        part.append(one)
        errors += more
    if part:
        yield part


def _in_short(said: Said) -> LetterAnswer:
    place = int(said.replay_id.rpartition("/")[2])
    if isinstance(said, DeadLetterResolved):
        return LetterAnswer.of_valid(
            place=place, outcome=said.outcome, released=said.released, error="", next_occurrence=None
        )
    if isinstance(said, Waits):
        return LetterAnswer(place=place, outcome="waiting")
    return LetterAnswer(place=place, outcome="failed", error=said.error, next_occurrence=said.next_occurrence)


def say_findings(outbox: Outbox, service: str, order: Incoming, findings: Sequence[Finding], now: datetime) -> None:
    """Tells control_room what replays would do."""
    said = DeadLetterInspected(
        service=service, inspection_id=order.data.inspection_id, findings=tuple(findings), inspected_at=now
    )
    _add(outbox, said, f"{order.id}/answer", order)


def _add(outbox: Outbox, said: Message, id: str, cause: Incoming) -> None:
    outbox.add(said, id=id, correlation=cause.correlation or cause.id, causation=cause.id)


def _about(item: Incoming) -> dict[str, str]:
    """What the state that it concerns is named by, whether or not the event holds its key."""
    return {} if item.key is None or item.route is None else item.route.aggregate.about(plain(item.key))


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
