"""What SEFAZ says of the cancellation of an R, and what may be billed instead of what it billed."""

from schemas.billing import InvoiceCancelled
from schemas.decision import Answered, Context, Decision, Exhausted, Outcome, Refused, unchanged
from schemas.model import Message
from schemas.values import Problem
from services.billing import ledger
from services.billing.decide.fulfilment import advanced
from services.billing.decide.settling import settled
from services.billing.decide.stopping import stays_in_force, wound_up
from services.billing.reference import Reference
from services.billing.requests import CancelInvoice, CancellationAnswered
from services.billing.state import Bill, Invoice, InvoiceStatus

Ctx = Context[Reference]


def on_cancellation_answered(
    bill: Bill | None, event: Answered[CancelInvoice, CancellationAnswered], ctx: Ctx
) -> Outcome[Bill]:
    """SEFAZ's word on the event. What it rejects stays in force; what was billed by R may be billed anew."""
    invoice = _asked(bill, event.request)
    if bill is None or invoice is None:
        return Refused("unknown_invoice", event.request.invoice_id)
    if invoice.status is not InvoiceStatus.CANCELLING:
        return unchanged(bill)
    answer = event.answer
    if answer.outcome == "rejected" or answer.protocol is None or answer.registered_at is None:
        return _kept(bill, invoice, Problem(code=answer.code, where="SEFAZ", detail=answer.reason), ctx)
    at = answer.registered_at
    cancelled = invoice.model_copy(update={"status": InvoiceStatus.CANCELLED, "cancelled_at": at})
    bill, said, calls = wound_up(bill.with_invoice(cancelled), ctx)
    undone = [ledger.uninvoiced(bill.order_id, invoice.invoice_id, invoice.billed, at)] if invoice.billed else []
    bill, told, rows = settled(bill, ctx)
    return advanced(bill, ctx, [*undone, *rows], [_fact(bill, cancelled, answer.protocol), *said, *told], calls)


def on_cancellation_exhausted(bill: Bill | None, event: Exhausted[CancelInvoice], ctx: Ctx) -> Outcome[Bill]:
    """SEFAZ was not reached within the window."""
    invoice = _asked(bill, event.request)
    if bill is None or invoice is None or invoice.status is not InvoiceStatus.CANCELLING:
        return unchanged(bill)
    return _kept(bill, invoice, Problem(code="sefaz_not_reached", where="SEFAZ", detail=event.error), ctx)


def _fact(bill: Bill, invoice: Invoice, protocol: str) -> InvoiceCancelled:
    order, at = bill.order, invoice.cancelled_at
    assert order is not None, "an R was issued for a known order"
    assert at is not None, "it is cancelled"
    return InvoiceCancelled(
        order_id=bill.order_id,
        store_id=order.store_id,
        channel_id=order.channel_id,
        invoice_id=invoice.invoice_id,
        po_ids=invoice.po_ids,
        access_key=invoice.access_key,
        protocol=protocol,
        cancelled_at=at,
    )


def _kept(bill: Bill, invoice: Invoice, problem: Problem, ctx: Ctx) -> Decision[Bill]:
    goes_on = not bill.stopping.under_way
    kept = invoice.model_copy(update={"status": InvoiceStatus.ISSUED, "problems": (problem,), "shown": goes_on})
    bill = bill.with_invoice(kept)
    told: list[Message] = [stays_in_force(bill, kept)] if goes_on else []
    bill, said, calls = wound_up(bill, ctx)
    bill, decided, rows = settled(bill, ctx)
    return Decision(bill, events=[*told, *said, *decided], calls=calls, rows=rows)


def _asked(bill: Bill | None, request: CancelInvoice) -> Invoice | None:
    return next((i for i in bill.invoices if i.invoice_id == request.invoice_id), None) if bill else None
