"""PURE. What routing compares, in the store's order: number of shipments, the suppliers' priority, landed cost
(quantity × unit cost: suppliers charge no freight), lead time. Lower is better; ids settle what is left.

Offers come in their own order, the cheapest first: so most of what is asked for needs little sorting or none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from schemas.store import Criterion
from services.po_dispatch.catalogue import Offer

DEFAULT: tuple[Criterion, ...] = ("shipments", "priority", "cost", "lead_time")
UNKNOWN_PRIORITY = 10**6

Chosen = Mapping[int, Offer]
"""By order line."""
Quantities = Mapping[int, Decimal]
"""Of each order line; as decimals, as costs are."""
Value = Callable[[Offer], Any]
Measure = Callable[[Chosen, Quantities], Any]

_NOTHING = Decimal(0)


class Preference:
    """A store's criteria, and the suppliers' priorities."""

    def __init__(self, criteria: Iterable[Criterion], priorities: Mapping[str, int]) -> None:
        value_of: Mapping[Criterion, Value] = {
            "priority": lambda offer: priorities.get(offer.supplier_id, UNKNOWN_PRIORITY),
            "cost": attrgetter("cost"),
            "lead_time": attrgetter("lead_time_days"),
        }
        best = min(priorities.values(), default=0)
        self._leaders = {id for id, priority in priorities.items() if priority == best}
        self.priorities = priorities
        self.criteria = tuple(criteria)
        self._by = tuple(criterion for criterion in self.criteria if criterion in value_of)
        self.compared = [(criterion, value_of[criterion]) for criterion in self._by]
        """By which the offers of one line differ, and how each is read."""
        self._passes = self._sorting()

    @property
    def priority_leads(self) -> bool:
        """Within sets of one size the suppliers' priorities decide before anything that depends on the line."""
        return self._by[:1] == ("priority",)

    def ordered(self, offers: Iterable[Offer]) -> list[Offer]:
        """Offers of one SKU, which come in their own order, the preferred one first."""
        found = list(offers)
        for value in self._passes:
            found.sort(key=value)
        return found

    def leading(self, offers: Sequence[Offer]) -> Sequence[Offer]:
        """Where the priority leads: those of the suppliers of the best one, else all."""
        return [offer for offer in offers if offer.supplier_id in self._leaders] if self.priority_leads else offers

    def preferred(self, offers: Sequence[Offer], leading: Sequence[Offer], count: int) -> list[Offer]:
        """So many of one SKU's, the preferred ones first. Mostly the `leading` are enough, and of them the cheapest:
        only those are sorted then."""
        if len(leading) < count:
            return self.ordered(offers)[:count]
        then = self._by[1:] if self.priority_leads else self._by
        return self.ordered(_cheapest(leading, count) if then[:1] == ("cost",) else leading)[:count]

    def first(self, offers: Sequence[Offer]) -> Offer:
        """The preferred one of one SKU's, of which there is one at least."""
        return self.preferred(offers, self.leading(offers), 1)[0]

    def measures(self, settled: Sequence[Criterion] = ()) -> list[Measure]:
        """What the ways to buy all lines are compared by, one after the other. `settled`: they are equal by these."""
        of_all: Mapping[Criterion, Measure] = {
            "shipments": lambda chosen, _: len(_suppliers(chosen)),
            "priority": lambda chosen, _: sum([self.priorities[id] for id in _suppliers(chosen)]),
            "cost": _cost,
            "lead_time": lambda chosen, _: max([offer.lead_time_days for offer in chosen.values()]),
        }
        return [*[of_all[criterion] for criterion in self.criteria if criterion not in settled], _ids]

    def _sorting(self) -> list[Value]:
        """Sorted by one after the other, offers in their own order come to be in the store's: each keeps the order of
        what is equal to it. Ids come first, so that they settle what is left."""
        values = [value_of for _, value_of in self.compared]
        if self._by[-2:] == ("cost", "lead_time"):
            return [*reversed(values[:-2])]
        return [attrgetter("offer_id"), *reversed(values)]


def _cheapest(offers: Sequence[Offer], count: int) -> Sequence[Offer]:
    """So many, and those that cost no more than the last of them."""
    end = count
    while count <= end < len(offers) and offers[end].cost == offers[count - 1].cost:
        end += 1
    return offers[:end]


def _suppliers(chosen: Chosen) -> set[str]:
    return {offer.supplier_id for offer in chosen.values()}


def _cost(chosen: Chosen, quantities: Quantities) -> Decimal:
    return sum([quantities[line] * offer.cost for line, offer in chosen.items()], _NOTHING)


def _ids(chosen: Chosen, _: Quantities) -> list[str]:
    return sorted([offer.offer_id for offer in chosen.values()])
