"""PURE. Splits an amount so that the parts add up to it, to the cent."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

_CENT = Decimal("0.01")


def shares(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """`amount` (two places) in proportion to `weights`; the cents left over go to the largest remainders, the
    earlier first. Weights that are all zero count alike.
    """
    total = sum(weights, Decimal(0))
    parts = [amount * weight / total for weight in weights] if total else [amount / len(weights)] * len(weights)
    cut = [part.quantize(_CENT, ROUND_DOWN) for part in parts]
    left = int((amount - sum(cut, Decimal(0))) / _CENT)
    by_remainder = sorted(range(len(parts)), key=lambda n: (cut[n] - parts[n], n))
    for n in by_remainder[:left]:
        cut[n] += _CENT
    return cut
