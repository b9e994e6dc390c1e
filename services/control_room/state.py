"""A dead letter as the control room keeps it, and the rows that record what was done about it."""

from enum import StrEnum
from typing import Literal

from schemas.model import Model
from schemas.runtime import DeadLetterRecorded
from schemas.values import Id, Time


class Status(StrEnum):
    OPEN = "open"
    FAILED = "failed"
    """The last action failed: it is as dead as before, or became `next_occurrence`."""
    RESOLVED = "resolved"
    DISCARDED = "discarded"
    HELD = "held"
    """It waits behind a dead letter of its key, and goes on with it."""

    @property
    def is_over(self) -> bool:
        return self in (Status.RESOLVED, Status.DISCARDED)


class DeadLetter(Model):
    """Known from its letter, or (they travel on different queues) from the outcome of an action on it."""

    occurrence: Id
    status: Status = Status.OPEN
    recorded: bool = False
    """Whether its letter has come; that is kept beside it, because it is long and never changes."""
    order_id: str | None = None
    """The order that it is known to concern: by what it says, or by the state that it is about."""
    ended: tuple[Id, ...] = ()
    """Replays and discards of it alone that were answered."""
    next_occurrence: Id | None = None


class WholeLetter(DeadLetter):
    """With its letter, all original bytes included; None: it has not come."""

    letter: DeadLetterRecorded | None = None


class LetterRow(Model):
    """A row of `dead_letter_original`; written once."""

    occurrence: Id
    letter: DeadLetterRecorded


Step = Literal["ordered", "resolved", "failed"]


class ActionRow(Model):
    """One step of an action on a dead letter; written once, never changed."""

    action_id: Id
    step: Step
    occurrence: Id
    at: Time
    action: Literal["replay", "discard"] | None = None
    actor: str | None = None
    reason: str | None = None
    outcome: str | None = None
    """How it ended: `handled`, `already_handled`, `discarded`, `called_again`, or the error."""
