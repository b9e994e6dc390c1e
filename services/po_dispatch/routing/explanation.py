"""PURE. Why an offer won or lost, in words: what `purchase_order.created` tells of each candidate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from schemas.purchase_order import Candidate
from schemas.store import Criterion
from services.po_dispatch.routing.criteria import of_offers
from services.po_dispatch.routing.options import Market, preferred
from services.po_dispatch.routing.sources import OFFER, SUPPLIER_ID, Option, objection, preference
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
    winner: Option
    shipments: int

    def explained(self) -> Iterator[Candidate]:
        """The winner first, then the others by preference, `SHOWN_CANDIDATES` at most; how many more there are is said
        with the winner."""
        compared, options = of_offers(self.market.criteria), self.market.options[self.line.sku].every
        more = len(options) - SHOWN_CANDIDATES
        yield self._candidate(self.winner, True, self._won(compared) + (f"; {more} more offers" if more > 0 else ""))
        others = (option for option in preferred(options) if option is not self.winner)
        for option in islice(others, SHOWN_CANDIDATES - 1):
            why = objection(option, self.line, self.market.uf, self.market.barred)
            yield self._candidate(option, False, why or self._lost(option, compared))

    def _candidate(self, option: Option, chosen: bool, reason: str) -> Candidate:
        """Not validated: the ids are those of a valid offer, and the reason is ours."""
        return Candidate.of_valid(
            order_line=self.line.line,
            offer_id=option[OFFER].offer_id,
            supplier_id=option[SUPPLIER_ID],
            chosen=chosen,
            reason=reason,
        )

    def _won(self, compared: Sequence[Criterion]) -> str:
        measured = zip(compared, self.winner, strict=False)
        own = ", ".join([f"{_SHORT[criterion]} {value}{_UNITS[criterion]}" for criterion, value in measured])
        return f"best of {self.shipments} shipment(s): {own or 'the first of equals'}"

    def _lost(self, option: Option, compared: Sequence[Criterion]) -> str:
        """The first criterion that speaks for the winner; what is preferred by itself would not have fitted the
        rest."""
        if preference(option) < preference(self.winner):
            return "would need more shipments, or a supplier of less priority for another line"
        for criterion, own, best in zip(compared, option, self.winner, strict=False):
            if own != best:
                return f"{_NAMES[criterion]} {own}{_UNITS[criterion]}, the chosen one's is {best}"
        return "as good as the chosen one"
