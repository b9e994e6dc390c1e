"""PURE. What routing compares, in the store's order: number of shipments, the suppliers' priority, landed cost
(quantity × unit cost: suppliers charge no freight), lead time. Lower is better; ids settle what is left.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from schemas.store import Criterion
from services.po_dispatch.routing.sources import Source
from services.po_dispatch.state import OrderLine

DEFAULT: tuple[Criterion, ...] = ("shipments", "priority", "cost", "lead_time")
UNKNOWN_PRIORITY = 10**6

Preference = Callable[[Source], tuple[Any, ...]]
"""Orders the offers of one line."""

_OF_OFFER: Mapping[Criterion, Callable[[Source], Any]] = {
    "priority": lambda source: source.supplier.priority if source.supplier else UNKNOWN_PRIORITY,
    "cost": lambda source: source.offer.cost,
    "lead_time": lambda source: source.offer.lead_time_days,
}


def preference(criteria: Sequence[Criterion]) -> Preference:
    measures = [_OF_OFFER[criterion] for criterion in criteria if criterion != "shipments"]
    return lambda source: (*[measure(source) for measure in measures], source.offer.offer_id)


def measured(source: Source, criterion: Criterion) -> Any:
    return _OF_OFFER[criterion](source)


def rank(chosen: Mapping[int, Source], lines: Sequence[OrderLine], criteria: Sequence[Criterion]) -> tuple[Any, ...]:
    """Orders the ways to buy all lines."""
    suppliers = {s.offer.supplier_id: s.supplier.priority for s in chosen.values() if s.supplier}
    measures: Mapping[Criterion, Callable[[], Any]] = {
        "shipments": lambda: len(suppliers),
        "priority": lambda: sum(suppliers.values()),
        "cost": lambda: sum((line.quantity * chosen[line.line].offer.cost for line in lines), Decimal(0)),
        "lead_time": lambda: max(s.offer.lead_time_days for s in chosen.values()),
    }
    return (*[measures[c]() for c in criteria], sorted(s.offer.offer_id for s in chosen.values()))
