"""Decisions on what is said of a cancellation: wished for, too late for a supplier, stopped. Each adds one fact."""

from schemas.billing import BillingStopped
from schemas.decision import Context, Decision, unchanged
from schemas.order import OrderCancellationRequested
from schemas.purchase_order import FulfilmentStopped, PurchaseOrderCancelRefused
from services.order_intake.decide.follow import follow
from services.order_intake.decide.follow.cancelling import wished
from services.order_intake.state import CancelRefusal, Order, Stop

Ctx = Context[None]


def on_cancellation_requested(order: Order | None, event: OrderCancellationRequested, ctx: Ctx) -> Decision[Order]:
    """Kept until the order comes. Of a refused order there is nothing to cancel."""
    known = order or Order()
    after = known if known.refused else wished(known, event)
    return unchanged(known) if after == known else follow(order, after, ctx)


def on_cancel_refused(order: Order | None, event: PurchaseOrderCancelRefused, ctx: Ctx) -> Decision[Order]:
    known = order or Order()
    if event.po_id in known.cancel_refusals:
        return unchanged(known)
    refusal = CancelRefusal(supplier_id=event.supplier_id, po_number=event.po_number, detail=event.detail)
    refusals = {**known.cancel_refusals, event.po_id: refusal}
    return follow(order, known.model_copy(update={"cancel_refusals": refusals}), ctx)


def on_fulfilment_stopped(order: Order | None, event: FulfilmentStopped, ctx: Ctx) -> Decision[Order]:
    """The POs that it names are void too, where their own messages are still on their way."""
    known = order or Order()
    attempt = max(known.fulfilment_stopped_for or event.started_at, event.started_at)
    for po_id in event.cancelled_po_ids:
        cancelled = known.purchase_order(po_id).reached("cancelled", event.stopped_at)
        known = known.with_purchase_order(po_id, cancelled)
    return follow(order, known.model_copy(update={"fulfilment_stopped_for": attempt}), ctx)


def on_billing_stopped(order: Order | None, event: BillingStopped, ctx: Ctx) -> Decision[Order]:
    """The newest word holds: of an R that could not be cancelled a person decides later."""
    known = order or Order()
    before = known.billing_stopped
    if before is not None and before.stopped_at >= event.stopped_at:
        return unchanged(known)
    stop = Stop(**{name: getattr(event, name) for name in Stop.model_fields})
    return follow(order, known.model_copy(update={"billing_stopped": stop}), ctx)
