"""PURE. How a PO's goods travel: of the store's rules that fit, the lowest position wins, and says why.

Weight is that of the lines at their offers' weights, value the goods' price to the customer. Goods whose weight nobody
knows fit no rule that is bounded by weight: they may be too heavy for it. Where the channel's logistics carry the
parcel no rule is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from schemas.supplier import ShippingRuleChanged
from schemas.values import Address

SHOWN_RULES = 5
ANY_WEIGHT = (0, None)


@dataclass(frozen=True, slots=True)
class Goods:
    """What travels and where to. Weight in grams, 0 where nobody knows; value in BRL."""

    store_id: str
    ship_to: Address
    skus: frozenset[str]
    weight_g: int
    value: Decimal


Check = Callable[[ShippingRuleChanged, Goods], str | None]
"""Why a rule does not fit; None where it does."""


def method_of(rules: Sequence[ShippingRuleChanged], goods: Goods) -> tuple[str | None, str]:
    """The method and the reason; (None, …) where no rule fits."""
    passed: list[str] = []
    for rule in sorted(rules, key=lambda rule: (rule.position, rule.rule_id)):
        why = objection(rule, goods)
        if why is None:
            return rule.method, _told(f"rule {rule.rule_id} (position {rule.position}) fits: {_shown(goods)}", passed)
        passed.append(f"{rule.rule_id}: {why}")
    return None, _told(f"no shipping rule fits: {_shown(goods)}" if rules else "there are no shipping rules", passed)


def objection(rule: ShippingRuleChanged, goods: Goods) -> str | None:
    if not rule.active:
        return "not active"
    return next((why for check in _CHECKS.values() if (why := check(rule, goods)) is not None), None)


def _store(rule: ShippingRuleChanged, goods: Goods) -> str | None:
    return None if rule.store_id in (None, goods.store_id) else f"for store {rule.store_id}"


def _uf(rule: ShippingRuleChanged, goods: Goods) -> str | None:
    return None if not rule.ufs or goods.ship_to.uf in rule.ufs else f"not for {goods.ship_to.uf}"


def _postal_code(rule: ShippingRuleChanged, goods: Goods) -> str | None:
    code = goods.ship_to.postal_code
    fits = not rule.postal_codes or any(first <= code <= last for first, last in rule.postal_codes)
    return None if fits else f"not for postal code {code}"


def _sku(rule: ShippingRuleChanged, goods: Goods) -> str | None:
    return None if not rule.skus or goods.skus & set(rule.skus) else "none of its SKUs"


def _weight(rule: ShippingRuleChanged, goods: Goods) -> str | None:
    if not goods.weight_g:
        return None if rule.weight_g == ANY_WEIGHT else "weight unknown, and it is bounded by weight"
    return _range(f"weight {goods.weight_g} g", goods.weight_g, *rule.weight_g)


def _value(rule: ShippingRuleChanged, goods: Goods) -> str | None:
    return _range(f"value {goods.value}", goods.value, *rule.value)


_CHECKS: Mapping[str, Check] = {
    "store": _store,
    "uf": _uf,
    "postal_code": _postal_code,
    "sku": _sku,
    "weight": _weight,
    "value": _value,
}


def _range(what: str, found: Decimal | int, least: Decimal | int, below: Decimal | int | None) -> str | None:
    if found < least:
        return f"{what} is less than {least}"
    return f"{what} is not below {below}" if below is not None and found >= below else None


def _shown(goods: Goods) -> str:
    weight = f"{goods.weight_g} g" if goods.weight_g else "weight unknown"
    return f"{goods.ship_to.uf} {goods.ship_to.postal_code}, {weight}, value {goods.value}"


def _told(reason: str, passed: Sequence[str]) -> str:
    """With the rules looked at before, the first `SHOWN_RULES` of them."""
    if not passed:
        return reason
    more = f"; and {len(passed) - SHOWN_RULES} more" if len(passed) > SHOWN_RULES else ""
    return f"{reason}. Passed over: {'; '.join(passed[:SHOWN_RULES])}{more}"
