"""Orders as the cases need them: bought goods, store, how they are paid. Customers are made up, by seed and place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal

from deploy.local import world_orders
from deploy.local.mixed.suppliers import PRODUCTS, Product
from deploy.local.world_data import PARTS, Part
from deploy.local.world_orders import MAGALU, MERCADO_LIVRE, OWN_SHOP, gtin
from schemas.order import Item, OrderCancellationDecided, OrderPlaced, Payment
from schemas.payment import PaymentApproved, PaymentExpired
from schemas.values import Logistics

FREIGHT = Decimal("19.90")
Paid = Literal["all", "half", "nothing"]
_PARTS = {part.sku: part for part in PARTS}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the run an order is; everything made up about it follows from this."""

    number: int
    seed: int
    at: datetime

    @property
    def order_id(self) -> str:
        return f"M{self.seed}-{self.number:06d}"

    @property
    def random(self) -> Random:
        return Random(f"mixed:{self.seed}:{self.number}")

    @property
    def channel(self) -> str:
        """Own shop and marketplace by turns, also from one cycle of cases to the next."""
        return (OWN_SHOP, MAGALU)[(self.number + self.number // 40) % 2]


def placed(
    place: Place,
    goods: Mapping[str, int],
    *,
    paid: Paid = "all",
    store: str | None = None,
    method: Literal["boleto", "pix", "marketplace"] | None = None,
    payments: int = 1,
    own: Product | None = None,
    fulfilled: bool = False,
    market: bool = False,
    hub: bool = False,
) -> OrderPlaced:
    """`own`: a product of this order alone, one of which is bought. `half`: of two payments the first is there.
    `market`: sold and labelled by Mercado Livre; `hub`: sold by the marketplace behind the hub."""
    channel = MERCADO_LIVRE if market else MAGALU if hub else OWN_SHOP if store else place.channel
    code = f"X{place.seed}-{place.number:06d}"
    parts = [(_part(sku), quantity) for sku, quantity in goods.items()] + ([(own.part, 1)] if own else [])
    items = tuple(_item(line, part, quantity) for line, (part, quantity) in enumerate(parts, 1))
    total = sum((item.total for item in items), Decimal(0)) + FREIGHT
    random = place.random
    return OrderPlaced(
        order_id=place.order_id,
        store_id=store or channel,
        channel_id=channel,
        channel_order_code=code,
        placed_at=place.at - timedelta(minutes=5),
        customer=world_orders.customer(random, place.order_id, company=False),
        ship_to=world_orders.address(random),
        items=items,
        freight=FREIGHT,
        total=total,
        payments=_payments(place, total, paid, method or _method(channel), 2 if paid == "half" else payments),
        logistics=Logistics(type="me2", shipment_id=code, label_by="channel") if market else Logistics(),
        fulfilment="fulfilled" if fulfilled else "unfulfilled",
    )


def approvals(order: OrderPlaced, at: datetime) -> list[PaymentApproved]:
    """Of the payments that were announced and are not there yet."""
    return [
        PaymentApproved(order_id=order.order_id, payment_id=p.payment_id, amount=p.amount, approved_at=at)
        for p in order.payments
        if p.approved_at is None
    ]


def decided(order: OrderPlaced, decision: Literal["continue", "returned"], at: datetime) -> OrderCancellationDecided:
    """A person's word on R's that are too late to cancel."""
    return OrderCancellationDecided(
        order_id=order.order_id, decision=decision, decided_by="financeiro", reason="NF de entrada", decided_at=at
    )


def expiries(order: OrderPlaced, at: datetime) -> list[PaymentExpired]:
    return [PaymentExpired(order_id=order.order_id, payment_id=p.payment_id, expired_at=at) for p in order.payments]


def queued(order: OrderPlaced, *, status: str = "approved") -> dict[str, Any]:
    """The same order in a hub's words."""
    customer, ship_to = order.customer, order.ship_to
    return {
        "code": order.channel_order_code,
        "status": status,
        "placedAt": order.placed_at.isoformat(),
        "customer": {
            "name": customer.name,
            "document": customer.tax_id,
            "email": customer.email,
            "phone": customer.phone,
        },
        "shippingAddress": {
            "street": ship_to.street,
            "number": ship_to.number,
            "complement": ship_to.complement,
            "neighborhood": ship_to.district,
            "city": ship_to.city,
            "ibge": ship_to.ibge_code,
            "state": ship_to.uf,
            "zip": ship_to.postal_code,
        },
        "items": [
            {"sku": i.sku, "name": i.name, "qty": i.quantity, "price": str(i.unit_price), "ean": i.gtin}
            for i in order.items
        ],
        "shippingCost": str(order.freight),
        "total": str(order.total),
        "payments": [
            {
                "id": p.payment_id,
                "method": p.method,
                "value": str(p.amount),
                "approvedAt": p.approved_at.isoformat() if p.approved_at else None,
            }
            for p in order.payments
        ],
    }


def _method(channel: str) -> Literal["pix", "marketplace"]:
    return "pix" if channel == OWN_SHOP else "marketplace"


def _payments(
    place: Place, total: Decimal, paid: Paid, method: Literal["boleto", "pix", "marketplace"], count: int
) -> Sequence[Payment]:
    share = (total / (count + 1)).quantize(Decimal("0.01"))  # no two alike, so that no two mails are
    amounts = [share] * (count - 1) + [total - share * (count - 1)]
    there = {"all": count, "half": 1, "nothing": 0}[paid]
    return tuple(
        Payment(
            payment_id=f"{place.order_id}-P{n}",
            method=method,
            amount=amount,
            approved_at=place.at if n <= there else None,
        )
        for n, amount in enumerate(amounts, 1)
    )


def _part(sku: str) -> Part:
    return PRODUCTS[sku].part if sku in PRODUCTS else _PARTS[sku]


def _item(line: int, part: Part, quantity: int) -> Item:
    return Item(line=line, sku=part.sku, name=part.name, quantity=quantity, unit_price=part.price, gtin=gtin(part))
