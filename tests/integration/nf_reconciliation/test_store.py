"""nf_reconciliation's SQL on a real PostgreSQL, with its own migrations, as its own role."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

import services.nf_reconciliation
from schemas.model import Model
from schemas.nota_fiscal import BilledBy
from schemas.timeline import Timeline
from services.nf_reconciliation.state import Promise, PurchaseOrder
from services.nf_reconciliation.store import (
    load_billed,
    load_order_ids,
    load_received,
    load_sellers,
    load_stores,
    load_with_products,
)
from shared.migrate import migrate, service_url
from tests.conftest import PASSWORD
from tests.unit.nf_builders import ISSUED_AT, retailer, sale_xml, sold_line
from tests.unit.nf_reconciliation.builders import (
    OTHER,
    PO,
    invoice_of,
    nf_issued,
    po_created,
    po_line,
    s1,
    s2,
    silent,
    store_changed,
    supplier_changed,
)

NAME = "nf_reconciliation"
MIGRATIONS = Path(services.nf_reconciliation.__file__).parent / "migrations"
NOW = ISSUED_AT
BILLED = BilledBy(invoice_key=invoice_of().access_key, issued_at=ISSUED_AT, customer_tax_id="52998224725")


@pytest.fixture
async def con(database: str) -> AsyncIterator[asyncpg.Connection]:
    await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
    connection = await asyncpg.connect(service_url(database, NAME, PASSWORD), server_settings={"search_path": NAME})
    yield connection
    await connection.close()


async def save(con: asyncpg.Connection, table: str, key: str, state: Model) -> None:
    await con.execute(
        f"insert into {table} (key, version, body) values ($1, 1, $2)"
        " on conflict (key) do update set body = excluded.body",
        key,
        state.model_dump_json(),
    )


async def save_world(con: asyncpg.Connection) -> None:
    await save(con, "store", "store-1", Timeline(versions=(store_changed(),), sent_at=(NOW,)))
    await save(con, "supplier", "farol-sul", Timeline(versions=(supplier_changed(),), sent_at=(NOW,)))


async def save_po(con: asyncpg.Connection, number: str = PO, **state: object) -> None:
    po = PurchaseOrder.model_validate({"created": po_created(po_number=number), **state})
    await save(con, "purchase_order", number, po)


async def test_pos_of_known_and_unknown_stores_each_get_their_own(con: asyncpg.Connection) -> None:
    await save_world(con)
    messages = [po_created(store_id="store-9"), po_created()]
    unknown, known = await load_stores(con, [m.po_number for m in messages], messages)
    assert unknown is None
    assert known is not None
    assert known.current(NOW) == store_changed()
    assert await load_stores(con, [], []) == []


async def test_seller_of_any_version_of_a_store_is_ours(con: asyncpg.Connection) -> None:
    old = store_changed(seller=retailer().model_copy(update={"cnpj": "11444777000161"}))
    versions = (old, store_changed(valid_from=ISSUED_AT))
    await save(con, "store", "store-1", Timeline(versions=versions, sent_at=(NOW,) * len(versions)))
    await save(con, "store", "store-2", Timeline(versions=versions[1:], sent_at=(NOW,) * len(versions[1:])))
    asked = ["11444777000161", retailer().cnpj, "00000000000191", retailer().cnpj]
    assert await load_sellers(con, asked) == {"11444777000161", retailer().cnpj}


async def test_claims_of_an_unknown_po_give_no_order(con: asyncpg.Connection) -> None:
    await save_po(con)
    await save(con, "purchase_order", OTHER, PurchaseOrder(invoices=(BILLED,)))
    assert await load_order_ids(con, [PO, OTHER, "PO-9", PO]) == {PO: "order-1"}


async def test_po_is_found_by_the_r_that_bills_it_and_its_supplier(con: asyncpg.Connection) -> None:
    await save_po(con, invoices=(BILLED,))
    await save_po(con, OTHER)
    assert await load_billed(con, "farol-sul", [BILLED.invoice_key]) == (PO,)
    assert await load_billed(con, "pecas-norte", [BILLED.invoice_key]) == ()
    assert await load_billed(con, "farol-sul", []) == ()


async def test_pos_are_found_by_all_their_products_newest_first(con: asyncpg.Connection) -> None:
    two = (po_line(), po_line(line=2, supplier_sku="FS-78"))
    await save(con, "purchase_order", PO, PurchaseOrder(created=po_created(lines=two)))
    newer = po_created(po_number=OTHER, lines=two, created_at=ISSUED_AT)
    await save(con, "purchase_order", OTHER, PurchaseOrder(created=newer))
    await save_po(con, "PO-3")
    found = await load_with_products(con, "farol-sul", ["FS-78", "FS-77", "FS-77"])
    assert [po.created.po_number for po in found if po.created is not None] == [OTHER, PO]


async def test_nf_of_a_known_world_is_loaded_with_all_of_it(con: asyncpg.Connection) -> None:
    await save_world(con)
    await save_po(con)
    strangers = sale_xml(retailer=retailer().model_copy(update={"cnpj": "11444777000161"}))
    messages = [nf_issued(s2()), nf_issued(b"<a>"), nf_issued(strangers, "pecas-norte")]
    mine, unreadable, foreign = await load_received(con, ["a", "b", "c"], messages)
    assert mine.supplier is not None
    assert (mine.for_a_store, mine.stores_known, mine.order_ids, mine.candidates) == (True, True, {PO: "order-1"}, ())
    assert (unreadable.for_a_store, unreadable.candidates) == (False, ())
    assert (foreign.for_a_store, foreign.stores_known, foreign.supplier) == (False, True, None)


async def test_nf_before_any_store_says_so(con: asyncpg.Connection) -> None:
    [received] = await load_received(con, ["a"], [nf_issued(s2())])
    assert (received.for_a_store, received.stores_known, received.supplier) == (False, False, None)


async def test_nf_that_names_no_po_gets_candidates_by_products_or_by_r(con: asyncpg.Connection) -> None:
    await save_world(con)
    await save_po(con, invoices=(BILLED,))
    full = Promise(kind="sale", status="kept", quantities={1: Decimal(2)})
    await save_po(con, OTHER, promises={"k": full})
    messages = [
        nf_issued(silent(s2())),
        nf_issued(silent(s1())),
        nf_issued(silent(sale_xml(lines=(sold_line(sku="X"),)))),
    ]
    by_products, by_invoice, nothing = await load_received(con, ["a", "b", "c"], messages)
    assert (by_products.candidates, by_invoice.candidates, nothing.candidates) == ((PO,), (PO,), ())
