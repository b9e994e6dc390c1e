"""PURE. What routing compares, in the store's order: number of shipments, the suppliers' priority, landed cost
(quantity × unit cost: suppliers charge no freight), lead time. Lower is better; ids settle what is left.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any

from schemas.store import Criterion
from services.po_dispatch.routing.sources import OFFER, STOCK, SUPPLIER, SUPPLIER_ID, Option

DEFAULT: tuple[Criterion, ...] = ("shipments", "priority", "cost", "lead_time")
UNKNOWN_PRIORITY = 10**6

_PLACES: Mapping[Criterion, int] = {"priority": 0, "cost": 1, "lead_time": 2}
_ID = 3


def arranged(criteria: Sequence[Criterion]) -> Callable[[Option], Option] | None:
    """From options that begin with priority, cost, lead time and offer's id to what they are to be; None: as they are.

    >>> arranged(["cost", "shipments"])((100, 9, 1, "s:A", "s", 50, "offer", "supplier"))
    (9, 's:A', 's', 50, 'offer', 'supplier')
    """
    places = [_PLACES[criterion] for criterion in of_offers(criteria)]
    if places == [0, 1, 2]:
        return None
    return itemgetter(*places, _ID, SUPPLIER_ID, STOCK, OFFER, SUPPLIER)


def of_offers(criteria: Sequence[Criterion]) -> list[Criterion]:
    """The criteria by which the offers of one line differ, in the order of their preference."""
    return [criterion for criterion in criteria if criterion != "shipments"]


Chosen = Mapping[int, Option]
Quantities = Sequence[tuple[int, int]]
"""Order lines, and how many of each."""
Measure = Callable[[Chosen, Quantities], Any]

_OF_ALL: Mapping[Criterion, Measure] = {
    "shipments": lambda chosen, lines: len({option[SUPPLIER_ID] for option in chosen.values()}),
    "priority": lambda chosen, lines: sum(
        {o[SUPPLIER_ID]: o[SUPPLIER].priority for o in chosen.values() if o[SUPPLIER]}.values()
    ),
    "cost": lambda chosen, lines: sum([quantity * chosen[line][OFFER].cost for line, quantity in lines], Decimal(0)),
    "lead_time": lambda chosen, lines: max([option[OFFER].lead_time_days for option in chosen.values()]),
}


def measures(criteria: Collection[Criterion]) -> list[Measure]:
    """What the ways to buy all lines are compared by, one after the other."""
    return [*[_OF_ALL[criterion] for criterion in criteria], _ids]


def _ids(chosen: Chosen, lines: Quantities) -> list[str]:
    return sorted([option[OFFER].offer_id for option in chosen.values()])
