"""PURE. Which supplier delivers which line of an order, and why. What decides is the store's: `StoreChanged.routing`.

Not guaranteed: stock is as the last `offer.changed` told it. Within one order no offer gives more than its stock,
but nothing is reserved: two orders may be promised the same last piece, and then the supplier refuses one and it is
routed again. Lines of one SKU that share an offer's last stock are placed largest first, which may miss an arrangement
that would just fit. What is open of a line is never split between suppliers here; they split it by refusing a part.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.purchase_order import Candidate
from schemas.store import Criterion
from services.po_dispatch.routing.choice import EXACT_SETS, choose
from services.po_dispatch.routing.criteria import DEFAULT, preference
from services.po_dispatch.routing.explanation import SHOWN_CANDIDATES, explained
from services.po_dispatch.routing.sources import Barred, Source, objection, serves
from services.po_dispatch.state import OrderLine

__all__ = ["DEFAULT", "EXACT_SETS", "SHOWN_CANDIDATES", "Barred", "Routing", "Source", "objection", "route"]


@dataclass(frozen=True, slots=True)
class Routing:
    """`chosen` by order line, for every line or for none; then the lines that lack an offer, or stock."""

    chosen: Mapping[int, Source]
    candidates: tuple[Candidate, ...]
    without_offer: tuple[int, ...] = ()
    without_stock: tuple[int, ...] = ()


def route(
    lines: Sequence[OrderLine],
    sources: Sequence[Source],
    uf: str,
    *,
    one_shipment: bool = False,
    criteria: Sequence[Criterion] = DEFAULT,
    barred: Barred = frozenset(),
    only: Collection[str] | None = None,
) -> Routing:
    """Choose for all lines, or say which ones cannot be bought now.

    `uf` is where the goods go. `barred`: by order line and supplier, who refused it. `only`: suppliers that may be
    chosen at all, where the rest of the order is with them and there is one label.
    """
    by_sku: dict[str, list[Source]] = {line.sku: [] for line in lines}
    for source in sources:
        if (found := by_sku.get(source.offer.sku)) is not None:
            found.append(source)
    eligible: dict[str, dict[int, list[Source]]] = {}
    unconnected: list[int] = []
    for line in lines:
        found = by_sku[line.sku]
        for source in found:
            if objection(source, line, uf, barred) is None and (only is None or source.offer.supplier_id in only):
                eligible.setdefault(source.offer.supplier_id, {}).setdefault(line.line, []).append(source)
        if not any(serves(source, uf) for source in found):
            unconnected.append(line.line)
    prefer = preference(criteria)
    chosen = choose(lines, eligible, criteria, one_shipment=one_shipment)
    if unconnected or len(chosen) < len(lines):
        missing = tuple(line.line for line in lines if line.line not in chosen and line.line not in unconnected)
        return Routing({}, (), tuple(unconnected), missing)
    shipments = len({source.offer.supplier_id for source in chosen.values()})
    candidates: list[Candidate] = []
    for line in lines:
        why = [(s, objection(s, line, uf, barred)) for s in by_sku[line.sku]]
        candidates += explained(line.line, why, chosen[line.line], shipments, prefer, criteria)
    return Routing(chosen, tuple(candidates))
