"""Lines that nobody has in time, where others of the order have left: they are given up, and the rest goes on. Pure.

An order of which nothing has left is cancelled as a whole instead. Asked first, done last: po_dispatch stops buying and
says what it gave up; what it had bought by then stays bought.
"""

from datetime import datetime
from typing import Literal

from schemas.model import Message
from schemas.order import OrderLinesGivenUp
from services.order_intake.decide import status
from services.order_intake.decide.follow.cancelling import supplier_refusals
from services.order_intake.state import Order

WAITING = ("quote_pending", "out_of_stock")
CAUSES = ("no_supplier", "no_stock")


def due(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """The store's limit for what it waits for was to cancel the order, and a supplier refused: once for each attempt.
    Where a person wanted it to go on, it waits anew."""
    attempt = order.cancellation
    if attempt is None or attempt.refused_at is None or attempt.cause not in CAUSES:
        return order, []
    before_this_wait = order.status_at is None or attempt.started_at < order.status_at
    if before_this_wait or order.given_up_for == attempt.started_at or not is_partly_bought(order):
        return order, []
    return give_up(order.model_copy(update={"given_up_for": attempt.started_at}), now)


def is_partly_bought(order: Order) -> bool:
    """Whether goods of the order, or a part of a PO, are on their way or there, or a supplier has said that it is too
    late for a PO: it cannot be cancelled whole."""
    left = any(po.shipments for po in order.open_purchase_orders.values())
    return left or any(supplier_refusals(order))


def give_up(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    placed, missing = order.placed, status.missing_lines(order)
    if placed is None or not missing or order.status not in WAITING:
        return order, []
    event = OrderLinesGivenUp(
        order_id=placed.order_id,
        store_id=placed.store_id,
        channel_id=placed.channel_id,
        order_lines=tuple(sorted(missing)),
        reason=why(order)[1],
        given_up_at=now,
    )
    return order.model_copy(update={"told_to_give_up_at": now}), [event]


def why(order: Order) -> tuple[Literal["no_supplier", "no_stock"], str]:
    """The cause, and what is missing in words."""
    lines = ", ".join(str(line) for line in sorted(status.missing_lines(order) or order.given_up)[:20])
    if order.status == "quote_pending":
        return "no_supplier", f"no supplier sells line {lines} in time"
    return "no_stock", f"no supplier has line {lines} in time"
