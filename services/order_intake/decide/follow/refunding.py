"""Which money goes back: every payment of an order that was cancelled, whenever it comes. Pure."""

from datetime import datetime

from schemas.envelope import reference
from schemas.model import Message
from schemas.order import OrderPlaced
from schemas.refund import RefundRequested
from services.order_intake.state import Order, Refund


def refund_id(order_id: str, payment_id: str) -> str:
    """Of one payment there is one refund: the same id, whatever leads to it."""
    return str(reference("refund", f"{order_id}\0{payment_id}"))


def due(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """It waits for the ERP's number of the order, under which the money is paid back."""
    placed = order.placed
    if placed is None or order.cancelled_at is None or not order.is_registered:
        return order, []
    events: list[Message] = []
    for payment in order.payments:
        name = refund_id(placed.order_id, payment.payment_id)
        known = order.refunds.get(name, Refund())
        if payment.payment_id not in order.approvals or not payment.amount or known.requested_at is not None:
            continue
        refunds = {**order.refunds, name: known.model_copy(update={"requested_at": now})}
        order = order.model_copy(update={"refunds": refunds})
        events.append(_request(order, placed, payment.payment_id, now))
    return order, events


def _request(order: Order, placed: OrderPlaced, payment_id: str, now: datetime) -> RefundRequested:
    payment = next(payment for payment in order.payments if payment.payment_id == payment_id)
    return RefundRequested(
        order_id=placed.order_id,
        store_id=placed.store_id,
        channel_id=placed.channel_id,
        refund_id=refund_id(placed.order_id, payment_id),
        payment_id=payment_id,
        method=payment.method,
        amount=payment.amount,
        reason=order.cancellation.reason if order.cancellation else "cancelled",
        erp_order_number=order.erp_order_number,
        requested_at=now,
    )
