"""PURE. A line that no single offer has enough of, in portions from several, where the store allows it.

All other lines are routed as ever; the portions take what stock these leave. Where the number of shipments decides
first, suppliers that deliver something of the order anyway come first, then those with most of it; else the offers are
taken in the order of the store's criteria. So few portions are found, not always the fewest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.purchase_order import Candidate
from schemas.store import Criterion
from schemas.supplier import OfferChanged, SupplierChanged
from services.po_dispatch.routing import SHOWN_CANDIDATES, Routing, Source, route
from services.po_dispatch.routing.sources import Barred
from services.po_dispatch.state import OrderLine

Sources = Sequence[tuple[OfferChanged, SupplierChanged | None]]
Portion = tuple[OrderLine, Source]
"""So many pieces of a line, and where they come from."""


@dataclass(frozen=True, slots=True)
class Split:
    bought: tuple[Portion, ...]
    candidates: tuple[Candidate, ...]


def split(
    lines: Sequence[OrderLine],
    lacking: Routing,
    sources: Sources,
    uf: str,
    *,
    criteria: Sequence[Criterion],
    barred: Barred = frozenset(),
) -> Split | None:
    """What was `lacking` only stock, bought in portions; None where all suppliers together do not have enough."""
    if lacking.without_offer:
        return None
    short = [line for line in lines if line.line in lacking.without_stock]
    whole = [line for line in lines if line.line not in lacking.without_stock]
    rest = route(whole, sources, uf, criteria=criteria, barred=barred) if whole else Routing({}, ())
    if len(rest.chosen) < len(whole):
        return None
    bought: list[Portion] = [(line, rest.chosen[line.line]) for line in whole]
    candidates = list(rest.candidates)
    for line in short:
        able = [s for offer, maker in sources if _may_deliver(s := Source(offer, maker), line, uf, barred)]
        found = list(_portions(line, able, bought, criteria))
        if sum(portion.quantity for portion, _ in found) < line.quantity:
            return None
        bought += found
        candidates += _explained(line, found, able)
    return Split(tuple(bought), tuple(candidates))


def _may_deliver(source: Source, line: OrderLine, uf: str, barred: Barred) -> bool:
    offer, supplier = source
    if offer.sku != line.sku or supplier is None or not (offer.active and supplier.active):
        return False
    return (not offer.ufs or uf in offer.ufs) and (line.line, offer.supplier_id) not in barred


def _portions(
    line: OrderLine, able: Sequence[Source], bought: Sequence[Portion], criteria: Sequence[Criterion]
) -> Iterator[Portion]:
    """As much as there is, from one offer after the other, until the line is whole."""
    stock = {source.offer.offer_id: source.offer.stock for source in able}
    for portion, source in bought:
        if source.offer.offer_id in stock:
            stock[source.offer.offer_id] -= portion.quantity
    serving = {source.offer.supplier_id for _, source in bought}
    fewest = bool(criteria) and criteria[0] == "shipments"

    def place(source: Source) -> tuple[Any, ...]:
        own = (*(_measure(source, c) for c in criteria if c != "shipments"), source.offer.offer_id)
        id = source.offer.offer_id
        return (source.offer.supplier_id not in serving, -min(stock[id], line.quantity), *own) if fewest else own

    left = line.quantity
    for source in sorted(able, key=place):
        pieces = min(left, stock[source.offer.offer_id])
        if pieces > 0:
            yield line.model_copy(update={"quantity": pieces}), source
            left -= pieces


def _measure(source: Source, criterion: Criterion) -> Any:
    assert source.supplier is not None  # nobody unknown may deliver
    match criterion:
        case "priority":
            return source.supplier.priority
        case "cost":
            return source.offer.cost
    return source.offer.lead_time_days


def _explained(line: OrderLine, found: Sequence[Portion], able: Sequence[Source]) -> Iterator[Candidate]:
    """All portions, then others, `SHOWN_CANDIDATES` together where the portions are fewer."""
    pieces = {source.offer.offer_id: portion.quantity for portion, source in found}
    others = [source for source in able if source.offer.offer_id not in pieces]
    for source in [*(source for _, source in found), *others[: max(0, SHOWN_CANDIDATES - len(found))]]:
        taken = pieces.get(source.offer.offer_id, 0)
        some = f"split: {taken} of {line.quantity}, no supplier has them all"
        yield Candidate(
            order_line=line.line,
            offer_id=source.offer.offer_id,
            supplier_id=source.offer.supplier_id,
            chosen=taken > 0,
            reason=some if taken else f"split: the others have enough, its stock is {source.offer.stock}",
        )
