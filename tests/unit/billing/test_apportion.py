"""Apportionment loses and makes no cent, whatever the order and however it is split."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from schemas.order import Item
from services.billing.apportion import CENT, Share, apportion, divide, line_shares, unit_price

AMOUNTS = st.integers(0, 10**9).map(lambda cents: cents * CENT)


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_any_amount_is_apportioned_exactly_and_nearly_by_weight(amount: Decimal, weights: list[int]) -> None:
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        if whole:
            assert abs(part - amount * weight / whole) < CENT


def test_cents_left_over_go_to_the_largest_remainders() -> None:
    assert apportion(Decimal("1.00"), [1, 1, 1]) == (Decimal("0.34"), Decimal("0.33"), Decimal("0.33"))
    assert apportion(Decimal("0.05"), [1, 4]) == (Decimal("0.01"), Decimal("0.04"))
    assert apportion(Decimal("0.03"), [0, 0]) == (Decimal("0.02"), Decimal("0.01"))


@st.composite
def items(draw: st.DrawFn) -> Item:
    quantity = draw(st.integers(1, 50))
    price = draw(st.integers(0, 10**7)) * Decimal("0.001")
    gross = (quantity * price).quantize(CENT)
    discount = draw(st.integers(0, int(gross / CENT))) * CENT
    return Item(line=1, sku="S", name="P", quantity=quantity, unit_price=price, discount=discount)


@given(st.lists(items(), min_size=1, max_size=8), AMOUNTS, st.data())
def test_shares_of_any_split_add_up_to_the_orders_total(
    order: list[Item], freight: Decimal, data: st.DataObject
) -> None:
    worth = sum((item.total for item in order), Decimal(0))
    discount = data.draw(st.integers(0, int((worth + freight) / CENT))) * CENT
    parts: list[Share] = []
    for item, share in zip(order, line_shares(order, freight, discount), strict=True):
        first = data.draw(st.integers(0, item.quantity))
        parts += divide(share, [first, item.quantity - first])
    assert sum((part.total for part in parts), Decimal(0)) == worth + freight - discount
    assert all(Decimal(0) <= part.discount <= part.goods and part.freight >= 0 for part in parts)


@given(AMOUNTS, st.integers(1, 100_000), st.integers(0, 10**6).map(lambda n: n * Decimal("0.0001")))
def test_the_unit_price_always_makes_the_goods_value(goods: Decimal, quantity: int, price: Decimal) -> None:
    assert (quantity * unit_price(goods, quantity, price)).quantize(CENT, "ROUND_HALF_UP") == goods


def test_the_customers_price_is_kept_where_it_makes_the_goods_value() -> None:
    assert unit_price(Decimal("59.71"), 3, Decimal("19.9025")) == Decimal("19.9025")
