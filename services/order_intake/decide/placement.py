"""Decisions on the order itself: whether it is taken, and on which terms."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from schemas.decision import Call, Context, Decision, Outcome, Refused, later, unchanged
from schemas.model import Message
from schemas.order import OrderAccepted, OrderPlaced, OrderRefused
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from schemas.values import Problem
from services.order_intake.decide.follow import follow
from services.order_intake.decide.follow.sales_order import ERP, opened
from services.order_intake.decide.invoiceable import unsayable
from services.order_intake.state import Approval, Order, Terms


def on_order_placed(
    order: Order | None, event: OrderPlaced, ctx: Context[Timeline[StoreChanged] | None]
) -> Outcome[Order]:
    """`ctx.reference` is the order's store."""
    known = order or Order()
    if known.placed is not None:
        return unchanged(known) if known.placed == event else _placed_differently(known.placed, event)
    if ctx.reference is None:
        return later("store.changed")
    store = ctx.reference.current(event.placed_at)
    problems = tuple(_problems(event, store))
    if problems:
        return Decision(known.model_copy(update={"placed": event, "refused": problems}), [_refused(event, problems)])
    terms = _terms(store)
    accepted = known.model_copy(
        update={
            "placed": event,
            "terms": terms,
            "accepted_at": ctx.now,
            "approvals": {**_approvals(event), **known.approvals},
        }
    )
    calls = [Call(ERP, opened(event))] if terms.has_erp else []
    return follow(order, accepted, ctx, [_accepted(event, ctx)], calls)


def _placed_differently(placed: OrderPlaced, event: OrderPlaced) -> Refused:
    fields = [name for name in OrderPlaced.model_fields if getattr(placed, name) != getattr(event, name)]
    return Refused("placed_differently", f"this order was placed before with another {', '.join(fields)}")


def _problems(event: OrderPlaced, store: StoreChanged) -> Iterator[Problem]:
    if event.fulfilment == "fulfilled" and store.fulfils == "unfulfilled":
        yield Problem(
            code="already_fulfilled",
            where="fulfilment",
            detail="the channel says that somebody delivered it, and the store takes only what nobody has",
            expected="unfulfilled",
            found=event.fulfilment,
        )
    if len({payment.payment_id for payment in event.payments}) != len(event.payments):
        yield Problem(code="payment_twice", where="payments", detail="two payments have the same id")
    yield from unsayable(event)


def _refused(event: OrderPlaced, problems: tuple[Problem, ...]) -> OrderRefused:
    return OrderRefused(
        order_id=event.order_id,
        store_id=event.store_id,
        channel_id=event.channel_id,
        channel_order_code=event.channel_order_code,
        reasons=problems,
    )


def _terms(store: StoreChanged) -> Terms:
    return Terms(
        has_erp=store.has_erp,
        return_window=timedelta(days=store.return_window_days),
        late_payment=store.late_payment,
        cancellation=store.cancellation,
        longest_quote=store.deadlines.quote,
        longest_stock=store.deadlines.stock,
        longest_late_payment=store.deadlines.late_payment,
        longest_difference=store.deadlines.difference,
    )


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
        placed_at=event.placed_at,
    )


def on_noted(order: Order | None, event: Message, ctx: Context[None]) -> Decision[Order]:
    """What happens beside the status (payables, alerts, what channel and customer were told): it changes nothing here.

    The order's owner takes it all the same, so that none of these facts is a message that nobody takes.
    """
    return unchanged(order)
