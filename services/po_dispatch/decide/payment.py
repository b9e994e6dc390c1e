"""PURE. A prepaid supplier gets its PO when its payment is settled; refused or late, the PO is void."""

from schemas.billing import SupplierPaymentRefused, SupplierPaymentSettled
from schemas.decision import Context, Decision, Outcome, Refused, later, unchanged
from services.po_dispatch.decide.making import order_if_due
from services.po_dispatch.decide.voiding import cancelled
from services.po_dispatch.state import Fulfilment


def on_payment_settled(
    fulfilment: Fulfilment | None, event: SupplierPaymentSettled, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """Money that arrives for a void PO is billing's claim on the supplier."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    po = fulfilment.po(event.po_id)
    if po is None:
        return Refused("unknown_po", f"order {event.order_id} has no PO {event.po_id}")
    if po.paid_at is not None:
        return unchanged(fulfilment)
    paid = po.model_copy(update={"paid_at": event.settled_at})
    if po.void is not None:
        return Decision(fulfilment.with_po(paid))
    ordered, calls = order_if_due(fulfilment.order, paid, ctx)
    return Decision(fulfilment.with_po(ordered), calls=calls)


def on_payment_refused(
    fulfilment: Fulfilment | None, event: SupplierPaymentRefused, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """Only what waits for its payment is concerned; a supplier paid on its NF has its PO already."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    po = fulfilment.po(event.po_id)
    if po is None:
        return Refused("unknown_po", f"order {event.order_id} has no PO {event.po_id}")
    if not po.is_prepaid or po.ordered_at is not None or po.void is not None:
        return unchanged(fulfilment)
    changed, events = cancelled(fulfilment, po, "prepayment_refused", ctx)
    return Decision(changed, events=events)
