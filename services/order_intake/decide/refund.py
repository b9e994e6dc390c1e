"""Decisions on refunds, a case beside the status: requested, then ordered, then settled or failed.

Nothing follows from them here; what is known of a refund is the same in whatever order it is heard of.
"""

from datetime import datetime

from schemas.decision import Context, Decision
from schemas.refund import RefundFailed, RefundOrdered, RefundSettled
from services.order_intake.state import Order, Refund

Ctx = Context[None]


def on_refund_ordered(order: Order | None, event: RefundOrdered, ctx: Ctx) -> Decision[Order]:
    return _noted(order, event.refund_id, "ordered_at", event.ordered_at)


def on_refund_settled(order: Order | None, event: RefundSettled, ctx: Ctx) -> Decision[Order]:
    return _noted(order, event.refund_id, "settled_at", event.settled_at)


def on_refund_failed(order: Order | None, event: RefundFailed, ctx: Ctx) -> Decision[Order]:
    return _noted(order, event.refund_id, "failed_at", event.failed_at)


def _noted(order: Order | None, refund_id: str, field: str, at: datetime) -> Decision[Order]:
    """Of two times that were told, the earlier one holds."""
    known = order or Order()
    refund = known.refunds.get(refund_id, Refund())
    earliest = min(getattr(refund, field) or at, at)
    refunds = {**known.refunds, refund_id: refund.model_copy(update={field: earliest})}
    return Decision(known.model_copy(update={"refunds": refunds}))
