"""What the engine room says: answers of partners, reminders, dead letters and their replay."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.model import Message, Model
from schemas.values import Base64, Id, Time

LARGEST_PART = 3_000_000
"""Bytes of an original body that one dead letter carries, before base64: well below the broker's largest message."""
Detail = Annotated[str, Field(max_length=20_000)]
Attribute = Annotated[str, Field(min_length=1, max_length=255)]
Key = Annotated[str, Field(min_length=1, max_length=255)]


class CallAnswered(Message):
    """A partner answered a call; `answer` is in our own words (the service's partners.py translated it)."""

    TYPE = "call.answered.v1"
    SUBJECT = "lane"

    call_id: Id
    operation: Id
    partner: Attribute
    lane: Key
    key: Key
    """The state's key that the call was made for."""
    generation: int
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    answered_at: Time


class CallExhausted(Message):
    """A call could not be made within its window, or the partner's answer cannot be dealt with."""

    TYPE = "call.exhausted.v1"
    SUBJECT = "lane"

    call_id: Id
    operation: Id
    partner: Attribute
    lane: Key
    key: Key
    generation: int
    request: Mapping[str, Any]
    error: Detail
    attempts: int
    exhausted_at: Time


class ReminderDue(Message):
    """A reminder that a decision set for itself."""

    TYPE = "reminder.due.v1"
    SUBJECT = "key"

    name: Id
    key: Key
    due: Time
    note: Mapping[str, Any] = {}


class DeadLetterRecorded(Message):
    """An event (or a call) that a service could not handle, with everything one needs to know and to replay it."""

    TYPE = "dead_letter.recorded.v1"
    SUBJECT = "occurrence"

    occurrence: Id
    service: Id
    service_version: Id
    kind: Literal["event", "call"] = "event"
    reason: Literal[
        "undecodable",
        "invalid",
        "unknown_type",
        "unknown_version",
        "refused",
        "decision_raised",
        "not_yet_exhausted",
        "database_refused",
        "delivery_limit",
        "too_old",
        "call_exhausted",
        "held",
    ]
    error: Detail
    """What was wrong where: the places in the schema, or the traceback."""
    event_type: str | None = None
    event_source: str | None = None
    event_id: str | None = None
    event_subject: str | None = None
    key: str | None = None
    """The key that later events wait behind; None where it holds nobody up."""
    about: Mapping[str, str] = {}
    """What the state that it concerns is named by, in the field that messages name it with. Empty where no state was
    found, or its key is not named so."""
    attempts: int
    first_at: Time
    last_at: Time
    content_type: str | None = None
    headers: Mapping[str, Any] = {}
    body: Base64
    """The original bytes of the event."""
    body_bytes: int | None = None
    """How many the event has, where one letter's `body` cannot have all of them."""
    body_offset: int = 0
    """Where `body` begins; letters that follow under the same occurrence bring the rest."""

    def parts(self, body: bytes) -> "list[DeadLetterRecorded]":
        """This letter with the original bytes: one, or as many as they need."""
        size = len(body) if len(body) > LARGEST_PART else None
        return [
            self.model_copy(
                update={
                    "body": base64.b64encode(body[offset : offset + LARGEST_PART]).decode(),
                    "body_bytes": size,
                    "body_offset": offset,
                }
            )
            for offset in range(0, max(len(body), 1), LARGEST_PART)
        ]

    @property
    def part_id(self) -> str:
        return f"{self.occurrence}/{self.body_offset}" if self.body_offset else self.occurrence


class DeadLetterReplayRequested(Message):
    """control_room to a service: handle this dead event again, then those held behind it, in order."""

    TYPE = "dead_letter.replay_requested.v1"
    SUBJECT = "occurrence"

    service: Id
    """Whose dead letter it is: the one service that the command goes to."""
    occurrence: Id
    replay_id: Id
    key: str | None = None
    body: Base64 | None = None
    """The edited event; None: as it was."""


class DeadLetterDiscardRequested(Message):
    """control_room to a service: skip this dead event and go on with those held behind it."""

    TYPE = "dead_letter.discard_requested.v1"
    SUBJECT = "occurrence"

    service: Id
    """Whose dead letter it is: the one service that the command goes to."""
    occurrence: Id
    replay_id: Id
    key: str | None = None


class AskedLetter(Model):
    """One dead letter of a campaign. Source and id are for inspections: they name the event where the service has no
    row of the occurrence (any more)."""

    place: Annotated[int, Field(ge=0)]
    """Its place in the campaign's frozen set."""
    occurrence: Id
    event_source: str | None = None
    event_id: str | None = None
    body: Base64 | None = None
    """What a replay brings along: the edited event, or what only the broker knew."""


TOGETHER = 256
"""Letters in one request or answer at most."""
AskedLetters = Annotated[tuple[AskedLetter, ...], Field(min_length=1, max_length=TOGETHER)]


class DeadLetterInspectRequested(Message):
    """control_room to a service: what would a replay of these dead letters do? It is rehearsed and taken back."""

    TYPE = "dead_letter.inspect_requested.v1"
    SUBJECT = "inspection_id"

    service: Id
    inspection_id: Id
    letters: AskedLetters


class Finding(Model):
    """What a replay of one dead letter would come to; `detail` says behind which it is held, or what goes wrong."""

    place: int
    occurrence: Id
    finding: Literal[
        "would_be_handled",
        "would_be_called_again",
        "would_fail",
        "would_wait",
        "unknown_version",
        "held",
        "already_handled",
        "handled_unsent",
        "not_found",
        "not_inspected",
    ]
    detail: Annotated[str, Field(max_length=1000)] = ""


class DeadLetterInspected(Message):
    """A service's answer: as things are now, in the order asked."""

    TYPE = "dead_letter.inspected.v1"
    SUBJECT = "inspection_id"

    service: Id
    inspection_id: Id
    findings: tuple[Finding, ...]
    inspected_at: Time


class DeadLetterBatchRequested(Message):
    """control_room to a service: replay or discard these dead letters, each for itself, as if asked one by one."""

    TYPE = "dead_letter.batch_requested.v1"
    SUBJECT = "campaign_id"

    service: Id
    campaign_id: Id
    action: Literal["replay", "discard"]
    letters: AskedLetters


class LetterAnswer(Model):
    """What came of one dead letter: of a batch, `dead_letter.resolved` and `dead_letter.failed` in one."""

    place: int
    outcome: Literal["handled", "already_handled", "discarded", "called_again", "failed", "waiting"]
    """`waiting`: the event needs something that has not come, and is answered for when that is over."""
    released: int = 0
    error: Detail = ""
    next_occurrence: Id | None = None


class DeadLetterBatchAnswered(Message):
    """A service's answer to some letters of a batch: processed, not merely sent."""

    TYPE = "dead_letter.batch_answered.v1"
    SUBJECT = "campaign_id"

    service: Id
    campaign_id: Id
    answers: tuple[LetterAnswer, ...]
    answered_at: Time


class DeadLetterResolved(Message):
    """The dead event was processed (not merely sent), or skipped."""

    TYPE = "dead_letter.resolved.v1"
    SUBJECT = "occurrence"

    occurrence: Id
    replay_id: Id
    service: Id
    outcome: Literal["handled", "already_handled", "discarded", "called_again"]
    released: int = 0
    """How many held events went on."""
    resolved_at: Time


class DeadLetterFailed(Message):
    """The replay failed. `next_occurrence` is the dead letter it became, None where nothing of it is known."""

    TYPE = "dead_letter.failed.v1"
    SUBJECT = "occurrence"

    occurrence: Id
    replay_id: Id
    service: Id
    error: Detail
    next_occurrence: Id | None = None
    failed_at: Time


class DeadLetterReleased(Message):
    """What this event waited behind is dealt with, and it went on: it is handled, or another dead letter."""

    TYPE = "dead_letter.released.v1"
    SUBJECT = "occurrence"

    occurrence: Id
    service: Id
    released_at: Time
