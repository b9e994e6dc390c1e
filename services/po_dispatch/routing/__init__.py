"""PURE. Which supplier delivers which line of an order, and why. What decides is the store's: `StoreChanged.routing`.

Not guaranteed: stock is as the last `offer.changed` told it. Within one order no offer gives more than its stock,
but nothing is reserved: two orders may be promised the same last piece, and then the supplier refuses one and it is
routed again. Lines of one SKU that share an offer's last stock are placed largest first, which may miss an arrangement
that would just fit. What is open of a line is never split between suppliers here; they split it by refusing a part.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from schemas.purchase_order import Candidate
from schemas.store import Criterion
from schemas.supplier import OfferChanged, SupplierChanged
from services.po_dispatch.routing.choice import EXACT_SETS, choose
from services.po_dispatch.routing.criteria import DEFAULT, preference
from services.po_dispatch.routing.explanation import SHOWN_CANDIDATES, explained
from services.po_dispatch.routing.sources import Barred, LookedAt, Option, Source, objection, serves
from services.po_dispatch.state import OrderLine

__all__ = ["DEFAULT", "EXACT_SETS", "SHOWN_CANDIDATES", "Routing", "Source", "route"]


@dataclass(frozen=True, slots=True)
class Routing:
    """`chosen` by order line, for every line or for none; then the lines that lack an offer, or stock."""

    chosen: Mapping[int, Source]
    candidates: tuple[Candidate, ...]
    without_offer: tuple[int, ...] = ()
    without_stock: tuple[int, ...] = ()


def route(
    lines: Sequence[OrderLine],
    sources: Sequence[tuple[OfferChanged, SupplierChanged | None]],
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
    options = _by_sku(lines, sources, criteria)
    looked_at = {line.line: [(o, objection(o, line, uf, barred)) for o in options[line.sku]] for line in lines}
    able = {line: [o for o, why in found if why is None] for line, found in looked_at.items()}
    if only is not None:
        able = {line: [o for o in found if o[1].supplier_id in only] for line, found in able.items()}
    chosen = choose(lines, able, criteria, one_shipment=one_shipment)
    unconnected = tuple(n.line for n in lines if not any(serves(option, uf) for option in options[n.sku]))
    if unconnected or len(chosen) < len(lines):
        missing = tuple(line.line for line in lines if line.line not in chosen and line.line not in unconnected)
        return Routing({}, (), unconnected, missing)
    sources_of = {line: Source(offer, supplier) for line, (_, offer, supplier) in chosen.items()}
    return Routing(sources_of, _candidates(looked_at, chosen, criteria))


def _by_sku(
    lines: Sequence[OrderLine],
    sources: Sequence[tuple[OfferChanged, SupplierChanged | None]],
    criteria: Sequence[Criterion],
) -> Mapping[str, list[Option]]:
    """Each SKU's options, the preferred ones first."""
    prefer = preference(criteria)
    options: dict[str, list[Option]] = {line.sku: [] for line in lines}
    for offer, supplier in sources:
        if (found := options.get(offer.sku)) is not None:
            found.append((prefer(offer, supplier), offer, supplier))
    for found in options.values():
        found.sort(key=itemgetter(0))
    return options


def _candidates(
    looked_at: Mapping[int, Sequence[LookedAt]], chosen: Mapping[int, Option], criteria: Sequence[Criterion]
) -> tuple[Candidate, ...]:
    shipments = len({offer.supplier_id for _, offer, _ in chosen.values()})
    return tuple(
        candidate
        for line, found in looked_at.items()
        for candidate in explained(line, found, chosen[line], shipments, criteria)
    )
