"""PURE. What customers pay beside `order.ready`: owed to them, until it goes back or a person settles it."""

from schemas.decision import Context, Decision, Outcome, unchanged
from schemas.order import OrderPaymentReceived
from services.billing import ledger
from services.billing.state import Bill, ReceivedPayment


def on_payment_received(bill: Bill | None, event: OrderPaymentReceived, ctx: Context[None]) -> Outcome[Bill]:
    """Refunds that were heard of first have booked what they pay back."""
    known = bill or Bill(order_id=event.order_id)
    if any(payment.payment_id == event.payment_id for payment in known.received):
        return unchanged(bill)
    payment = ReceivedPayment(payment_id=event.payment_id, amount=event.amount)
    booked = event.amount if known.knows_payment(event.payment_id) else known.refunded_of(event.payment_id)
    rest = event.amount - booked
    paid = [ledger.customer_paid(event.order_id, event.payment_id, rest, event.approved_at)] if rest > 0 else []
    received = known.model_copy(update={"received": (*known.received, payment)})
    return Decision(received, rows=paid)
