"""Rules that could go round in a circle, or contradict each other: refused where they are said, or shown to end.

No rule names another one, so a circle can only be in what a rule's parts make of each other.
"""

from itertools import permutations

import pytest
from pydantic import ValidationError

from schemas.channel import ReleaseRule
from schemas.supplier import ShippingRuleChanged
from services.po_dispatch.shipping_rules import Goods, method_of
from tests.builders import store_changed
from tests.unit.channel_sync import builders as channel
from tests.unit.po_dispatch import builders as b


def test_criterion_that_decides_again_after_another_is_refused() -> None:
    """Cost before priority before cost: which of two suppliers is preferred would go round."""
    with pytest.raises(ValidationError, match="a criterion decides only once"):
        store_changed(routing=("cost", "priority", "cost"))


@pytest.mark.parametrize(("logistics", "named"), [("me2", "me2"), (None, "all others")])
def test_two_release_rules_of_which_neither_is_more_specific_are_refused(logistics: str | None, named: str) -> None:
    rules = [{"logistics": logistics}, {"logistics": "own"}, {"logistics": logistics, "needs_xml": True}]
    with pytest.raises(ValidationError, match=f"one only for {named}"):
        channel.channel_changed(rules=rules)


def test_nf_that_waits_for_the_tracking_and_tracking_that_waits_for_the_nf_are_both_told() -> None:
    """The NF waits until the tracking is known to us, not until it is told."""
    circle = ReleaseRule(nf_key="with_tracking", tracking="after_nf")
    order = channel.Order(channel.channel_changed(rules=[circle])).hear(channel.accepted(), channel.invoiced())
    assert order.told() == []
    order.hear(channel.dispatched()).settle()
    assert [type(request).__name__ for request in order.told()] == ["TellInvoice", "TellShipment"]


def test_shipping_rules_at_one_position_choose_the_same_whichever_was_heard_of_first() -> None:
    rules = [
        ShippingRuleChanged(valid_from=b.NOW, rule_id=id, position=1, method=method)
        for id, method in (("b", "PAC"), ("a", "SEDEX"), ("c", "MOTO"))
    ]
    goods = Goods(store_id="shop", ship_to=b.address(), skus=frozenset({"A"}), weight_g=100, value=b.item().total)
    assert {method_of(order, goods)[0] for order in permutations(rules)} == {"SEDEX"}
