"""Lookups over generated columns and the reference data, on a real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

import services.po_dispatch
from schemas.model import Model
from schemas.sourcing import LastWoken, OfferWakingDue, SourcingRetryDue, SupplierWakingDue
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged, PackagingChanged, ShippingRuleChanged
from schemas.timeline import Timeline
from services.po_dispatch import store
from services.po_dispatch.decide import shipping
from services.po_dispatch.state import WOKEN_AT_ONCE, Fulfilment, OrderLine, WaitingOrder
from shared.migrate import migrate, service_url
from shared.worker.store import save_states
from tests.conftest import PASSWORD
from tests.unit.po_dispatch import builders as b

MIGRATIONS = Path(services.po_dispatch.__file__).parent / "migrations"


@pytest.fixture
async def con(database: str) -> AsyncIterator[asyncpg.Connection]:
    """As the service's own role."""
    await asyncio.to_thread(migrate, database, "po_dispatch", [MIGRATIONS], PASSWORD)
    connection = await asyncpg.connect(service_url(database, "po_dispatch", PASSWORD))
    yield connection
    await connection.close()


async def save(con: asyncpg.Connection, table: str, **states: Model) -> None:
    await save_states(con, table, {f"{table}:{key}": state for key, state in states.items()})


async def save_sold(con: asyncpg.Connection, *offers: OfferChanged) -> None:
    """The offers, their suppliers, and a store."""
    await save(con, "store", shop=Timeline[StoreChanged](versions=(b.store_changed(),)))
    makers = {offer.supplier_id: b.supplier_changed(offer.supplier_id) for offer in offers}
    await save(con, "supplier", **{id: Timeline(versions=(maker,)) for id, maker in makers.items()})
    await save(con, "offer", **{offer.offer_id: Timeline(versions=(offer,)) for offer in offers})


async def test_po_number_finds_its_order_once_the_erp_gave_it(con: asyncpg.Connection) -> None:
    await save(con, "fulfilment", one=b.purchased())
    assert await store.find_by_po_number(con, [b.confirmed("PC1")]) == [None]
    await save(con, "fulfilment", one=b.created())
    found = await store.find_by_po_number(con, [b.confirmed("PC2"), b.confirmed("PC9"), b.shipped("PC1")])
    assert found == ["one", None, "one"]


async def test_tracking_code_finds_its_order_and_the_latest_where_it_was_used_again(con: asyncpg.Connection) -> None:
    left = b.state(shipping.on_shipped(b.created(), b.shipped(), b.context()))
    assert await store.find_by_tracking_code(con, [b.carrier_reported()]) == [None]
    await save(con, "fulfilment", old=left)
    await save(con, "fulfilment", new=left)
    assert await store.find_by_tracking_code(con, [b.carrier_reported(), b.carrier_reported("T-X")]) == ["new", None]


async def test_saved_fulfilment_comes_back_as_it_was(con: asyncpg.Connection) -> None:
    left = b.state(shipping.on_shipped(b.created(), b.shipped(), b.context()))
    await save(con, "fulfilment", one=left)
    assert Fulfilment.model_validate_json(await con.fetchval("select body from fulfilment")) == left


async def test_sourcing_has_each_orders_own_offers_and_their_suppliers(con: asyncpg.Connection) -> None:
    await save_sold(con, *b.TWO_SUPPLIERS, b.offer_changed("other", "Z"))
    orders = [b.order_ready(), b.order_ready(items=(b.item(1, "Z"),)), b.order_ready(store_id="unknown")]
    first, second, third = await store.load_sourcing(con, ["1", "2", "3"], orders)
    expected = b.sourcing(*b.TWO_SUPPLIERS)
    assert (first.store, first.offers) == (expected.store, expected.offers)
    assert {id: first.suppliers[id] for id in expected.suppliers} == expected.suppliers
    assert second.offers == b.sourcing(b.offer_changed("other", "Z")).offers
    assert third.store is None


async def test_offer_is_found_by_the_sku_of_any_of_its_versions(con: asyncpg.Connection) -> None:
    versions = (b.offer_changed(), b.offer_changed(sku="NEW", offer_id="farol:A", valid_from=b.NOW + timedelta(1)))
    await save(con, "offer", one=Timeline(versions=versions))
    for sku in ("A", "NEW"):
        [found] = await store.load_sourcing(con, ["1"], [b.order_ready(items=(b.item(1, sku),))])
        assert [version.sku for version in found.offers[sku].versions[0]] == ["A", "NEW"]


async def test_what_old_rows_leave_out_has_the_defaults_of_the_messages(con: asyncpg.Connection) -> None:
    for table, versions in (("offer", [b.offer_changed()]), ("supplier", [b.supplier_changed()])):
        brief = [json.loads(version.model_dump_json(exclude_unset=True)) for version in versions]
        await con.execute(
            f"insert into {table} (key, version, body) values ('farol', 1, $1)", json.dumps({"versions": brief})
        )
    [found] = await store.load_sourcing(con, ["1"], [b.order_ready(items=(b.item(1, "A"),))])
    expected = b.sourcing(b.offer_changed())
    assert (found.offers, found.suppliers) == (expected.offers, expected.suppliers)


def waiting(order_id: str, *lines: OrderLine, placed: int = 0) -> Fulfilment:
    """An order that waits for these lines."""
    order = b.purchased().order
    assert order is not None
    placed_at = b.NOW + timedelta(minutes=placed)
    return Fulfilment(
        order_id=order_id,
        order=order.model_copy(update={"placed_at": placed_at, "lines": lines}),
        waiting=lines,
        lines_without_stock=tuple(line.line for line in lines),
    )


async def test_order_that_may_be_bought_in_portions_is_known_as_one(con: asyncpg.Connection) -> None:
    lines = [OrderLine(line=n, sku="A", quantity=2) for n in (1, 2)]
    await save(con, "fulfilment", one=waiting("one", *lines[:1]), two=waiting("two", *lines, placed=1))
    offer = b.offer_changed(sku="A")
    [found] = await store.load_waiting(con, ["1"], [offer])
    assert [order.in_portions for order in found] == [False, True], "an offer may help one line of two"
    await save(con, "store", shop=Timeline[StoreChanged](versions=(b.store_changed(split_lines=True),)))
    [found] = await store.load_waiting(con, ["1"], [offer])
    assert [order.in_portions for order in found] == [True, True], "its store splits lines"


async def test_who_waits_for_a_sku_is_found_oldest_first(con: asyncpg.Connection) -> None:
    a, c = OrderLine(line=1, sku="A", quantity=3), OrderLine(line=2, sku="C", quantity=1)
    unconnected = waiting("young", a, placed=9).model_copy(
        update={"lines_without_offer": (1,), "lines_without_stock": ()}
    )
    await save(con, "fulfilment", young=unconnected, old=waiting("old", a, c), bought=b.purchased())
    found = await store.load_waiting(con, ["1", "2"], [b.offer_changed(sku="A"), b.offer_changed(sku="Z")])
    assert found == [
        (
            WaitingOrder("old", 3, only=False, uf="SP", placed_at=b.NOW),
            WaitingOrder("young", 3, only=True, unconnected=True, uf="SP", placed_at=b.NOW + timedelta(minutes=9)),
        ),
        (),
    ]
    [longest] = await store.load_waiting_longest(con, ["farol"], [b.supplier_changed()])
    assert [order.order_id for order in longest] == ["old", "young"]


async def test_those_who_wait_are_found_page_by_page_whatever_was_asked_beside_them(con: asyncpg.Connection) -> None:
    """Several were placed at the same instant."""
    many = WOKEN_AT_ONCE + 50
    line = OrderLine(line=1, sku="A", quantity=1)
    await save(con, "fulfilment", **{f"{n:04}": waiting(f"{n:04}", line, placed=n // 7) for n in range(many)})
    offer, supplier = b.offer_changed(sku="A"), b.supplier_changed()
    [first] = await store.load_waiting(con, ["1"], [offer])
    [longest] = await store.load_waiting_longest(con, ["farol"], [supplier])
    assert [order.order_id for order in first] == [f"{n:04}" for n in range(WOKEN_AT_ONCE)]
    assert [order.order_id for order in longest] == [order.order_id for order in first]
    after = LastWoken(placed_at=first[-1].placed_at, order_id=first[-1].order_id)
    due = OfferWakingDue(offer_id=offer.offer_id, sku="A", stock=1, after=after)
    again, rest, same = await store.load_waiting(con, ["1", "1", "1"], [offer, due, due])
    assert (again, rest) == (first, same)
    assert [order.order_id for order in rest] == [f"{n:04}" for n in range(WOKEN_AT_ONCE, many)]
    [others] = await store.load_waiting_longest(con, ["farol"], [SupplierWakingDue(supplier_id="farol", after=after)])
    assert [order.order_id for order in others] == [order.order_id for order in rest]


async def test_order_that_is_known_is_sourced_again_with_rules_and_packaging(con: asyncpg.Connection) -> None:
    await save_sold(con, *b.TWO_SUPPLIERS)
    rule = ShippingRuleChanged(valid_from=b.NOW, rule_id="r", position=1, method="SEDEX")
    packaging = PackagingChanged(valid_from=b.NOW, store_id="shop", packaging="box", card="Thank you")
    await save(con, "packaging", shop=Timeline[PackagingChanged](versions=(packaging,)))
    await save(con, "shipping_rule", r=Timeline[ShippingRuleChanged](versions=(rule,)))
    await save(con, "fulfilment", known=b.purchased())
    due = SourcingRetryDue(order_id="known")
    known, unknown = await store.load_resourcing(con, ["known", "unknown"], [due, due])
    assert known.offers == b.sourcing(*b.TWO_SUPPLIERS).offers
    assert known.packaging is not None
    assert (known.packaging.versions, known.shipping_rules[0].versions) == ((packaging,), (rule,))
    assert (unknown.store, unknown.offers) == (None, {})
