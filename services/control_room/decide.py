"""PURE: the ledger of dead letters. An action is ordered, asked of the service concerned, and ends once."""

import base64
import json

from schemas.decision import Context, Decision, Outcome, later, unchanged
from schemas.model import Message
from schemas.runtime import (
    DeadLetterActionOrdered,
    DeadLetterDiscardRequested,
    DeadLetterFailed,
    DeadLetterRecorded,
    DeadLetterReleased,
    DeadLetterReplayRequested,
    DeadLetterResolved,
)
from services.control_room.facts import PartRow, clean, cleaned, facts_of
from services.control_room.state import ActionRow, DeadLetter, Status, Step

WRITTEN_HERE = "broker"
"""Version in letters about what the broker itself dead-lettered: no service has a row of it."""


def on_recorded(known: DeadLetter | None, letter: DeadLetterRecorded, ctx: Context[None]) -> Outcome[DeadLetter]:
    """A service could not handle an event. The outcome of an action on it may have been faster."""
    if letter.body_offset:
        return Decision(known, rows=[PartRow(**letter.model_dump(include=set(PartRow.model_fields)))])
    if known is not None and known.letter is not None:
        return unchanged(known)
    readable = _storable(letter)
    known = known or DeadLetter(occurrence=letter.occurrence)
    waits = letter.reason == "held" and known.status is Status.OPEN
    change = {"letter": readable, "order_id": order_of(readable), "status": Status.HELD if waits else known.status}
    return Decision(known.model_copy(update=change), rows=[facts_of(readable)])


def on_action_ordered(
    known: DeadLetter | None, order: DeadLetterActionOrdered, ctx: Context[None]
) -> Outcome[DeadLetter]:
    """An engineer's order. Ordered again under another id while one runs, it is asked again: services answer twice."""
    if known is None or known.letter is None:
        return later("dead_letter.recorded")
    if order.action_id in known.actions:
        return unchanged(known)
    ordered = _ordered(order, ctx)
    known = known.model_copy(update={"actions": (*known.actions, order.action_id)})
    if (ended := _pointless(known, order, ctx)) is not None:
        return Decision(known.model_copy(update={"ended": (*known.ended, order.action_id)}), rows=[ordered, ended])
    status = Status.REPLAYING if order.action == "replay" else Status.DISCARDING
    return Decision(known.model_copy(update={"status": status}), events=[_request(known, order)], rows=[ordered])


def on_resolved(known: DeadLetter | None, resolved: DeadLetterResolved, ctx: Context[None]) -> Outcome[DeadLetter]:
    """The service processed or skipped it: that is final."""
    known = known or DeadLetter(occurrence=resolved.occurrence)
    if resolved.replay_id in known.ended:
        return unchanged(known)
    status = Status.DISCARDED if resolved.outcome == "discarded" else Status.RESOLVED
    row = _ended("resolved", resolved.replay_id, resolved.occurrence, resolved.outcome, ctx)
    change = {
        "status": known.status if known.status.is_over else status,
        "ended": (*known.ended, resolved.replay_id),
    }
    return Decision(known.model_copy(update=change), rows=[row])


def on_failed(known: DeadLetter | None, failed: DeadLetterFailed, ctx: Context[None]) -> Outcome[DeadLetter]:
    """The replay failed. What was resolved stays resolved; an action that still runs goes on."""
    known = known or DeadLetter(occurrence=failed.occurrence)
    if failed.replay_id in known.ended:
        return unchanged(known)
    ended = (*known.ended, failed.replay_id)
    running = set(known.actions) - set(ended)
    row = _ended("failed", failed.replay_id, failed.occurrence, clean(failed.error), ctx)
    change = {
        "status": known.status if known.status.is_over or running else Status.FAILED,
        "ended": ended,
        "next_occurrence": failed.next_occurrence or known.next_occurrence,
    }
    return Decision(known.model_copy(update=change), rows=[row])


def on_released(known: DeadLetter | None, said: DeadLetterReleased, ctx: Context[None]) -> Outcome[DeadLetter]:
    """What was held went on. What came of it is another dead letter, or nothing to be seen here."""
    known = known or DeadLetter(occurrence=said.occurrence)
    return unchanged(known) if known.status.is_over else Decision(known.model_copy(update={"status": Status.RESOLVED}))


def _request(known: DeadLetter, order: DeadLetterActionOrdered) -> Message:
    letter = known.letter
    assert letter is not None
    if order.action == "discard":
        return DeadLetterDiscardRequested(
            occurrence=known.occurrence, service=letter.service, replay_id=order.action_id, key=letter.key
        )
    # A service does not know what the broker dead-lettered over its head: the bytes go along.
    body = letter.body if letter.service_version == WRITTEN_HERE else None
    return DeadLetterReplayRequested(
        occurrence=known.occurrence, service=letter.service, replay_id=order.action_id, key=letter.key, body=body
    )


def _pointless(known: DeadLetter, order: DeadLetterActionOrdered, ctx: Context[None]) -> ActionRow | None:
    """The end of an action that has nothing to act on."""
    if not known.status.is_over and known.letter is not None and known.letter.reason == "held":
        text = f"waits {known.letter.error}, a dead letter of its key; act on that one"
        return _ended("failed", order.action_id, known.occurrence, text, ctx)
    if known.status.is_over:
        return _ended("resolved", order.action_id, known.occurrence, f"was {known.status} before", ctx)
    if known.next_occurrence is not None:
        text = f"became {known.next_occurrence}; act on that one"
        return _ended("failed", order.action_id, known.occurrence, text, ctx)
    if order.action == "replay" and _is_too_large(known):
        text = "its bytes are too many for a replay; export it and publish it again"
        return _ended("failed", order.action_id, known.occurrence, text, ctx)
    return None


def _is_too_large(known: DeadLetter) -> bool:
    """What the broker dead-lettered must go along with the request, in one message."""
    letter = known.letter
    return letter is not None and letter.service_version == WRITTEN_HERE and letter.body_bytes is not None


def _ordered(order: DeadLetterActionOrdered, ctx: Context[None]) -> ActionRow:
    return ActionRow(
        action_id=order.action_id,
        step="ordered",
        occurrence=order.occurrence,
        row_id=ctx.id(f"{order.action_id}/ordered"),
        at=order.ordered_at,
        action=order.action,
        actor=clean(order.actor),
        reason=clean(order.reason),
    )


def _ended(step: Step, action_id: str, occurrence: str, outcome: str, ctx: Context[None]) -> ActionRow:
    row_id = ctx.id(f"{action_id}/{step}")
    return ActionRow(action_id=action_id, step=step, occurrence=occurrence, row_id=row_id, at=ctx.now, outcome=outcome)


def order_of(letter: DeadLetterRecorded) -> str | None:
    """The order that a dead event names in its data; None where it names none or cannot be read."""
    try:
        event = json.loads(base64.b64decode(letter.body))
        named = event["data"]["order_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return clean(named)[:64] if isinstance(named, str) else None


def _storable(letter: DeadLetterRecorded) -> DeadLetterRecorded:
    """The letter without what PostgreSQL's text and jsonb do not take; the body is base64 and stays as it is."""
    texts = ("error", "event_type", "event_source", "event_id", "event_subject", "key", "content_type", "headers")
    return letter.model_copy(update={name: cleaned(getattr(letter, name)) for name in texts})
