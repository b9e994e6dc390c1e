"""Decisions on what the others report: each adds one fact to the order, in whatever order they come.

None of them waits for the order or for another milestone: a fact that comes early is kept, and has its effect when what
it needs is there. One that was known already changes nothing.
"""

from datetime import datetime
from typing import Any

from schemas.billing import InvoiceIssued
from schemas.decision import Context, Decision, unchanged
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfDiverged, SupplierNfMatched
from schemas.purchase_order import (
    InvoiceHandedOver,
    OutOfStock,
    PurchaseOrderConfirmed,
    PurchaseOrderCreated,
    PurchaseOrderSent,
    QuoteNeeded,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentProblemReported,
)
from services.order_intake.decide.follow import follow
from services.order_intake.state import Milestone, Order

Ctx = Context[None]


def on_quote_needed(order: Order | None, event: QuoteNeeded, ctx: Ctx) -> Decision[Order]:
    return _sourcing(order, "quote_needed_at", event.at, ctx)


def on_out_of_stock(order: Order | None, event: OutOfStock, ctx: Ctx) -> Decision[Order]:
    return _sourcing(order, "out_of_stock_at", event.at, ctx)


def _sourcing(order: Order | None, field: str, at: datetime, ctx: Ctx) -> Decision[Order]:
    known = order or Order()
    return follow(order, known.model_copy(update={field: max(getattr(known, field) or at, at)}), ctx)


def on_purchase_order_created(order: Order | None, event: PurchaseOrderCreated, ctx: Ctx) -> Decision[Order]:
    """The newest of these messages knows how many POs the order has. A resend is not part of the order's status."""
    if event.purpose == "resend":
        return unchanged(order)
    known = order or Order()
    po = known.purchase_order(event.po_id).reached("created", event.created_at)
    named = {
        "po_number": event.po_number,
        "supplier_id": event.supplier_id,
        "prepaid": event.terms.kind == "prepaid",
    }
    with_po = known.with_purchase_order(event.po_id, po.model_copy(update=named))
    return follow(order, with_po.model_copy(update=_po_ids(known, event)), ctx)


def _po_ids(order: Order, event: PurchaseOrderCreated) -> dict[str, Any]:
    named, since = {*event.order_po_ids, event.po_id}, order.po_ids_at
    if since is not None and event.created_at < since:
        return {}
    if since == event.created_at:
        named |= set(order.po_ids)
    return {"po_ids": tuple(sorted(named)), "po_ids_at": event.created_at}


def on_purchase_order_sent(order: Order | None, event: PurchaseOrderSent, ctx: Ctx) -> Decision[Order]:
    return _reached(order, event.po_id, "sent", event.sent_at, ctx)


def on_purchase_order_confirmed(order: Order | None, event: PurchaseOrderConfirmed, ctx: Ctx) -> Decision[Order]:
    return _reached(order, event.po_id, "confirmed", event.confirmed_at, ctx)


def on_invoice_handed_over(order: Order | None, event: InvoiceHandedOver, ctx: Ctx) -> Decision[Order]:
    return _reached(order, event.po_id, "handed_over", event.handed_over_at, ctx)


def on_remittance_nf_matched(order: Order | None, event: RemittanceNfMatched, ctx: Ctx) -> Decision[Order]:
    return _reached(order, event.po_id, "s1_matched", event.issued_at, ctx)


def _reached(order: Order | None, po_id: str, milestone: Milestone, at: datetime, ctx: Ctx) -> Decision[Order]:
    known = order or Order()
    return follow(order, known.with_purchase_order(po_id, known.purchase_order(po_id).reached(milestone, at)), ctx)


def on_supplier_nf_matched(order: Order | None, event: SupplierNfMatched, ctx: Ctx) -> Decision[Order]:
    """A PO may be invoiced in parts: the S2 that leaves no line open completes it, whichever comes first."""
    known = order or Order()
    po = known.purchase_order(event.po_id).reached("s2_matched", event.issued_at)
    if not event.open_lines:
        po = po.reached("s2_complete", event.issued_at)
    keys = tuple(sorted({*po.s2_keys, event.access_key}))
    return follow(order, known.with_purchase_order(event.po_id, po.model_copy(update={"s2_keys": keys})), ctx)


def on_supplier_nf_diverged(order: Order | None, event: SupplierNfDiverged, ctx: Ctx) -> Decision[Order]:
    """An S2 that could not be attributed to a PO says nothing about an order."""
    if event.order_id is None or event.po_number is None:
        return unchanged(order)
    known = order or Order()
    divergences = {**known.divergences, event.access_key: event.po_number}
    return follow(order, known.model_copy(update={"divergences": divergences}), ctx)


def on_invoice_issued(order: Order | None, event: InvoiceIssued, ctx: Ctx) -> Decision[Order]:
    """R may bill several POs."""
    known = order or Order()
    for po_id in event.po_ids:
        known = known.with_purchase_order(po_id, known.purchase_order(po_id).reached("invoiced", event.issued_at))
    return follow(order, known, ctx)


def on_shipment_dispatched(order: Order | None, event: ShipmentDispatched, ctx: Ctx) -> Decision[Order]:
    return _shipment(order, event.po_id, event.shipment_id, ctx, dispatched_at=event.dispatched_at)


def on_shipment_problem_reported(order: Order | None, event: ShipmentProblemReported, ctx: Ctx) -> Decision[Order]:
    return _shipment(order, event.po_id, event.shipment_id, ctx, problem_at=event.at)


def on_shipment_delivered(order: Order | None, event: ShipmentDelivered, ctx: Ctx) -> Decision[Order]:
    """A carrier's clock may be ahead: the return window starts no later than when the delivery was heard of."""
    return _shipment(order, event.po_id, event.shipment_id, ctx, delivered_at=min(event.delivered_at, ctx.now))


def _shipment(order: Order | None, po_id: str, shipment_id: str, ctx: Ctx, **times: datetime) -> Decision[Order]:
    known = order or Order()
    po = known.purchase_order(po_id).with_shipment(shipment_id, **times)
    return follow(order, known.with_purchase_order(po_id, po), ctx)
