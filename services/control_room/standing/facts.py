"""PURE: what was said of an order, by type, and the words that all sentences share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schemas.store import Deadlines
from services.control_room.entry import instant
from services.control_room.timeline import Told

Data = Mapping[str, Any]
Fact = tuple[datetime, Data]
"""When something was said, and what."""


@dataclass(frozen=True, slots=True)
class Names:
    """What people call suppliers, and how long the order's store waits for each thing."""

    suppliers: Mapping[str, str] = field(default_factory=dict)
    """Company names by supplier id."""
    deadlines: Deadlines = field(default_factory=Deadlines)

    def supplier(self, po: Data) -> str:
        id = str(po.get("supplier_id"))
        return self.suppliers.get(id, id)


class Facts:
    """The facts of an order by type, newest last."""

    def __init__(self, lines: Sequence[Told]) -> None:
        self._by_type: dict[str, list[Fact]] = {}
        for line in lines:
            if line.type is not None and isinstance(line.data, Mapping):
                self._by_type.setdefault(line.type.rpartition(".v")[0], []).append((line.time, line.data))

    def all(self, type: str, **named: Any) -> list[Fact]:
        """Those that say so, oldest first."""
        return [f for f in self._by_type.get(type, ()) if all(f[1].get(k) == v for k, v in named.items())]

    def last(self, type: str, **named: Any) -> Fact | None:
        return next(reversed(self.all(type, **named)), None)

    def at(self, type: str, **named: Any) -> datetime | None:
        """When it was said last."""
        found = self.last(type, **named)
        return found and found[0]

    def newest(self, *types: str) -> Fact | None:
        """The last of several kinds."""
        return max((fact for type in types for fact in self.all(type)), key=lambda fact: fact[0], default=None)


def living(facts: Facts) -> list[Data]:
    """The POs that are neither cancelled nor refused as a whole, by number."""
    void = {data.get("po_id") for _, data in facts.all("purchase_order.cancelled")}
    void |= {data.get("po_id") for _, data in facts.all("purchase_order.refused") if not data.get("lines")}
    created = {data.get("po_id"): data for _, data in facts.all("purchase_order.created")}
    return sorted((po for id, po in created.items() if id not in void), key=lambda po: str(po.get("po_number")))


def started_at(fact: Fact) -> datetime:
    """Of the cancellation that it begins, or belongs to: one that was refused may be followed by another."""
    return instant(fact[1].get("started_at")) or fact[0]


def problems(fact: Fact | None) -> str:
    """The codes of what was wrong."""
    said = fact[1] if fact else {}
    found = [p for name in ("problems", "reasons") for p in listed(said, name) if isinstance(p, Mapping)]
    return ", ".join(dict.fromkeys(str(p.get("code")) for p in found)) or "no reason was given"


def listed(said: Data, name: str) -> list[Any]:
    """A field's elements; none where it is no list."""
    found = said.get(name)
    return list(found) if isinstance(found, list | tuple) else []


def count(lines: Sequence[Any]) -> str:
    """
    >>> count([2]), count([1, 3])
    ('line 2', 'lines 1, 3')
    """
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines)) or '?'}"


def span(time: timedelta) -> str:
    """A time in its largest unit: `45 s`, `12 min`, `3 h`, `2 d`."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "d"):
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
