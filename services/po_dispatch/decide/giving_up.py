"""PURE. The order book gives lines up: what is open of them, and nobody has, is not bought any more.

What was open only because it is bought with them, as a whole, is bought now.

It also gives up what was lost on its way, where the order cannot be cancelled as a whole: the PO is no more than what
has arrived, or void.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from schemas.decision import Context, Decision, Outcome, Refused, later, unchanged
from schemas.model import Message
from schemas.order import OrderLinesGivenUp
from schemas.purchase_order import OrderLineQuantity, RefusedLine
from schemas.sourcing import SourcingGivenUp, SourcingRetryDue
from services.po_dispatch import parcels
from services.po_dispatch.decide.refusing import next_word, reduced
from services.po_dispatch.decide.voiding import stopped
from services.po_dispatch.purchase_order import PurchaseOrder, RefusalSaid
from services.po_dispatch.state import Fulfilment

LOST = "lost on its way"


def on_lines_given_up(
    fulfilment: Fulfilment | None, event: OrderLinesGivenUp, ctx: Context[Any]
) -> Outcome[Fulfilment]:
    """What was bought meanwhile stays bought, and what was not tried yet, or somebody has, is tried. Where nothing is
    given up nothing is said. Each wish is answered once."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    if event.lost_po_ids:
        return _without_lost(fulfilment, event, ctx)
    if fulfilment.given_up_at is not None and event.given_up_at <= fulfilment.given_up_at:
        return unchanged(fulfilment)
    lacking = {*fulfilment.lines_without_offer, *fulfilment.lines_without_stock} & {*event.order_lines}
    gone = {line.line: line.quantity for line in fulfilment.open_lines if line.line in lacking}
    known = fulfilment.given_up
    given_up = {line: known.get(line, 0) + gone.get(line, 0) for line in sorted({*known, *gone})}
    settled = fulfilment.model_copy(
        update={
            "given_up": given_up,
            "given_up_at": event.given_up_at,
            "waiting": tuple(line for line in fulfilment.waiting if line.line not in gone),
            "lines_without_offer": tuple(line for line in fulfilment.lines_without_offer if line not in gone),
            "lines_without_stock": tuple(line for line in fulfilment.lines_without_stock if line not in gone),
        }
    )
    rest: tuple[Message, ...] = (SourcingRetryDue(order_id=settled.order_id),) if settled.open_lines else ()
    if not gone:
        return Decision(settled, events=rest)
    settled, told = _told(settled, ctx)
    return Decision(settled, events=[told, *rest])


def _told(fulfilment: Fulfilment, ctx: Context[Any]) -> tuple[Fulfilment, SourcingGivenUp]:
    given_up = fulfilment.given_up.items()
    lines = tuple(OrderLineQuantity(order_line=line, quantity=quantity) for line, quantity in given_up)
    at = fulfilment.after_all(ctx.now)
    told = SourcingGivenUp(order_id=fulfilment.order_id, lines=lines, order_po_ids=fulfilment.po_ids, at=at)
    return fulfilment.model_copy(update={"told_at": at}), told


def _without_lost(fulfilment: Fulfilment, event: OrderLinesGivenUp, ctx: Context[Any]) -> Outcome[Fulfilment]:
    """A PO of which a parcel is on its way again, or that is void, loses nothing."""
    events: list[Message] = []
    for po in [po for po in fulfilment.living if po.po_id in event.lost_po_ids and _is_lost_in_part(po)]:
        pieces = parcels.lost(po.lines, po.shipments)
        if pieces is None:
            return Refused("contents_unknown", f"nobody said what was in the parcels of PO {po.number} that were lost")
        fulfilment, told = _lose(fulfilment, po, pieces, ctx)
        events += told
    if not events:
        return unchanged(fulfilment)
    fulfilment, given_up = _told(fulfilment, ctx)
    fulfilment, ended = stopped(fulfilment, ctx)
    return Decision(fulfilment, events=[*events, given_up, *ended])


def _is_lost_in_part(po: PurchaseOrder) -> bool:
    """All has left, a parcel is in trouble, and none is on its way without."""
    waited_for = [parcel for parcel in po.shipments if parcel.delivered_at is None and not parcel.lost]
    return po.has_left and bool(waited_for) and all(parcel.is_in_trouble for parcel in waited_for)


def _lose(
    fulfilment: Fulfilment, po: PurchaseOrder, pieces: Mapping[int, int], ctx: Context[Any]
) -> tuple[Fulfilment, list[Message]]:
    lost = tuple(
        RefusedLine(line=line.line, order_line=line.order_line, quantity=pieces[line.line], reason=LOST)
        for line in po.lines
        if line.line in pieces
    )
    given_up = Counter(fulfilment.given_up)
    for line in lost:
        given_up[line.order_line] += line.quantity
    at = next_word(po, ctx.now)
    word = RefusalSaid(at=at, lines=(), heard_at=at)
    shipments = tuple(s if s.delivered_at is not None else s.model_copy(update={"lost": True}) for s in po.shipments)
    parcels_lost = parcels.known_as_lost(s for s in po.shipments if s.is_in_trouble)
    known = fulfilment.model_copy(update={"given_up": dict(sorted(given_up.items()))})
    changed = po.model_copy(update={"shipments": shipments, "refusals": (*po.refusals, word)})
    known, told = reduced(known, changed, lost, at, ctx, parcels_lost)
    return known, [told]
