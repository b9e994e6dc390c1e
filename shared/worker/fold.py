"""Applies the pure decisions of a batch to its states, in order. No I/O: what it yields is saved by `batch`.

A decision that dies holds its key: later events of the key wait behind it, until a replay or a discard
has dealt with it and with those held behind it, in order.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid5
from zlib import crc32

from schemas.decision import Context, Decision, NotYet, Numbers, Refused
from schemas.model import Message, Model
from shared.worker.incoming import Fault, Incoming
from shared.worker.routes import Route, plain

Status = Literal["handled", "waiting", "dead", "held"]
HOLDING = ("decision_raised", "database_refused")
"""Reasons for which a dead letter holds its key."""
HELD = (*HOLDING, "unknown_version")
"""Faults of events that wait behind such a letter all the same. Of a row that cannot be read: a version has no key."""


@dataclass(slots=True)
class Result:
    """What became of one event."""

    item: Incoming
    status: Status
    decision: Decision[Any] | None = None
    reason: str | None = None
    error: str | None = None
    key: str | None = None
    """The key that it holds or waits behind."""
    attempt: int = 0
    due: datetime | None = None
    occurrence: UUID | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The fold before an event: its key with state and holder, the numbers, and how many events were decided."""

    key: str
    state: Model | None
    held: UUID | None
    following: dict[str, int]
    results: int


@dataclass(slots=True)
class Fold:
    """The states of a batch as its events change them."""

    service: str
    now: datetime
    ladder: Sequence[float]
    """Seconds between the tries of an event that needs something that has not come."""
    states: dict[str, Model | None]
    """By qualified key; None where there is none yet."""
    held: dict[str, UUID]
    """Keys that a dead letter holds, with its ref."""
    numbers: Numbers = field(default_factory=lambda: Numbers({}))
    references: dict[int, Any] = field(default_factory=dict)
    """By `id(item)`: what its route loaded for it."""
    changed: set[str] = field(default_factory=set)
    results: list[Result] = field(default_factory=list)

    def add(self, item: Incoming) -> None:
        """Decides one event."""
        result = self._judge(item)
        self.results.append(result)
        if result.status == "dead" and result.key is not None:
            self.held[result.key] = item.ref
        elif self.held and self.held.get(item.key or "") == item.ref:
            del self.held[item.key or ""]  # replayed: what became of it holds nobody, also where it waits or is refused

    def mark(self, item: Incoming) -> "Mark":
        """Where the fold stands before an event, to go back to."""
        key = item.key or ""
        return Mark(key, self.states.get(key), self.held.get(key), dict(self.numbers.following), len(self.results))

    def back_to(self, mark: "Mark") -> None:
        """Forgets an event whose effects the database does not take."""
        self.states[mark.key] = mark.state
        self.changed.discard(mark.key)
        self.held.pop(mark.key, None)
        if mark.held is not None:
            self.held[mark.key] = mark.held
        self.numbers.following = mark.following
        del self.results[mark.results :]

    def _judge(self, item: Incoming) -> Result:
        if item.replay is not None and item.replay.discard and self._is_dead_letter(item):
            return Result(item, "handled")
        holder = self.held.get(item.key or "")
        if holder is not None and holder != item.ref and (item.fault is None or item.fault.reason in HELD):
            return self._held(item, holder)
        if item.fault is not None:
            return self._waits(item, item.fault) if item.fault.may_pass else self._dead(item, item.fault)
        if item.key is None:
            return self._waits(item, Fault("not_yet_exhausted", f"nothing is known yet of {item.subject!r}"))
        return self._decide(item, item.route, item.key)

    def _is_dead_letter(self, item: Incoming) -> bool:
        return item.kept is not None and item.is_replayed

    def _decide(self, item: Incoming, route: Route, key: str) -> Result:
        state = self.states.get(key)
        taken = dict(self.numbers.following)
        context = Context(self.now, item.cause, self.references.get(id(item)), self.numbers, plain(key))
        try:
            outcome = route.decide(state, item.data, context)
        except Exception:
            self.numbers.following = taken
            return self._dead(item, Fault("decision_raised", traceback.format_exc(limit=-12)))
        match outcome:
            case Decision():
                if outcome.state is not None and outcome.state is not state and outcome.state != state:
                    self.states[key] = outcome.state
                    self.changed.add(key)
                return Result(item, "handled", outcome)
            case NotYet(missing):
                self.numbers.following = taken
                return self._waits(item, Fault("not_yet_exhausted", f"needs {missing}, which has not come"))
            case Refused(code, detail):
                self.numbers.following = taken
                return self._dead(item, Fault("refused", f"{code}: {detail}"))
        self.numbers.following = taken
        return self._dead(item, Fault("decision_raised", f"the decision returned {type(outcome).__name__}"))

    def _waits(self, item: Incoming, fault: Fault) -> Result:
        """Waits for its next try, or is dead at the end of the ladder."""
        attempt = item.attempt + 1
        if attempt > len(self.ladder):
            return self._dead(item, fault)
        wait = self.ladder[attempt - 1] + (_spread(item.ref, attempt) if item.fault is not None else 0.0)
        due = self.now + timedelta(seconds=wait)
        occurrence = item.replay.occurrence if item.replay is not None and item.is_replayed else None
        return Result(
            item, "waiting", reason=fault.reason, error=fault.error, attempt=attempt, due=due, occurrence=occurrence
        )

    def _held(self, item: Incoming, holder: UUID) -> Result:
        """Waits behind a dead event of its key, under one occurrence for as long as it waits."""
        known = item.kept.occurrence if is_held(item) and item.kept is not None else None
        occurrence = known or uuid5(item.ref, f"{self.service}/held/{holder}/{item.attempt}")
        return Result(item, "held", key=item.key, reason="held", error=f"behind {holder}", occurrence=occurrence)

    def _dead(self, item: Incoming, fault: Fault) -> Result:
        replay = item.replay.replay_id if item.replay is not None else f"attempt/{item.attempt}"
        return Result(
            item,
            "dead",
            reason=fault.reason,
            error=fault.error,
            key=item.key if fault.reason in HOLDING else None,
            attempt=item.attempt + 1,
            occurrence=uuid5(item.ref, f"{self.service}/dead/{replay}"),
        )


def _spread(ref: UUID, attempt: int) -> float:
    """Up to a second. What a release does not know is for another one's replica, and whoever looks once a second finds
    what it put off by whole seconds itself before all others, again and again."""
    return crc32(f"{ref}/{attempt}".encode()) % 1000 / 1000


class Said(NamedTuple):
    """A message that follows from a batch, with what its envelope takes from its cause."""

    message: Message
    cause: Incoming
    position: int


def messages(results: Sequence[Result]) -> list[Said]:
    """What the decisions of a batch said, in order."""
    return [
        Said(message, result.item, position)
        for result in results
        if result.decision is not None
        for position, message in enumerate(result.decision.events)
    ]


def is_held(item: Incoming) -> bool:
    """Whether it waited behind a dead event until now."""
    return item.kept is not None and item.kept.status == "held"


def is_our_own(result: Result) -> bool:
    """Whether it speaks against this release, rather than against what somebody sent or replayed: an event that died,
    or waits for a release that can read its state."""
    if result.item.replay is not None:
        return False
    if result.reason == "unknown_version":
        return result.status in ("dead", "waiting") and result.item.key is not None
    if result.status != "dead":
        return False
    return result.reason in HOLDING or (result.reason == "invalid" and result.item.source.startswith("/dropfleet/"))
