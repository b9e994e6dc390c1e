"""PURE. Which supplier delivers which line of an order, and why: fewest shipments, then the suppliers' priority,
then landed cost (quantity × unit cost: suppliers charge no freight), then lead time.

Every set of suppliers of the smallest size that can do it is looked at while there are at most `EXACT_SETS` of that
size; beyond that the supplier that serves most of the remaining lines is taken first, which may cost a shipment more
than needed. A line is never split between suppliers.

Not guaranteed: stock is as the last `offer.changed` told it. Within one order no offer gives more than its stock,
but nothing is reserved: two orders may be promised the same last piece, and then the supplier refuses one. Lines of
one SKU that share an offer's last stock are placed largest first, which may miss an arrangement that would just fit.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, reduce
from itertools import combinations
from math import comb
from operator import or_

from schemas.purchase_order import Candidate
from schemas.supplier import OfferChanged, SupplierChanged
from services.po_dispatch.state import OrderLine

EXACT_SETS = 2000
SHOWN_CANDIDATES = 20


@dataclass(frozen=True)
class Source:
    """An offer in force and who makes it; None where nobody told us of that supplier."""

    offer: OfferChanged
    supplier: SupplierChanged | None

    @cached_property
    def preference(self) -> tuple[int, Decimal, int, str]:
        """Lower is better."""
        priority = self.supplier.priority if self.supplier else 10**6
        return priority, self.offer.cost, self.offer.lead_time_days, self.offer.offer_id


@dataclass(frozen=True, slots=True)
class Routing:
    """`chosen` by order line, for every line or for none; then the lines that lack an offer, or stock."""

    chosen: Mapping[int, Source]
    candidates: tuple[Candidate, ...]
    without_offer: tuple[int, ...] = ()
    without_stock: tuple[int, ...] = ()


Eligible = Mapping[str, Mapping[int, Sequence[Source]]]
"""What each supplier can deliver by itself: by supplier and order line, best first."""
Chosen = dict[int, Source]


def route(lines: Sequence[OrderLine], sources: Sequence[Source], uf: str, *, one_shipment: bool = False) -> Routing:
    """Choose for all lines, or say which ones cannot be bought now. `uf` is where the goods go."""
    by_sku: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_sku[source.offer.sku].append(source)
    looked_at = {line.line: by_sku[line.sku] for line in lines}
    unconnected = tuple(n for n, found in looked_at.items() if not any(_serves(s, uf) for s in found))
    eligible: dict[str, dict[int, list[Source]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        able = (s for s in looked_at[line.line] if objection(s, line.quantity, uf) is None)
        for source in sorted(able, key=lambda s: s.preference):
            eligible[source.offer.supplier_id][line.line].append(source)
    chosen = _choose(lines, eligible, one_shipment)
    if unconnected or len(chosen) < len(lines):
        missing = tuple(line.line for line in lines if line.line not in chosen and line.line not in unconnected)
        return Routing({}, (), unconnected, missing)
    return Routing(chosen, tuple(c for line in lines for c in _explained(line, looked_at[line.line], chosen, uf)))


def objection(source: Source, quantity: int, uf: str) -> str | None:
    """Why an offer cannot deliver this by itself; None where it can."""
    offer, supplier = source.offer, source.supplier
    if supplier is None:
        return "supplier unknown"
    if not (supplier.active and offer.active):
        return "not active"
    if offer.ufs and uf not in offer.ufs:
        return f"does not deliver to {uf}"
    return f"stock {offer.stock}, needed {quantity}" if offer.stock < quantity else None


def _serves(source: Source, uf: str) -> bool:
    return objection(source, 0, uf) is None


def _choose(lines: Sequence[OrderLine], eligible: Eligible, one_shipment: bool) -> Chosen:
    """All lines, or as many as one supplier (one_shipment) or all suppliers together can deliver."""
    suppliers = sorted(eligible)
    largest = 1 if one_shipment else min(len(suppliers), len(lines))
    by_demand = sorted(lines, key=lambda line: (-line.quantity, line.line))
    for size in range(1, largest + 1):
        if size > 1 and comb(len(suppliers), size) > EXACT_SETS:
            return _greedy(by_demand, eligible)
        assigned = (_assign(group, by_demand, eligible) for group in _covering(size, suppliers, lines, eligible))
        if complete := [chosen for chosen in assigned if len(chosen) == len(lines)]:
            return min(complete, key=lambda chosen: _rank(chosen, lines))
    if one_shipment:
        return max((_assign((s,), by_demand, eligible) for s in suppliers), key=len, default={})
    return _assign(suppliers, by_demand, eligible)


def _covering(
    size: int, suppliers: Sequence[str], lines: Sequence[OrderLine], eligible: Eligible
) -> Iterator[Sequence[str]]:
    """The sets of so many suppliers that have an offer for every line; whether the stock lasts is not looked at."""
    bits = {line.line: 1 << place for place, line in enumerate(lines)}
    masks = {supplier: sum(bits[line] for line in eligible[supplier]) for supplier in suppliers}
    for group in combinations(suppliers, size):
        if reduce(or_, (masks[supplier] for supplier in group)) == (1 << len(lines)) - 1:
            yield group


def _assign(group: Collection[str], lines: Sequence[OrderLine], eligible: Eligible) -> Chosen:
    """Each line from the best offer of the group that still has the stock."""
    taken: dict[str, int] = {}
    chosen: Chosen = {}
    for line in lines:
        found = [source for supplier in group for source in eligible[supplier].get(line.line, ())]
        for source in sorted(found, key=lambda s: s.preference) if len(group) > 1 else found:
            offer = source.offer
            used = taken.get(offer.offer_id, 0)
            if used + line.quantity <= offer.stock:
                chosen[line.line] = source
                taken[offer.offer_id] = used + line.quantity
                break
    return chosen


def _greedy(lines: Sequence[OrderLine], eligible: Eligible) -> Chosen:
    """Add the supplier that serves most of what is left, until all is served or no one helps."""
    group: list[str] = []
    chosen: Chosen = {}
    while len(chosen) < len(lines):
        left = [line.line for line in lines if line.line not in chosen]
        helpful = {
            supplier: (-len(found), min(source.preference for source in found))
            for supplier, offered in eligible.items()
            if supplier not in group and (found := [offered[line][0] for line in left if line in offered])
        }
        if not helpful:
            break
        group.append(min(helpful, key=lambda supplier: helpful[supplier]))
        chosen = _assign(group, lines, eligible)
    return chosen


def _rank(chosen: Chosen, lines: Sequence[OrderLine]) -> tuple[int, Decimal, int, list[str]]:
    suppliers = {s.offer.supplier_id: s.supplier.priority for s in chosen.values() if s.supplier}
    cost = sum((line.quantity * chosen[line.line].offer.cost for line in lines), Decimal(0))
    lead_time = max(s.offer.lead_time_days for s in chosen.values())
    return sum(suppliers.values()), cost, lead_time, sorted(s.offer.offer_id for s in chosen.values())


def _explained(line: OrderLine, looked_at: Sequence[Source], chosen: Chosen, uf: str) -> list[Candidate]:
    """The winner first, then the others by preference, `SHOWN_CANDIDATES` at most."""
    winner = chosen[line.line]
    others = sorted((s for s in looked_at if s is not winner), key=lambda s: s.preference)
    shipments = len({s.offer.supplier_id for s in chosen.values()})
    return [
        Candidate(
            order_line=line.line,
            offer_id=source.offer.offer_id,
            supplier_id=source.offer.supplier_id,
            chosen=source is winner,
            reason=_won(winner, shipments) if source is winner else _lost(source, winner, line, uf),
        )
        for source in (winner, *others)[:SHOWN_CANDIDATES]
    ]


def _won(winner: Source, shipments: int) -> str:
    priority, cost, days, _ = winner.preference
    return f"best of {shipments} shipment(s): priority {priority}, cost {cost}, lead time {days} day(s)"


def _lost(source: Source, winner: Source, line: OrderLine, uf: str) -> str:
    if (why := objection(source, line.quantity, uf)) is not None:
        return why
    (priority, cost, days, _), (won_priority, won_cost, won_days, _) = source.preference, winner.preference
    if source.preference < winner.preference:
        return "would need more shipments, or a supplier of less priority for another line"
    if priority > won_priority:
        return f"supplier priority {priority}, the chosen one's is {won_priority}"
    if cost > won_cost:
        return f"cost {cost}, the chosen one's is {won_cost}"
    return f"lead time {days} day(s), the chosen one's is {won_days}"
