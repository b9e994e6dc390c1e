"""Decisions on the order itself: placed, paid, registered in the ERP."""

from datetime import timedelta
from typing import Any

from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, later, unchanged
from schemas.model import Message
from schemas.order import OrderAccepted, OrderPlaced
from schemas.payment import PaymentApproved
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.order_intake.decide.follow import follow
from services.order_intake.state import Approval, Order, RegisterSalesOrder, SalesOrderRegistered, Terms


def on_order_placed(
    order: Order | None, event: OrderPlaced, ctx: Context[Timeline[StoreChanged] | None]
) -> Outcome[Order]:
    """`ctx.reference` is the order's store."""
    known = order or Order()
    if known.placed is not None:
        return unchanged(known) if known.placed == event else _placed_differently(known.placed, event)
    if ctx.reference is None:
        return later("store.changed")
    terms = _terms(ctx.reference.current(event.placed_at))
    accepted = known.model_copy(
        update={
            "placed": event,
            "terms": terms,
            "accepted_at": ctx.now,
            "approvals": {**_approvals(event), **known.approvals},
        }
    )
    calls = [Call("erp", _register(event))] if terms.has_erp else []
    return follow(order, accepted, ctx, [_accepted(event, ctx)], calls)


def _placed_differently(placed: OrderPlaced, event: OrderPlaced) -> Refused:
    fields = [name for name in OrderPlaced.model_fields if getattr(placed, name) != getattr(event, name)]
    return Refused("placed_differently", f"this order was placed before with another {', '.join(fields)}")


def _terms(store: StoreChanged) -> Terms:
    return Terms(has_erp=store.has_erp, return_window=timedelta(days=store.return_window_days))


def _approvals(event: OrderPlaced) -> dict[str, Approval]:
    return {
        payment.payment_id: Approval(amount=payment.amount, approved_at=payment.approved_at)
        for payment in event.payments
        if payment.approved_at is not None
    }


def _accepted(event: OrderPlaced, ctx: Context[Any]) -> OrderAccepted:
    return OrderAccepted(
        order_id=event.order_id,
        store_id=event.store_id,
        channel_id=event.channel_id,
        channel_order_code=event.channel_order_code,
        logistics=event.logistics,
        customer_name=event.customer.name,
        customer_email=event.customer.email,
        items=event.items,
        total=event.total,
        accepted_at=ctx.now,
    )


def _register(event: OrderPlaced) -> RegisterSalesOrder:
    return RegisterSalesOrder(
        order_id=event.order_id,
        store_id=event.store_id,
        channel_id=event.channel_id,
        channel_order_code=event.channel_order_code,
        customer=event.customer,
        items=event.items,
        freight=event.freight,
        discount=event.discount,
        total=event.total,
    )


def on_payment_approved(order: Order | None, event: PaymentApproved, ctx: Context[None]) -> Outcome[Order]:
    """Kept until the order comes, where it came first."""
    known = order or Order()
    approval = Approval(amount=event.amount, approved_at=event.approved_at)
    before = known.approvals.get(event.payment_id)
    if before is not None and before.amount != event.amount:
        return Refused("approved_differently", f"payment {event.payment_id} was approved with {before.amount} before")
    if before is not None:
        return unchanged(known)
    return follow(order, known.model_copy(update={"approvals": {**known.approvals, event.payment_id: approval}}), ctx)


def on_sales_order_registered(
    order: Order | None, answered: Answered[RegisterSalesOrder, SalesOrderRegistered], ctx: Context[None]
) -> Outcome[Order]:
    """The number that the ERP gave first holds: fulfilment may have gone out with it."""
    known = order or Order()
    if known.erp_order_number is not None:
        return unchanged(known)
    return follow(order, known.model_copy(update={"erp_order_number": answered.answer.number}), ctx)


def on_noted(order: Order | None, event: Message, ctx: Context[None]) -> Decision[Order]:
    """What happens beside the status (payables, what channel and customer were told): it changes nothing here.

    The order's owner takes it all the same, so that none of these facts is a message that nobody takes.
    """
    return unchanged(order)
