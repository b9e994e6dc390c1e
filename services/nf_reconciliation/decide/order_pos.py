"""What an order knows for its POs: R is told by PO id, an S1 finds its PO by number."""

from schemas.billing import InvoiceCancelled, InvoiceIssued
from schemas.decision import Context, Decision, Outcome, Refused, unchanged
from schemas.nota_fiscal import BilledBy, NfInvoiceNoted, NfPoNoted
from services.nf_reconciliation.document_fields import Document, Unreadable
from services.nf_reconciliation.state import Invoice, OrderPos


def on_po_noted(order: OrderPos | None, event: NfPoNoted, ctx: Context[None]) -> Outcome[OrderPos]:
    known = order or OrderPos()
    if event.po_id in known.po_numbers:
        return unchanged(known)
    noted = known.model_copy(update={"po_numbers": {**known.po_numbers, event.po_id: event.po_number}})
    in_force = [i for i in known.invoices if i.billed_by.invoice_key not in known.cancelled]
    billed = [invoice.billed_by for invoice in in_force if event.po_id in invoice.po_ids]
    return Decision(noted, [NfInvoiceNoted(po_number=event.po_number, invoice=invoice) for invoice in billed])


def on_invoice_issued(
    order: OrderPos | None, event: InvoiceIssued, ctx: Context[Document | Unreadable]
) -> Outcome[OrderPos]:
    """`ctx.reference` is R as its XML reads: whom an S1 must go to."""
    known = order or OrderPos()
    if any(invoice.billed_by.invoice_key == event.access_key for invoice in known.invoices):
        return unchanged(known)
    document = ctx.reference
    if isinstance(document, Unreadable):
        return Refused("invoice_unreadable", "; ".join(f"{p.code} {p.where} {p.detail}" for p in document.problems))
    if document.access_key != event.access_key:
        return Refused("invoice_key_differs", f"the XML says {document.access_key}, the message {event.access_key}")
    billed_by = BilledBy(
        invoice_key=event.access_key, issued_at=document.issued_at, customer_tax_id=document.receiver.tax_id
    )
    invoice = Invoice(billed_by=billed_by, po_ids=event.po_ids)
    if event.access_key in known.cancelled:
        return unchanged(known)
    numbers = [known.po_numbers[po_id] for po_id in event.po_ids if po_id in known.po_numbers]
    return Decision(
        known.model_copy(update={"invoices": (*known.invoices, invoice)}),
        [NfInvoiceNoted(po_number=number, invoice=billed_by) for number in numbers],
    )


def on_invoice_cancelled(order: OrderPos | None, event: InvoiceCancelled, ctx: Context[None]) -> Outcome[OrderPos]:
    """Its POs forget it: an S1 must cite the R that comes after it."""
    known = order or OrderPos()
    if event.access_key in known.cancelled:
        return unchanged(known)
    told = [
        NfInvoiceNoted(po_number=known.po_numbers[po_id], invoice=invoice.billed_by, cancelled=True)
        for invoice in known.invoices
        if invoice.billed_by.invoice_key == event.access_key
        for po_id in invoice.po_ids
        if po_id in known.po_numbers
    ]
    return Decision(known.model_copy(update={"cancelled": (*known.cancelled, event.access_key)}), told)
