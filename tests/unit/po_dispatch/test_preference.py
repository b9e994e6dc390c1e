"""The short cuts of routing against the long way: every order of criteria, and every way to buy a small order."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import permutations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.store import Criterion
from services.po_dispatch.catalogue import Offer
from services.po_dispatch.routing.criteria import UNKNOWN_PRIORITY, Preference
from tests.unit.po_dispatch.test_routing import line, route, source

ALL: tuple[Criterion, ...] = ("shipments", "priority", "cost", "lead_time")
ORDERS = [order for size in range(len(ALL) + 1) for order in permutations(ALL, size)]

priorities = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3))


@st.composite
def offers(draw: st.DrawFn) -> list[Offer]:
    """Of one SKU, many equal in one thing or another; some suppliers have two."""
    found = draw(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 4), st.integers(1, 3)), max_size=14))
    template = source("a", "A").offer
    return sorted(
        template._replace(offer_id=f"{n:02}", supplier_id=supplier, cost=Decimal(cost), lead_time_days=days)
        for n, (supplier, cost, days) in enumerate(found)
    )


@settings(max_examples=300, deadline=None)
@given(offers=offers(), known=priorities, criteria=st.sampled_from(ORDERS), count=st.integers(1, 6))
def test_offers_are_ordered_by_the_stores_criteria_and_then_by_id(
    offers: list[Offer], known: dict[str, int], criteria: tuple[Criterion, ...], count: int
) -> None:
    def rank(offer: Offer) -> tuple[object, ...]:
        priority = known.get(offer.supplier_id, UNKNOWN_PRIORITY)
        values = {"priority": priority, "cost": offer.cost, "lead_time": offer.lead_time_days}
        return *(values[criterion] for criterion in criteria if criterion != "shipments"), offer.offer_id

    preference, best_first = Preference(criteria, known), sorted(offers, key=rank)

    assert preference.ordered(offers) == best_first
    assert preference.preferred(offers, preference.leading(offers), count) == best_first[:count]


SET_FIRST = (
    ("shipments", "priority"),
    ("shipments", "cost", "lead_time"),
    ("cost", "shipments", "lead_time", "priority"),
    ("cost", "lead_time", "priority"),
    ("priority", "shipments"),
)
"""Orders of criteria by which a best way to buy is one of a set of suppliers that each line takes the best offer of."""
maker = st.tuples(
    st.integers(1, 3), st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(1, 4), st.integers(1, 3)), max_size=5)
)


@settings(max_examples=300, deadline=None)
@given(makers=st.lists(maker, min_size=1, max_size=4), criteria=st.sampled_from(SET_FIRST))
def test_there_is_no_better_way_to_buy_an_order(makers: list[tuple[int, Any]], criteria: tuple[Criterion, ...]) -> None:
    """Of all ways there are. A supplier may offer a line more than once, or nothing at all."""
    lines = [line(n, sku) for n, sku in enumerate("ABCD", 1)]
    sources = [
        source(f"s{n}", sku, priority, offer_id=f"s{n}:{k}", cost=Decimal(cost), lead_time_days=days)
        for n, (priority, theirs) in enumerate(makers)
        for k, (sku, cost, days) in enumerate(theirs)
    ]
    priority_of = {source.offer.supplier_id: source.supplier.priority for source in sources if source.supplier}

    def merit(way: Iterable[Offer]) -> list[Any]:
        offers = list(way)
        used = {offer.supplier_id for offer in offers}
        values = {
            "shipments": len(used),
            "priority": sum(priority_of[supplier] for supplier in used),
            "cost": sum(offer.cost for offer in offers),
            "lead_time": max(offer.lead_time_days for offer in offers),
        }
        return [values[criterion] for criterion in criteria]

    found = route(lines, sources, "SP", criteria=criteria).chosen

    ways = [*product(*([s.offer for s in sources if s.offer.sku == one.sku] for one in lines))]
    assert bool(found) == bool(ways)
    if found:
        assert merit(source.offer for source in found.values()) == min(map(merit, ways))


@settings(max_examples=200, deadline=None)
@given(
    stocks=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=2), min_size=1, max_size=4),
    quantities=st.lists(st.integers(1, 4), min_size=2, max_size=3),
    criteria=st.sampled_from(ORDERS),
)
def test_lines_of_one_sku_never_take_more_than_an_offer_has(
    stocks: list[list[int]], quantities: list[int], criteria: tuple[Criterion, ...]
) -> None:
    lines = [line(n, "A", quantity) for n, quantity in enumerate(quantities, 1)]
    sources = [
        source(f"s{n}", "A", offer_id=f"s{n}:{k}", stock=stock)
        for n, theirs in enumerate(stocks)
        for k, stock in enumerate(theirs)
    ]

    found = route(lines, sources, "SP", criteria=criteria)

    taken: Counter[str] = Counter()
    for one in lines if found.chosen else ():
        taken[found.chosen[one.line].offer.offer_id] += one.quantity
    assert all(taken[s.offer.offer_id] <= s.offer.stock for s in sources)
    assert found.chosen or found.without_stock
    if any(stock >= sum(quantities) for theirs in stocks for stock in theirs):
        assert len(found.chosen) == len(lines)
