"""A campaign's counters, and the rows that its decisions write."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal
from uuid import UUID

from schemas.model import Model
from schemas.replay import ListedLetter, ReplayCampaignOrdered
from schemas.runtime import Finding, LetterAnswer
from schemas.values import Base64, Id, Time
from services.control_room.campaign.places import Places

Action = Literal["replay", "discard"]


class Status(StrEnum):
    LISTING = "listing"
    """Its set is not whole yet."""
    PLANNED = "planned"
    """Its set is frozen; a person may start it."""
    RUNNING = "running"
    PAUSED = "paused"
    FAILING = "failing"
    """It stopped by itself because failures came; a person may resume or stop it."""
    STOPPED = "stopped"
    DONE = "done"
    """Every letter of it was asked for and answered."""

    @property
    def is_over(self) -> bool:
        return self in (Status.STOPPED, Status.DONE)

    @property
    def is_active(self) -> bool:
        """Whether it goes on by itself."""
        return self in (Status.LISTING, Status.RUNNING)


class Campaign(Model):
    """Places count from 0 through the frozen set; `open` are those that are asked for and not answered."""

    campaign_id: Id
    ordered: ReplayCampaignOrdered | None = None
    status: Status = Status.LISTING
    asked: int = 0
    resolved: int = 0
    failed: int = 0
    skipped: int = 0
    """Nothing was to be done: settled before, or it had become another dead letter."""
    step: int = 0
    step_size: int = 0
    step_end: int = 0
    step_failed: int = 0
    called: int | None = None
    """The place for which the next step has been called."""
    paced_at: Time | None = None
    """Until when the rate has been used up."""
    rests_until: Time | None = None
    """When the rate allows more; nothing is asked for until then."""
    heard_at: Time | None = None
    """The last answer, or when letters were asked for after it."""
    unheard: int = 0
    """Times in a row that it asked again without an answer."""
    listed: int = 0
    parts: frozenset[int] = frozenset()
    """Where the parts of its list that have come begin."""
    steered: tuple[Id, ...] = ()
    """Causes that steered it."""
    outcomes: Mapping[str, int] = {}
    inspections: frozenset[str] = frozenset()
    """Asked for and not answered."""
    inspect_next: int = 0
    """The place from which the next part is inspected."""
    inspected: int = 0
    findings: Mapping[str, int] = {}
    began_at: Time | None = None
    ended_at: Time | None = None
    answered_at: Time | None = None
    """The last answer."""
    open: Places = frozenset()


class Letter(Model):
    """One of the set, as the ledger knows it now."""

    place: int
    occurrence: Id
    service: str | None
    """None: the ledger has no such letter."""
    kind: str = "event"
    settled: str | None = None
    """Why there is nothing to do."""
    event_type: str | None = None
    event_source: str | None = None
    event_id: str | None = None
    original: Base64 | None = None
    """Only where it is needed: the event was edited, or only the broker knew it."""
    written_here: bool = False
    """The broker dead-lettered it: the service has no row of it."""
    edited: Base64 | None = None


class StepRow(Model):
    """One turn of a campaign: who ordered it, or what the campaign did by itself."""

    row_id: UUID
    campaign_id: Id
    step: Literal["ordered", "started", "paused", "resumed", "stopped", "failing", "done", "ignored", "asked_again"]
    at: Time
    actor: str | None = None
    reason: str | None = None
    outcome: str | None = None


class LettersRow(Model):
    """A part of the frozen set, from place `first` on."""

    campaign_id: Id
    first: int
    letters: tuple[ListedLetter, ...]


class AskedRow(Model):
    """Letters that were asked for: the beginning of an action on each."""

    campaign_id: Id
    action: Action
    at: Time
    actor: str
    reason: str
    places: tuple[int, ...]
    occurrences: tuple[Id, ...]


class AnswersRow(Model):
    """How actions on letters ended."""

    campaign_id: Id
    at: Time
    answers: tuple[LetterAnswer, ...]


class SkippedRow(Model):
    """A letter on which there was nothing to do, or whose edit cannot be; `failed` says that this is a failure."""

    campaign_id: Id
    place: int
    occurrence: Id
    at: Time
    outcome: str
    failed: bool


class EditRow(Model):
    """An edited event, its original and what differs. Who and why are the campaign's."""

    campaign_id: Id
    occurrence: Id
    at: Time
    original: Base64
    edited: Base64
    difference: str


class FindingsRow(Model):
    """What services say that replays would come to."""

    campaign_id: Id
    at: Time
    findings: tuple[Finding, ...]


CampaignRow = StepRow | LettersRow | AskedRow | AnswersRow | SkippedRow | EditRow | FindingsRow
