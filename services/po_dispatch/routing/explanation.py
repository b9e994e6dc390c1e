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
        offers, preference = self.market.options[self.line.sku].every, self.market.preference
        best = preference.values(self.winner)
        more = len(offers) - SHOWN_CANDIDATES
        yield self._candidate(self.winner, True, self._won(best) + (f"; {more} more offers" if more > 0 else ""))
        preferred = preference.preferred(offers, SHOWN_CANDIDATES)
        others = [offer for offer in preferred if offer is not self.winner]
        for offer in others[: SHOWN_CANDIDATES - 1]:
            supplier = self.market.makers.get(offer.supplier_id)
            why = objection(offer, supplier, self.line, self.market.uf, self.market.barred)
            yield self._candidate(offer, False, why or self._lost(offer, best))

    def _candidate(self, offer: Offer, chosen: bool, reason: str) -> Candidate:
        """Not validated: the ids are those of a valid offer, and the reason is ours."""
        return Candidate.of_valid(
            order_line=self.line.line,
            offer_id=offer.offer_id,
            supplier_id=offer.supplier_id,
            chosen=chosen,
            reason=reason,
        )

    def _won(self, best: Sequence[Any]) -> str:
        measured = zip(self.market.preference.compared, best, strict=True)
        own = ", ".join([f"{_SHORT[criterion]} {value}{_UNITS[criterion]}" for criterion, value in measured])
        return f"best of {self.shipments} shipment(s): {own or 'the first of equals'}"

    def _lost(self, offer: Offer, best: Sequence[Any]) -> str:
        """The first criterion that speaks for the winner; what is preferred by itself would not have fitted the
        rest."""
        preference = self.market.preference
        if preference.rank(offer) < preference.rank(self.winner):
            return "would need more shipments, or a supplier of less priority for another line"
        for criterion, own, its in zip(preference.compared, preference.values(offer), best, strict=True):
            if own != its:
                return f"{_NAMES[criterion]} {own}{_UNITS[criterion]}, the chosen one's is {its}"
        return "as good as the chosen one"
