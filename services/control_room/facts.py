"""PURE: what a dead letter can be found and grouped by, taken from it once, when it is recorded.

Lenient: whatever cannot be read is left out, and the dead letter is found by the rest.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.model import Model
from schemas.runtime import DeadLetterRecorded
from schemas.text import storable
from schemas.values import Base64, Id, Time

_LONGEST = 200
_LONGEST_TEXT = 1_000
"""Characters of a text within the event that field filters know."""
_LARGEST_EVENT = 1_000_000
_WORDS, _WORD, _WORD_PARTS, _WORD_BYTES = 3_000, 100, 12, 400_000
"""At most: words of a letter, characters of a word, parts of it that are found by themselves, bytes of all words."""
_FRAME = '  File "'
_CLASS = re.compile(r"([A-Za-z_][\w.]*)(?::|$)")
_CHANGING = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+")
_EDGE = "\"'()[]{}<>,;:!?.=`"
_PART = re.compile(r"(?<!\w)\w")


class FactsRow(Model):
    """Columns of `dead_letter_facts`; written once."""

    occurrence: Id
    service: str
    reason: str
    exception: str | None
    """Class of the exception; code of a refusal; place of a schema violation; how a call ended."""
    error: str
    """One line: the last word of a traceback, the first line of anything else."""
    pattern: str
    """`error` without its numbers and ids: the same for the same cause."""
    event_type: str | None
    event_id: str | None
    event_subject: str | None
    key: str | None
    order_id: str | None
    """The order that the event names, or whose state it concerns."""
    order_name: str | None
    """What the order is found by where neither does: `po_number:1042` (see `order_names`)."""
    supplier_id: str | None
    channel_id: str | None
    store_id: str | None
    attempts: int
    first_at: Time
    last_at: Time
    event: dict[str, Any] | None
    """The event for field filters, its long texts cut; None where it is no JSON object, or more than 1 MB."""
    words: tuple[str, ...]


NAMED = ("po_number", "payable_id", "refund_id", "access_key", "tracking_code")
"""Fields by which partners, and services among themselves, mean an order without its id; the surest first."""


class PartRow(Model):
    """A row of `dead_letter_bytes`: what one letter's body could not have."""

    occurrence: Id
    body_offset: int
    body: Base64


def facts_of(letter: DeadLetterRecorded) -> FactsRow:
    event = _event(letter)
    data = event.get("data") if event is not None else None
    said: dict[str, Any] = data if isinstance(data, dict) else {}
    error, order_id = headline(letter.error), order_of(letter.about, said)
    texts = [*_texts(event)] if event is not None else [_readable(letter)]
    return FactsRow(
        occurrence=letter.occurrence,
        service=letter.service,
        reason=letter.reason,
        exception=_exception(letter.reason, letter.error, error),
        error=error,
        pattern=_CHANGING.sub("#", error)[:120],
        event_type=letter.event_type,
        event_id=letter.event_id,
        event_subject=letter.event_subject,
        key=letter.key,
        order_id=order_id,
        order_name=None if order_id else next(iter(order_names({**letter.about, **said})), None),
        supplier_id=_named(letter, said, "supplier"),
        channel_id=_named(letter, said, "channel"),
        store_id=_named(letter, said, "store"),
        attempts=letter.attempts,
        first_at=letter.first_at,
        last_at=letter.last_at,
        event=event,
        words=words_of(letter.occurrence, letter.error, *texts),
    )


def order_of(about: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    """The order that the data names, else the one whose state it concerns."""
    return _text(said.get("order_id")) or _text(about.get("order_id"))


def order_names(said: Mapping[str, Any]) -> list[str]:
    """By what else the order of such data is known.

    >>> order_names({"po_number": "1042", "tracking_code": "BR1", "total": "9.90"})
    ['po_number:1042', 'tracking_code:BR1']
    """
    return [f"{field}:{value}" for field in NAMED if (value := _text(said.get(field))) is not None]


def headline(error: str) -> str:
    """The line that says most: of a traceback what was raised, of anything else the first."""
    lines = error.rstrip().splitlines() or [""]
    frames = [n for n, line in enumerate(lines) if line.startswith((_FRAME, "Traceback"))]
    after = lines[frames[-1] + 1 :] if frames else lines
    return next((line for line in after if line and not line[0].isspace()), lines[-1]).strip()[:_LONGEST]


def _exception(reason: str, error: str, line: str) -> str | None:
    match reason:
        case "decision_raised" | "database_refused" | "refused":
            found = _CLASS.match(line)
            return found[1].rpartition(".")[2][:_LONGEST] if found else None
        case "call_exhausted" if _FRAME not in error:
            return error.partition(":")[0][:_LONGEST] if ":" in error else None
        case "call_exhausted":
            return _exception("decision_raised", error, line)
        case "invalid":
            place = line.partition(": ")[0] if ": " in line and " " not in line.partition(": ")[0] else None
            return re.sub(r"\.\d+(?=\.|$)", "[]", place) if place else None
    return None


def _named(letter: DeadLetterRecorded, said: Mapping[str, Any], party: str) -> str | None:
    """The party that the data names, whose state it concerns, or that a source (`/partners/suppliers/farol-sul`) or a
    call's partner (`supplier:farol-sul`) names."""
    field, source = f"{party}_id", letter.event_source or ""
    if (known := _text(said.get(field)) or _text(letter.about.get(field))) is not None:
        return known
    if letter.kind == "call":
        kind, _, name = source.partition(":")
        return name or None if kind == party else None
    _, found, name = source.partition(f"/{party}s/")
    return name.partition("/")[0] or None if found else None


def _event(letter: DeadLetterRecorded) -> dict[str, Any] | None:
    """The event, or a call's request as its data."""
    if letter.body_bytes is not None or len(letter.body) > _LARGEST_EVENT:
        return None
    try:
        said = cut(cleaned(json.loads(base64.b64decode(letter.body))))
    except (ValueError, RecursionError):
        return None
    if letter.kind == "call":
        return {"data": said}
    return said if isinstance(said, dict) else None


def _readable(letter: DeadLetterRecorded) -> str:
    """The beginning of what is no event, where it is text."""
    return storable(base64.b64decode(letter.body[:40_000]).decode(errors="replace"))


def cut(value: Any) -> Any:
    """A JSON value with long texts cut, and without what JSON does not have (NaN, integers of any length)."""
    match value:
        case str():
            return value[:_LONGEST_TEXT]
        case dict():
            return {name[:_LONGEST_TEXT]: cut(part) for name, part in value.items()}
        case list():
            return [cut(part) for part in value]
        case bool() | None:
            return value
        case int() | float():
            return value if abs(value) < 1e300 else str(value)[:_LONGEST]
    return None


def cleaned(value: Any) -> Any:
    """A JSON value whose strings PostgreSQL takes."""
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(name)): cleaned(part) for name, part in value.items()}
        case list() | tuple():
            return [cleaned(part) for part in value]
    return value


def _text(value: Any) -> str | None:
    return value[:64] if isinstance(value, str) and value else None


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for part in value.values():
                yield from _texts(part)
        case list():
            for part in value:
                yield from _texts(part)
        case bool() | None:
            return
        case int() | float():
            yield str(value)


def words_of(*texts: str) -> tuple[str, ...]:
    """What full text finds: every word, also from each of its parts on (`decide.py` in `billing/decide.py`).

    >>> words_of("KeyError: 'sku' of ORD-1")
    ('keyerror', 'sku', 'of', 'ord-1', '1')
    """
    found: dict[str, None] = {}
    size = 0
    for text in texts:
        for chunk in text.lower().split():
            word = chunk.strip(_EDGE)[:_WORD]
            starts = [0, *(match.start() for match in _PART.finditer(word) if match.start())]
            for start in starts[:_WORD_PARTS] if word else ():
                if (part := word[start:]) not in found:
                    size += len(part.encode())
                    if len(found) >= _WORDS or size > _WORD_BYTES:
                        return tuple(found)
                    found[part] = None
    return tuple(found)


def query_of(text: str) -> str:
    """A tsquery for letters in which every word of the text begins a word. Empty where the text has none.

    >>> query_of("'ORD-1' key")
    "'ord-1':* & 'key':*"
    """
    words = [word for chunk in text.lower().split() if (word := storable(chunk).strip(_EDGE)[:_WORD])]
    return " & ".join("'" + word.replace("\\", "\\\\").replace("'", "''") + "':*" for word in words)
