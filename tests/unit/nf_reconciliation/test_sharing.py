"""Splitting amounts to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.nf_reconciliation.sharing import shares

cents = st.decimals(min_value=0, max_value=10_000_000, places=2, allow_nan=False)


@given(cents, st.lists(cents, min_size=1, max_size=20))
def test_parts_add_up_and_none_is_off_by_more_than_a_cent(amount: Decimal, weights: list[Decimal]) -> None:
    parts = shares(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        fair = amount * weight / total if total else amount / len(weights)
        assert abs(part - fair) < Decimal("0.0100001")
        assert part >= 0


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        ("10.00", ["1", "1", "1"], ["3.34", "3.33", "3.33"]),
        ("0.01", ["1", "3"], ["0.00", "0.01"]),
        ("59.71", ["39.81", "19.90"], ["39.81", "19.90"]),
        ("1.00", ["0", "0"], ["0.50", "0.50"]),
        ("5.00", ["7"], ["5.00"]),
    ],
)
def test_cents_left_over_go_to_the_largest_remainder(amount: str, weights: list[str], parts: list[str]) -> None:
    assert shares(Decimal(amount), [Decimal(weight) for weight in weights]) == [Decimal(part) for part in parts]
