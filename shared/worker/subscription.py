"""What a service hands to the worker: one literal table from messages, answers and reminders to decisions."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from asyncpg import Connection, Pool

from schemas.decision import Request
from schemas.model import Message, Model
from shared.broker.link import Delivery
from shared.partner.operation import Operation

S = TypeVar("S", bound=Model)

Decide = Callable[[Any, Any, Any], Any]
"""`decide(state or None, message, context) -> Outcome`; pure."""
Find = Callable[[Connection, Sequence[Any]], Awaitable[Sequence[str | None]]]
"""Keys of messages that do not carry them, one per message, None where it is not known (yet)."""
Load = Callable[[Connection, Sequence[str], Sequence[Any]], Awaitable[Sequence[Any]]]
"""What the decisions on these keys and messages need beside their state: one `context.reference` per message."""
Series = Callable[[Any], Sequence[str]]
"""Names of the number series that the decision on an event with this reference may take from."""
SaveRows = Callable[[Connection, Sequence[Model]], Awaitable[None]]
"""Writes the append-only rows of a batch's decisions."""


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[S]):
    """One kind of state: its table `(key text primary key, version int, body jsonb, updated_at)` and its model."""

    table: str
    model: type[S]
    named: str | None = None
    """The field by which messages name its key, where one does: dead letters about it are found by that."""

    def about(self, key: str) -> dict[str, str]:
        """What a plain key names: `{"payment_id": "PAY-1"}`."""
        return {} if self.named is None else {self.named: key}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A message and the decision on it. The key is the message's subject unless `key` or `find` says otherwise."""

    message: type[Message]
    aggregate: Aggregate[Any]
    decide: Decide
    key: Callable[[Any], str] | None = None
    find: Find | None = None
    load: Load | None = None
    series: Series | None = None


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
    series: Series | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """A reminder by name and the decision on it: `decide(state, ReminderDue, context)`."""

    name: str
    aggregate: Aggregate[Any]
    decide: Decide
    load: Load | None = None
    series: Series | None = None


Subscriptions = tuple[Subscription | Answer | Timer, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the worker must know of a service."""

    name: str
    subscriptions: Subscriptions
    operations: tuple[Operation, ...] = ()
    """What can be asked of partners."""
    save_rows: SaveRows | None = None
    queues: tuple[str, ...] = ()
    """Queues that it consumes beside its own (control_room: the dead letters of every service)."""
    adopt: Callable[[Delivery], Delivery] | None = None
    """Makes what comes from those other queues readable: it may travel under another routing key, or raw. Pure."""
    tasks: tuple[Callable[[Pool], Coroutine[Any, Any, None]], ...] = ()
    """What runs beside the cycle for the life of the process."""

    @property
    def named(self) -> dict[str, str]:
        """The fields by which messages name the keys of its states, by table."""
        kinds = {s.aggregate for s in self.subscriptions}
        return {kind.table: kind.named for kind in kinds if kind.named is not None}
