"""Which subscription an event goes to, made once from the service's table."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from schemas.decision import Answered, Decision, Exhausted
from schemas.model import places
from schemas.runtime import (
    CallAnswered,
    CallExhausted,
    DeadLetterInspectRequested,
    ReminderDue,
)
from shared.worker.incoming import Fault, Incoming, Replay
from shared.worker.subscription import Aggregate, Answer, Decide, Find, Load, Series, Service, Subscription, Timer


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes: the state it concerns, the decision on it, and what is loaded for it."""

    aggregate: Aggregate[Any]
    decide: Decide
    find: Find | None = None
    load: Load | None = None
    series: Series | None = None


_OUR_OWN = frozenset((Replay, DeadLetterInspectRequested, CallAnswered, CallExhausted, ReminderDue))
"""What the engine says to itself. A `match` would ask each business message five times whether it is one of these."""


class Routes:
    """Finds each event's route and key. An event that nothing subscribes to gets a fault."""

    def __init__(self, service: Service) -> None:
        self._messages = {
            s.message.TYPE: (s, Route(s.aggregate, s.decide, s.find, s.load, s.series))
            for s in service.subscriptions
            if isinstance(s, Subscription)
        }
        self._answers = {
            a.request.__name__: (
                a,
                Route(a.aggregate, a.decide, None, a.load, a.series),
                Route(a.aggregate, a.exhausted or _nothing, None, a.load, a.series),
            )
            for a in service.subscriptions
            if isinstance(a, Answer)
        }
        self._timers = {
            t.name: Route(t.aggregate, t.decide, None, t.load, t.series)
            for t in service.subscriptions
            if isinstance(t, Timer)
        }

    def assign(self, item: Incoming) -> None:
        """Sets route, key (unless it must be looked up) and, for answers, the typed data."""
        try:
            data = item.data
            if type(data) not in _OUR_OWN:
                self._assign_message(item)
            elif isinstance(data, CallAnswered | CallExhausted):
                self._assign_answer(item, data)
            elif isinstance(data, ReminderDue):
                self._assign_timer(item, data.name, data.key)
        except ValidationError as error:
            item.fault = Fault("invalid", places(error))
        if item.key is not None and "\0" in item.key:
            item.key, item.fault = None, Fault("invalid", f"the key {item.key!r} has a NUL, which no database takes")

    def _assign_message(self, item: Incoming) -> None:
        found = self._messages.get(item.data.TYPE)
        if found is None:
            item.fault = Fault("unknown_type", f"this release does not subscribe to {item.data.TYPE!r}", may_pass=True)
            return
        s, item.route = found
        if s.find is None:
            item.key = qualified(s.aggregate, s.key(item.data) if s.key is not None else item.data.subject)

    def _assign_timer(self, item: Incoming, name: str, key: str) -> None:
        route = self._timers.get(name)
        if route is None:
            item.fault = Fault("unknown_type", f"this release has no reminder {name!r}", may_pass=True)
            return
        item.route = route
        item.key = qualified(route.aggregate, key)

    def _assign_answer(self, item: Incoming, said: CallAnswered | CallExhausted) -> None:
        found = self._answers.get(said.operation)
        if found is None:
            item.fault = Fault("unknown_type", f"this release makes no call {said.operation!r}", may_pass=True)
            return
        answer, answered, exhausted = found
        item.key = qualified(answer.aggregate, said.key)
        try:
            request = answer.request.model_validate(said.request)
            reply = answer.answer.model_validate(said.answer) if isinstance(said, CallAnswered) else None
        except ValidationError as error:
            what = f"{said.operation} or its answer is of another release"
            item.fault = Fault("unknown_version", f"{what}:\n{places(error)}", may_pass=True)
            return
        if isinstance(said, CallAnswered):
            item.data, item.route = Answered(said.call_id, request, reply, said.answered_at), answered
        else:
            item.data, item.route = Exhausted(said.call_id, request, said.error, said.exhausted_at), exhausted
        item.closes_call = (UUID(said.call_id), said.generation)


def _nothing(state: object, event: object, ctx: object) -> object:
    return Decision(state)


def qualified(aggregate: Aggregate[Any], key: str) -> str:
    """A state's key with its aggregate, e.g. `order:ORD-1`."""
    return f"{aggregate.table}:{key}"


def plain(key: str) -> str:
    return key.partition(":")[2]
