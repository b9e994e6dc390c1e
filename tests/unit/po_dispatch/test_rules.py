"""Routing criteria, shipping rules, packaging and waking: data that decides, and says so."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.purchase_order import PurchaseOrderCreated
from schemas.sourcing import LastWoken, OfferWakingDue, SourcingRetryDue, SupplierWakingDue
from schemas.supplier import PackagingChanged, ShippingRuleChanged
from schemas.timeline import Timeline
from services.po_dispatch.decide import sourcing, waking
from services.po_dispatch.shipping_rules import Goods, method_of
from services.po_dispatch.state import WOKEN_AT_ONCE, SendPurchaseOrder, Sourcing, WaitingOrder
from tests.unit.po_dispatch import builders as b
from tests.unit.po_dispatch.test_routing import chosen, line, reasons, route, source

GOODS = Goods("shop", b.address(), frozenset({"A"}), 800, Decimal("60.00"))


def rule(rule_id: str = "r", position: int = 1, **fields: Any) -> ShippingRuleChanged:
    known = {"valid_from": b.NOW, "rule_id": rule_id, "position": position, "method": rule_id.upper()}
    return ShippingRuleChanged(**known | fields)


def test_cost_first_splits_where_shipments_first_does_not() -> None:
    sources = [
        source("x", "A", cost=Decimal(1)),
        source("y", "B", cost=Decimal(1)),
        *(source("z", sku, cost=Decimal(5)) for sku in "AB"),
    ]
    lines = [line(1, "A"), line(2, "B")]
    assert chosen(route(lines, sources, "SP")) == {1: "z", 2: "z"}
    cheapest = route(lines, sources, "SP", criteria=("cost", "shipments"))
    assert chosen(cheapest) == {1: "x", 2: "y"}
    assert reasons(cheapest)["z:A"] == "cost 5, the chosen one's is 1"


def test_lead_time_first_beats_priority() -> None:
    sources = [source("x", "A", 1, lead_time_days=9), source("y", "A", 5, lead_time_days=1)]
    routing = route([line(1, "A")], sources, "SP", criteria=("lead_time", "priority"))
    assert chosen(routing) == {1: "y"}
    assert reasons(routing)["x:A"] == "lead time 9 day(s), the chosen one's is 1"


def test_barred_supplier_is_passed_over_for_its_line_only_and_says_why() -> None:
    sources = [source("x", "A", 1), source("x", "B", 1), source("y", "A", 2)]
    routing = route([line(1, "A"), line(2, "B")], sources, "SP", barred={(1, "x")})
    assert chosen(routing) == {1: "y", 2: "x"}
    assert reasons(routing)["x:A"] == "did not deliver this line, and its offer has not changed since"


def test_lowest_position_of_the_rules_that_fit_wins_and_names_those_passed_over() -> None:
    method, reason = method_of([rule("late", 9), rule("heavy", 1, weight_g=(1000, None)), rule("sp", 2)], GOODS)
    assert method == "SP"
    assert reason == (
        "rule sp (position 2) fits: SP 13010041, 800 g, value 60.00. Passed over: heavy: weight 800 g is less than 1000"
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"store_id": "other"}, "for store other"),
        ({"ufs": ("RJ",)}, "not for SP"),
        ({"postal_codes": (("20000000", "28999999"),)}, "not for postal code 13010041"),
        ({"skus": ("Z",)}, "none of its SKUs"),
        ({"weight_g": (0, 800)}, "weight 800 g is not below 800"),
        ({"value": (Decimal("60.01"), None)}, "value 60.00 is less than 60.01"),
        ({"active": False}, "not active"),
    ],
    ids=["store", "uf", "postal-code", "sku", "weight", "value", "inactive"],
)
def test_rule_that_does_not_fit_says_why(fields: dict[str, Any], why: str) -> None:
    method, reason = method_of([rule(**fields)], GOODS)
    assert method is None
    assert reason.endswith(f"Passed over: r: {why}")


def test_unknown_weight_fits_only_rules_that_are_not_bounded_by_weight() -> None:
    unknown = replace(GOODS, weight_g=0)
    rules = [rule("envelope", 1, weight_g=(0, 300)), rule("heavy", 2, weight_g=(1, None)), rule("any", 3)]
    method, reason = method_of(rules, unknown)
    assert method == "ANY"
    assert "envelope: weight unknown, and it is bounded by weight; heavy: weight unknown" in reason
    assert method_of(rules[:2], unknown)[0] is None
    assert method_of(rules, replace(GOODS, weight_g=299))[0] == "ENVELOPE"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"weight_g": (5000, 100)}, "weight_g fits nothing: from 5000 and below 100"),
        ({"weight_g": (100, 100)}, "weight_g fits nothing"),
        ({"weight_g": (-5, 300)}, "greater than or equal to 0"),
        ({"weight_g": (0, -1)}, "greater than or equal to 0"),
        ({"value": (Decimal("9.00"), Decimal("1.00"))}, "value fits nothing: from 9.00 and below 1.00"),
        ({"value": (Decimal("-1.00"), None)}, "cannot be negative"),
        ({"postal_codes": (("99999999", "00000000"),)}, "postal_codes fits nothing: 99999999 to 00000000"),
    ],
)
def test_rule_that_fits_nothing_is_refused_and_says_why(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        rule(**fields)


def test_method_packaging_and_card_are_told_and_sent_with_the_po() -> None:
    reference = b.sourcing(b.offer_changed("farol", "A", weight_g=300), b.offer_changed("farol", "B"), has_erp=False)
    packaging = PackagingChanged(valid_from=b.NOW, store_id="shop", packaging="blue box", card="Thank you")
    ruled = Sourcing(
        reference.store,
        reference.offers,
        reference.suppliers,
        (Timeline[ShippingRuleChanged](versions=(rule("sedex"),)),),
        Timeline[PackagingChanged](versions=(packaging,)),
    )
    decision = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(ruled)))
    [created], [call] = decision.events, decision.calls
    assert isinstance(created, PurchaseOrderCreated)
    assert isinstance(call.request, SendPurchaseOrder)
    for told in (created, call.request):
        assert (told.shipping_method, told.packaging, told.card) == ("SEDEX", "blue box", "Thank you")
    assert "weight unknown" in created.shipping_reason
    assert call.request.estimated_delivery == b.NOW + timedelta(days=1)


def test_new_stock_wakes_the_oldest_as_far_as_it_goes() -> None:
    waiting = [WaitingOrder("1", 3), WaitingOrder("2", 4), WaitingOrder("3", 9, only=False), WaitingOrder("4", 2)]
    decision = waking.on_offer_changed(None, b.offer_changed(stock=5), b.context(waiting))
    assert [event.order_id for event in decision.events] == ["1", "4"]  # type: ignore[attr-defined]
    again = waking.on_offer_changed(decision.state, b.offer_changed(stock=5), b.context(waiting))
    assert again.events == ()


def test_more_than_wake_at_once_wake_page_by_page_with_what_is_left_of_the_stock() -> None:
    page = [WaitingOrder(str(n), 2, placed_at=b.NOW) for n in range(WOKEN_AT_ONCE)]
    offer = b.offer_changed(stock=500, ufs=("SP",))
    decision = waking.on_offer_changed(None, offer, b.context(page))
    *woken, due = decision.events
    assert [type(event) for event in woken] == [SourcingRetryDue] * WOKEN_AT_ONCE
    assert isinstance(due, OfferWakingDue)
    assert (due.stock, due.ufs, due.after) == (100, ("SP",), LastWoken(placed_at=b.NOW, order_id="199"))
    last = waking.on_offer_waking_due(decision.state, due, b.context([WaitingOrder(str(n), 2) for n in range(60)]))
    assert [event.order_id for event in last.events] == [str(n) for n in range(50)]  # type: ignore[attr-defined]
    assert last.state is decision.state
    assert not waking.on_offer_waking_due(decision.state, due, b.context([])).events


def test_supplier_wakes_more_than_a_page_too() -> None:
    page = [WaitingOrder(str(n), 0, placed_at=b.NOW) for n in range(WOKEN_AT_ONCE)]
    *woken, due = waking.on_supplier_changed(None, b.supplier_changed("farol"), b.context(page)).events
    assert len(woken) == WOKEN_AT_ONCE
    assert due == SupplierWakingDue(supplier_id="farol", after=LastWoken(placed_at=b.NOW, order_id="199"))
    assert isinstance(due, SupplierWakingDue)
    following = waking.on_supplier_waking_due(None, due, b.context([WaitingOrder("200", 0)]))
    assert following.events == [SourcingRetryDue(order_id="200")]


def test_supplier_that_changed_something_else_wakes_nobody() -> None:
    waiting = [WaitingOrder("1", 1)]
    known = waking.on_supplier_changed(None, b.supplier_changed("farol"), b.context([])).state
    again = b.supplier_changed("farol", valid_from=b.NOW + timedelta(seconds=1), order_email="x@example.org")
    assert not waking.on_supplier_changed(known, again, b.context(waiting)).events
    idle = waking.on_supplier_changed(None, b.supplier_changed("farol", active=False), b.context([])).state
    assert waking.on_supplier_changed(idle, again, b.context(waiting)).events


def test_offer_whose_stock_is_used_up_looks_at_no_more_pages() -> None:
    page = [WaitingOrder(str(n), 2, placed_at=b.NOW) for n in range(WOKEN_AT_ONCE)]
    assert not waking.on_offer_changed(None, b.offer_changed(stock=0), b.context(page)).events
    connected = [replace(page[0], unconnected=True), *page[1:]]
    woken = waking.on_offer_changed(None, b.offer_changed(stock=0), b.context(connected)).events
    assert [type(event) for event in woken] == [SourcingRetryDue, OfferWakingDue]


def test_stock_for_one_state_is_not_used_up_by_an_older_order_to_another() -> None:
    waiting = [WaitingOrder("1", 5, uf="AM"), WaitingOrder("2", 5, uf="SP"), WaitingOrder("3", 9, False, True, uf="AM")]
    for_one = waking.on_offer_changed(None, b.offer_changed(stock=5, ufs=("SP",)), b.context(waiting))
    assert [event.order_id for event in for_one.events] == ["2", "3"]  # type: ignore[attr-defined]
    for_all = waking.on_offer_changed(None, b.offer_changed(stock=5), b.context(waiting))
    assert [event.order_id for event in for_all.events] == ["1", "3"]  # type: ignore[attr-defined]


def test_order_that_lacks_more_is_woken_without_using_up_the_stock() -> None:
    waiting = [WaitingOrder("1", 5, only=False), WaitingOrder("2", 5), WaitingOrder("3", 7, unconnected=True)]
    decision = waking.on_offer_changed(None, b.offer_changed(stock=5), b.context(waiting))
    assert [event.order_id for event in decision.events] == ["1", "2", "3"]  # type: ignore[attr-defined]


def test_any_stock_wakes_an_order_that_may_be_bought_in_portions_and_is_left_to_those_it_is_enough_for() -> None:
    waiting = [WaitingOrder("1", 9, in_portions=True), WaitingOrder("2", 5), WaitingOrder("3", 1, in_portions=True)]
    decision = waking.on_offer_changed(None, b.offer_changed(stock=5), b.context(waiting))
    assert [event.order_id for event in decision.events] == ["1", "2"]  # type: ignore[attr-defined]
    none = waking.on_offer_changed(None, b.offer_changed(stock=0), b.context(waiting[:1]))
    assert none.events == []
