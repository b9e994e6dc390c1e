"""One event on its way through the cycle, whatever it came from: a delivery, or a row the inbox kept."""

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from schemas import envelope
from schemas.decision import Cause
from schemas.runtime import DeadLetterBatchAnswered
from schemas.text import storable
from shared.broker.link import Delivery

_slices = lru_cache(maxsize=1)(envelope.slices)
"""A pack with many bad events is cut once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an event cannot be decided at all."""

    reason: str
    error: str
    may_pass: bool = False
    """True: waits on the ladder (a newer version that a newer release will know)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An inbox row that is not handled."""

    ref: UUID
    status: str
    source: str
    id: str
    type: str | None
    subject: str | None
    key: str | None
    attempt: int
    due: datetime | None
    occurrence: UUID | None
    reason: str | None
    error: str | None
    first_at: datetime
    last_at: datetime
    content_type: str | None
    headers: str
    body: bytes
    edited: bytes | None = None
    """What an engineer made of the body, last; the body stays as it came."""
    replay_id: str | None = None
    """The replay that began its waiting, and that is answered when it is over."""


@dataclass(frozen=True, slots=True)
class Replay:
    """An order of control_room about one dead letter of this service."""

    occurrence: UUID
    replay_id: str
    discard: bool
    body: bytes | None = None
    request: UUID | None = None
    """The event that ordered it together with others."""
    together: int = 1
    """How many letters that event is about."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Names an attempt at one event of a message; see `suspects`."""

    message: UUID
    place: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """How often one began and did not end, and who began it last and when."""

    begun: int
    by: str
    at: datetime


@dataclass(slots=True)
class Incoming:
    """One event, decoded as far as possible. `key` is qualified by its aggregate: `order:ORD-1`."""

    ref: UUID
    source: str
    id: str
    type: str | None
    subject: str | None
    fault: Fault | None = None
    time: datetime | None = None
    correlation: str | None = None
    trace: str | None = None
    data: Any = None
    """The newest version of what the event says; for answers `Answered` or `Exhausted`."""
    route: Any = None
    key: str | None = None
    delivery: Delivery | None = None
    index: int | None = None
    """Position in the delivery's pack; None where the delivery is one event."""
    kept: Kept | None = None
    replay: Replay | None = None
    """Set on the dead event that a replay handles, on those held behind it, and while a replayed one waits."""
    closes_call: tuple[UUID, int] | None = None
    """Call id and generation that this answer closes."""
    mark: Mark | None = None
    """Of the attempt that ends when this is handled; None: nobody doubts it."""
    body: bytes = field(default=b"", repr=False)

    @property
    def cause(self) -> Cause:
        if self.type is None or self.subject is None or self.time is None:
            raise ValueError("an event that was not decoded causes nothing")
        return Cause(
            self.id, self.source, self.type, self.subject, self.time, self.ref, self.correlation or self.id, self.trace
        )

    @property
    def lateness(self) -> float:
        """Seconds since it was published, by our clock; 0 for what was kept or replayed, and was late before, and for
        answers about many letters: that is what waiting for more is good for."""
        if self.time is None or self.kept is not None or self.replay is not None:
            return 0.0
        if isinstance(self.data, DeadLetterBatchAnswered):
            return 0.0
        return max(0.0, (datetime.now(UTC) - self.time).total_seconds())

    @property
    def is_replayed(self) -> bool:
        """Whether a replay is about this very event, not about one that it is held behind."""
        return self.replay is not None and (self.kept is None or self.kept.status != "held")

    @property
    def raw(self) -> bytes:
        """The event's very bytes, cut out of its pack."""
        if self.kept is not None or self.delivery is None:
            return self.body
        if self.index is None:
            return self.delivery.body
        return _slices(self.delivery.body)[self.index]

    @property
    def headers(self) -> dict[str, Any]:
        """Of the message that brought it, as JSON has them; what JSON does not know (tables, NaN) is text."""
        if self.kept is not None:
            return dict(json.loads(self.kept.headers))
        return _plain(self.delivery.headers) if self.delivery is not None else {}

    @property
    def content_type(self) -> str | None:
        if self.kept is not None:
            return self.kept.content_type
        if self.index is not None or self.delivery is None:
            return envelope.EVENT
        return self.delivery.content_type

    @property
    def attempt(self) -> int:
        """Tries before this one."""
        return self.kept.attempt if self.kept is not None else 0


def _plain(headers: dict[str, Any]) -> dict[str, Any]:
    return {
        storable(name): storable(value) if isinstance(value, str) else _json(value) for name, value in headers.items()
    }


def _json(value: Any) -> Any:
    known = isinstance(value, int | bool | None) or (isinstance(value, float) and math.isfinite(value))
    return value if known else storable(str(value))
