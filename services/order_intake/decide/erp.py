"""Decisions on the ERP's answers: it has the order, its change, its end."""

from schemas.decision import Answered, Context, Outcome, unchanged
from services.order_intake.decide.follow import follow
from services.order_intake.requests import (
    CancelledMarked,
    CompletedMarked,
    MarkCancelled,
    MarkCompleted,
    RegisterSalesOrder,
    SalesOrderRegistered,
    SalesOrderUpdated,
    UpdateSalesOrder,
)
from services.order_intake.state import Order

Ctx = Context[None]


def on_sales_order_registered(
    order: Order | None, answered: Answered[RegisterSalesOrder, SalesOrderRegistered], ctx: Ctx
) -> Outcome[Order]:
    """The number that the ERP gave first holds: fulfilment may have gone out with it."""
    known = order or Order()
    if known.erp_order_number is not None:
        return unchanged(known)
    return follow(order, known.model_copy(update={"erp_order_number": answered.answer.number}), ctx)


def on_sales_order_updated(
    order: Order | None, answered: Answered[UpdateSalesOrder, SalesOrderUpdated], ctx: Ctx
) -> Outcome[Order]:
    """The ERP has the order as it was after so many changes."""
    known = order or Order()
    if known.erp_revision >= answered.request.revision:
        return unchanged(known)
    return follow(order, known.model_copy(update={"erp_revision": answered.request.revision}), ctx)


def on_cancelled_in_erp(
    order: Order | None, answered: Answered[MarkCancelled, CancelledMarked], ctx: Ctx
) -> Outcome[Order]:
    if order is None or order.cancelled_in_erp == "yes":
        return unchanged(order)
    return follow(order, order.model_copy(update={"cancelled_in_erp": "yes"}), ctx)


def on_completed_in_erp(
    order: Order | None, answered: Answered[MarkCompleted, CompletedMarked], ctx: Ctx
) -> Outcome[Order]:
    if order is None or order.closed_in_erp:
        return unchanged(order)
    return follow(order, order.model_copy(update={"closed_in_erp": True}), ctx)
