"""PURE. From the registered PO to the confirmed one.

A supplier that takes or confirms a PO which is void by then must know that it is: it was told when the PO was cancelled
as silent, and is told now where it has not been.
"""

from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, later, unchanged
from schemas.purchase_order import PurchaseOrderConfirmed, PurchaseOrderSent
from schemas.supplier import SupplierPoConfirmed
from services.po_dispatch.decide.making import numbered
from services.po_dispatch.purchase_order import CancellationAsked, PurchaseOrder
from services.po_dispatch.state import (
    CancelPurchaseOrder,
    CancelReason,
    Fulfilment,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    PurchaseOrderRevised,
    PurchaseOrderVoided,
    RegisterPurchaseOrder,
    ReminderReceived,
    RemindSupplier,
    RevisePurchaseOrder,
    SendPurchaseOrder,
    VoidPurchaseOrder,
)


def on_registered(
    fulfilment: Fulfilment | None,
    event: Answered[RegisterPurchaseOrder, PurchaseOrderRegistered],
    ctx: Context[None],
) -> Outcome[Fulfilment]:
    """The ERP's number makes the PO; now the supplier may have it. Of one that is void by now only the number is kept:
    nobody was told of it."""
    po = fulfilment.po(event.request.po_id) if fulfilment else None
    if fulfilment is None or po is None:
        return Refused("unknown_po", f"no PO {event.request.po_id} was to be registered here")
    if po.number is not None:
        return unchanged(fulfilment)
    booked = po.model_copy(update={"erp": "open"})
    if po.void is not None:
        return Decision(fulfilment.with_po(booked.model_copy(update={"number": event.answer.number})))
    changed, events, calls = numbered(fulfilment, booked, event.answer.number, ctx)
    return Decision(changed, events=events, calls=calls)


def on_sent(
    fulfilment: Fulfilment | None, event: Answered[SendPurchaseOrder, PurchaseOrderReceived], ctx: Context[None]
) -> Outcome[Fulfilment]:
    po = fulfilment.po(event.request.po_id) if fulfilment else None
    if fulfilment is None or po is None:
        return Refused("unknown_po", f"no PO {event.request.po_id} was to be sent here")
    if po.sent_at is not None:
        return unchanged(fulfilment)
    changed = fulfilment.with_po(po.model_copy(update={"sent_at": event.answered_at}))
    if po.void is not None:
        return Decision(changed)
    sent = PurchaseOrderSent(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=event.request.number,
        supplier_id=po.supplier.supplier_id,
        sent_at=event.answered_at,
    )
    return Decision(changed, events=[sent])


def on_confirmed(fulfilment: Fulfilment | None, event: SupplierPoConfirmed, ctx: Context[None]) -> Outcome[Fulfilment]:
    """May come before our own call's answer. The first confirmation counts."""
    po = fulfilment.po_numbered(event.po_number) if fulfilment else None
    if fulfilment is None or po is None:
        return later("purchase_order.created")
    if event.supplier_id != po.supplier.supplier_id:
        return not_its_po(event.supplier_id, event.po_number)
    if po.confirmed_at is not None:
        return unchanged(fulfilment)
    noted = po.model_copy(update={"confirmed_at": event.confirmed_at})
    if po.void is not None:
        return _told_that_it_is_void(fulfilment, noted, event, ctx)
    confirmed = PurchaseOrderConfirmed(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=event.po_number,
        supplier_id=event.supplier_id,
        confirmed_at=event.confirmed_at,
        expected_ship_at=event.expected_ship_at,
    )
    return Decision(fulfilment.with_po(noted), events=[confirmed])


def on_revised_in_erp(
    fulfilment: Fulfilment | None, event: Answered[RevisePurchaseOrder, PurchaseOrderRevised], ctx: Context[None]
) -> Outcome[Fulfilment]:
    """Nothing follows: the PO is as it was told."""
    return unchanged(fulfilment)


def on_voided_in_erp(
    fulfilment: Fulfilment | None, event: Answered[VoidPurchaseOrder, PurchaseOrderVoided], ctx: Context[None]
) -> Outcome[Fulfilment]:
    """That it was told was noted when it was asked."""
    return unchanged(fulfilment)


def on_reminded(
    fulfilment: Fulfilment | None, event: Answered[RemindSupplier, ReminderReceived], ctx: Context[None]
) -> Outcome[Fulfilment]:
    """That it was reminded was noted when it was asked for."""
    return unchanged(fulfilment)


def not_its_po(supplier_id: str, po_number: str) -> Refused:
    return Refused("not_its_po", f"supplier {supplier_id} reports about PO {po_number}, which is another supplier's")


def told_to_cancel(po: PurchaseOrder, reason: CancelReason, ctx: Context[None]) -> tuple[PurchaseOrder, Call]:
    """In the lane of the PO's other calls, so that it never overtakes the PO itself."""
    assert po.number is not None  # only what was sent is cancelled with the supplier
    request = CancelPurchaseOrder(po_id=po.po_id, number=po.number, supplier=po.supplier, reason=reason)
    asked = po.model_copy(update={"cancellation": CancellationAsked(asked_at=ctx.now)})
    return asked, Call(po.supplier.partner, request)


def _told_that_it_is_void(
    fulfilment: Fulfilment, po: PurchaseOrder, event: SupplierPoConfirmed, ctx: Context[None]
) -> Decision[Fulfilment]:
    """What it confirmed before it refused it says nothing new; what it confirms after, it would deliver."""
    assert po.void is not None
    refused_at = max((refusal.at for refusal in po.refusals), default=po.void.at)
    if po.cancellation is not None or po.ordered_at is None or event.confirmed_at <= refused_at:
        return Decision(fulfilment.with_po(po))
    told, call = told_to_cancel(po, "refused", ctx)
    return Decision(fulfilment.with_po(told), calls=[call])
