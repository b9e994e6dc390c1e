"""Until when an order waits: for the return window to end, a supplier, stock, a late payment, a difference. Pure."""

from datetime import datetime

from schemas.decision import Reminder
from services.order_intake.decide import status
from services.order_intake.decide.follow import giving_up, revision
from services.order_intake.state import Order

COMPLETE = "complete"
GIVE_UP = "give_up"
DIFFERENCE = "difference"


def due(order: Order) -> tuple[Order, list[Reminder], list[str]]:
    """The order, reminders to set, and names of those to forget."""
    order, closing = _closing(order)
    order, giving_up, forget = _giving_up(order)
    order, owing, settled = _owing(order)
    return order, [*closing, *giving_up, *owing], [*forget, *settled]


def _closing(order: Order) -> tuple[Order, list[Reminder]]:
    """All delivered: the return window runs from the last delivery on."""
    if order.terms is None or order.status != "delivered" or status.of_order(order) != "delivered":
        return order, []
    times = [po.delivered_at for po in order.open_purchase_orders.values()]
    end = max(time for time in times if time is not None) + order.terms.return_window
    if end == order.completes_at:
        return order, []
    return order.model_copy(update={"completes_at": end}), [Reminder(COMPLETE, end)]


def _giving_up(order: Order) -> tuple[Order, list[Reminder], list[str]]:
    end = _gives_up_at(order)
    if end == order.gives_up_at:
        return order, [], []
    order = order.model_copy(update={"gives_up_at": end})
    return (order, [], [GIVE_UP]) if end is None else (order, [Reminder(GIVE_UP, end)], [])


def _gives_up_at(order: Order) -> datetime | None:
    """From when the order began to wait so. Waiting for stock after a supplier was found is another wait, and so is one
    after the limit was refused, or for what was missing after other lines were given up. None while it is being
    cancelled: where that is refused, it is waited on."""
    if order.terms is None or order.status_at is None or order.is_being_cancelled:
        return None
    attempt = order.cancellation
    refused_at = attempt.refused_at if attempt and attempt.cause in giving_up.CAUSES else None
    waits = max(at for at in (order.status_at, refused_at, order.told_to_give_up_at) if at is not None)
    match order.status:
        case "quote_pending":
            return waits + order.terms.longest_quote
        case "out_of_stock":
            return waits + order.terms.longest_stock
        case "payment_slip_expired" if order.terms.longest_late_payment is not None:
            return order.status_at + order.terms.longest_late_payment
    return None


def _owing(order: Order) -> tuple[Order, list[Reminder], list[str]]:
    end = _difference_due_at(order)
    if end == order.difference_due_at:
        return order, [], []
    order = order.model_copy(update={"difference_due_at": end})
    return (order, [], [DIFFERENCE]) if end is None else (order, [Reminder(DIFFERENCE, end)], [])


def _difference_due_at(order: Order) -> datetime | None:
    """From the last payment on, where the order as it was before it grew is paid."""
    if order.terms is None or not order.approvals or revision.unpaid(order) == ():
        return None
    return max(approval.approved_at for approval in order.approvals.values()) + order.terms.longest_difference
