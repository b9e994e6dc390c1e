"""PURE. What routing compares, in the store's order: number of shipments, the suppliers' priority, landed cost
(quantity × unit cost: suppliers charge no freight), lead time. Lower is better; ids settle what is left.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from schemas.store import Criterion
from schemas.supplier import OfferChanged, SupplierChanged
from services.po_dispatch.routing.sources import Option, Prefer, Preference
from services.po_dispatch.state import OrderLine

DEFAULT: tuple[Criterion, ...] = ("shipments", "priority", "cost", "lead_time")
UNKNOWN_PRIORITY = 10**6

_OF_OFFER: Mapping[Criterion, Callable[[OfferChanged, SupplierChanged | None], Any]] = {
    "priority": lambda offer, supplier: supplier.priority if supplier else UNKNOWN_PRIORITY,
    "cost": lambda offer, supplier: offer.cost,
    "lead_time": lambda offer, supplier: offer.lead_time_days,
}


def preference(criteria: Sequence[Criterion]) -> Prefer:
    """How the offers of one line are ordered. The usual order is spelled out, which takes a third of the time."""
    if tuple(criteria) == DEFAULT:
        return _usual
    measures = [_OF_OFFER[criterion] for criterion in criteria if criterion != "shipments"]
    return lambda offer, supplier: (*[measure(offer, supplier) for measure in measures], offer.offer_id)


def _usual(offer: OfferChanged, supplier: SupplierChanged | None) -> Preference:
    priority = supplier.priority if supplier is not None else UNKNOWN_PRIORITY
    return priority, offer.cost, offer.lead_time_days, offer.offer_id


def measured(option: Option, criterion: Criterion) -> Any:
    return _OF_OFFER[criterion](option.offer, option.supplier)


def rank(chosen: Mapping[int, Option], lines: Sequence[OrderLine], criteria: Sequence[Criterion]) -> tuple[Any, ...]:
    """Orders the ways to buy all lines."""
    suppliers = {o.offer.supplier_id: o.supplier.priority for o in chosen.values() if o.supplier}
    measures: Mapping[Criterion, Callable[[], Any]] = {
        "shipments": lambda: len(suppliers),
        "priority": lambda: sum(suppliers.values()),
        "cost": lambda: sum((line.quantity * chosen[line.line].offer.cost for line in lines), Decimal(0)),
        "lead_time": lambda: max(option.offer.lead_time_days for option in chosen.values()),
    }
    return (*[measures[c]() for c in criteria], sorted(option.offer.offer_id for option in chosen.values()))
