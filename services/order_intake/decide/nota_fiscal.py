"""Decisions on the three notas fiscais as the others report them: each adds one fact, in whatever order they come."""

from datetime import datetime

from schemas.billing import InvoiceCancelled, InvoiceIssued, InvoiceReduced
from schemas.decision import Context, Decision, unchanged
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfDiverged, SupplierNfMatched
from schemas.order import OrderCancellationRequested
from schemas.purchase_order import InvoiceHandedOver
from services.order_intake.decide.follow import follow
from services.order_intake.decide.follow.cancelling import wished
from services.order_intake.purchase import Invoice
from services.order_intake.state import Order

Ctx = Context[None]


def on_supplier_nf_matched(order: Order | None, event: SupplierNfMatched, ctx: Ctx) -> Decision[Order]:
    """A PO may be invoiced in parts."""
    known = order or Order()
    po = known.purchase_order(event.po_id).with_supplier_nf(event)
    return follow(order, known.with_purchase_order(event.po_id, po), ctx)


def on_supplier_nf_diverged(order: Order | None, event: SupplierNfDiverged, ctx: Ctx) -> Decision[Order]:
    """An S2 that could not be attributed to a PO says nothing about an order."""
    if event.order_id is None or event.po_number is None:
        return unchanged(order)
    known = order or Order()
    divergences = {**known.divergences, event.access_key: event.po_number}
    return follow(order, known.model_copy(update={"divergences": divergences}), ctx)


def on_invoice_issued(order: Order | None, event: InvoiceIssued, ctx: Ctx) -> Decision[Order]:
    """R may bill several POs. That it was cancelled may have been heard of first."""
    known = order or Order()
    if event.access_key in known.invoices:
        return unchanged(known)
    invoice = Invoice(po_ids=event.po_ids, cancellable_until=event.cancellable_until, total=event.total)
    return follow(order, known.model_copy(update={"invoices": {**known.invoices, event.access_key: invoice}}), ctx)


def on_invoice_cancelled(order: Order | None, event: InvoiceCancelled, ctx: Ctx) -> Decision[Order]:
    """Or taken back by a person, who may want the order cancelled with it."""
    known = _with_wish(order or Order(), event, event.cancelled_at)
    cancelled = Invoice(po_ids=event.po_ids, cancelled=True)
    invoices = {**known.invoices, event.access_key: cancelled}
    return follow(order, known.model_copy(update={"invoices": invoices}), ctx)


def on_invoice_reduced(order: Order | None, event: InvoiceReduced, ctx: Ctx) -> Decision[Order]:
    """R stays in force for what comes; a person may want the order cancelled all the same. Of two words the smaller one
    holds."""
    known = _with_wish(order or Order(), event, event.reduced_at)
    left = min(event.left, known.reduced.get(event.access_key, event.left))
    return follow(order, known.model_copy(update={"reduced": {**known.reduced, event.access_key: left}}), ctx)


def _with_wish(order: Order, event: InvoiceCancelled | InvoiceReduced, at: datetime) -> Order:
    if event.decision != "returned":
        return order
    reason = event.reason or "taken back"
    return wished(
        order,
        OrderCancellationRequested(order_id=event.order_id, requested_by="engineer", reason=reason, requested_at=at),
    )


def on_invoice_handed_over(order: Order | None, event: InvoiceHandedOver, ctx: Ctx) -> Decision[Order]:
    return _noted(order, event.po_id, "handed_over", event.invoice_key, ctx)


def on_remittance_nf_matched(order: Order | None, event: RemittanceNfMatched, ctx: Ctx) -> Decision[Order]:
    return _noted(order, event.po_id, "remitted", event.invoice_key, ctx)


def _noted(order: Order | None, po_id: str, field: str, key: str, ctx: Ctx) -> Decision[Order]:
    known = order or Order()
    po = known.purchase_order(po_id)
    keys = tuple(sorted({*getattr(po, field), key}))
    return follow(order, known.with_purchase_order(po_id, po.model_copy(update={field: keys})), ctx)
