"""A person's decision on R in force that are too late to cancel: an entry NF of ours takes them back.

In a cancellation nothing is in force any more then, and `billing.stopped` is said once more, with the decision:
order_intake cancels the order, or lets it go on, and what replaces the goods is billed anew. Of an order that is not
being cancelled only what bills goods that do not come is decided: what replaces them is billed, at once where the order
is to go on, else when order_intake has answered the wish to cancel it.

The same word again changes nothing; another one is refused: what was taken back stays so.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas.billing import BillingStopped, InvoiceCancelled, InvoiceReduced
from schemas.decision import Context, Decision, Outcome, Refused, later, unchanged
from schemas.model import Message, Model
from schemas.order import OrderCancellationDecided
from services.billing import ledger
from services.billing.decide.fulfilment import advanced
from services.billing.reference import Reference
from services.billing.state import Bill, Invoice, InvoiceStatus
from services.billing.taking_back import taken_back, void_goods

TICK = timedelta(microseconds=1)
Settled = tuple[Bill, Sequence[Message], Sequence[Model]]


def on_cancellation_decided(
    bill: Bill | None, event: OrderCancellationDecided, ctx: Context[Reference]
) -> Outcome[Bill]:
    """Refused where nothing is left to decide. While SEFAZ is asked to cancel an R, the word is kept: it must not be
    taken back twice, and SEFAZ may take a day to answer."""
    if bill is None:
        return Refused("not_being_cancelled", f"of order {event.order_id} nothing is known here")
    stopping = bill.stopping
    if stopping.decided == event:
        return unchanged(bill)
    if not stopping.under_way:
        return _while_it_goes_on(bill, event, ctx)
    attempt = stopping.started_at
    assert attempt is not None, "being cancelled"
    if stopping.stopped_for is None or stopping.stopped_for < attempt:
        return later("fulfilment.stopped")
    if any(invoice.status is InvoiceStatus.CANCELLING for invoice in bill.invoices):
        return _waiting(bill, event, attempt)
    kept = [invoice for invoice in bill.invoices if invoice.in_force]
    if kept:
        bill, told, rows = _undone(bill, kept, attempt, event, ctx)
        return Decision(bill, events=told, rows=rows)
    if stopping.decided_for == attempt:
        return _said_before(bill, event)
    return Refused("nothing_to_decide", f"order {event.order_id} has no R in force")


def settled(bill: Bill, ctx: Context[Any]) -> Settled:
    """What was decided while SEFAZ was asked, once it has answered for every R: those in force are taken back. Where it
    cancelled them nothing is left to decide; where the attempt is over a person is asked anew."""
    stopping = bill.stopping
    event, attempt = stopping.waiting, stopping.waiting_for
    if event is None or attempt is None or any(i.status is InvoiceStatus.CANCELLING for i in bill.invoices):
        return bill, (), ()
    over = stopping.model_copy(update={"waiting": None, "waiting_for": None})
    bill = bill.model_copy(update={"stopping": over})
    kept = [invoice for invoice in bill.invoices if invoice.in_force]
    if not kept or not stopping.under_way or stopping.started_at != attempt:
        return bill, (), ()
    return _undone(bill, kept, attempt, event, ctx)


def _waiting(bill: Bill, event: OrderCancellationDecided, attempt: datetime) -> Decision[Bill]:
    """Nothing is taken back yet: of two words the newer one holds."""
    stopping = bill.stopping
    before = stopping.waiting if stopping.waiting_for == attempt else None
    if before is not None and event.decided_at <= before.decided_at:
        return unchanged(bill)
    kept = stopping.model_copy(update={"waiting": event, "waiting_for": attempt})
    return Decision(bill.model_copy(update={"stopping": kept}))


def _undone(
    bill: Bill, kept: Sequence[Invoice], attempt: datetime, event: OrderCancellationDecided, ctx: Context[Any]
) -> Settled:
    told: list[Message] = []
    rows: list[Model] = []
    for invoice in kept:
        bill = bill.with_invoice(invoice.model_copy(update={"status": InvoiceStatus.UNDONE}))
        told.append(_cancelled(bill, invoice, event, ctx, decision=None))
        rows += _uninvoiced(bill, invoice, event)
    before = bill.stopping.stopped_at
    at = ctx.now if before is None else max(ctx.now, before + TICK)
    stopped = BillingStopped(
        order_id=bill.order_id, started_at=attempt, decision=event.decision, reason=event.reason, stopped_at=at
    )
    stopping = bill.stopping.model_copy(update={"stopped_at": at, "decided": event, "decided_for": attempt})
    return bill.model_copy(update={"stopping": stopping}), [*told, stopped], rows


def _while_it_goes_on(bill: Bill, event: OrderCancellationDecided, ctx: Context[Reference]) -> Outcome[Bill]:
    found = bill.unsettled
    if not found and bill.stopping.decided is not None:
        return _said_before(bill, event)
    if not found:
        why = "is not being cancelled, and no R in force bills goods that do not come"
        return Refused("not_being_cancelled", f"order {event.order_id} {why}")
    told: list[Message] = []
    rows: list[Model] = []
    for invoice in found:
        less = taken_back(bill, invoice)
        if less.status is InvoiceStatus.UNDONE:
            told.append(_cancelled(bill, invoice, event, ctx, decision=event.decision))
            rows += _uninvoiced(bill, invoice, event)
        else:
            told.append(_reduced(bill, invoice, less, event, ctx))
            rows += _uninvoiced(bill, invoice, event, less)
        bill = bill.with_invoice(less)
    wished = event.decision == "returned"
    word = {"decided": event, "decided_for": None, "wished": wished}
    stopping = bill.stopping.model_copy(update=word)
    return advanced(bill.model_copy(update={"stopping": stopping}), ctx, rows, told)


def _said_before(bill: Bill, event: OrderCancellationDecided) -> Outcome[Bill]:
    before = bill.stopping.decided
    assert before is not None, "decided"
    if before.decision == event.decision:
        return unchanged(bill)
    said = f"{before.decided_by} decided at {before.decided_at.isoformat()} on {before.decision!r}"
    return Refused("decided_otherwise", f"of order {event.order_id} {said}, and R is taken back")


def _uninvoiced(
    bill: Bill, invoice: Invoice, event: OrderCancellationDecided, less: Invoice | None = None
) -> list[Model]:
    """`less`: what stays of it; None: nothing."""
    amount = invoice.billed - (less.billed if less else 0)
    what = f"{invoice.invoice_id}/{less.taken_back}" if less else invoice.invoice_id
    return [ledger.uninvoiced(bill.order_id, what, amount, event.decided_at)] if amount else []


def _cancelled(
    bill: Bill, invoice: Invoice, event: OrderCancellationDecided, ctx: Context[Any], *, decision: str | None
) -> InvoiceCancelled:
    return InvoiceCancelled.model_validate(
        _names(bill, invoice, event)
        | {"po_ids": invoice.po_ids, "how": "entry_nf", "decision": decision, "cancelled_at": ctx.now}
    )


def _reduced(
    bill: Bill, invoice: Invoice, less: Invoice, event: OrderCancellationDecided, ctx: Context[Any]
) -> InvoiceReduced:
    return InvoiceReduced.model_validate(
        _names(bill, invoice, event)
        | {
            "po_ids": void_goods(bill, invoice),
            "amount": invoice.billed - less.billed,
            "left": less.billed,
            "decision": event.decision,
            "reduced_at": ctx.now,
        }
    )


def _names(bill: Bill, invoice: Invoice, event: OrderCancellationDecided) -> dict[str, Any]:
    order = bill.order
    assert order is not None, "an R was issued for a known order"
    return {
        "order_id": bill.order_id,
        "store_id": order.store_id,
        "channel_id": order.channel_id,
        "invoice_id": invoice.invoice_id,
        "access_key": invoice.access_key,
        "entry_nf_keys": event.entry_nf_keys,
        "reason": event.reason,
    }
