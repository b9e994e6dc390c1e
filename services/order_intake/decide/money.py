"""Pure questions about the customer's money: is a slip expired, was it paid after that."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from services.order_intake.state import Order


def has_expired(order: Order) -> bool:
    """Whether nobody pays any more: a payment expired, and none that was announced may still come."""
    return bool(order.expired) and not (_announced(order) - order.approvals.keys() - order.expired.keys())


def is_paid_late(order: Order) -> bool:
    """Whether all had expired when the money came, by the payments' own times, in whatever order they are heard of."""
    paid_at = _paid_at(order)
    if paid_at is None:
        return False
    approved = {payment_id for payment_id, approval in order.approvals.items() if approval.approved_at < paid_at}
    expired = {payment_id for payment_id, at in order.expired.items() if at < paid_at}
    return bool(expired) and not (_announced(order) - approved - expired)


def _announced(order: Order) -> set[str]:
    return {payment.payment_id for payment in order.placed.payments} if order.placed else set()


def _paid_at(order: Order) -> datetime | None:
    """When the approved payments came to cover the total; None where they do not."""
    left = order.sale.total if order.sale else Decimal(0)
    for approved_at, amount in _oldest_first(order):
        left -= amount
        if left <= 0:
            return approved_at
    return None


def _oldest_first(order: Order) -> Iterable[tuple[datetime, Decimal]]:
    return sorted((approval.approved_at, approval.amount) for approval in order.approvals.values())
