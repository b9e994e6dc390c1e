"""What follows from an order's facts, whichever of them came last.

In this order: changes are answered, a cancellation goes on, the status moves, what nobody has is given up, the order
becomes ready, money goes back, the ERP is told, reminders are set. Each step is pure: the order in, the order and what
follows out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas.decision import Call, Context, Decision
from schemas.model import Message
from schemas.order import OrderPlaced, OrderReady, OrderStatusChanged, PoStatus, Status
from services.order_intake.decide import moves, status
from services.order_intake.decide.follow import cancelling, deadlines, giving_up, refunding, revision, sales_order
from services.order_intake.state import Order


def follow(
    before: Order | None, order: Order, ctx: Context[Any], events: Sequence[Message] = (), calls: Sequence[Call] = ()
) -> Decision[Order]:
    """The decision on new facts: `events`, then what they lead to. Nothing where the facts are not new."""
    if order == before or order.placed is None or order.refused:
        return Decision(order, events, calls)
    order, changes = revision.answer(order, ctx.now)
    order, cancellation = cancelling.settle(order, ctx.now)
    order, moved = _moved(order, ctx.now)
    order, given_up = giving_up.due(order, ctx.now)
    order, ready = _ready(order, ctx.now)
    order, refunds = refunding.due(order, ctx.now)
    order, asked = sales_order.due(order)
    order, reminders, forget = deadlines.due(order)
    every = (*events, *changes, *cancellation, *moved, *given_up, *ready, *refunds)
    return Decision(order, every, (*calls, *asked), reminders, forget)


def _moved(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """The order with its new status, and one event per step. Each is later than the one before, also of one moment and
    where clocks differ: whoever hears them in another order knows the newest."""
    new, placed = status.of_order(order), order.placed
    events: list[Message] = []
    if new is None or placed is None or new == order.status:
        return order, events
    pos = status.of_purchase_orders(order)
    for step in moves.way(order.status, new, acknowledged=status.is_acknowledged(order)):
        at = now if order.status_at is None else max(now, order.status_at + _TICK)
        events.append(_status_changed(order, placed, pos, step, at))
        order = order.model_copy(update={"status": step, "status_at": at})
    return order, events


def _status_changed(
    order: Order, placed: OrderPlaced, pos: tuple[PoStatus, ...], step: Status, at: datetime
) -> OrderStatusChanged:
    return OrderStatusChanged.of_valid(
        order_id=placed.order_id,
        store_id=placed.store_id,
        channel_id=placed.channel_id,
        status=step,
        previous=order.status,
        changed_at=at,
        purchase_orders=pos,
    )


_TICK = timedelta(microseconds=1)
_SAME = OrderReady.model_fields.keys() & OrderPlaced.model_fields.keys()


def _ready(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """Once: paid, known to the ERP as it is now, and wanted."""
    sale, stopped = order.sale, order.is_being_cancelled or order.cancelled_at is not None
    if sale is None or order.ready_at is not None or stopped or not order.paid or not _is_known_to_erp(order):
        return order, []
    ready = OrderReady(
        **{name: getattr(sale, name) for name in _SAME}
        | {"erp_order_number": order.erp_order_number, "ready_at": now, "payments": order.payments},
    )
    return order.model_copy(update={"ready_at": now}), [ready]


def _is_known_to_erp(order: Order) -> bool:
    if order.terms is not None and not order.terms.has_erp:
        return True
    return order.erp_order_number is not None and order.erp_revision >= order.revision
