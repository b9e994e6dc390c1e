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
    return _OF_OFFER[criterion](option[1], option[2])


Chosen = Mapping[int, Option]
Measure = Callable[[Chosen, Sequence[OrderLine]], Any]

_OF_ALL: Mapping[Criterion, Measure] = {
    "shipments": lambda chosen, lines: len({offer.supplier_id for _, offer, _ in chosen.values()}),
    "priority": lambda chosen, lines: sum(
        {offer.supplier_id: supplier.priority for _, offer, supplier in chosen.values() if supplier}.values()
    ),
    "cost": lambda chosen, lines: sum([line.quantity * chosen[line.line][1].cost for line in lines], Decimal(0)),
    "lead_time": lambda chosen, lines: max([offer.lead_time_days for _, offer, _ in chosen.values()]),
}


def rank(criteria: Sequence[Criterion]) -> Measure:
    """Orders the ways to buy all lines."""
    measures = [_OF_ALL[criterion] for criterion in criteria]
    return lambda chosen, lines: (
        *[measure(chosen, lines) for measure in measures],
        sorted([offer.offer_id for _, offer, _ in chosen.values()]),
    )
