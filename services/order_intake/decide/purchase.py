"""Decisions on what po_dispatch reports of sourcing and POs: each adds one fact, in whatever order they come.

None of them waits for the order or for another milestone: a fact that comes early is kept, and has its effect when what
it needs is there. One that was known already changes nothing.
"""

from datetime import datetime
from typing import Literal

from schemas.decision import Context, Decision, unchanged
from schemas.purchase_order import (
    PurchaseOrderCancelled,
    PurchaseOrderConfirmed,
    PurchaseOrderCreated,
    PurchaseOrderRefused,
    PurchaseOrderSent,
)
from schemas.sourcing import OutOfStock, QuoteNeeded, SourcingGivenUp
from services.order_intake.decide.follow import follow
from services.order_intake.decide.moves import RANK
from services.order_intake.purchase import Milestone, PurchaseOrder
from services.order_intake.state import Order, Shortage

Ctx = Context[None]


def on_quote_needed(order: Order | None, event: QuoteNeeded, ctx: Ctx) -> Decision[Order]:
    return _short(order, event.order_lines, "quote_pending", event.at, ctx)


def on_out_of_stock(order: Order | None, event: OutOfStock, ctx: Ctx) -> Decision[Order]:
    return _short(order, event.order_lines, "out_of_stock", event.at, ctx)


def on_given_up(order: Order | None, event: SourcingGivenUp, ctx: Ctx) -> Decision[Order]:
    """All that was given up by then: of two words the one that gives up more is the newer one."""
    known = order or Order()
    said = {line.order_line: line.quantity for line in event.lines}
    lines = sorted({*known.given_up, *said})
    given_up = {line: max(known.given_up.get(line, 0), said.get(line, 0)) for line in lines}
    return follow(order, known.model_copy(update={"given_up": given_up}), ctx)


def _short(
    order: Order | None,
    lines: tuple[int, ...],
    status: Literal["quote_pending", "out_of_stock"],
    at: datetime,
    ctx: Ctx,
) -> Decision[Order]:
    """Of two words on a line the newer one holds; of two at one time the one that is worse."""
    known = order or Order()
    word = Shortage(status=status, at=at)
    shortages = {line: _newer(known.shortages.get(line), word) for line in lines}
    return follow(order, known.model_copy(update={"shortages": {**known.shortages, **shortages}}), ctx)


def _newer(known: Shortage | None, word: Shortage) -> Shortage:
    return word if known is None else max(known, word, key=lambda said: (said.at, -RANK[said.status]))


def on_purchase_order_created(order: Order | None, event: PurchaseOrderCreated, ctx: Ctx) -> Decision[Order]:
    """A resend is not part of the order's status."""
    if event.purpose == "resend":
        return unchanged(order)
    known = order or Order()
    po = known.purchase_order(event.po_id).reached("created", event.created_at).with_lines(event.lines)
    named = {"po_number": event.po_number, "supplier_id": event.supplier_id, "prepaid": event.terms.kind == "prepaid"}
    return _with(order, event.po_id, po.model_copy(update=named), ctx)


def on_purchase_order_sent(order: Order | None, event: PurchaseOrderSent, ctx: Ctx) -> Decision[Order]:
    return _reached(order, event.po_id, "sent", event.sent_at, ctx)


def on_purchase_order_confirmed(order: Order | None, event: PurchaseOrderConfirmed, ctx: Ctx) -> Decision[Order]:
    return _reached(order, event.po_id, "confirmed", event.confirmed_at, ctx)


def on_purchase_order_refused(order: Order | None, event: PurchaseOrderRefused, ctx: Ctx) -> Decision[Order]:
    """What remains of it goes on; what does not is missing until another PO buys it, or sourcing says why none does."""
    po = (order or Order()).purchase_order(event.po_id).with_lines(event.lines)
    told = {"rest_left": po.rest_left or event.has_left, "rest_arrived": po.rest_arrived or event.has_arrived}
    return _with(order, event.po_id, po.model_copy(update=told), ctx)


def on_purchase_order_cancelled(order: Order | None, event: PurchaseOrderCancelled, ctx: Ctx) -> Decision[Order]:
    return _reached(order, event.po_id, "cancelled", event.cancelled_at, ctx)


def _reached(order: Order | None, po_id: str, milestone: Milestone, at: datetime, ctx: Ctx) -> Decision[Order]:
    return _with(order, po_id, (order or Order()).purchase_order(po_id).reached(milestone, at), ctx)


def _with(order: Order | None, po_id: str, po: PurchaseOrder, ctx: Ctx) -> Decision[Order]:
    return follow(order, (order or Order()).with_purchase_order(po_id, po), ctx)
