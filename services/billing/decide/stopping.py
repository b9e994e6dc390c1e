"""The order is cancelled: no new R, then the R in force are cancelled at SEFAZ, then `billing.stopped`.

Asked first, done last: R in force stay so until po_dispatch says that nothing is bought any more. An R that was on its
way to SEFAZ when the cancellation began is waited for. R is cancelled within its window and before the goods left
(Manual de Orientação do Contribuinte, event 110111); what cannot be cancelled stays in force and is told, for a person.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from schemas.billing import BillingStopped, InvoiceCancelled
from schemas.decision import Answered, Call, Context, Decision, Exhausted, Outcome, Refused, unchanged
from schemas.model import Message
from schemas.order import OrderCancellationStarted
from schemas.purchase_order import FulfilmentStopped
from schemas.values import Problem
from services.billing import ledger
from services.billing.reference import Reference
from services.billing.requests import CancelInvoice, CancellationAnswered
from services.billing.state import Bill, Invoice, InvoiceStatus

REASON = "Pedido cancelado antes da saida da mercadoria"
"""xJust, 15 characters at least."""
Followed = tuple[Bill, Sequence[Message], Sequence[Call]]


def on_cancellation_started(bill: Bill | None, event: OrderCancellationStarted, ctx: Context[None]) -> Outcome[Bill]:
    known = bill or Bill(order_id=event.order_id)
    before = known.stopping
    if before.started_at is not None and event.started_at <= before.started_at:
        return unchanged(bill)
    stopping = before.model_copy(update={"started_at": event.started_at})
    return _decided(known.model_copy(update={"stopping": stopping}), ctx)


def on_fulfilment_stopped(bill: Bill | None, event: FulfilmentStopped, ctx: Context[Reference]) -> Outcome[Bill]:
    known = bill or Bill(order_id=event.order_id)
    if known.stopping.fulfilment_stopped_at is not None:
        return unchanged(bill)
    profile = ctx.reference.tax_profile
    within = profile.current(ctx.now).cancel_within if profile else timedelta(hours=24)
    told = {"fulfilment_stopped_at": event.stopped_at, "cancel_within": within}
    return _decided(known.model_copy(update={"stopping": known.stopping.model_copy(update=told)}), ctx)


def answered_by_sefaz(
    bill: Bill | None, event: Answered[CancelInvoice, CancellationAnswered], ctx: Context[Any]
) -> Outcome[Bill]:
    """SEFAZ's word on the event. What it rejects stays in force."""
    invoice = _cancelling(bill, event.request)
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
    order = bill.order
    assert order is not None, "an R was issued for a known order"
    fact = InvoiceCancelled(
        order_id=bill.order_id,
        store_id=order.store_id,
        channel_id=order.channel_id,
        invoice_id=invoice.invoice_id,
        po_ids=invoice.po_ids,
        access_key=invoice.access_key,
        protocol=answer.protocol,
        cancelled_at=at,
    )
    undone = [ledger.uninvoiced(bill.order_id, invoice.invoice_id, invoice.total, at)] if invoice.total else []
    return Decision(bill, events=[fact, *said], calls=calls, rows=undone)


def on_cancellation_exhausted(bill: Bill | None, event: Exhausted[CancelInvoice], ctx: Context[None]) -> Outcome[Bill]:
    """SEFAZ was not reached within the window."""
    invoice = _cancelling(bill, event.request)
    if bill is None or invoice is None or invoice.status is not InvoiceStatus.CANCELLING:
        return unchanged(bill)
    return _kept(bill, invoice, Problem(code="sefaz_not_reached", where="SEFAZ", detail=event.error), ctx)


def wound_up(bill: Bill, ctx: Context[Any]) -> Followed:
    """What follows once nothing is bought any more: cancel what is in force; when nothing is open, say so. Once."""
    stopping = bill.stopping
    if not stopping.under_way or stopping.fulfilment_stopped_at is None or stopping.stopped_at is not None:
        return bill, (), ()
    calls: list[Call] = []
    for invoice in bill.invoices:
        if invoice.status is InvoiceStatus.ISSUED and not invoice.problems:
            changed, call = _asked_or_kept(bill, invoice, ctx)
            bill = bill.with_invoice(changed)
            calls += call
    if any(i.status in (InvoiceStatus.REQUESTED, InvoiceStatus.CANCELLING) for i in bill.invoices):
        return bill, (), calls
    kept = [invoice for invoice in bill.invoices if invoice.in_force]
    stopped = BillingStopped(
        order_id=bill.order_id,
        invoices_in_force=tuple(invoice.access_key for invoice in kept),
        problems=tuple(problem for invoice in kept for problem in invoice.problems),
        stopped_at=ctx.now,
    )
    done = stopping.model_copy(update={"stopped_at": ctx.now})
    return bill.model_copy(update={"stopping": done}), (stopped,), calls


def undone(bill: Bill, ctx: Context[Any]) -> tuple[Bill, Sequence[Call]]:
    """R in force that bill a PO which is void, though its order goes on, are cancelled: what is bought instead is
    billed by the R that follow. What cannot be cancelled any more stays, with the reason, for a person."""
    calls: list[Call] = []
    if bill.stopping.under_way:
        return bill, calls
    for invoice in bill.invoices:
        if invoice.status is InvoiceStatus.ISSUED and not invoice.problems and bill.bills_void(invoice):
            changed, call = _asked_or_kept(bill, invoice, ctx)
            bill = bill.with_invoice(changed)
            calls += call
    return bill, calls


def _decided(bill: Bill, ctx: Context[Any]) -> Decision[Bill]:
    bill, said, calls = wound_up(bill, ctx)
    return Decision(bill, events=said, calls=calls)


def _asked_or_kept(bill: Bill, invoice: Invoice, ctx: Context[Any]) -> tuple[Invoice, list[Call]]:
    assert invoice.protocol is not None, "issued"
    assert invoice.issued_at is not None, "issued"
    left = invoice.issued_at + bill.stopping.cancel_within - ctx.now
    if any(bill.purchase_order(po_id).dispatched_at for po_id in invoice.po_ids):
        detail = "the goods have left: R may be cancelled only before"
        problem = Problem(code="goods_left", where=invoice.access_key, detail=detail)
        return invoice.model_copy(update={"problems": (problem,)}), []
    if left <= timedelta(0):
        detail = f"R may be cancelled within {bill.stopping.cancel_within} of {invoice.issued_at.isoformat()}"
        problem = Problem(code="window_over", where=invoice.access_key, detail=detail)
        return invoice.model_copy(update={"problems": (problem,)}), []
    request = CancelInvoice(
        invoice_id=invoice.invoice_id,
        access_key=invoice.access_key,
        protocol=invoice.protocol,
        reason=REASON,
        at=ctx.now,
    )
    return invoice.model_copy(update={"status": InvoiceStatus.CANCELLING}), [Call("sefaz", request, window=left)]


def _kept(bill: Bill, invoice: Invoice, problem: Problem, ctx: Context[Any]) -> Decision[Bill]:
    kept = invoice.model_copy(update={"status": InvoiceStatus.ISSUED, "problems": (problem,)})
    return _decided(bill.with_invoice(kept), ctx)


def _cancelling(bill: Bill | None, request: CancelInvoice) -> Invoice | None:
    return next((i for i in bill.invoices if i.invoice_id == request.invoice_id), None) if bill else None
