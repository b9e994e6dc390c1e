"""What pure code receives and returns: `decide(state, event, context) -> Outcome`.

The outcomes are a closed set: a `Decision` (handled), `NotYet` (something that it needs is missing and
may still come) or `Refused` (it can never be handled: a dead letter that holds nobody up).
A decision that raises is a bug: a dead letter, and later events of its key wait for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID, uuid5

from schemas.model import Message, Model

S = TypeVar("S")
R = TypeVar("R")
Q = TypeVar("Q", bound="Request")
A = TypeVar("A", bound=Model)


class Request(Model):
    """What is asked of a partner, in our words. The class name is the operation."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to a partner: stored with the state, sent after the commit, answered by a message.

    `partner` names who is called (`erp`, `supplier:farol-sul`): the unit of rate limit, concurrency and circuit.
    `lane` orders calls: those of one lane and partner are sent oldest first; the state's key where it is None.
    """

    partner: str
    request: Request
    lane: str | None = None
    window: timedelta = timedelta(hours=24)
    """How long it is tried before the decision is told that it is exhausted."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """A message to oneself at a time. Named: the same name of the same key replaces an earlier one."""

    name: str
    due: datetime
    note: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """Handled: the new state (None: there is none), and what follows from it.

    `events` are facts and commands, sent in this order. `rows` are append-only records which the service's
    store writes in the same transaction. `forget` names reminders that are no longer wanted.
    """

    state: S | None
    events: Sequence[Message] = ()
    calls: Sequence[Call] = ()
    reminders: Sequence[Reminder] = ()
    forget: Sequence[str] = ()
    rows: Sequence[Model] = ()


@dataclass(frozen=True, slots=True)
class NotYet:
    """Something this event needs has not arrived: it waits and is tried again, then becomes a dead letter."""

    missing: str


@dataclass(frozen=True, slots=True)
class Refused:
    """This event can never be handled, e.g. an order that was placed with other content before."""

    code: str
    detail: str


Outcome = Decision[S] | NotYet | Refused


@dataclass(frozen=True, slots=True)
class Answered(Generic[Q, A]):
    """A partner's answer to a call, in our words, together with what was asked."""

    call_id: str
    request: Q
    answer: A
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Exhausted(Generic[Q]):
    """A call that could not be made within its window; it is shown among the dead letters too."""

    call_id: str
    request: Q
    error: str
    exhausted_at: datetime


def later(missing: str) -> NotYet:
    """The event needs `missing` (a message type or a thing's name) first."""
    return NotYet(missing)


def unchanged(state: S | None) -> Decision[S]:
    """Nothing to do: said twice, or out of date."""
    return Decision(state)


class Cause(NamedTuple):
    """The envelope of the event that is being decided."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    ref: UUID
    """A UUID made of source and id: what derived ids derive from."""
    correlation: str | None = None
    traceparent: str | None = None


class Numbers:
    """Gapless number series, locked for this batch: what a decision takes is saved with its state."""

    def __init__(self, following: Mapping[str, int]) -> None:
        self.following: dict[str, int] = dict(following)

    def take(self, series: str) -> int:
        """The next number. KeyError: the subscription did not name this series."""
        number = self.following[series]
        self.following[series] = number + 1
        return number


class Context(NamedTuple, Generic[R]):
    """What a decision may know beside state and event. `reference` is what the subscription loaded for it."""

    now: datetime
    cause: Cause
    reference: R
    numbers: Numbers
    key: str = ""

    def id(self, name: str) -> UUID:
        """An id derived from the cause: doing it again gives the same one."""
        return uuid5(self.cause.ref, name)
