"""What dead letters are chosen by: the same options for every command that takes more than one.

A command declares `chosen: Chosen` and is decorated with `choosing`, which gives it the options in its place.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from services.control_room.facts import query_of
from services.control_room.state import Status

Chosen = Mapping[str, Any]
"""Filters of `store.load_dead_letters` by name; one that is None chooses all."""

_AGO = re.compile(r"(\d+)(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
UNSETTLED = [Status.OPEN, Status.FAILED, Status.HELD]


def instant(text: str | None, now: datetime | None = None) -> datetime | None:
    """`2026-11-22`, `2026-11-22T14:00`, with an offset or in UTC; or how long ago: `30m`, `2h`, `7d`, `2w`.

    >>> instant("2h", datetime(2026, 11, 22, 14, tzinfo=UTC)).isoformat()
    '2026-11-22T12:00:00+00:00'
    """
    if text is None:
        return None
    if (ago := _AGO.fullmatch(text.strip())) is not None:
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is neither a time (2026-11-22T14:00) nor an age (30m, 2h, 7d)") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def documents(field: str) -> list[str]:
    """The JSON documents of which an event must contain one: `data.order_id=ORD-1`, `data.items[].quantity=3`.

    A value that is JSON (3, true, null) is meant as such or as text.

    >>> documents("data.items[].quantity=3")
    ['{"data": {"items": [{"quantity": "3"}]}}', '{"data": {"items": [{"quantity": 3}]}}']
    """
    path, equals, text = field.partition("=")
    if not equals or not all(part.removesuffix("[]") for part in path.split(".")):
        raise typer.BadParameter(f"{field!r} is no field and value; say e.g. data.order_id=ORD-1")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    known = isinstance(value, bool | int | float | None) and value == value and abs(value or 0) < 1e300
    return [json.dumps(_nested(path.split("."), one)) for one in (text, *([value] if known else []))]


def _nested(path: list[str], value: Any) -> Any:
    for part in reversed(path):
        value = {part.removesuffix("[]"): [value] if part.endswith("[]") else value}
    return value


def _text(text: str | None) -> str | None:
    if text is None:
        return None
    if not (query := query_of(text)):
        raise typer.BadParameter("it has no word to look for")
    return query


def _options(
    service: Annotated[str | None, typer.Option(help="Service that could not handle them.")] = None,
    reason: Annotated[str | None, typer.Option(help="E.g. decision_raised, invalid, call_exhausted, held.")] = None,
    exception: Annotated[
        str | None, typer.Option(help="Class of the exception, code of a refusal, place of a schema violation.")
    ] = None,
    error: Annotated[str | None, typer.Option(help="Error without its numbers, as `groups --by error` shows.")] = None,
    type: Annotated[str | None, typer.Option(help="Message type, with or without its version.")] = None,
    supplier: Annotated[str | None, typer.Option(help="Supplier that they concern.")] = None,
    channel: Annotated[str | None, typer.Option(help="Channel that they, or their order, belong to.")] = None,
    store: Annotated[str | None, typer.Option(help="Store that they, or their order, belong to.")] = None,
    order: Annotated[str | None, typer.Option(help="Order that they concern.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only in this status.")] = None,
    unsettled: Annotated[bool, typer.Option("--unsettled", help="Neither resolved nor discarded.")] = False,
    id: Annotated[str | None, typer.Option(help="How their ids begin.")] = None,
    since: Annotated[str | None, typer.Option(help="Died then or later: a time (UTC), or an age: 30m, 2h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Died before: a time (UTC), or an age.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Words (or their beginnings) that error or event have, all of them.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Field of the event: data.order_id=ORD-1, data.items[].sku=X. Repeatable.")
    ] = None,
) -> Chosen:
    return {
        "service": service,
        "reason": reason,
        "exception": exception,
        "pattern": error,
        "event_type": type,
        "supplier_id": supplier,
        "channel_id": channel,
        "store_id": store,
        "order_id": order,
        "status": status,
        "statuses": UNSETTLED if unsettled else None,
        "prefix": id.strip().lower() if id else None,
        "since": instant(since),
        "until": instant(until),
        "text": _text(text),
        "where": [documents(field) for field in where] if where else None,
    }


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options above in the place of its parameter `chosen`."""
    options = inspect.signature(_options).parameters
    own = {name: p for name, p in inspect.signature(command).parameters.items() if name != "chosen"}

    @wraps(command)
    def call(**given: Any) -> None:
        chosen = _options(**{name: given.pop(name) for name in options})
        command(chosen=chosen, **given)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*options.values(), *own.values())]
    hints = get_type_hints(_options, include_extras=True) | get_type_hints(command, include_extras=True)
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {name: hint for name, hint in hints.items() if name not in ("chosen", "return")}
    del call.__wrapped__
    return call


def fixed(command: Callable[..., None], **values: Any) -> Callable[..., None]:
    """The command without the parameters that have these values."""
    parameters = [p for name, p in inspect.signature(command).parameters.items() if name not in values]

    def call(**given: Any) -> None:
        command(**values, **given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def is_empty(chosen: Chosen) -> bool:
    """Whether nothing was said that chooses some and not others."""
    return all(value is None for value in chosen.values())
