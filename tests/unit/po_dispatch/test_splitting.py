"""A line of which no supplier has enough, bought in portions where the store allows it."""

from decimal import Decimal
from typing import Any

from services.po_dispatch.routing import SHOWN_CANDIDATES
from services.po_dispatch.state import Fulfilment
from tests.unit.po_dispatch import builders as b

FIVE = b.order_ready(items=(b.item(1, "A", 5), b.item(2, "B", 1)))
OFFERS = (
    b.offer_changed("farol", "A", stock=3),
    b.offer_changed("norte", "A", stock=4),
    b.offer_changed("sul", "A", stock=2),
    b.offer_changed("sul", "B"),
)


def bought(fulfilment: Fulfilment) -> dict[str, list[tuple[int, int]]]:
    """By supplier: order lines and pieces."""
    pos = fulfilment.purchase_orders
    return {po.supplier.supplier_id: [(line.order_line, line.quantity) for line in po.lines] for po in pos}


def routed(*offers: Any, **store: Any) -> Fulfilment:
    return b.purchased(*(offers or OFFERS), order=FIVE, split_lines=True, **store)


def test_line_of_which_no_supplier_has_enough_is_bought_in_portions_with_few_shipments() -> None:
    """Sul delivers the other line anyway; norte has all of the rest."""
    assert bought(routed()) == {"norte": [(1, 3)], "sul": [(2, 1), (1, 2)]}


def test_portions_follow_the_stores_criteria_where_shipments_do_not_lead() -> None:
    dear = b.offer_changed("farol", "A", stock=3, cost=Decimal("9.00"))
    cheap = b.offer_changed("norte", "A", stock=4, cost=Decimal("1.00"))
    found = routed(dear, cheap, b.offer_changed("sul", "B"), routing=("cost", "shipments"))
    assert bought(found) == {"farol": [(1, 1)], "norte": [(1, 4)], "sul": [(2, 1)]}


def test_split_is_explained() -> None:
    reasons = {c.offer_id: c.reason for po in routed().purchase_orders for c in po.candidates if c.order_line == 1}
    assert reasons["norte:A"] == "split: 3 of 5, no supplier has them all"
    assert reasons["farol:A"] == "split: the others have enough, its stock is 3"


def test_explanation_of_a_split_names_few_offers_however_many_there_are() -> None:
    found = routed(*OFFERS, *(b.offer_changed(f"s{n:02}", "A", stock=1) for n in range(20)))
    for po in found.purchase_orders:
        assert len([c for c in po.candidates if c.order_line == 1]) in (0, SHOWN_CANDIDATES)


def test_line_is_not_split_where_the_store_does_not_allow_it_or_together_they_have_too_few() -> None:
    assert not bought(b.purchased(*OFFERS, order=FIVE))
    short = routed(*OFFERS[2:], b.offer_changed("farol", "A", stock=2))
    assert (bought(short), short.lines_without_stock) == ({}, (1,))


def test_whole_line_is_bought_whole_though_it_might_be_split() -> None:
    found = routed(*OFFERS, b.offer_changed("farol", "A", offer_id="farol:A2", stock=5))
    assert sorted(line for lines in bought(found).values() for line in lines) == [(1, 5), (2, 1)]


def test_lines_of_one_product_share_the_stock_that_is_split() -> None:
    two = b.order_ready(items=(b.item(1, "A", 3), b.item(2, "A", 3)))
    found = b.purchased(OFFERS[0], b.offer_changed("norte", "A", stock=2), order=two, split_lines=True)
    assert not bought(found), "five pieces for six"
    found = b.purchased(OFFERS[0], b.offer_changed("norte", "A", stock=3), order=two, split_lines=True)
    assert sum(pieces for lines in bought(found).values() for _, pieces in lines) == 6
