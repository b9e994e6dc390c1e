"""From a partner's body to the message that is published. Pure: no time but the one given, no id but derived ones."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from schemas import envelope
from schemas.envelope import Attribute
from schemas.model import Message, Model
from services.gateway.partners import Door
from services.gateway.problem import Fault, Problem, invalid, pointer, violations
from shared.broker.outgoing import Outgoing

EXCHANGE = "fleet.inbound"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class Body(Model):
    """What a partner posts: its own event id (where it has one), the message's type, and its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Attribute | None = None
    type: Annotated[str, Field(min_length=1, max_length=100)]
    data: dict[str, Any]


def outgoing(door: Door, partner: str, body: bytes, at: datetime, traceparent: str | None = None) -> Outgoing:
    """The message of a body. Problem: the body is not JSON, or not an event that this partner may report."""
    said = read(body)
    message = validated(door, partner, said)
    event = envelope.encode(
        message,
        id=said.id or hashlib.sha256(body).hexdigest(),
        source=door.source(partner),
        time=at,
        trace=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
    )
    return Outgoing(EXCHANGE, message.TYPE, envelope.EVENT, event, uuid4().hex)


def read(body: bytes) -> Body:
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(400, "not-json", "The body is not JSON", str(error)) from error
    if b"u0000" in body and (places := [*_unkept(content)]):
        raise invalid(*(Fault(pointer(*place), "U+0000 can be kept nowhere", "nul") for place in places))
    try:
        return Body.model_validate(content)
    except ValidationError as error:
        raise violations(error) from error


def _unkept(said: Any, *place: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where the character is that PostgreSQL does not take: further in it would hold the order that it is about."""
    match said:
        case str():
            if "\0" in said:
                yield place
        case dict():
            for name, value in said.items():
                yield from _unkept(value, *place, name)
        case list():
            for number, value in enumerate(said):
                yield from _unkept(value, *place, number)


def validated(door: Door, partner: str, said: Body) -> Message:
    entry = door.entry(said.type)
    if entry is None:
        raise invalid(Fault(pointer("type"), f"one of {', '.join(door.families)} is said here", "unknown_type"))
    try:
        return entry.model.model_validate_json(to_json(fields(door, partner, said.data)))
    except ValidationError as error:
        raise violations(error, "data") from error


def fields(door: Door, partner: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The message's fields: the partner's id comes from the path, and the body may not contradict it."""
    if door.field is None:
        return dict(data)
    if data.get(door.field, partner) != partner:
        raise invalid(Fault(pointer("data", door.field), "is not the partner of the path", "other_partner"))
    return {**data, door.field: partner}
