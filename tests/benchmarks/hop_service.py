"""The hop as a service of ours: `order.placed` makes a state and one `order.accepted`. Run as a process: the worker.

It runs under the name of order_intake, because queues and rights derive from the catalogue.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from schemas.decision import Context, Decision, Outcome, unchanged
from schemas.model import Model
from schemas.order import Items, OrderAccepted, OrderPlaced
from schemas.values import Address, Customer
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Service, Subscription

NAME = "order_intake"


class Order(Model):
    """The state of the hop: what the order said."""

    order_id: str
    store_id: str
    channel_id: str
    channel_order_code: str
    customer: Customer
    ship_to: Address
    items: Items
    total: Decimal


def order_of(event: OrderPlaced) -> Order:
    return Order.model_construct(
        order_id=event.order_id,
        store_id=event.store_id,
        channel_id=event.channel_id,
        channel_order_code=event.channel_order_code,
        customer=event.customer,
        ship_to=event.ship_to,
        items=event.items,
        total=event.total,
    )


def accepted(event: OrderPlaced, now: datetime) -> OrderAccepted:
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
        accepted_at=now,
    )


def on_order_placed(order: Order | None, event: OrderPlaced, ctx: Context[Any]) -> Outcome[Order]:
    if order is not None:
        return unchanged(order)
    return Decision(order_of(event), events=[accepted(event, ctx.now)])


SERVICE = Service(NAME, (Subscription(OrderPlaced, Aggregate("hop_order", Order), on_order_placed),))

if __name__ == "__main__":
    run(SERVICE, read(Runtime))
