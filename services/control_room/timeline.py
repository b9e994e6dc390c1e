"""PURE: which of the journal's entries belong to an order, and in which order they are told.

Partners speak of PO numbers, tracking codes and payables, not of orders. What they said is found by those names
(taken from the fleet's own messages about the order) and by being what started one of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from services.control_room.entry import parsed
from services.control_room.words import in_words

NAMES = ("po_number", "tracking_code", "payable_id", "supplier_id", "channel_id", "channel_order_code", "order_id")
"""Fields by which a message without an order id may still be the order's: all that it has must be the order's."""
SUBJECTS = ("po_number", "tracking_code", "payable_id", "channel_order_code", "access_key")


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a timeline."""

    time: datetime
    received_at: datetime
    position: int
    type: str | None
    source: str | None
    id: str | None
    subject: str | None
    words: str
    correlation: str | None
    causation: str | None
    data: Any

    @property
    def teller(self) -> str:
        """From whom: the last parts of the source (`order_intake`, `suppliers/farol-sul`)."""
        parts = [unquote(part) for part in (self.source or "?").split("/") if part]
        return "/".join(parts[1:] or parts)


def told(row: Mapping[str, Any]) -> Told:
    """A journal row as a line."""
    data = parsed(row["body"]).get("data")
    names = ("received_at", "position", "type", "source", "id", "subject", "correlation", "causation")
    return Told(
        time=row["time"] or row["received_at"],
        words=in_words(row["type"], data),
        data=data,
        **{n: row[n] for n in names},
    )


def in_order(lines: Iterable[Told]) -> list[Told]:
    """By the time that they tell, then as they arrived; each once."""
    unique = {line.position: line for line in lines}
    return sorted(unique.values(), key=lambda line: (line.time, line.position))


def subjects(lines: Sequence[Told]) -> list[str]:
    """What messages about this order may be about."""
    known = _known(lines)
    return sorted({value for name in SUBJECTS for value in known.get(name, ())})


def beginnings(lines: Sequence[Told]) -> list[str]:
    """Ids of the events that the order's messages go back to."""
    return sorted({id for line in lines for id in (line.correlation, line.causation) if id is not None})


def belonging(candidates: Iterable[Told], lines: Sequence[Told]) -> list[Told]:
    """Those of the candidates whose every name is one of the order's."""
    known = _known(lines)
    return [line for line in candidates if _belongs(line, known)]


def _belongs(line: Told, known: Mapping[str, set[str]]) -> bool:
    said = line.data if isinstance(line.data, Mapping) else {}
    named = {name: said[name] for name in NAMES if isinstance(said.get(name), str)}
    return bool(named) and all(value in known.get(name, ()) for name, value in named.items())


def _known(lines: Sequence[Told]) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for line in lines:
        for name in {*NAMES, *SUBJECTS}:
            if isinstance(line.data, Mapping) and isinstance(value := line.data.get(name), str):
                known.setdefault(name, set()).add(value)
    return known
