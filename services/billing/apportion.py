"""Divides amounts to the cent: an order's freight and discount over its lines, a line over the POs that supply it.

Nothing is lost or made: the parts of an amount always add up to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from schemas.order import Item

CENT = Decimal("0.01")
ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Share:
    """What a line, or a part of it, has of the order. BRL, two places; `discount` is taken off `goods`."""

    goods: Decimal
    discount: Decimal
    freight: Decimal

    @property
    def total(self) -> Decimal:
        return self.goods - self.discount + self.freight


def apportion(amount: Decimal, weights: Sequence[Decimal | int]) -> tuple[Decimal, ...]:
    """`amount` (whole cents, zero or more) by `weights`; evenly where none weighs anything.

    Each part is its exact share rounded down or up to a cent; the cents left over go to the largest remainders,
    the earlier part first.
    """
    cents = int(amount / CENT)
    if len(weights) == 1:
        return (cents * CENT,)
    shares = [Decimal(weight) for weight in weights] if sum(weights) else [Decimal(1)] * len(weights)
    whole = sum(shares, Decimal(0))
    exact = [divmod(cents * share, whole) for share in shares]
    parts = [int(quotient) for quotient, _ in exact]
    largest = sorted(range(len(parts)), key=lambda i: (-exact[i][1], i))
    for i in largest[: cents - sum(parts)]:
        parts[i] += 1
    return tuple(part * CENT for part in parts)


def line_shares(items: Sequence[Item], freight: Decimal, discount: Decimal) -> tuple[Share, ...]:
    """One share per item: its goods at the customer's price, and its part of the order's freight and discount.

    A discount beyond the goods' value is one on the freight: no line has more discount than goods because of it.
    """
    worth = [max(item.total, ZERO) for item in items]
    on_freight = max(discount - sum(worth, ZERO), ZERO)
    discounts = apportion(discount - on_freight, worth)
    freights = apportion(max(freight - on_freight, ZERO), worth)
    return tuple(
        Share(goods=item.total + item.discount, discount=item.discount + less, freight=more)
        for item, less, more in zip(items, discounts, freights, strict=True)
    )


def divide(share: Share, quantities: Sequence[int]) -> tuple[Share, ...]:
    """A line's share over the parts that supply it, by quantity. No part has more discount than goods."""
    goods = apportion(share.goods, quantities)
    worth: Sequence[Decimal | int] = goods if share.goods else quantities
    discounts = apportion(share.discount, worth)
    freights = apportion(share.freight, worth)
    return tuple(Share(*part) for part in zip(goods, discounts, freights, strict=True))


def unit_price(goods: Decimal, quantity: int, price: Decimal) -> Decimal:
    """The customer's `price` where it makes `goods`; else the price of ten places that does, to the cent."""
    if (quantity * price).quantize(CENT, ROUND_HALF_UP) == goods:
        return price
    return (goods / quantity).quantize(Decimal("0.0000000001"), ROUND_HALF_UP)
