"""PURE. Why an offer won or lost, in words: what `purchase_order.created` tells of each candidate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.purchase_order import Candidate
from schemas.store import Criterion
from services.po_dispatch.catalogue import Offer
from services.po_dispatch.routing.options import Market
from services.po_dispatch.routing.sources import objection
from services.po_dispatch.state import OrderLine

SHOWN_CANDIDATES = 5
_SHORT: Mapping[Criterion, str] = {"priority": "priority", "cost": "cost", "lead_time": "lead time"}
_NAMES: Mapping[Criterion, str] = {**_SHORT, "priority": "supplier priority"}
_UNITS: Mapping[Criterion, str] = {"priority": "", "cost": "", "lead_time": " day(s)"}
_BETTER_BY_ITSELF = "would need more shipments, or a supplier of less priority for another line"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A line's winner, and what the others are held against."""

    line: OrderLine
    market: Market
    winner: Offer
    shipments: int

    def explained(self) -> Iterator[Candidate]:
        """The winner first, then the others by preference, `SHOWN_CANDIDATES` at most; how many more there are is said
        with the winner."""
        line, market = self.line, self.market
        offers, preference = market.offers[line.sku], market.preference
        best = [value_of(self.winner) for _, value_of in preference.compared]
        more = len(offers) - SHOWN_CANDIDATES
        yield _candidate(line.line, self.winner, True, self._won(best) + (f"; {more} more offers" if more > 0 else ""))
        shown = preference.preferred(offers, market.leading[line.sku], SHOWN_CANDIDATES)
        for offer in [offer for offer in shown if offer is not self.winner][: SHOWN_CANDIDATES - 1]:
            supplier = market.makers.get(offer.supplier_id)
            why = objection(offer, supplier, line, market.uf, market.barred) or self._lost(offer, best)
            yield _candidate(line.line, offer, False, why)

    def _won(self, best: Sequence[Any]) -> str:
        measured = zip(self.market.preference.compared, best, strict=True)
        own = ", ".join([f"{_SHORT[criterion]} {value}{_UNITS[criterion]}" for (criterion, _), value in measured])
        return f"best of {self.shipments} shipment(s): {own or 'the first of equals'}"

    def _lost(self, offer: Offer, best: Sequence[Any]) -> str:
        """The first criterion that speaks for the winner; what is preferred by itself would not have fitted the
        rest."""
        for (criterion, value_of), its in zip(self.market.preference.compared, best, strict=True):
            own = value_of(offer)
            if own > its:
                return f"{_NAMES[criterion]} {own}{_UNITS[criterion]}, the chosen one's is {its}"
            if own < its:
                return _BETTER_BY_ITSELF
        return "as good as the chosen one" if offer.offer_id > self.winner.offer_id else _BETTER_BY_ITSELF


def _candidate(line: int, offer: Offer, chosen: bool, reason: str) -> Candidate:
    """Not validated: the ids are those of a valid offer, and the reason is ours."""
    return Candidate.of_valid(
        order_line=line, offer_id=offer.offer_id, supplier_id=offer.supplier_id, chosen=chosen, reason=reason
    )
