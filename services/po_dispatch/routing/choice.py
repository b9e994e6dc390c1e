"""PURE. The search for the best set of suppliers.

Where the number of shipments decides first, every set of the smallest size that can do it is looked at while there are
at most `EXACT_SETS` of that size; beyond that the supplier that serves most of the remaining lines is taken first,
which may cost a shipment more than needed. Where something else decides first, all sets are looked at while there are
so few, smallest first, and beside them each line from its best offer.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, reduce
from itertools import chain, combinations
from math import comb
from operator import or_

from services.po_dispatch.catalogue import Offer
from services.po_dispatch.routing.criteria import Preference
from services.po_dispatch.state import OrderLine

EXACT_SETS = 2000

Able = Mapping[int, Sequence[Offer]]
"""Who can deliver each order line by itself."""
Chosen = dict[int, Offer]
Group = Sequence[str]


def choose(lines: Sequence[OrderLine], able: Able, preference: Preference, *, one_shipment: bool = False) -> Chosen:
    """All lines, or as many as one supplier (one_shipment) or all suppliers together can deliver."""
    search = _Search(lines, able, preference)
    if one_shipment:
        return search.best_of(search.sets(1)) or search.most_of_one()
    if preference.criteria[:1] == ("shipments",):
        return search.fewest() or search.assign(search.suppliers)
    return search.any_size()


class _Search:
    def __init__(self, lines: Sequence[OrderLine], able: Able, preference: Preference) -> None:
        self.lines = lines
        self._preference = preference
        self._rank = preference.rank
        self._priorities = preference.priorities
        self._quantities = [(line.line, Decimal(line.quantity)) for line in lines]
        self._by_demand = sorted(lines, key=lambda line: (-line.quantity, line.line))
        self._share = len({line.sku for line in lines}) < len(lines)
        """Whether lines may share an offer's stock; where they do not, who can deliver each can deliver all."""
        self._others: dict[tuple[int, str], list[Offer]] = defaultdict(list)
        """Where a supplier has more than one for a line, which is rare."""
        self._offered = {line.line: self._by_supplier(line.line, able[line.line]) for line in lines}
        """By line and supplier, its preferred one."""

    def _by_supplier(self, line: int, able: Sequence[Offer]) -> dict[str, Offer]:
        offered = {offer.supplier_id: offer for offer in able}
        if len(offered) < len(able):
            preferred_last = sorted(able, key=self._rank, reverse=True)
            offered = {offer.supplier_id: offer for offer in preferred_last}
            for offer in reversed(preferred_last):
                if offered[offer.supplier_id] is not offer:
                    self._others[line, offer.supplier_id].append(offer)
        return offered

    @cached_property
    def suppliers(self) -> list[str]:
        return sorted(set().union(*self._offered.values()))

    @cached_property
    def _masks(self) -> dict[str, int]:
        """Which lines each supplier can deliver, a bit for each."""
        masks = dict.fromkeys(self.suppliers, 0)
        for place, line in enumerate(self.lines):
            for supplier in self._offered[line.line]:
                masks[supplier] |= 1 << place
        return masks

    @property
    def _largest(self) -> int:
        return min(len(self.suppliers), len(self.lines))

    def fewest(self) -> Chosen:
        """The best of the smallest sets that deliver everything; empty where none does."""
        if found := self.best_of(self.sets(1)):
            return found
        for size in range(2, self._largest + 1):
            if comb(len(self.suppliers), size) > EXACT_SETS:
                return self._greedy()
            if found := self.best_of(self.sets(size)):
                return found
        return {}

    def most_of_one(self) -> Chosen:
        """As many lines as one supplier can deliver."""
        return max((self.assign((supplier,)) for supplier in self.suppliers), key=len, default={})

    def any_size(self) -> Chosen:
        """The best of all sets while there are few, and of each line from its best offer."""
        found, left = [self.assign(self.suppliers)], EXACT_SETS
        for size in range(1, self._largest + 1):
            left -= comb(len(self.suppliers), size)
            if left < 0:
                break
            if best := self.best_of(self.sets(size)):
                found.append(best)
        complete = [chosen for chosen in found if len(chosen) == len(self.lines)]
        return self._best(complete) if complete else found[0]

    def sets(self, size: int) -> Iterator[Group]:
        """Those of so many suppliers that have an offer for every line; whether the stock lasts is not looked at."""
        if size == 1:
            first, *others = self._offered.values()
            yield from ((supplier,) for supplier in sorted(set(first).intersection(*others)))
            return
        every, masks = (1 << len(self.lines)) - 1, self._masks
        for group in combinations(self.suppliers, size):
            if reduce(or_, [masks[supplier] for supplier in group]) == every:
                yield group

    def best_of(self, groups: Iterable[Group]) -> Chosen:
        """What a whole set has in common (its priorities) is compared first, so that only the best are worked out."""
        by_merit: dict[int, list[Group]] = defaultdict(list)
        leads, priorities = self._preference.priority_leads, self._priorities
        for group in groups:
            by_merit[sum([priorities[supplier] for supplier in group]) if leads else 0].append(group)
        for merit in sorted(by_merit):
            assigned = [self.assign(group) for group in by_merit[merit]]
            if complete := [chosen for chosen in assigned if len(chosen) == len(self.lines)]:
                return self._best(complete, alone=len(by_merit[merit][0]) == 1)
        return {}

    def _best(self, ways: Sequence[Chosen], *, alone: bool = False) -> Chosen:
        """A criterion is worked out for those only that are equal by all before it. `alone`: each is one supplier's,
        and the suppliers are equal where their priority leads."""
        for measure in self._preference.measures(
            settled=("shipments", "priority") if alone and self._preference.priority_leads else ()
        ):
            if len(ways) == 1:
                break
            measured = [measure(chosen, self._quantities) for chosen in ways]
            least = min(measured)
            ways = [chosen for chosen, value in zip(ways, measured, strict=True) if value == least]
        return ways[0]

    def assign(self, group: Collection[str]) -> Chosen:
        """Each line from the best offer of the group that still has the stock."""
        if not self._share:
            return self._assign_each(group)
        taken: dict[str, int] = {}
        chosen: Chosen = {}
        for line in self._by_demand:
            offered = self._offered[line.line]
            found = [offered[supplier] for supplier in group if supplier in offered]
            if self._others:
                found += [o for supplier in group for o in self._others.get((line.line, supplier), ())]
            for offer in sorted(found, key=self._rank):
                used = taken.get(offer.offer_id, 0)
                if used + line.quantity <= offer.stock:
                    chosen[line.line] = offer
                    taken[offer.offer_id] = used + line.quantity
                    break
        return chosen

    def _assign_each(self, group: Collection[str]) -> Chosen:
        """As `assign`, where no line takes another one's stock."""
        if len(group) == 1:
            [supplier] = group
            return {line: offered[supplier] for line, offered in self._offered.items() if supplier in offered}
        return {
            line: min([offered[supplier] for supplier in group if supplier in offered], key=self._rank)
            for line, offered in self._offered.items()
            if not offered.keys().isdisjoint(group)
        }

    def _greedy(self) -> Chosen:
        """Add the supplier that serves most of what is left, until all is served or no one helps; of equal ones that
        with the most preferred offer."""
        group: list[str] = []
        chosen: Chosen = {}
        while len(chosen) < len(self.lines):
            left = [self._offered[line.line] for line in self._by_demand if line.line not in chosen]
            served = Counter(chain.from_iterable(left))
            for supplier in group:
                del served[supplier]
            if not served:
                break
            most = max(served.values())
            equals = [supplier for supplier, lines in served.items() if lines == most]
            group.append(min(equals, key=lambda s: min([self._rank(offered[s]) for offered in left if s in offered])))
            chosen = self.assign(group)
        return chosen
