"""A person's decision on R's that a cancellation found too late to cancel: an entry NF of ours takes them back.

Then nothing is in force any more, and `billing.stopped` is said once more, with the decision: order_intake cancels the
order, or lets it go on, and what replaces the goods is billed anew.
"""

from collections.abc import Sequence
from datetime import timedelta

from schemas.billing import BillingStopped
from schemas.decision import Context, Decision, Outcome, Refused, later, unchanged
from schemas.order import OrderCancellationDecided
from services.billing import ledger
from services.billing.state import Bill, Invoice, InvoiceStatus

TICK = timedelta(microseconds=1)


def on_cancellation_decided(bill: Bill | None, event: OrderCancellationDecided, ctx: Context[None]) -> Outcome[Bill]:
    """Of the attempt to cancel that is under way. Refused where nothing of it is left to decide."""
    attempt = bill.stopping.started_at if bill else None
    if bill is None or attempt is None:
        return Refused("not_being_cancelled", f"order {event.order_id} is not being cancelled")
    stopping = bill.stopping
    if stopping.decided == event:
        return unchanged(bill)
    if not stopping.under_way:
        return Refused("not_being_cancelled", f"order {event.order_id} is not being cancelled any more")
    if stopping.stopped_for is None or stopping.stopped_for < attempt:
        return later("fulfilment.stopped")
    kept = [invoice for invoice in bill.invoices if invoice.in_force]
    if not kept:
        return Refused("nothing_to_decide", f"order {event.order_id} has no R in force")
    return _undone(bill, kept, event, ctx)


def _undone(bill: Bill, kept: Sequence[Invoice], event: OrderCancellationDecided, ctx: Context[None]) -> Decision[Bill]:
    for invoice in kept:
        bill = bill.with_invoice(invoice.model_copy(update={"status": InvoiceStatus.UNDONE}))
    before, attempt = bill.stopping.stopped_at, bill.stopping.started_at
    assert attempt is not None, "being cancelled"
    at = ctx.now if before is None else max(ctx.now, before + TICK)
    stopped = BillingStopped(
        order_id=bill.order_id, started_at=attempt, decision=event.decision, reason=event.reason, stopped_at=at
    )
    stopping = bill.stopping.model_copy(update={"stopped_at": at, "decided": event})
    rows = [ledger.uninvoiced(bill.order_id, i.invoice_id, i.total, event.decided_at) for i in kept if i.total]
    return Decision(bill.model_copy(update={"stopping": stopping}), events=[stopped], rows=rows)
