"""What follows from an order's facts, whichever of them came last: status changes, `order.ready`, the reminder."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from schemas.decision import Call, Context, Decision, Reminder
from schemas.model import Message
from schemas.order import OrderPlaced, OrderReady, OrderStatusChanged, Status
from services.order_intake.decide import status
from services.order_intake.state import Order

COMPLETE = "complete"


def follow(
    before: Order | None, order: Order, ctx: Context[Any], events: Sequence[Message] = (), calls: Sequence[Call] = ()
) -> Decision[Order]:
    """The decision on new facts: `events`, then what they lead to. Nothing where the facts are not new."""
    if order == before or order.placed is None:
        return Decision(order, events, calls)
    placed = order.placed
    order, moves = _moved(order, placed, ctx.now)
    order, ready = _ready(order, placed, ctx.now)
    order, reminders = _closing(order)
    return Decision(order, (*events, *moves, *ready), calls, reminders)


def _moved(order: Order, placed: OrderPlaced, now: datetime) -> tuple[Order, list[Message]]:
    """The order with its new status, and one event per step. Never back, in time neither: clocks may differ."""
    new = status.of_order(order)
    if new is None or not status.is_forward(order.status, new):
        return order, []
    moves: list[Message] = []
    for step in status.steps(order, new):
        at = max(now, order.status_at or now)
        moves.append(_status_changed(order, placed, step, at))
        order = order.model_copy(update={"status": step, "status_at": at})
    return order, moves


def _status_changed(order: Order, placed: OrderPlaced, step: Status, at: datetime) -> OrderStatusChanged:
    return OrderStatusChanged(
        order_id=placed.order_id,
        store_id=placed.store_id,
        channel_id=placed.channel_id,
        status=step,
        previous=order.status,
        changed_at=at,
        purchase_orders=status.of_purchase_orders(order),
    )


def _ready(order: Order, placed: OrderPlaced, now: datetime) -> tuple[Order, list[Message]]:
    registered = order.erp_order_number is not None or (order.terms is not None and not order.terms.has_erp)
    if order.ready_at is not None or not order.paid or not registered:
        return order, []
    ready = OrderReady(
        **{name: getattr(placed, name) for name in OrderReady.model_fields.keys() & OrderPlaced.model_fields.keys()}
        | {"erp_order_number": order.erp_order_number, "ready_at": now, "payments": order.payments},
    )
    return order.model_copy(update={"ready_at": now}), [ready]


def _closing(order: Order) -> tuple[Order, list[Reminder]]:
    """All delivered: the return window runs from the last delivery on."""
    if order.terms is None or status.of_order(order) != "delivered":
        return order, []
    times = [order.purchase_order(po_id).delivered_at for po_id in order.po_ids]
    due = max(time for time in times if time is not None) + order.terms.return_window
    if due == order.completes_at:
        return order, []
    return order.model_copy(update={"completes_at": due}), [Reminder(COMPLETE, due)]
