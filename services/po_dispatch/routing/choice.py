"""PURE. The search for the best set of suppliers.

Where the number of shipments decides first, every set of the smallest size that can do it is looked at while there are
at most `EXACT_SETS` of that size; beyond that the supplier that serves most of the remaining lines is taken first (of
equals the one whose offers stand nearest to the front, which may be one of less priority where fewer offer the line),
which may cost a shipment more than needed. Where something else decides first, all sets are looked at while there are
so few, smallest first, and beside them each line from its best offer.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import chain, combinations
from math import comb

from services.po_dispatch.catalogue import Offer
from services.po_dispatch.routing.criteria import Preference
from services.po_dispatch.routing.options import Market
from services.po_dispatch.state import OrderLine

EXACT_SETS = 2000

Able = Mapping[int, Sequence[Offer]]
"""Who can deliver each order line by itself, in the offers' own order."""
Chosen = dict[int, Offer]
Group = Sequence[str]
Placed = tuple[int, Offer]
"""An offer, and its place among those of its line, the preferred one first."""


def choose(
    lines: Sequence[OrderLine], market: Market, *, one_shipment: bool = False, only: Collection[str] | None = None
) -> Chosen:
    """All lines, or as many as one supplier (one_shipment) or all suppliers together can deliver."""
    suppliers = market.at_work if only is None else market.at_work & frozenset(only)
    preference = market.preference
    fewest = preference.criteria[:1] == ("shipments",)
    if not (fewest or one_shipment):
        return _search(lines, market, suppliers).any_size()
    if preference.priority_leads and (found := _alone(lines, market, market.leading, suppliers)):
        return found
    if found := _alone(lines, market, market.offers, suppliers):
        return found
    search = _search(lines, market, suppliers)
    return search.most_of_one() if one_shipment else search.fewest() or search.assign(search.suppliers)


def _search(lines: Sequence[OrderLine], market: Market, suppliers: Collection[str]) -> "_Search":
    able = {line.line: market.able(market.offers[line.sku], line, line.quantity, suppliers) for line in lines}
    return _Search(lines, able, market.preference)


def _alone(
    lines: Sequence[OrderLine], market: Market, offers: Mapping[str, Sequence[Offer]], suppliers: Collection[str]
) -> Chosen:
    """All lines from the best supplier that has all; empty where none has. With each line fewer may have them."""
    able: dict[int, list[Offer]] = {}
    for line in lines:
        able[line.line] = market.able(offers[line.sku], line, line.quantity, suppliers)
        suppliers = {offer.supplier_id for offer in able[line.line]}
        if not suppliers:
            return {}
    search = _Search(lines, able, market.preference)
    return search.best_of(search.sets(1))


class _Search:
    def __init__(self, lines: Sequence[OrderLine], able: Able, preference: Preference) -> None:
        self.lines = lines
        self._preference = preference
        self._priorities = preference.priorities
        self._quantities = {line.line: Decimal(line.quantity) for line in lines}
        self._by_demand = sorted(lines, key=lambda line: (-line.quantity, line.line))
        self._share = len({line.sku for line in lines}) < len(lines)
        """Whether lines may share an offer's stock; where they do not, who can deliver each can deliver all."""
        self._able = able
        self._offered = {line.line: self._by_supplier(able[line.line]) for line in lines}
        """By line and supplier, its preferred one."""

    def _by_supplier(self, able: Sequence[Offer]) -> dict[str, Offer]:
        offered = {offer.supplier_id: offer for offer in able}
        if len(offered) < len(able):  # one has several, which is rare
            offered = {offer.supplier_id: offer for offer in reversed(self._preference.ordered(able))}
        return offered

    @cached_property
    def _ordered(self) -> dict[int, list[Offer]]:
        """By line, the preferred one first."""
        return {line: self._preference.ordered(able) for line, able in self._able.items()}

    @cached_property
    def _placed(self) -> dict[int, dict[str, Placed]]:
        """By line and supplier, its preferred one and where that stands among all."""
        return {
            line: {placed[1].supplier_id: placed for placed in reversed([*enumerate(ordered)])}
            for line, ordered in self._ordered.items()
        }

    @cached_property
    def _all_placed(self) -> dict[int, dict[str, list[Placed]]]:
        """The same with all of its offers: where stock is shared, the next one may have what the first one has not."""
        found: dict[int, dict[str, list[Placed]]] = {}
        for line, ordered in self._ordered.items():
            theirs = found[line] = {}
            for place, offer in enumerate(ordered):
                theirs.setdefault(offer.supplier_id, []).append((place, offer))
        return found

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
        """The best of the smallest sets of several that deliver everything; empty where none does."""
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
            able = 0
            for supplier in group:
                able |= masks[supplier]
            if able == every:
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
            theirs = self._all_placed[line.line]
            for _, offer in sorted([placed for supplier in group for placed in theirs.get(supplier, ())]):
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
        if len(group) == len(self.suppliers):
            return {line: self._preference.first(able) for line, able in self._able.items() if able}
        return {
            line: min(found)[1]
            for line, placed in self._placed.items()
            if (found := [placed[supplier] for supplier in group if supplier in placed])
        }

    def _greedy(self) -> Chosen:
        """Add the supplier that serves most of what is left, until all is served or no one helps; of equals the one
        whose offers stand nearest to the front of their lines, by the sum of places."""
        group: list[str] = []
        chosen: Chosen = {}
        while len(chosen) < len(self.lines):
            left = [self._placed[line.line] for line in self._by_demand if line.line not in chosen]
            served = Counter(chain.from_iterable(left))
            for supplier in group:
                del served[supplier]
            if not served:
                break
            most = max(served.values())
            _, added = min((_places(left, supplier), supplier) for supplier, lines in served.items() if lines == most)
            group.append(added)
            chosen = self.assign(group)
        return chosen


def _places(lines: Iterable[Mapping[str, Placed]], supplier: str) -> int:
    return sum([placed[supplier][0] for placed in lines if supplier in placed])
