"""PURE. Why an offer won or lost, in words: what `purchase_order.created` tells of each candidate."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from schemas.purchase_order import Candidate
from schemas.store import Criterion
from services.po_dispatch.routing.criteria import measured
from services.po_dispatch.routing.sources import LookedAt, Option

SHOWN_CANDIDATES = 10
_SHORT: Mapping[Criterion, str] = {"priority": "priority", "cost": "cost", "lead_time": "lead time"}
_NAMES: Mapping[Criterion, str] = {**_SHORT, "priority": "supplier priority"}
_UNITS: Mapping[Criterion, str] = {"priority": "", "cost": "", "lead_time": " day(s)"}


def explained(
    order_line: int, looked_at: Sequence[LookedAt], winner: Option, shipments: int, criteria: Sequence[Criterion]
) -> Iterator[Candidate]:
    """The winner first, then the others by preference, `SHOWN_CANDIDATES` at most."""
    compared = [criterion for criterion in criteria if criterion != "shipments"]
    yield _candidate(order_line, winner, True, _won(winner, shipments, compared))
    others = (one for one in looked_at if one[0] is not winner)
    for option, why in islice(others, SHOWN_CANDIDATES - 1):
        yield _candidate(order_line, option, False, why or _lost(option, winner, compared))


def _candidate(order_line: int, option: Option, chosen: bool, reason: str) -> Candidate:
    _, offer, _ = option
    return Candidate(
        order_line=order_line, offer_id=offer.offer_id, supplier_id=offer.supplier_id, chosen=chosen, reason=reason
    )


def _won(winner: Option, shipments: int, compared: Sequence[Criterion]) -> str:
    own = ", ".join(f"{_SHORT[c]} {measured(winner, c)}{_UNITS[c]}" for c in compared)
    return f"best of {shipments} shipment(s): {own or 'the first of equals'}"


def _lost(option: Option, winner: Option, compared: Sequence[Criterion]) -> str:
    """The first criterion that speaks for the winner; what is preferred by itself would not have fitted the rest."""
    preference, best_preference = option[0], winner[0]
    if preference < best_preference:
        return "would need more shipments, or a supplier of less priority for another line"
    for criterion, own, best in zip(compared, preference, best_preference, strict=False):
        if own != best:
            return f"{_NAMES[criterion]} {own}{_UNITS[criterion]}, the chosen one's is {best}"
    return "as good as the chosen one"
