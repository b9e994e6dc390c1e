"""What a service hands to the worker: one literal table from messages, answers and reminders to decisions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from asyncpg import Connection

from schemas.decision import Request
from schemas.model import Message, Model

S = TypeVar("S", bound=Model)

Decide = Callable[[Any, Any, Any], Any]
"""`decide(state or None, message, context) -> Outcome`; pure."""
Find = Callable[[Connection, Sequence[Any]], Awaitable[Sequence[str | None]]]
"""Keys of messages that do not carry them, one per message, None where it is not known (yet)."""
Load = Callable[[Connection, Sequence[str], Sequence[Any]], Awaitable[Sequence[Any]]]
"""What the decisions on these keys and messages need beside their state: one `context.reference` per message."""
SaveRows = Callable[[Connection, Sequence[Model]], Awaitable[None]]
"""Writes the append-only rows of a batch's decisions."""


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[S]):
    """One kind of state: its table `(key text primary key, version int, body jsonb, updated_at)` and its model."""

    table: str
    model: type[S]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A message and the decision on it. The key is the message's subject unless `key` or `find` says otherwise."""

    message: type[Message]
    aggregate: Aggregate[Any]
    decide: Decide
    key: Callable[[Any], str] | None = None
    find: Find | None = None
    load: Load | None = None
    series: Callable[[Any], Sequence[str]] | None = None
    """Number series that the decision may take from."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A partner's answer to a request and the decision on it: `decide(state, Answered[request, answer], context)`."""

    request: type[Request]
    answer: type[Model]
    aggregate: Aggregate[Any]
    decide: Decide
    exhausted: Decide | None = None
    """`exhausted(state, Exhausted[request], context)`; None: nothing to decide, a person sees the dead letter."""
    load: Load | None = None
    series: Callable[[Any], Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """A reminder by name and the decision on it: `decide(state, ReminderDue, context)`."""

    name: str
    aggregate: Aggregate[Any]
    decide: Decide
    load: Load | None = None
    series: Callable[[Any], Sequence[str]] | None = None


Subscriptions = tuple[Subscription | Answer | Timer, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the worker must know of a service."""

    name: str
    subscriptions: Subscriptions
    operations: "tuple[Any, ...]" = ()
    """What can be asked of partners: `shared.partner.operation.Operation`."""
    save_rows: SaveRows | None = None
    settings: Any = field(default=None)
