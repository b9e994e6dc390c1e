"""R: numbered, sent to SEFAZ, and what SEFAZ says of it."""

from schemas.billing import InvoiceIssued, InvoiceRefused
from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, unchanged
from schemas.values import Problem
from services.billing import ledger
from services.billing.decide.stopping import withdrawn, wound_up
from services.billing.draft import Draft
from services.billing.reference import Reference, series_name
from services.billing.requests import (
    AuthoriseInvoice,
    DispatchMarked,
    MarkDispatched,
    SefazAnswered,
)
from services.billing.state import (
    Bill,
    Invoice,
    InvoiceStatus,
    InvoiceXml,
)


def numbered(draft: Draft, ctx: Context[Reference]) -> tuple[Invoice, AuthoriseInvoice]:
    number = ctx.numbers.take(series_name(draft.issuer.cnpj, draft.profile.series))
    invoice_id = str(ctx.id(f"invoice/{'/'.join(draft.po_ids)}"))
    document = draft.numbered(number, invoice_id, ctx.now)
    invoice = Invoice(
        invoice_id=invoice_id,
        po_ids=draft.po_ids,
        series=document.series,
        number=number,
        access_key=document.access_key,
        total=draft.total,
        parts=draft.parts,
        cancel_within=draft.profile.cancel_within,
    )
    return invoice, AuthoriseInvoice(invoice_id=invoice_id, document=document)


def on_invoice_answered(
    bill: Bill | None, event: Answered[AuthoriseInvoice, SefazAnswered], ctx: Context[None]
) -> Outcome[Bill]:
    """SEFAZ's word on R. Authorised once, always authorised."""
    invoice = next((i for i in bill.invoices if i.invoice_id == event.request.invoice_id), None) if bill else None
    if bill is None or invoice is None:
        return Refused("unknown_invoice", event.request.invoice_id)
    if invoice.status not in (InvoiceStatus.REQUESTED, InvoiceStatus.REFUSED):
        return unchanged(bill)
    if event.answer.outcome == "rejected":
        return _refused(bill, invoice, event.answer, ctx)
    return _issued(bill, invoice, event.answer, ctx)


def on_dispatch_marked(
    bill: Bill | None, event: Answered[MarkDispatched, DispatchMarked], ctx: Context[None]
) -> Outcome[Bill]:
    """Nothing follows: the bill remembers that it was asked for, and the call is closed by having been answered."""
    return unchanged(bill)


def _issued(bill: Bill, invoice: Invoice, answer: SefazAnswered, ctx: Context[None]) -> Outcome[Bill]:
    order, protocol, at, xml = bill.order, answer.protocol, answer.received_at, answer.xml
    if order is None or protocol is None or at is None or xml is None:
        return Refused("incomplete_authorisation", f"{invoice.access_key} was authorised without protocol or XML")
    issued = invoice.model_copy(
        update={"status": InvoiceStatus.ISSUED, "protocol": protocol, "issued_at": at, "problems": ()}
    )
    bill = bill.with_invoice(issued)
    bill, calls = _dispatch_marked(bill)
    bill, said, cancellations = wound_up(bill, ctx)
    bill, told, withdrawals = withdrawn(bill, bill.stopping.cancel_within, ctx)
    fact = InvoiceIssued.of_valid(
        order_id=bill.order_id,
        store_id=order.store_id,
        channel_id=order.channel_id,
        invoice_id=invoice.invoice_id,
        po_ids=invoice.po_ids,
        series=invoice.series,
        number=invoice.number,
        access_key=invoice.access_key,
        protocol=protocol,
        issued_at=at,
        cancellable_until=at + invoice.cancel_within,
        total=invoice.total,
        xml=xml,
    )
    revenue = [ledger.invoiced(bill.order_id, invoice.invoice_id, invoice.total, at)] if invoice.total else []
    document = InvoiceXml.of_valid(
        access_key=invoice.access_key, order_id=bill.order_id, invoice_id=invoice.invoice_id, xml=xml, issued_at=at
    )
    return Decision(
        bill, events=[fact, *said, *told], calls=[*calls, *cancellations, *withdrawals], rows=[document, *revenue]
    )


def _dispatch_marked(bill: Bill) -> tuple[Bill, tuple[Call, ...]]:
    """One retailer's ERP shows "despachado" as soon as all is invoiced; asked once."""
    number = bill.order.erp_order_number if bill.order else None
    if number is None or bill.dispatch_marked or bill.stopping.under_way or not bill.invoiced:
        return bill, ()
    keys = [invoice.access_key for invoice in bill.invoices if invoice.in_force]
    key = keys[0] if len(keys) == 1 else None
    request = MarkDispatched(order_id=bill.order_id, erp_order_number=number, access_key=key)
    return bill.model_copy(update={"dispatch_marked": True}), (Call("erp", request),)


def _refused(bill: Bill, invoice: Invoice, answer: SefazAnswered, ctx: Context[None]) -> Outcome[Bill]:
    problems = (Problem(code=answer.code, where="SEFAZ", detail=answer.reason),)
    if invoice.status is InvoiceStatus.REFUSED and invoice.problems == problems:
        return unchanged(bill)
    known = invoice.model_copy(update={"status": InvoiceStatus.REFUSED, "problems": problems})
    fact = InvoiceRefused(
        order_id=bill.order_id,
        invoice_id=invoice.invoice_id,
        access_key=invoice.access_key,
        po_ids=invoice.po_ids,
        series=invoice.series,
        number=invoice.number,
        problems=problems,
    )
    bill, said, _ = wound_up(bill.with_invoice(known), ctx)
    return Decision(bill, events=[fact, *said])
