"""PURE. R, and the label where the channel makes it, go to the supplier; S2 and S1 are noted on the PO."""

from schemas.billing import InvoiceIssued
from schemas.channel import Label, LabelAvailable
from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, later, unchanged
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfMatched
from schemas.purchase_order import InvoiceHandedOver
from services.po_dispatch.decide.shipping import cleared_gate
from services.po_dispatch.state import Fulfilment, HandOverInvoice, HeldInvoice, InvoiceReceived, PurchaseOrder


def on_supplier_nf_matched(
    fulfilment: Fulfilment | None, event: SupplierNfMatched, ctx: Context[None]
) -> Outcome[Fulfilment]:
    if fulfilment is None:
        return later("order.ready")
    po = fulfilment.po(event.po_id)
    if po is None:
        return _unknown_po(event.order_id, event.po_id)
    if event.access_key in po.sale_nf_keys:
        return unchanged(fulfilment)
    keys = (*po.sale_nf_keys, event.access_key)
    return Decision(fulfilment.with_po(po.model_copy(update={"sale_nf_keys": keys})))


def on_invoice_issued(fulfilment: Fulfilment | None, event: InvoiceIssued, ctx: Context[None]) -> Outcome[Fulfilment]:
    """R bills some or all POs; each one's supplier gets it, at once or with the label."""
    if fulfilment is None:
        return later("order.ready")
    for po_id in event.po_ids:
        po = fulfilment.po(po_id)
        if po is None:
            return _unknown_po(event.order_id, po_id)
        if po.number is None:
            return later("purchase_order.created")
        if po.invoice_key not in (None, event.access_key):
            return Refused("already_invoiced", f"PO {po.number} was billed by {po.invoice_key} already")
    if all(po.invoice_key for po in fulfilment.purchase_orders if po.po_id in event.po_ids):
        return unchanged(fulfilment)
    held = HeldInvoice(access_key=event.access_key, po_ids=event.po_ids, xml=event.xml)
    pos = tuple(
        po.model_copy(update={"invoice_key": event.access_key}) if po.po_id in event.po_ids else po
        for po in fulfilment.purchase_orders
    )
    return _hand_over_what_is_due(
        fulfilment.model_copy(update={"purchase_orders": pos, "held_invoices": (*fulfilment.held_invoices, held)})
    )


def on_label_available(fulfilment: Fulfilment | None, event: LabelAvailable, ctx: Context[None]) -> Outcome[Fulfilment]:
    """A new label replaces one that no supplier has; after that it is too late."""
    if fulfilment is None:
        return later("order.ready")
    if fulfilment.label == event.label:
        return unchanged(fulfilment)
    if fulfilment.logistics.label_by != "channel":
        return Refused("label_not_expected", f"order {event.order_id} is labelled by us, not by its channel")
    if any(po.handing_over for po in fulfilment.purchase_orders):
        return Refused("label_already_handed_over", f"the supplier of order {event.order_id} has another label")
    return _hand_over_what_is_due(fulfilment.model_copy(update={"label": event.label}))


def on_handed_over(
    fulfilment: Fulfilment | None, event: Answered[HandOverInvoice, InvoiceReceived], ctx: Context[None]
) -> Outcome[Fulfilment]:
    po = fulfilment.po(event.request.po_id) if fulfilment else None
    if fulfilment is None or po is None:
        return Refused("unknown_po", f"no invoice was to be handed over for PO {event.request.po_id}")
    if po.handed_over_at is not None:
        return unchanged(fulfilment)
    handed_over = InvoiceHandedOver(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=event.request.number,
        invoice_key=event.request.invoice_key,
        handed_over_at=event.answered_at,
    )
    changed = fulfilment.with_po(po.model_copy(update={"handed_over_at": event.answered_at}))
    return Decision(changed, events=[handed_over], forget=cleared_gate(fulfilment, changed))


def on_remittance_nf_matched(
    fulfilment: Fulfilment | None, event: RemittanceNfMatched, ctx: Context[None]
) -> Outcome[Fulfilment]:
    if fulfilment is None:
        return later("order.ready")
    po = fulfilment.po(event.po_id)
    if po is None:
        return _unknown_po(event.order_id, event.po_id)
    if po.remittance_key is not None:
        return unchanged(fulfilment)
    changed = fulfilment.with_po(po.model_copy(update={"remittance_key": event.access_key}))
    return Decision(changed, forget=cleared_gate(fulfilment, changed))


def _hand_over_what_is_due(fulfilment: Fulfilment) -> Decision[Fulfilment]:
    if fulfilment.logistics.label_by == "channel" and fulfilment.label is None:
        return Decision(fulfilment)
    calls: list[Call] = []
    for invoice in fulfilment.held_invoices:
        for po_id in invoice.po_ids:
            po = fulfilment.po(po_id)
            if po is not None and not po.handing_over:
                calls.append(_hand_over(po, invoice, fulfilment.label))
                fulfilment = fulfilment.with_po(po.model_copy(update={"handing_over": True}))
    return Decision(fulfilment.model_copy(update={"held_invoices": ()}), calls=calls)


def _hand_over(po: PurchaseOrder, invoice: HeldInvoice, label: Label | None) -> Call:
    assert po.number is not None  # on_invoice_issued waits for it
    request = HandOverInvoice(
        po_id=po.po_id,
        number=po.number,
        supplier=po.supplier,
        invoice_key=invoice.access_key,
        xml=invoice.xml,
        label=label,
    )
    return Call(po.supplier.partner, request)


def _unknown_po(order_id: str, po_id: str) -> Refused:
    return Refused("unknown_po", f"order {order_id} has no PO {po_id}")
