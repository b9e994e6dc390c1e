"""Decisions on what makes an order end otherwise, or later, than it was sold. Pure."""

from typing import Any

from schemas.billing import InvoiceCancelled
from schemas.decision import Context, Decision, Outcome, unchanged
from schemas.model import Message
from schemas.order import OrderCancellationRefused, OrderCancellationStarted, OrderCancelled, OrderChanged
from schemas.refund import RefundOrdered, RefundSettled
from schemas.shipment import ShipmentDelayed
from schemas.sourcing import SourcingGivenUp
from services.channel_sync.follow import follow
from services.channel_sync.state import ChannelOrder, Delay, GivenUp, PartialRefund, Reference, Refund, Sale

Order = ChannelOrder


def on_order_changed(order: Order | None, event: OrderChanged, ctx: Context[Reference]) -> Outcome[Order]:
    """Mails go to whom the order is for now. Kept where it comes before the acceptance; of several the newest holds."""
    known = order or Order(order_id=event.order_id)
    if known.changed is not None and event.changed_at <= known.changed.changed_at:
        return unchanged(order)
    sale = known.sale and changed_sale(known.sale, event)
    return follow(_with(known, changed=event, sale=sale), ctx)


def changed_sale(sale: Sale, event: OrderChanged) -> Sale:
    """The sale as the change makes it."""
    return sale.model_copy(
        update={
            "customer_name": event.customer.name,
            "customer_email": event.customer.email,
            "items": event.items,
            "total": event.total,
        }
    )


def on_cancellation(
    order: Order | None, event: OrderCancellationStarted | OrderCancellationRefused, ctx: Context[None]
) -> Outcome[Order]:
    """Shown only: the channel is told when it is done, and not before. The newest word holds; an attempt that was
    refused at once was."""
    known = order or Order(order_id=event.order_id)
    starts = isinstance(event, OrderCancellationStarted)
    at = event.started_at if isinstance(event, OrderCancellationStarted) else event.refused_at
    before = known.cancellation_at
    if known.cancellation == "done" or (before is not None and (at < before or (starts and at == before))):
        return unchanged(order)
    return Decision(_with(known, cancellation="asked" if starts else "refused", cancellation_at=at))


def on_order_cancelled(order: Order | None, event: OrderCancelled, ctx: Context[Reference]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    if known.cancellation == "done":
        return unchanged(order)
    return follow(_with(known, cancellation="done", to_refund=event.to_refund > 0), ctx)


def on_invoice_cancelled(order: Order | None, event: InvoiceCancelled, ctx: Context[Reference]) -> Outcome[Order]:
    """A key that is still held is never told; the R that follows is. May be heard of before R itself."""
    known = order or Order(order_id=event.order_id)
    if known.is_cancelled(event.access_key):
        return unchanged(order)
    return follow(_with(known, cancelled_invoices=(*known.cancelled_invoices, event.access_key)), ctx)


def on_shipment_delayed(order: Order | None, event: ShipmentDelayed, ctx: Context[Reference]) -> Outcome[Order]:
    """A mail for each new date: said again with the same dates it is the same delay."""
    known = order or Order(order_id=event.order_id)
    dates = (event.expected_ship_at, event.estimated_delivery)
    reference = "/".join([event.po_id, *(at.isoformat() for at in dates if at is not None)])
    if any(delay.reference == reference for delay in known.delays):
        return unchanged(order)
    delay = Delay(
        reference=reference, expected_ship_at=event.expected_ship_at, estimated_delivery=event.estimated_delivery
    )
    return follow(_with(known, delays=(*known.delays, delay)), ctx)


def on_given_up(order: Order | None, event: SourcingGivenUp, ctx: Context[Reference]) -> Outcome[Order]:
    """The customer is told what does not come. No channel has a call for it: the refund that follows says it there."""
    known = order or Order(order_id=event.order_id)
    before = {} if known.given_up is None else known.given_up.lines
    said = {line.order_line: line.quantity for line in event.lines}
    lines = {line: max(before.get(line, 0), said.get(line, 0)) for line in sorted({*before, *said})}
    if lines == before:
        return unchanged(order)
    return follow(_with(known, given_up=GivenUp(lines=lines, at=event.at)), ctx)


def on_refund_ordered(order: Order | None, event: RefundOrdered, ctx: Context[Reference]) -> Outcome[Order]:
    """What the channel pays back of an order that goes on, it must be told. A cancelled order is told as such, and what
    the ERP pays back does not concern the channel."""
    known = order or Order(order_id=event.order_id)
    if event.by != "channel" or event.cause == "cancelled":
        return unchanged(order)
    if any(refund.refund_id == event.refund_id for refund in known.partial_refunds):
        return unchanged(order)
    refund = PartialRefund(
        refund_id=event.refund_id, payment_id=event.payment_id, amount=event.amount, cause=event.cause
    )
    return follow(_with(known, partial_refunds=(*known.partial_refunds, refund)), ctx)


def on_refund_settled(order: Order | None, event: RefundSettled, ctx: Context[Reference]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    if any(refund.refund_id == event.refund_id for refund in known.refunds):
        return unchanged(order)
    refund = Refund(refund_id=event.refund_id, amount=event.amount)
    return follow(_with(known, refunds=(*known.refunds, refund)), ctx)


def on_noted(order: Order | None, event: Message, ctx: Context[None]) -> Decision[Order]:
    """Neither the channel nor the customer hears of it."""
    return unchanged(order)


def _with(order: Order, **changes: Any) -> Order:
    return order.model_copy(update=changes)
