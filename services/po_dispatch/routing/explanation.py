"""PURE. Why an offer won or lost, in words: what `purchase_order.created` tells of each candidate."""

from collections.abc import Sequence
from heapq import nsmallest

from schemas.purchase_order import Candidate
from schemas.store import Criterion
from services.po_dispatch.routing.criteria import Preference, measured
from services.po_dispatch.routing.sources import Source

SHOWN_CANDIDATES = 20
_WORDS: dict[Criterion, str] = {"priority": "priority {}", "cost": "cost {}", "lead_time": "lead time {} day(s)"}


def explained(
    order_line: int,
    looked_at: Sequence[tuple[Source, str | None]],
    winner: Source,
    shipments: int,
    prefer: Preference,
    criteria: Sequence[Criterion],
) -> list[Candidate]:
    """The winner first, then the others by preference, `SHOWN_CANDIDATES` at most. `looked_at`: with objections."""
    others = [(source, why) for source, why in looked_at if source is not winner]
    shown = nsmallest(SHOWN_CANDIDATES - 1, others, key=lambda one: prefer(one[0]))
    return [
        _candidate(order_line, winner, True, _won(winner, shipments, criteria)),
        *(
            _candidate(order_line, source, False, why or _lost(source, winner, prefer, criteria))
            for source, why in shown
        ),
    ]


def _candidate(order_line: int, source: Source, chosen: bool, reason: str) -> Candidate:
    offer = source.offer
    return Candidate(
        order_line=order_line, offer_id=offer.offer_id, supplier_id=offer.supplier_id, chosen=chosen, reason=reason
    )


def _won(winner: Source, shipments: int, criteria: Sequence[Criterion]) -> str:
    own = ", ".join(_WORDS[c].format(measured(winner, c)) for c in criteria if c != "shipments")
    return f"best of {shipments} shipment(s): {own or 'the first of equals'}"


def _lost(source: Source, winner: Source, prefer: Preference, criteria: Sequence[Criterion]) -> str:
    if prefer(source) < prefer(winner):
        return "would need more shipments, or a supplier of less priority for another line"
    for criterion in criteria:
        if criterion == "shipments":
            continue
        own, best = measured(source, criterion), measured(winner, criterion)
        if own > best:
            name = "supplier " if criterion == "priority" else ""
            return f"{name}{_WORDS[criterion].format(own)}, the chosen one's is {best}"
    return "as good as the chosen one"
