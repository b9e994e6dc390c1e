"""The short cuts of routing against the long way: every order of criteria, and every way to buy a small order."""

from decimal import Decimal
from itertools import permutations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.store import Criterion
from services.po_dispatch.catalogue import Offer
from services.po_dispatch.routing.criteria import UNKNOWN_PRIORITY, Preference
from tests.unit.po_dispatch.test_routing import chosen, line, route, source

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


@settings(max_examples=200, deadline=None)
@given(
    makers=st.lists(st.tuples(st.integers(1, 3), st.sets(st.sampled_from("ABCD"), min_size=1)), min_size=1, max_size=5),
)
def test_no_way_to_buy_an_order_has_fewer_shipments_and_none_with_as_many_better_priorities(
    makers: list[tuple[int, set[str]]],
) -> None:
    lines = [line(n, sku) for n, sku in enumerate("ABCD", 1)]
    sources = [source(f"s{n}", sku, priority) for n, (priority, skus) in enumerate(makers) for sku in sorted(skus)]
    able = [[f"s{n}" for n, (_, skus) in enumerate(makers) if one.sku in skus] for one in lines]

    def merit(suppliers: set[str]) -> tuple[int, int]:
        return len(suppliers), sum(makers[int(supplier[1:])][0] for supplier in suppliers)

    found = chosen(route(lines, sources, "SP"))

    ways = [merit(set(way)) for way in product(*able)]
    assert bool(found) == bool(ways)
    if found:
        assert merit(set(found.values())) == min(ways)
