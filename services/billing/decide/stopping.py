"""The order is cancelled: no new R, then the R in force are cancelled at SEFAZ, then `billing.stopped`.

Asked first, done last: R in force stay so until po_dispatch says that nothing is bought any more. An R that was on its
way to SEFAZ when the cancellation began is waited for. R is cancelled within its window and before the goods left
(Manual de Orientação do Contribuinte, event 110111); what cannot be cancelled stays in force and is told, for a person.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas.billing import BillingStopped, InvoiceRefused
from schemas.decision import Call, Context, Decision, Outcome, unchanged
from schemas.model import Message
from schemas.order import OrderCancellationStarted
from schemas.purchase_order import FulfilmentStopped
from schemas.values import Problem
from services.billing.reference import Reference
from services.billing.requests import CancelInvoice
from services.billing.state import Bill, Invoice, InvoiceStatus, Stopping
from services.billing.taking_back import at_stake, void_goods

REASON = "Pedido cancelado antes da saida da mercadoria"
"""xJust, 15 characters at least."""
Followed = tuple[Bill, Sequence[Message], Sequence[Call]]


def on_cancellation_started(bill: Bill | None, event: OrderCancellationStarted, ctx: Context[None]) -> Outcome[Bill]:
    known = bill or Bill(order_id=event.order_id)
    before = known.stopping
    if before.started_at is not None and event.started_at <= before.started_at:
        return unchanged(bill)
    decided_for = event.started_at if before.wished else before.decided_for
    stopping = before.model_copy(update={"started_at": event.started_at, "wished": False, "decided_for": decided_for})
    return _decided(known.model_copy(update={"stopping": stopping}), ctx)


def on_fulfilment_stopped(bill: Bill | None, event: FulfilmentStopped, ctx: Context[Reference]) -> Outcome[Bill]:
    """The POs that it names are void too, where their own messages are still on their way."""
    known = bill or Bill(order_id=event.order_id)
    before = known.stopping.fulfilment_stopped_for
    if before is not None and event.started_at <= before:
        return unchanged(bill)
    within = cancel_window(ctx.reference, ctx.now)
    told = {"fulfilment_stopped_for": event.started_at, "cancel_within": within}
    known = known.model_copy(update={"stopping": known.stopping.model_copy(update=told)})
    for po in [known.purchase_order(po_id) for po_id in event.cancelled_po_ids]:
        known = known.with_purchase_order(po.model_copy(update={"cancelled_at": po.cancelled_at or event.stopped_at}))
    return _decided(known, ctx)


def cancel_window(reference: Reference, now: datetime) -> timedelta:
    """How long after its authorisation an R may be cancelled, by the tax profile in force."""
    profile = reference.tax_profile.at(now) if reference.tax_profile else None
    return profile.cancel_within if profile else Stopping().cancel_within


def wound_up(bill: Bill, ctx: Context[Any]) -> Followed:
    """What follows once nothing is bought any more: cancel what is in force; when nothing is open, say so. Once."""
    stopping = bill.stopping
    attempt, stopped_for = stopping.started_at, stopping.fulfilment_stopped_for
    if not stopping.under_way or attempt is None or stopped_for is None or stopped_for < attempt:
        return bill, (), ()
    calls: list[Call] = []
    for invoice in bill.invoices:
        if invoice.status is InvoiceStatus.ISSUED and not invoice.problems:
            changed, call = _asked_or_kept(bill, invoice, stopping.cancel_within, ctx)
            bill = bill.with_invoice(changed)
            calls += call
    if any(i.status in (InvoiceStatus.REQUESTED, InvoiceStatus.CANCELLING) for i in bill.invoices):
        return bill, (), calls
    if stopping.stopped_for is not None and stopping.stopped_for >= attempt:
        return bill, (), calls
    kept = [invoice for invoice in bill.invoices if invoice.in_force]
    stopped = BillingStopped(
        order_id=bill.order_id,
        started_at=attempt,
        invoices_in_force=tuple(invoice.access_key for invoice in kept),
        problems=tuple(problem for invoice in kept for problem in invoice.problems),
        stopped_at=ctx.now,
    )
    done = stopping.model_copy(update={"stopped_for": attempt, "stopped_at": ctx.now})
    return bill.model_copy(update={"stopping": done}), (stopped,), calls


def _decided(bill: Bill, ctx: Context[Any]) -> Decision[Bill]:
    bill, said, calls = wound_up(bill, ctx)
    return Decision(bill, events=said, calls=calls)


def withdrawn(bill: Bill, within: timedelta, ctx: Context[Any]) -> Followed:
    """The order goes on, but an R bills goods that do not come: their PO was refused or cancelled when R was on its way
    or issued. It is cancelled, so that what replaces them can be billed; if it cannot be, a person is told, once: also
    of what a cancellation of the order found, which was refused then."""
    said: list[Message] = []
    calls: list[Call] = []
    for invoice in () if bill.stopping.under_way else bill.invoices:
        if invoice.status is not InvoiceStatus.ISSUED or invoice.shown or not bill.is_outdated(invoice):
            continue
        changed, call = (invoice, []) if invoice.problems else _asked_or_kept(bill, invoice, within, ctx)
        bill = bill.with_invoice(changed.model_copy(update={"shown": bool(changed.problems)}))
        calls += call
        said += [stays_in_force(bill, changed)] if changed.problems else []
    return bill, said, calls


def stays_in_force(bill: Bill, invoice: Invoice) -> InvoiceRefused:
    """What a person must settle: R bills goods that do not come, and is not cancelled."""
    why = Problem(code="bills_void_goods", where=invoice.access_key, detail="it bills goods that do not come")
    return InvoiceRefused(
        order_id=bill.order_id,
        invoice_id=invoice.invoice_id,
        series=invoice.series,
        number=invoice.number,
        access_key=invoice.access_key,
        po_ids=void_goods(bill, invoice),
        at_stake=at_stake(bill, invoice),
        problems=(why, *invoice.problems),
    )


def _asked_or_kept(bill: Bill, invoice: Invoice, within: timedelta, ctx: Context[Any]) -> tuple[Invoice, list[Call]]:
    assert invoice.protocol is not None, "issued"
    assert invoice.issued_at is not None, "issued"
    left = invoice.issued_at + within - ctx.now
    if any(bill.purchase_order(po_id).dispatched_at for po_id in invoice.po_ids):
        detail = "the goods have left: R may be cancelled only before"
        problem = Problem(code="goods_left", where=invoice.access_key, detail=detail)
        return invoice.model_copy(update={"problems": (problem,)}), []
    if left <= timedelta(0):
        detail = f"R may be cancelled within {within} of {invoice.issued_at.isoformat()}"
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
