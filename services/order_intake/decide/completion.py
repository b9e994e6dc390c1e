"""Decisions on the order's end: after the last delivery the store's return window must pass."""

from dataclasses import replace

from schemas.decision import Answered, Call, Context, Outcome, unchanged
from schemas.order import OrderCompleted
from schemas.runtime import ReminderDue
from services.order_intake.decide import status
from services.order_intake.decide.follow import follow
from services.order_intake.state import CompletedMarked, MarkCompleted, Order


def on_return_window_over(order: Order | None, event: ReminderDue, ctx: Context[None]) -> Outcome[Order]:
    """A reminder of before a later delivery is out of date: a newer one is set."""
    if order is None or order.placed is None or order.completes_at is None or event.due < order.completes_at:
        return unchanged(order)
    if status.of_order(order) != "delivered":
        return unchanged(order)
    decision = follow(order, order.model_copy(update={"completed_at": ctx.now}), ctx, calls=_close(order))
    completed = OrderCompleted(
        order_id=order.placed.order_id,
        store_id=order.placed.store_id,
        channel_id=order.placed.channel_id,
        completed_at=ctx.now,
    )
    return replace(decision, events=(*decision.events, completed))


def _close(order: Order) -> list[Call]:
    if order.placed is None or order.erp_order_number is None:
        return []
    return [Call("erp", MarkCompleted(order_id=order.placed.order_id, number=order.erp_order_number))]


def on_completed_in_erp(
    order: Order | None, answered: Answered[MarkCompleted, CompletedMarked], ctx: Context[None]
) -> Outcome[Order]:
    if order is None or order.closed_in_erp:
        return unchanged(order)
    return follow(order, order.model_copy(update={"closed_in_erp": True}), ctx)
