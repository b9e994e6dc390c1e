"""PURE. What routing compares, in the store's order: number of shipments, the suppliers' priority, landed cost
(quantity × unit cost: suppliers charge no freight), lead time. Lower is better; ids settle what is left.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from schemas.store import Criterion
from services.po_dispatch.catalogue import Offer

DEFAULT: tuple[Criterion, ...] = ("shipments", "priority", "cost", "lead_time")
UNKNOWN_PRIORITY = 10**6
_OFFERS_OWN_ORDER = ("priority", "cost", "lead_time")
"""Of equal priority offers are ordered as the tuples they are: cost, lead time, id."""

Chosen = Mapping[int, Offer]
"""By order line."""
Quantities = Sequence[tuple[int, Decimal]]
"""Order lines, and how many of each; as decimals, as costs are."""
Rank = Callable[[Offer], tuple[Any, ...]]
Measure = Callable[[Chosen, Quantities], Any]

_NOTHING = Decimal(0)


class Preference:
    """A store's criteria, and the suppliers' priorities."""

    def __init__(self, criteria: Iterable[Criterion], priorities: Mapping[str, int]) -> None:
        self.criteria = tuple(criteria)
        self.priorities = priorities
        self.compared = tuple(criterion for criterion in self.criteria if criterion != "shipments")
        """By which the offers of one line differ."""
        value_of: Mapping[Criterion, Callable[[Offer], Any]] = {
            "priority": lambda offer: priorities.get(offer.supplier_id, UNKNOWN_PRIORITY),
            "cost": attrgetter("cost"),
            "lead_time": attrgetter("lead_time_days"),
        }
        self._values = [value_of[criterion] for criterion in self.compared]
        best = min(priorities.values(), default=0)
        self._best_suppliers = {id for id, priority in priorities.items() if priority == best}
        self.rank: Rank = self._ranking()
        """What offers of one SKU are ordered by, the preferred one first; no two are equal."""

    @property
    def priority_leads(self) -> bool:
        """Within sets of one size the suppliers' priorities decide before anything that depends on the line."""
        return self.compared[:1] == ("priority",)

    def preferred(self, offers: Sequence[Offer], count: int) -> list[Offer]:
        """So many, the preferred ones first. Mostly the suppliers of the best priority have enough: only theirs are
        sorted then."""
        if self.compared == _OFFERS_OWN_ORDER:
            best = sorted([offer for offer in offers if offer.supplier_id in self._best_suppliers])
            if len(best) >= count:
                return best[:count]
        return sorted(offers, key=self.rank)[:count]

    def values(self, offer: Offer) -> list[Any]:
        """By each of `compared`."""
        return [value(offer) for value in self._values]

    def _ranking(self) -> Rank:
        if self.compared == _OFFERS_OWN_ORDER:
            priorities = self.priorities
            return lambda offer: (priorities.get(offer.supplier_id, UNKNOWN_PRIORITY), offer)
        return lambda offer: (*self.values(offer), offer.offer_id)

    def measures(self, settled: Sequence[Criterion] = ()) -> list[Measure]:
        """What the ways to buy all lines are compared by, one after the other. `settled`: they are equal by these."""
        of_all: Mapping[Criterion, Measure] = {
            "shipments": lambda chosen, lines: len(_suppliers(chosen)),
            "priority": lambda chosen, lines: sum([self.priorities[id] for id in _suppliers(chosen)]),
            "cost": _cost,
            "lead_time": lambda chosen, lines: max([offer.lead_time_days for offer in chosen.values()]),
        }
        return [*[of_all[criterion] for criterion in self.criteria if criterion not in settled], _ids]


def _suppliers(chosen: Chosen) -> set[str]:
    return {offer.supplier_id for offer in chosen.values()}


def _cost(chosen: Chosen, lines: Quantities) -> Decimal:
    return sum([quantity * chosen[line].cost for line, quantity in lines], _NOTHING)


def _ids(chosen: Chosen, lines: Quantities) -> list[str]:
    return sorted([offer.offer_id for offer in chosen.values()])
