"""What engineers order of control_room about many dead letters, and what it tells itself on the way."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.model import Message, Model
from schemas.values import Base64, Id, Time

Actor = Annotated[str, Field(min_length=1, max_length=100)]
Why = Annotated[str, Field(min_length=1, max_length=1000)]
PART = 1000
"""Letters in one part of a campaign's list at most."""


class ReplayCampaignOrdered(Message):
    """An engineer's order about a frozen set of dead letters. The set itself comes in parts."""

    TYPE = "replay.campaign_ordered.v1"
    SUBJECT = "campaign_id"

    campaign_id: Id
    action: Literal["replay", "discard"]
    size: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many letters the parts have together."""
    chosen: Annotated[str, Field(max_length=1000)] = ""
    """What they were chosen by, in words."""
    starts: bool
    """False: it is only planned, and inspected, until somebody starts it."""
    inspect: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Of how many letters, from the first, the services are asked what a replay would do."""
    rate: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Letters a second at most; None: as fast as they are processed."""
    in_sequence: bool = False
    """Each only after the one before it was processed; the first failure stops it."""
    max_failures: Annotated[int, Field(ge=0, le=1000)] = 10
    """In a step of a thousand; one more stops it. In a canary the first one does."""
    actor: Actor
    reason: Why
    ordered_at: Time


class ListedLetter(Model):
    """One of a campaign's dead letters; `body`: the event as it was edited."""

    occurrence: Id
    body: Base64 | None = None


class ReplayLettersListed(Message):
    """A part of a campaign's set: the letters from place `first` on, in the order in which they are replayed."""

    TYPE = "replay.letters_listed.v1"
    SUBJECT = "campaign_id"

    campaign_id: Id
    first: Annotated[int, Field(ge=0)]
    letters: Annotated[tuple[ListedLetter, ...], Field(min_length=1, max_length=PART)]


class ReplayCampaignSteered(Message):
    """An engineer starts what was planned, or pauses, resumes or ends a campaign."""

    TYPE = "replay.campaign_steered.v1"
    SUBJECT = "campaign_id"

    campaign_id: Id
    steering: Literal["start", "pause", "resume", "stop"]
    actor: Actor
    reason: Why
    ordered_at: Time


class ReplayStepDue(Message):
    """control_room to itself: the letters from place `asked` on may be asked for."""

    TYPE = "replay.step_due.v1"
    SUBJECT = "campaign_id"

    campaign_id: Id
    asked: int


class ReplayInspectionDue(Message):
    """control_room to itself: the letters from place `first` on are to be inspected."""

    TYPE = "replay.inspection_due.v1"
    SUBJECT = "campaign_id"

    campaign_id: Id
    first: int
