"""Decisions on the customer's payments. Kept until the order comes, where they come first."""

from schemas.decision import Context, Decision, Outcome, Refused, unchanged
from schemas.order import OrderPaymentReceived
from schemas.payment import PaymentApproved, PaymentExpired
from services.order_intake.decide.follow import follow
from services.order_intake.state import Approval, Order


def on_payment_approved(order: Order | None, event: PaymentApproved, ctx: Context[None]) -> Outcome[Order]:
    known = order or Order()
    approval = Approval(amount=event.amount, approved_at=event.approved_at)
    before = known.approvals.get(event.payment_id)
    if before is not None and before.amount != event.amount:
        return Refused("approved_differently", f"payment {event.payment_id} was approved with {before.amount} before")
    if before is not None:
        return unchanged(known)
    changed = known.model_copy(update={"approvals": {**known.approvals, event.payment_id: approval}})
    return follow(order, changed, ctx, _received(event) if known.ready_at is not None else ())


def _received(event: PaymentApproved) -> tuple[OrderPaymentReceived]:
    """For the ledger: what was paid before is in `order.ready`."""
    names = OrderPaymentReceived.model_fields
    return (OrderPaymentReceived(**{name: getattr(event, name) for name in names}),)


def on_payment_expired(order: Order | None, event: PaymentExpired, ctx: Context[None]) -> Decision[Order]:
    """Of two times that were told, the earlier one holds."""
    known = order or Order()
    at = min(known.expired.get(event.payment_id, event.expired_at), event.expired_at)
    return follow(order, known.model_copy(update={"expired": {**known.expired, event.payment_id: at}}), ctx)
