"""Decisions on what is due: the return window is over, or the order has waited for goods or money long enough."""

from dataclasses import replace

from schemas.decision import Call, Context, Decision, Outcome, unchanged
from schemas.order import CancellationCause, OrderCompleted
from schemas.runtime import ReminderDue
from services.order_intake.decide import status
from services.order_intake.decide.follow import follow, giving_up, revision
from services.order_intake.decide.follow.cancelling import start
from services.order_intake.decide.follow.sales_order import ERP
from services.order_intake.requests import MarkCompleted
from services.order_intake.state import Order

Ctx = Context[None]


def on_return_window_over(order: Order | None, event: ReminderDue, ctx: Ctx) -> Outcome[Order]:
    """A reminder of before a later delivery is out of date: a newer one is set. Where the order is not delivered as a
    whole any more, or is being cancelled, one is set anew when that is over."""
    if order is None or order.placed is None or order.completes_at is None or event.due < order.completes_at:
        return unchanged(order)
    if order.completed_at is not None or order.cancelled_at is not None:
        return unchanged(order)
    if order.is_being_cancelled or status.of_order(order) != "delivered":
        return Decision(order.model_copy(update={"completes_at": None}))
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
    return [Call(ERP, MarkCompleted(order_id=order.placed.order_id, number=order.erp_order_number))]


def on_waited_enough(order: Order | None, event: ReminderDue, ctx: Ctx) -> Outcome[Order]:
    """Nobody sells, has or pays it: the order is given up, as if somebody had asked for it, by the store's limit.

    A reminder of an earlier wait is out of date. Where goods have left, or a supplier has said that it is too late for
    a PO of the order, only what is missing is given up, and the rest goes on.
    """
    if order is None or order.gives_up_at is None or event.due < order.gives_up_at:
        return unchanged(order)
    if order.is_being_cancelled or order.cancelled_at is not None:
        return unchanged(order)
    if giving_up.is_partly_bought(order):
        after, told = giving_up.give_up(order, ctx.now)
        return follow(order, after, ctx, told)
    given_up, started = start(order, *_why(order), ctx.now)
    return follow(order, given_up, ctx, started)


def _why(order: Order) -> tuple[CancellationCause, str]:
    if order.status == "payment_slip_expired":
        return "payment_expired", "it expired, and was not paid after that either"
    return giving_up.why(order)


def on_difference_due(order: Order | None, event: ReminderDue, ctx: Ctx) -> Outcome[Order]:
    """The order grew while it was paid, and the difference did not come: it goes on as it was paid."""
    if order is None or order.difference_due_at is None or event.due < order.difference_due_at:
        return unchanged(order)
    without, told = revision.take_back(order, ctx.now)
    return follow(order, without, ctx, told)
