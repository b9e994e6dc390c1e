"""PURE. Which supplier delivers which line of an order, and why. What decides is the store's: `StoreChanged.routing`.

Not guaranteed: stock is as the last `offer.changed` told it. Within one order no offer gives more than its stock,
but nothing is reserved: two orders may be promised the same last piece, and then the supplier refuses one and it is
routed again. Lines of one SKU that share an offer's last stock are placed largest first, which may miss an arrangement
that would just fit. A line is never split between suppliers here: they split it by refusing a part, `splitting`
does where no one has enough and the store allows it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.purchase_order import Candidate
from services.po_dispatch.routing.choice import EXACT_SETS, choose
from services.po_dispatch.routing.criteria import DEFAULT
from services.po_dispatch.routing.explanation import SHOWN_CANDIDATES, Comparison
from services.po_dispatch.routing.options import Market
from services.po_dispatch.routing.sources import Source
from services.po_dispatch.state import OrderLine

__all__ = ["DEFAULT", "EXACT_SETS", "SHOWN_CANDIDATES", "Market", "Routing", "Source", "route"]


@dataclass(frozen=True, slots=True)
class Routing:
    """`chosen` by order line, for every line or for none; then the lines that lack an offer, or stock."""

    chosen: Mapping[int, Source]
    candidates: tuple[Candidate, ...]
    without_offer: tuple[int, ...] = ()
    without_stock: tuple[int, ...] = ()


def route(
    lines: Sequence[OrderLine], market: Market, *, one_shipment: bool = False, only: Collection[str] | None = None
) -> Routing:
    """Choose for all lines, or say which ones cannot be bought now.

    `only`: suppliers that may be chosen at all, where the rest of the order is with them and there is one label.
    """
    chosen = choose(lines, market, one_shipment=one_shipment, only=only)
    if len(chosen) < len(lines):
        unconnected = tuple(line.line for line in lines if not market.is_offered(line.sku))
        missing = tuple(line.line for line in lines if line.line not in chosen and line.line not in unconnected)
        return Routing({}, (), unconnected, missing)
    shipments = len({offer.supplier_id for offer in chosen.values()})
    candidates: list[Candidate] = []
    for line in lines:
        candidates += Comparison(line, market, chosen[line.line], shipments).explained()
    return Routing({line: market.source(offer) for line, offer in chosen.items()}, tuple(candidates))
