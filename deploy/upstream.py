"""Upstream events in files: read, and checked strictly against the catalogue."""

import json
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.catalogue import CATALOGUE, Entry, by_type
from schemas.envelope import adapter
from schemas.export import where
from shared.broker.topology import INBOUND


@dataclass(frozen=True, slots=True)
class Checked:
    """One event of a file: what to send, or what is wrong with it."""

    place: str
    type: str = ""
    body: bytes = b""
    problems: tuple[str, ...] = ()


def read_events(file: Path) -> list[Checked]:
    """The events of a file (`-`: stdin), checked. A file that cannot be read counts as one invalid event."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_refuse)
    except OSError as error:
        return [Checked(str(file), problems=(f"cannot be read: {error.strerror}",))]
    except (ValueError, RecursionError) as error:
        return [Checked(str(file), problems=(f"is not JSON: {error}",))]
    if not isinstance(content, list):
        return [check(content, str(file))]
    return [check(event, f"{file}[{index}]") for index, event in enumerate(content)]


def check(event: Any, place: str) -> Checked:
    """One event against the catalogue: an inbound type, strictly its schema, and the subject that its data names."""
    type = event.get("type") if isinstance(event, dict) else None
    if not isinstance(type, str):
        return Checked(place, problems=("type: is missing, so this is no CloudEvent",))
    entry = by_type().get(type)
    if entry is None or entry.kind != "inbound":
        return Checked(place, problems=(_not_inbound(type, entry),))
    body = json.dumps(event, separators=(",", ":")).encode()
    try:
        subject = adapter(entry.model).validate_json(body).data.subject
    except ValidationError as error:
        return Checked(place, problems=tuple(f"{where(p['loc'])}: {p['msg']}" for p in error.errors()))
    if event["subject"] != subject:
        problem = f"subject: is {event['subject']!r}, but data.{entry.model.SUBJECT} is {subject!r}"
        return Checked(place, problems=(problem,))
    return Checked(place, type, body)


def _not_inbound(type: str, entry: Entry | None) -> str:
    if entry is not None:
        return f"type: {type} is made by {', '.join(entry.producers)}, and not published to {INBOUND}"
    inbound = [e.type for e in CATALOGUE if e.kind == "inbound"]
    known = get_close_matches(type, inbound, n=3) or inbound
    return f"type: nobody knows {type!r}; known are {', '.join(known)}"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")
