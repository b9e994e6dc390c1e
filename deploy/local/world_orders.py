"""The demo's orders, deterministic by seed: every order derives from its own generator, so the first ten of a
hundred are the ten that a run with ten has.

Of four orders two carry their approved payment, one is paid after and one before it was placed; three in thirty
are `order.placed.v1`. Parts of one family come from one supplier, so of the orders that may be split some 40 %
mix families and need two.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Literal

from deploy.local.world_data import (
    CITIES,
    DISTRICTS,
    FAMILY_NAMES,
    GIVEN_NAMES,
    PARTS,
    STREETS,
    WORKSHOPS,
    Part,
)
from schemas.model import Message
from schemas.order import Item, OrderPlaced, OrderPlacedV1, Payment
from schemas.payment import PaymentApproved
from schemas.values import Address, Customer, Logistics

OWN_SHOP, MAGALU, MERCADO_LIVRE = "default", "magalu-hub", "mercado-livre"
_CHANNELS = (OWN_SHOP, MAGALU, MERCADO_LIVRE)
_FIRST_VERSION = (6, 16, 24)
"""Places of thirty whose order is published as v1; none is a Mercado Livre order, which v1 cannot tell."""
_SPLIT_SHARE = 0.4
_FREIGHTS = (Decimal("0.00"), Decimal("14.90"), Decimal("24.90"))

Paid = Literal["within", "after", "before"]
_PAID: tuple[Paid, ...] = ("within", "after", "within", "before")


def orders(n: int, seed: int, at: datetime) -> list[Message]:
    return [message for place in range(n) for message in order(place, seed, at)]


def order(place: int, seed: int, at: datetime) -> list[Message]:
    random = Random(f"{seed}:{place}")
    paid = _PAID[place % 4]
    placed = _placed(random, place, seed, at, paid)
    message = _as_first_version(placed) if place % 30 in _FIRST_VERSION else placed
    if paid == "within":
        return [message]
    approvals = [
        PaymentApproved(order_id=placed.order_id, payment_id=payment.payment_id, amount=payment.amount, approved_at=at)
        for payment in placed.payments
    ]
    return [*approvals, message] if paid == "before" else [message, *approvals]


def _placed(random: Random, place: int, seed: int, at: datetime, paid: Paid) -> OrderPlaced:
    order_id = f"D{seed}-{place:06d}"
    channel = _CHANNELS[place % 3]
    items = _items(random, split=channel != MERCADO_LIVRE and random.random() < _SPLIT_SHARE)
    freight = random.choice(_FREIGHTS)
    discount = Decimal("5.00") if random.random() < 0.2 else Decimal("0.00")
    total = sum((item.total for item in items), Decimal(0)) + freight - discount
    return OrderPlaced(
        order_id=order_id,
        store_id=channel,
        channel_id=channel,
        channel_order_code=_code(channel, place, seed),
        placed_at=at - timedelta(minutes=5),
        customer=customer(random, order_id, company=place % 10 == 9),
        ship_to=address(random),
        items=items,
        freight=freight,
        discount=discount,
        total=total,
        payments=_payments(random, order_id, channel, total, at if paid == "within" else None),
        logistics=_logistics(channel, place, seed),
    )


def _as_first_version(order: OrderPlaced) -> OrderPlacedV1:
    """v1 knows no discount on the order: it moves to the first item, so the total stays."""
    first, *others = order.items
    items = (first.model_copy(update={"discount": first.discount + order.discount}), *others)
    return OrderPlacedV1(
        order_id=order.order_id,
        store_id=order.store_id,
        channel_id=order.channel_id,
        channel_order_code=order.channel_order_code,
        placed_at=order.placed_at,
        customer_name=order.customer.name,
        customer_document=order.customer.tax_id,
        customer_email=order.customer.email,
        address=order.ship_to,
        items=items,
        shipping_amount=order.freight,
        total=order.total,
        payments=order.payments,
    )


def _items(random: Random, *, split: bool) -> tuple[Item, ...]:
    """One to three parts of one family, and where `split` one or two of the other."""
    family = random.randrange(2)
    parts = random.sample([p for p in PARTS if p.family == family], random.randint(1, 3))
    if split:
        parts += random.sample([p for p in PARTS if p.family != family], random.randint(1, 2))
    return tuple(_item(random, line, part) for line, part in enumerate(parts, 1))


def _item(random: Random, line: int, part: Part) -> Item:
    return Item(
        line=line,
        sku=part.sku,
        name=part.name,
        quantity=random.choice((1, 1, 1, 2, 4)),
        unit_price=part.price,
        discount=Decimal("2.50") if random.random() < 0.15 else Decimal("0.00"),
        gtin=gtin(part),
    )


def _payments(
    random: Random, order_id: str, channel: str, total: Decimal, approved_at: datetime | None
) -> tuple[Payment, ...]:
    """One payment, or one in six times two that make up the total."""
    first = total if random.random() > 1 / 6 else (total / 3).quantize(Decimal("0.01"))
    method: Literal["marketplace", "pix"] = "pix" if channel == OWN_SHOP else "marketplace"
    amounts = [amount for amount in (first, total - first) if amount]
    return tuple(
        Payment(payment_id=f"{order_id}-P{n}", method=method, amount=amount, approved_at=approved_at)
        for n, amount in enumerate(amounts, 1)
    )


def _logistics(channel: str, place: int, seed: int) -> Logistics:
    if channel != MERCADO_LIVRE:
        return Logistics()
    return Logistics(type="me2", shipment_id=_code(channel, place, seed), label_by="channel")


def _code(channel: str, place: int, seed: int) -> str:
    """The channel's code of the order; the sandbox's Mercado Livre knows the shipment by it too."""
    return f"{channel[:3].upper()}-{seed}-{place:06d}"


def customer(random: Random, order_id: str, *, company: bool) -> Customer:
    name = f"{random.choice(GIVEN_NAMES)} {random.choice(FAMILY_NAMES)} {random.choice(FAMILY_NAMES)}"
    return Customer(
        name=f"{random.choice(WORKSHOPS)} {random.randint(1, 99)} Ltda" if company else name,
        tax_id=cnpj(random) if company else cpf(random),
        email=f"{order_id.lower()}@clientes.example.com",
        phone=f"119{random.randint(10_000_000, 99_999_999)}",
    )


def address(random: Random) -> Address:
    city = random.choice(CITIES)
    return Address(
        street=random.choice(STREETS),
        number=str(random.randint(1, 2999)),
        complement=random.choice(("", "", "Apto 32", "Fundos")),
        district=random.choice(DISTRICTS),
        city=city.name,
        ibge_code=city.ibge_code,
        uf=city.uf,
        postal_code=city.postal_code,
    )


def cpf(random: Random) -> str:
    """A CPF with right check digits."""
    stem = f"{random.randrange(1, 10**9):09d}"
    first = _check_digit(stem, range(10, 1, -1))
    return stem + first + _check_digit(stem + first, range(11, 1, -1))


def cnpj(random: Random) -> str:
    """A head office's numeric CNPJ with right check digits."""
    stem = f"{random.randrange(1, 10**8):08d}0001"
    first = _check_digit(stem, (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
    return stem + first + _check_digit(stem + first, (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))


def _check_digit(digits: str, weights: Iterable[int]) -> str:
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return "0" if rest < 2 else str(11 - rest)


def gtin(part: Part) -> str:
    """The part's GTIN-13: its stem and the check digit (GS1, weights 1 and 3 from the left)."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(part.gtin_stem))
    return f"{part.gtin_stem}{-total % 10}"
