"""PURE. The search for the best set of suppliers.

Where the number of shipments decides first, every set of the smallest size that can do it is looked at while there are
at most `EXACT_SETS` of that size; beyond that the supplier that serves most of the remaining lines is taken first,
which may cost a shipment more than needed. Where something else decides first, all sets are looked at while there are
so few, smallest first, and beside them each line from its best offer.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from itertools import combinations, groupby
from math import comb
from operator import itemgetter, or_

from schemas.store import Criterion
from services.po_dispatch.routing.criteria import rank
from services.po_dispatch.routing.sources import Option
from services.po_dispatch.state import OrderLine

EXACT_SETS = 2000

Able = Mapping[int, Sequence[Option]]
"""Who can deliver each order line by itself, the preferred ones first."""
Chosen = dict[int, Option]
Group = Sequence[str]


def choose(
    lines: Sequence[OrderLine], able: Able, criteria: Sequence[Criterion], *, one_shipment: bool = False
) -> Chosen:
    """All lines, or as many as one supplier (one_shipment) or all suppliers together can deliver."""
    search = _Search(lines, able, criteria)
    if one_shipment:
        return search.best_of(search.sets(1)) or search.most_of_one()
    if criteria and criteria[0] == "shipments":
        return search.fewest() or search.assign(search.suppliers)
    return search.any_size()


class _Search:
    def __init__(self, lines: Sequence[OrderLine], able: Able, criteria: Sequence[Criterion]) -> None:
        self.lines = lines
        self._rank_by = rank(criteria)
        self._priority_leads = next((c for c in criteria if c != "shipments"), None) == "priority"
        """Within sets of one size the suppliers' priorities decide before anything that depends on the line."""
        self._by_demand = sorted(lines, key=lambda line: (-line.quantity, line.line))
        self._all = (1 << len(lines)) - 1
        self._masks: dict[str, int] = {}
        """Which lines each supplier can deliver, a bit for each."""
        self._offered: dict[int, dict[str, Option]] = {}
        """By line and supplier, its preferred one."""
        self._others: dict[tuple[int, str], list[Option]] = {}
        """Where a supplier has more than one for a line, which is rare."""
        self._share = len({line.sku for line in lines}) < len(lines)
        """Whether lines may share an offer's stock; where they do not, who can deliver each can deliver all."""
        self._priorities: dict[str, int] = {}
        for place, line in enumerate(lines):
            self._take_in(1 << place, line.line, able[line.line])
        self.suppliers = sorted(self._masks)

    def _take_in(self, bit: int, line: int, able: Sequence[Option]) -> None:
        offered = self._offered[line] = {}
        masks, priorities = self._masks, self._priorities
        for option in able:
            _, offer, supplier = option
            id = offer.supplier_id
            if id in offered:
                self._others.setdefault((line, id), []).append(option)
                continue
            offered[id] = option
            if id in masks:
                masks[id] |= bit
            else:
                masks[id] = bit
                priorities[id] = supplier.priority if supplier is not None else 0

    @property
    def _largest(self) -> int:
        return min(len(self.suppliers), len(self.lines))

    def fewest(self) -> Chosen:
        """The best of the smallest sets that deliver everything; empty where none does."""
        for size in range(1, self._largest + 1):
            if size > 1 and comb(len(self.suppliers), size) > EXACT_SETS:
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
        return min(complete, key=self._rank) if complete else found[0]

    def sets(self, size: int) -> Iterator[Group]:
        """Those of so many suppliers that have an offer for every line; whether the stock lasts is not looked at."""
        masks = self._masks
        if size == 1:
            yield from ((supplier,) for supplier in self.suppliers if masks[supplier] == self._all)
            return
        for group in combinations(self.suppliers, size):
            if reduce(or_, (masks[supplier] for supplier in group)) == self._all:
                yield group

    def best_of(self, groups: Iterator[Group]) -> Chosen:
        """What a whole set has in common (its priorities) is compared first, so that only the best are worked out."""
        merit = self._merit if self._priority_leads else _no_merit
        for _, equals in groupby(sorted(groups, key=merit), key=merit):
            assigned = (self.assign(group) for group in equals)
            if complete := [chosen for chosen in assigned if len(chosen) == len(self.lines)]:
                return min(complete, key=self._rank)
        return {}

    def _merit(self, group: Group) -> int:
        return sum(self._priorities[supplier] for supplier in group)

    def _rank(self, chosen: Chosen) -> tuple[object, ...]:
        return self._rank_by(chosen, self.lines)  # type: ignore[no-any-return]

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
            for option in sorted(found, key=itemgetter(0)) if len(found) > 1 else found:
                offer = option[1]
                used = taken.get(offer.offer_id, 0)
                if used + line.quantity <= offer.stock:
                    chosen[line.line] = option
                    taken[offer.offer_id] = used + line.quantity
                    break
        return chosen

    def _assign_each(self, group: Collection[str]) -> Chosen:
        """As `assign`, where no line takes another one's stock."""
        if len(group) == 1:
            [supplier] = group
            return {line: offered[supplier] for line, offered in self._offered.items() if supplier in offered}
        return {
            line: min([offered[supplier] for supplier in group if supplier in offered], key=itemgetter(0))
            for line, offered in self._offered.items()
            if not offered.keys().isdisjoint(group)
        }

    def _greedy(self) -> Chosen:
        """Add the supplier that serves most of what is left, until all is served or no one helps."""
        group: list[str] = []
        chosen: Chosen = {}
        while len(chosen) < len(self.lines):
            left = [self._offered[line.line] for line in self._by_demand if line.line not in chosen]
            helpful = {
                supplier: (-len(found), min(found))
                for supplier in self.suppliers
                if supplier not in group and (found := [o[supplier][0] for o in left if supplier in o])
            }
            if not helpful:
                break
            group.append(min(helpful, key=lambda supplier: helpful[supplier]))
            chosen = self.assign(group)
        return chosen


def _no_merit(group: Group) -> int:
    return 0
