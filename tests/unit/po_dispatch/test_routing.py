"""Which supplier delivers what, and why."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.supplier import OfferChanged
from schemas.timeline import Timeline
from services.po_dispatch import routing as routed
from services.po_dispatch.catalogue import offers_of
from services.po_dispatch.routing import DEFAULT, EXACT_SETS, SHOWN_CANDIDATES, Routing, Source, choice
from services.po_dispatch.routing.options import market_of
from services.po_dispatch.routing.sources import Barred
from services.po_dispatch.state import OrderLine, Sourcing
from tests.sourcing_rows import offers_by_sku, suppliers_by_id
from tests.unit.po_dispatch.builders import NOW, offer_changed, supplier_changed


def line(number: int, sku: str, quantity: int = 1) -> OrderLine:
    return OrderLine(line=number, sku=sku, quantity=quantity)


def source(supplier_id: str, sku: str, priority: int | None = 100, **offer: object) -> Source:
    """Of a supplier that nobody told us of where it has no priority."""
    [made] = offers_by_sku([Timeline(versions=(offer_changed(supplier_id, sku, **offer),))], [sku])[sku].newest
    if priority is None:
        return Source(made, None)
    [maker] = suppliers_by_id({"": Timeline(versions=(supplier_changed(supplier_id, priority=priority),))})[""]
    return Source(made, maker)


def route(
    lines: Sequence[OrderLine],
    sources: Sequence[Source],
    uf: str,
    *,
    criteria: Any = DEFAULT,
    barred: Barred = frozenset(),
    one_shipment: bool = False,
    only: Collection[str] | None = None,
) -> Routing:
    skus = {line.sku for line in lines}
    reference = Sourcing(
        offers={sku: offers_of(sku, [[s.offer] for s in sources if s.offer.sku == sku]) for sku in skus},
        suppliers={source.offer.supplier_id: [source.supplier] for source in sources if source.supplier},
    )
    market = replace(market_of(skus, reference, NOW, uf, criteria), barred=barred)
    return routed.route(lines, market, one_shipment=one_shipment, only=only)


def chosen(routing: Routing) -> dict[int, str]:
    return {number: found.offer.supplier_id for number, found in routing.chosen.items()}


def reasons(routing: Routing) -> dict[str, str]:
    return {candidate.offer_id: candidate.reason for candidate in routing.candidates}


def test_one_supplier_for_all_beats_two_better_ones() -> None:
    sources = [source("x", "A", 1), source("y", "B", 1), source("z", "A", 50), source("z", "B", 50)]
    routing = route([line(1, "A"), line(2, "B")], sources, "SP")
    assert chosen(routing) == {1: "z", 2: "z"}
    assert reasons(routing)["x:A"] == "would need more shipments, or a supplier of less priority for another line"


def test_priority_beats_cost_and_cost_beats_lead_time() -> None:
    by_priority = route([line(1, "A")], [source("x", "A", 1, cost=Decimal(90)), source("y", "A", 2)], "SP")
    assert chosen(by_priority) == {1: "x"}
    assert reasons(by_priority)["y:A"] == "supplier priority 2, the chosen one's is 1"
    by_cost = route(
        [line(1, "A")], [source("x", "A", cost=Decimal(9), lead_time_days=9), source("y", "A", cost=Decimal(10))], "SP"
    )
    assert chosen(by_cost) == {1: "x"}
    assert reasons(by_cost)["y:A"] == "cost 10, the chosen one's is 9"
    by_days = route([line(1, "A")], [source("x", "A", lead_time_days=3), source("y", "A", lead_time_days=2)], "SP")
    assert chosen(by_days) == {1: "y"}
    assert reasons(by_days)["x:A"] == "lead time 3 day(s), the chosen one's is 2"


def test_offer_that_cannot_deliver_explains_itself() -> None:
    sources = [
        source("x", "A", ufs=("RJ",)),
        source("y", "A", stock=1),
        source("z", "A", active=False),
        source("w", "A", None),
        source("v", "A"),
    ]
    found = reasons(route([line(1, "A", 2)], sources, "SP"))
    assert found["x:A"] == "does not deliver to SP"
    assert found["y:A"] == "stock 1, needed 2"
    assert found["z:A"] == "not active"
    assert found["w:A"] == "supplier unknown"
    assert found["v:A"].startswith("best of 1 shipment")


def test_line_that_nobody_delivers_there_lacks_an_offer_and_one_without_stock_lacks_stock() -> None:
    sources = [source("x", "A", ufs=("RJ",)), source("x", "B", stock=0), source("x", "C")]
    routing = route([line(1, "A"), line(2, "B"), line(3, "C")], sources, "SP")
    assert (dict(routing.chosen), routing.without_offer, routing.without_stock) == ({}, (1,), (2,))


def test_two_lines_of_one_sku_do_not_take_more_than_the_offer_has() -> None:
    sources = [source("x", "A", 1, stock=5), source("y", "A", 2, stock=5)]
    assert chosen(route([line(1, "A", 3), line(2, "A", 4)], sources, "SP")) == {1: "y", 2: "x"}
    short = route([line(1, "A", 3), line(2, "A", 4)], sources[:1], "SP")
    assert (dict(short.chosen), short.without_stock) == ({}, (1,))


def test_one_shipment_names_the_lines_that_the_best_single_supplier_lacks() -> None:
    sources = [source("x", "A"), source("x", "B"), source("y", "C")]
    routing = route([line(1, "A"), line(2, "B"), line(3, "C")], sources, "SP", one_shipment=True)
    assert (dict(routing.chosen), routing.without_stock) == ({}, (3,))


def test_candidates_are_bounded_and_the_winner_is_among_them() -> None:
    routing = route([line(1, "A")], [source(f"s{n:03d}", "A", 500 - n) for n in range(60)], "SP")
    assert len(routing.candidates) == SHOWN_CANDIDATES
    assert [c.offer_id for c in routing.candidates if c.chosen] == ["s059:A"]
    assert routing.candidates[0].reason.endswith(f"; {60 - SHOWN_CANDIDATES} more offers")


def test_many_suppliers_of_which_none_has_all_are_served_greedily() -> None:
    """So many that the sets of three could not all be looked at."""
    lines = [line(n, f"K{n}") for n in range(1, 7)]
    sources = [source(f"s{n:03d}", f"K{n % 6 + 1}") for n in range(60)]
    sources += [source("big", f"K{n}", 900) for n in range(1, 5)]
    assert 61 * 60 // 2 <= EXACT_SETS < 61 * 60 * 59 // 6
    routing = route(lines, sources, "SP")
    assert len(routing.chosen) == 6
    assert {n: s for n, s in chosen(routing).items() if n <= 4} == dict.fromkeys(range(1, 5), "big")
    assert len(set(chosen(routing).values())) == 3


def test_explanation_of_many_is_the_order_of_preference_and_names_each_ones_own_objection() -> None:
    """Also where few of them are equal by the first criterion."""
    sources = [source(f"s{n:02d}", "A", 100 + n % 4, cost=Decimal(20 - n), stock=n % 3) for n in range(20)]
    candidates = route([line(1, "A")], sources, "SP").candidates
    by_preference = sorted(sources, key=lambda s: (s.supplier.priority if s.supplier else 0, s.offer.cost))
    winner = next(s for s in by_preference if s.offer.stock)
    expected = [winner, *[s for s in by_preference if s is not winner]][:SHOWN_CANDIDATES]
    assert [c.offer_id for c in candidates] == [s.offer.offer_id for s in expected]
    assert {
        c.reason for c in candidates if c.offer_id in {s.offer.offer_id for s in expected if not s.offer.stock}
    } == {"stock 0, needed 1"}


def test_cost_before_priority_and_nothing_but_the_shipments_are_orders_too() -> None:
    sources = [source("x", "A", 1, cost=Decimal(9)), source("y", "A", 2, cost=Decimal(8), lead_time_days=3)]
    by_cost = route([line(1, "A")], sources, "SP", criteria=("cost", "priority", "shipments"))
    assert chosen(by_cost) == {1: "y"}
    assert reasons(by_cost)["x:A"] == "cost 9, the chosen one's is 8"
    by_nothing = route([line(1, "A")], sources, "SP", criteria=("shipments",))
    assert chosen(by_nothing) == {1: "x"}
    assert reasons(by_nothing) == {
        "x:A": "best of 1 shipment(s): the first of equals",
        "y:A": "as good as the chosen one",
    }


def test_supplier_that_is_not_at_work_offers_nothing_not_even_where_the_label_is_with_it() -> None:
    asleep = source("x", "A")
    assert asleep.supplier is not None
    sources = [Source(asleep.offer, asleep.supplier._replace(active=False)), source("y", "B")]
    routing = route([line(1, "A"), line(2, "B")], sources, "SP")
    assert (dict(routing.chosen), routing.without_offer, routing.without_stock) == ({}, (1,), ())
    assert not route([line(1, "A")], sources, "SP", only={"x"}).chosen


def test_what_is_to_come_leaves_the_cheapest_of_today_first() -> None:
    """Also where a supplier offers a SKU twice: the order of what holds is not that of the newest versions."""
    versions = [
        [offer_changed("x", offer_id="x:1", cost=Decimal(9))],
        [
            offer_changed("x", offer_id="x:2", cost=Decimal(1)),
            offer_changed("x", offer_id="x:2", cost=Decimal(20), valid_from=NOW + timedelta(days=1)),
        ],
    ]
    timelines = [Timeline[OfferChanged](versions=tuple(of_one)) for of_one in versions]
    suppliers = suppliers_by_id({"x": Timeline(versions=(supplier_changed("x"),))})
    for criteria in (DEFAULT, ("cost", "lead_time")):
        market = market_of(["A"], Sourcing(None, offers_by_sku(timelines, ["A"]), suppliers), NOW, "SP", criteria)
        assert routed.route([line(1, "A")], market).chosen[1].offer.offer_id == "x:2"


def test_of_suppliers_that_serve_equally_many_lines_the_one_nearest_to_the_front_is_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "EXACT_SETS", 0)
    costs = {"a": {"A": 3, "B": 3}, "b": {"A": 1, "B": 2}, "c": {"A": 2, "C": 1}, "d": {"C": 2}}
    sources = [source(id, sku, cost=Decimal(cost)) for id, offered in costs.items() for sku, cost in offered.items()]
    routing = route([line(1, "A"), line(2, "B"), line(3, "C")], sources, "SP")
    assert chosen(routing) == {1: "b", 2: "b", 3: "c"}


def test_equal_of_a_lower_id_that_lost_would_have_needed_more_shipments() -> None:
    routing = route([line(1, "A"), line(2, "B")], [source("a", "A"), source("z", "A"), source("z", "B")], "SP")
    assert chosen(routing) == {1: "z", 2: "z"}
    assert reasons(routing)["a:A"].startswith("would need more shipments")
