"""PURE: the ledger of dead letters: what services record, release, and answer about single ones.

Engineers act by campaigns, whose answers come in batches (`campaign/`).
"""

from schemas.decision import Context, Decision, Outcome, unchanged
from schemas.runtime import (
    DeadLetterFailed,
    DeadLetterRecorded,
    DeadLetterReleased,
    DeadLetterResolved,
)
from schemas.text import storable
from services.control_room.campaign import died
from services.control_room.facts import PartRow, cleaned, facts_of
from services.control_room.state import ActionRow, DeadLetter, LetterRow, Status, Step

WRITTEN_HERE = "broker"
"""Version in letters about what the broker itself dead-lettered: no service has a row of it."""


def on_recorded(known: DeadLetter | None, letter: DeadLetterRecorded, ctx: Context[None]) -> Outcome[DeadLetter]:
    """A service could not handle an event. The outcome of an action on it may have been faster."""
    if letter.body_offset:
        return Decision(known, rows=[PartRow(**letter.model_dump(include=set(PartRow.model_fields)))])
    if known is not None and known.recorded:
        return unchanged(known)
    readable = _storable(letter)
    facts = facts_of(readable)
    known = known or DeadLetter(occurrence=letter.occurrence)
    waits = letter.reason == "held" and known.status is Status.OPEN
    change = {"recorded": True, "order_id": facts.order_id, "status": Status.HELD if waits else known.status}
    rows = [LetterRow(occurrence=letter.occurrence, letter=readable), facts]
    return Decision(known.model_copy(update=change), events=died.answers_of(readable), rows=rows)


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
    """The replay failed. What was resolved stays resolved."""
    known = known or DeadLetter(occurrence=failed.occurrence)
    if failed.replay_id in known.ended:
        return unchanged(known)
    row = _ended("failed", failed.replay_id, failed.occurrence, storable(failed.error), ctx)
    change = {
        "status": known.status if known.status.is_over else Status.FAILED,
        "ended": (*known.ended, failed.replay_id),
        "next_occurrence": failed.next_occurrence or known.next_occurrence,
    }
    return Decision(known.model_copy(update=change), rows=[row])


def on_released(known: DeadLetter | None, said: DeadLetterReleased, ctx: Context[None]) -> Outcome[DeadLetter]:
    """What was held went on. What came of it is another dead letter, or nothing to be seen here."""
    known = known or DeadLetter(occurrence=said.occurrence)
    return unchanged(known) if known.status.is_over else Decision(known.model_copy(update={"status": Status.RESOLVED}))


def _ended(step: Step, action_id: str, occurrence: str, outcome: str, ctx: Context[None]) -> ActionRow:
    return ActionRow(action_id=action_id, step=step, occurrence=occurrence, at=ctx.now, outcome=outcome)


def _storable(letter: DeadLetterRecorded) -> DeadLetterRecorded:
    """The letter without what PostgreSQL's text and jsonb do not take; the body is base64 and stays as it is."""
    texts = ("error", "event_type", "event_source", "event_id", "event_subject", "key", "content_type")
    return letter.model_copy(update={name: cleaned(getattr(letter, name)) for name in (*texts, "about", "headers")})
