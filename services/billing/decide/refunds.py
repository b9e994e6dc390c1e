"""Money that goes back to the customer: only `refund.requested` leads to it, and the bank's word ends it."""

from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, unchanged
from schemas.refund import RefundFailed, RefundOrdered, RefundReported, RefundRequested, RefundSettled
from services.billing import ledger
from services.billing.reference import Reference
from services.billing.requests import OrderRefund, RefundTaken
from services.billing.state import Bill, Refund, RefundStatus


def on_refund_requested(bill: Bill | None, event: RefundRequested, ctx: Context[Reference]) -> Outcome[Bill]:
    """The marketplace pays back what it took; everything else goes through the ERP. Without an ERP a person pays.

    channel_sync tells the marketplace. That it has paid, its statement of account says (`refund.reported`): a channel
    that took the call has not paid yet.
    """
    known = bill or Bill(order_id=event.order_id)
    if _refund(known, event.refund_id) is not None:
        return unchanged(bill)
    refund = Refund(refund_id=event.refund_id, payment_id=event.payment_id, amount=event.amount, cause=event.cause)
    what = f"{event.payment_id}/{event.refund_id}"
    paid = [ledger.customer_paid(event.order_id, what, event.amount, event.requested_at)]
    rows = [] if known.knows_payment(event.payment_id) else paid
    if event.method == "marketplace":
        ordered = _ordered(event.order_id, refund, "channel", ctx)
        changed = refund.model_copy(update={"status": RefundStatus.ORDERED})
        return Decision(known.with_refund(changed), events=[ordered], rows=rows)
    if event.erp_order_number is None:
        return Decision(known.with_refund(refund), rows=rows)
    request = OrderRefund(
        refund_id=event.refund_id,
        order_id=event.order_id,
        payment_id=event.payment_id,
        method=event.method,
        amount=event.amount,
    )
    ordering = refund.model_copy(update={"status": RefundStatus.ORDERING})
    return Decision(known.with_refund(ordering), calls=[Call("erp", request)], rows=rows)


def on_refund_taken(bill: Bill | None, event: Answered[OrderRefund, RefundTaken], ctx: Context[None]) -> Outcome[Bill]:
    """The bank may have reported on it before this answer is seen."""
    refund = _refund(bill, event.request.refund_id)
    if bill is None or refund is None:
        return Refused("unknown_refund", event.request.refund_id)
    if refund.erp_number is not None or refund.status not in (
        RefundStatus.ORDERING,
        RefundStatus.SETTLED,
        RefundStatus.FAILED,
    ):
        return unchanged(bill)
    status = RefundStatus.ORDERED if refund.status is RefundStatus.ORDERING else refund.status
    taken = {"status": status, "erp_number": event.answer.erp_number}
    changed = bill.with_refund(refund.model_copy(update=taken))
    return Decision(changed, events=[_ordered(bill.order_id, refund, "erp", ctx)])


def on_refund_reported(bill: Bill | None, event: RefundReported, ctx: Context[None]) -> Outcome[Bill]:
    """A refund that failed may be settled later, never the other way round."""
    refund = _refund(bill, event.refund_id)
    if bill is None or refund is None:
        return Refused("unknown_refund", event.refund_id)
    if refund.status is RefundStatus.SETTLED:
        late = event.outcome == "settled" or (refund.settled_at is not None and event.reported_at <= refund.settled_at)
        return unchanged(bill) if late else Refused("refund_settled_before", event.refund_id)
    if event.outcome == "failed":
        return unchanged(bill) if refund.status is RefundStatus.FAILED else _failed(bill, refund, event)
    return _settled(bill, refund, event)


def _settled(bill: Bill, refund: Refund, event: RefundReported) -> Decision[Bill]:
    changed = {"status": RefundStatus.SETTLED, "settled_at": event.reported_at, "detail": ""}
    fact = RefundSettled(
        order_id=bill.order_id,
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        amount=refund.amount,
        settled_at=event.reported_at,
    )
    row = ledger.refunded(bill.order_id, refund.refund_id, refund.amount, event.reported_at)
    return Decision(bill.with_refund(refund.model_copy(update=changed)), events=[fact], rows=[row])


def _failed(bill: Bill, refund: Refund, event: RefundReported) -> Decision[Bill]:
    changed = {"status": RefundStatus.FAILED, "detail": event.detail}
    fact = RefundFailed(
        order_id=bill.order_id,
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        amount=refund.amount,
        detail=event.detail,
        failed_at=event.reported_at,
    )
    return Decision(bill.with_refund(refund.model_copy(update=changed)), events=[fact])


def _ordered(order_id: str, refund: Refund, by: str, ctx: Context[Reference] | Context[None]) -> RefundOrdered:
    return RefundOrdered.model_validate(
        {
            "order_id": order_id,
            "refund_id": refund.refund_id,
            "payment_id": refund.payment_id,
            "amount": refund.amount,
            "by": by,
            "cause": refund.cause,
            "ordered_at": ctx.now,
        }
    )


def _refund(bill: Bill | None, refund_id: str) -> Refund | None:
    return next((r for r in bill.refunds if r.refund_id == refund_id), None) if bill else None
