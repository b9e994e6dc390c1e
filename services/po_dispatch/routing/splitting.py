"""PURE. A line that no single offer has enough of, in portions from several, where the store allows it.

All other lines are routed as ever; the portions take what stock these leave. Where the number of shipments decides
first, suppliers that deliver something of the order anyway come first, then those with most of it; else the offers are
taken in the order of the store's criteria. So few portions are found, not always the fewest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.purchase_order import Candidate
from services.po_dispatch.catalogue import Offer
from services.po_dispatch.routing import SHOWN_CANDIDATES, Market, Routing, Source, route
from services.po_dispatch.state import OrderLine

Portion = tuple[OrderLine, Source]
"""So many pieces of a line, and where they come from."""


@dataclass(frozen=True, slots=True)
class Split:
    bought: tuple[Portion, ...]
    candidates: tuple[Candidate, ...]


def split(lines: Sequence[OrderLine], lacking: Routing, market: Market) -> Split | None:
    """What was `lacking` only stock, bought in portions; None where all suppliers together do not have enough."""
    if lacking.without_offer:
        return None
    short = [line for line in lines if line.line in lacking.without_stock]
    whole = [line for line in lines if line.line not in lacking.without_stock]
    rest = route(whole, market) if whole else Routing({}, ())
    if len(rest.chosen) < len(whole):
        return None
    bought: list[Portion] = [(line, rest.chosen[line.line]) for line in whole]
    candidates = list(rest.candidates)
    for line in short:
        able = market.preference.ordered(market.able(market.offers[line.sku], line, 0, market.at_work))
        found = list(_portions(line, able, bought, market))
        if sum(portion.quantity for portion, _ in found) < line.quantity:
            return None
        bought += found
        candidates += _explained(line, found, able)
    return Split(tuple(bought), tuple(candidates))


def _portions(line: OrderLine, able: Sequence[Offer], bought: Sequence[Portion], market: Market) -> Iterator[Portion]:
    """As much as there is, from one offer after the other, until the line is whole."""
    stock = {offer.offer_id: offer.stock for offer in able}
    for portion, source in bought:
        if source.offer.offer_id in stock:
            stock[source.offer.offer_id] -= portion.quantity
    serving = {source.offer.supplier_id for _, source in bought}

    def place(offer: Offer) -> tuple[Any, ...]:
        return offer.supplier_id not in serving, -min(stock[offer.offer_id], line.quantity)

    left = line.quantity
    fewest = market.preference.criteria[:1] == ("shipments",)
    for offer in sorted(able, key=place) if fewest else able:
        pieces = min(left, stock[offer.offer_id])
        if pieces > 0:
            yield line.model_copy(update={"quantity": pieces}), market.source(offer)
            left -= pieces


def _explained(line: OrderLine, found: Sequence[Portion], able: Sequence[Offer]) -> Iterator[Candidate]:
    """All portions, then others, `SHOWN_CANDIDATES` together where the portions are fewer."""
    pieces = {source.offer.offer_id: portion.quantity for portion, source in found}
    others = [offer for offer in able if offer.offer_id not in pieces]
    for offer in [*(source.offer for _, source in found), *others[: max(0, SHOWN_CANDIDATES - len(found))]]:
        taken = pieces.get(offer.offer_id, 0)
        some = f"split: {taken} of {line.quantity}, no supplier has them all"
        yield Candidate(
            order_line=line.line,
            offer_id=offer.offer_id,
            supplier_id=offer.supplier_id,
            chosen=taken > 0,
            reason=some if taken else f"split: the others have enough, its stock is {offer.stock}",
        )
