"""PURE: an edited event beside its original: what may be changed, whether it fits its schema, what differs."""

import difflib
import json
from typing import Any

from pydantic import ValidationError

from schemas import catalogue, envelope
from schemas.model import places

KEPT = ("id", "source", "type", "subject")
"""An edit keeps them: they say which event it is, what it is about, and who takes it."""


class CannotEdit(ValueError):
    """The edited event cannot take the place of the original; the message says why, one problem a line."""


def check(original: bytes, edited: bytes, type: str | None) -> None:
    """Raises CannotEdit. `type` is what the ledger knows of it, where the original itself cannot be read."""
    after = _read(edited)
    if after is None:
        raise CannotEdit("it is not one event: a JSON object")
    before = _read(original) or {"type": type}
    changed = [name for name in KEPT if before.get(name) is not None and after.get(name) != before.get(name)]
    if changed:
        raise CannotEdit(
            "\n".join(f"{name}: stays {before[name]!r}, it is not {after.get(name)!r}" for name in changed)
        )
    entry = catalogue.by_type().get(str(after.get("type")))
    if entry is None:
        raise CannotEdit(f"type: nobody knows the message type {after.get('type')!r}")
    try:
        envelope.adapter(entry.model).validate_json(edited, extra="ignore")
    except ValidationError as error:
        raise CannotEdit(places(error)) from error


def difference(original: bytes, edited: bytes) -> str:
    """As a unified diff of indented JSON."""
    lines = difflib.unified_diff(_lines(original), _lines(edited), "original", "edited", n=2, lineterm="")
    return "\n".join(lines)


def assigned(original: bytes, assignments: list[str]) -> bytes:
    """The event with some fields set: `data.total=12.90`, `data.items.0.quantity=3`. A value is JSON where it can be.

    CannotEdit: there is no such field to set.
    """
    event = _read(original)
    if event is None:
        raise CannotEdit("the original is no JSON object; give the whole event with --file")
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise CannotEdit(f"{assignment!r} is no field and value; say e.g. data.total=12.90")
        _assign(event, path.split("."), _value(text, _at(event, path.split("."))))
    return json.dumps(event, ensure_ascii=False).encode()


def _value(text: str, before: Any) -> Any:
    """A text stays a text: `total=12.90` where it was `"12,90"` is meant as one."""
    if isinstance(before, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = _inside(value, part)
    return value


def _inside(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
        return value[int(part)]
    return None


def _assign(event: dict[str, Any], path: list[str], value: Any) -> None:
    place = _at(event, path[:-1])
    if isinstance(place, dict):
        place[path[-1]] = value
    elif isinstance(place, list) and path[-1].isascii() and path[-1].isdigit() and int(path[-1]) < len(place):
        place[int(path[-1])] = value
    else:
        raise CannotEdit(f"{'.'.join(path)}: the event has no such place")


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _lines(body: bytes) -> list[str]:
    said = _read(body)
    text = body.decode(errors="replace") if said is None else json.dumps(said, indent=2, ensure_ascii=False)
    return text.splitlines()
