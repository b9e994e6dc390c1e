"""PURE. R, and the label where the channel makes it, go to the supplier; S2 and S1 are noted on the PO.

While the order is being cancelled, and for a PO of which its supplier has not said whether it can be cancelled, R is
held. Of an R that was cancelled the supplier gets the next one.
"""

from schemas.billing import InvoiceCancelled, InvoiceIssued
from schemas.channel import Label, LabelAvailable
from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, later, unchanged
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfMatched
from schemas.purchase_order import InvoiceHandedOver
from services.po_dispatch.decide.gate import cleared_gate
from services.po_dispatch.purchase_order import PurchaseOrder
from services.po_dispatch.state import Fulfilment, HandOverInvoice, HeldInvoice, InvoiceReceived


def on_supplier_nf_matched(
    fulfilment: Fulfilment | None, event: SupplierNfMatched, ctx: Context[None]
) -> Outcome[Fulfilment]:
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    po = fulfilment.po(event.po_id)
    if po is None:
        return _unknown_po(event.order_id, event.po_id)
    if event.access_key in po.sale_nf_keys:
        return unchanged(fulfilment)
    keys = (*po.sale_nf_keys, event.access_key)
    return Decision(fulfilment.with_po(po.model_copy(update={"sale_nf_keys": keys})))


def on_invoice_issued(fulfilment: Fulfilment | None, event: InvoiceIssued, ctx: Context[None]) -> Outcome[Fulfilment]:
    """R bills some or all POs; each one's supplier gets it, at once or with the label. A PO that is void gets none."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    billed = [(po_id, fulfilment.po(po_id)) for po_id in event.po_ids]
    for po_id, po in billed:
        if po is None:
            return _unknown_po(event.order_id, po_id)
        if po.number is None and po.void is None:
            return later("purchase_order.created")
        if event.access_key not in po.cancelled_invoices and po.invoice_key not in (None, event.access_key):
            return later("invoice.cancelled")  # of the R that it has; two at a time there are not
    new = [po for _, po in billed if po is not None and _is_new(po, event.access_key)]
    if not new:
        return unchanged(fulfilment)
    for po in new:
        noted = po.model_copy(update={"invoice_key": event.access_key, "invoiced_at": event.issued_at})
        fulfilment = fulfilment.with_po(noted)
    held = HeldInvoice.of_valid(access_key=event.access_key, po_ids=tuple(po.po_id for po in new), xml=event.xml)
    return handed_over_what_is_due(fulfilment.model_copy(update={"held_invoices": (*fulfilment.held_invoices, held)}))


def on_invoice_cancelled(
    fulfilment: Fulfilment | None, event: InvoiceCancelled, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """Its POs may be billed, and handed the new R, anew. May come before R itself, which then is not handed over."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    changed = fulfilment
    for po_id in event.po_ids:
        po = changed.po(po_id)
        if po is None:
            return _unknown_po(event.order_id, po_id)
        if event.access_key not in po.cancelled_invoices:
            changed = changed.with_po(_unbilled(po, event.access_key))
    held = tuple(invoice for invoice in changed.held_invoices if invoice.access_key != event.access_key)
    return Decision(changed.model_copy(update={"held_invoices": held}))


def _is_new(po: PurchaseOrder, access_key: str) -> bool:
    return po.invoice_key is None and access_key not in po.cancelled_invoices and po.void is None


def _unbilled(po: PurchaseOrder, access_key: str) -> PurchaseOrder:
    noted = po.model_copy(update={"cancelled_invoices": (*po.cancelled_invoices, access_key)})
    if po.invoice_key != access_key:
        return noted
    late = tuple(what for what in po.late if what != "dispatch")  # of this R: the next one has a deadline of its own
    return noted.model_copy(
        update={"invoice_key": None, "invoiced_at": None, "handing_over": False, "handed_over_at": None, "late": late}
    )


def on_label_available(fulfilment: Fulfilment | None, event: LabelAvailable, ctx: Context[None]) -> Outcome[Fulfilment]:
    """A new label replaces one that no supplier has; after that it is too late."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    if fulfilment.label == event.label:
        return unchanged(fulfilment)
    if fulfilment.order.logistics.label_by != "channel":
        return Refused("label_not_expected", f"order {event.order_id} is labelled by us, not by its channel")
    if any(po.handing_over for po in fulfilment.purchase_orders):
        return Refused("label_already_handed_over", f"the supplier of order {event.order_id} has another label")
    return handed_over_what_is_due(fulfilment.model_copy(update={"label": event.label}))


def on_handed_over(
    fulfilment: Fulfilment | None, event: Answered[HandOverInvoice, InvoiceReceived], ctx: Context[None]
) -> Outcome[Fulfilment]:
    po = fulfilment.po(event.request.po_id) if fulfilment else None
    if fulfilment is None or po is None:
        return Refused("unknown_po", f"no invoice was to be handed over for PO {event.request.po_id}")
    if po.handed_over_at is not None or po.invoice_key != event.request.invoice_key or po.void is not None:
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
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    po = fulfilment.po(event.po_id)
    if po is None:
        return _unknown_po(event.order_id, event.po_id)
    if event.invoice_key in po.remittances:
        return unchanged(fulfilment)
    remittances = {**po.remittances, event.invoice_key: event.access_key}
    changed = fulfilment.with_po(po.model_copy(update={"remittances": remittances}))
    return Decision(changed, forget=cleared_gate(fulfilment, changed))


def handed_over_what_is_due(fulfilment: Fulfilment) -> Decision[Fulfilment]:
    """Calls for what is held and need not be any more."""
    waits = fulfilment.order is not None and fulfilment.order.logistics.label_by == "channel" and not fulfilment.label
    if waits or not fulfilment.held_invoices:
        return Decision(fulfilment)
    calls: list[Call] = []
    held: list[HeldInvoice] = []
    for invoice in fulfilment.held_invoices:
        left: list[str] = []
        for po_id in invoice.po_ids:
            po = fulfilment.po(po_id)
            if po is None or po.void is not None or po.handing_over:
                continue
            if _is_held(fulfilment, po):
                left.append(po_id)
                continue
            calls.append(_hand_over(po, invoice, fulfilment.label))
            fulfilment = fulfilment.with_po(po.model_copy(update={"handing_over": True}))
        if left:
            held.append(invoice.model_copy(update={"po_ids": tuple(left)}))
    return Decision(fulfilment.model_copy(update={"held_invoices": tuple(held)}), calls=calls)


def _is_held(fulfilment: Fulfilment, po: PurchaseOrder) -> bool:
    """What has left is handed its R even while the order is being cancelled: it cannot be any more."""
    return not po.shipments and (fulfilment.stop is not None or not po.goes_on)


def _hand_over(po: PurchaseOrder, invoice: HeldInvoice, label: Label | None) -> Call:
    assert po.number is not None  # on_invoice_issued waits for it
    request = HandOverInvoice.of_valid(
        po_id=po.po_id,
        number=po.number,
        supplier=po.supplier,
        invoice_key=invoice.access_key,
        xml=invoice.xml,
        label=label,
        replaces=po.cancelled_invoices[-1] if po.cancelled_invoices else None,
    )
    return Call(po.supplier.partner, request)


def _unknown_po(order_id: str, po_id: str) -> Refused:
    return Refused("unknown_po", f"order {order_id} has no PO {po_id}")
