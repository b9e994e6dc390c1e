"""billing's tables on a real PostgreSQL: look-ups, append-only rows, and the ledger's check."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

import services.billing
from schemas.model import Model
from schemas.timeline import Timeline
from services.billing import decide, ledger
from services.billing.balance import ledger_balance
from services.billing.reference import series_names
from services.billing.state import InvoiceXml
from services.billing.store import find_bills, load_references, save_rows
from shared.migrate import migrate, service_url
from tests.conftest import PASSWORD
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run

MIGRATIONS = Path(services.billing.__file__).parent / "migrations"


@pytest.fixture
async def con(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the service's own role, in its migrated schema."""
    await asyncio.to_thread(migrate, database, "billing", (MIGRATIONS,), PASSWORD)
    connection = await asyncpg.connect(service_url(database, "billing", PASSWORD))
    yield connection
    await connection.close()


async def save(con: asyncpg.Connection, table: str, key: str, state: Model) -> None:
    await con.execute(
        f'insert into "{table}" values ($1, 1, $2) on conflict (key) do update set body = excluded.body',
        key,
        state.model_dump_json(exclude_none=True),
    )


async def save_references(con: asyncpg.Connection) -> None:
    await save(con, "store", "store-1", Timeline(versions=(b.store_changed(),)))
    await save(con, "channel", "channel-1", Timeline(versions=(b.channel_changed(),)))
    await save(con, "tax_profile", "store-1", Timeline(versions=(b.tax_profile_changed(),)))
    for supplier_id in ("supplier-a", "supplier-b"):
        await save(con, "supplier", supplier_id, Timeline(versions=(b.supplier_changed(supplier_id),)))


def billed() -> Run:
    """An order of one PO: paid, invoiced, its supplier still to be paid."""
    return Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po()).authorise_all()


async def store(con: asyncpg.Connection, run: Run) -> None:
    await save(con, "bill", run.now.order_id, run.now)
    async with con.transaction():
        await save_rows(con, run.rows)


async def test_references_come_from_the_bill_and_from_what_the_message_adds(con: asyncpg.Connection) -> None:
    await save_references(con)
    heard = Run().hear(b.order_ready(), b.po_created("po-a"))
    await save(con, "bill", "order-1", heard.now)
    known, unknown = await load_references(
        con, ["order-1", "order-2"], [b.nf_matched("po-b"), b.nf_matched("po-b", order_id="order-2")]
    )
    assert known == b.reference()
    assert series_names(known) == ("11222333000181:1",)
    assert unknown.store is None
    assert set(unknown.suppliers) == {"supplier-b"}


async def test_series_are_named_only_once_an_s2_has_matched(con: asyncpg.Connection) -> None:
    await save_references(con)
    (first,) = await load_references(con, ["order-1"], [b.order_ready()])
    assert series_names(first) == ()
    assert first.tax_profile is not None
    bill = b.decided(decide.on_supplier_nf_matched(None, b.nf_matched("po-a"), b.context())).state
    assert bill is not None
    await save(con, "bill", "order-1", bill)
    (second,) = await load_references(con, ["order-1"], [b.order_ready()])
    assert series_names(second) == ("11222333000181:1",)


async def test_payables_are_found_by_their_id(con: asyncpg.Connection) -> None:
    run = Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po(installments=b.installments("100.00", "60.00")))
    await store(con, run)
    reports = [b.payment_reported(p.payable_id) for p in reversed(run.now.payables)]
    assert await find_bills(con, [*reports, b.payment_reported("nobody")]) == ["order-1", "order-1", None]


async def test_rows_saved_twice_are_there_once(con: asyncpg.Connection) -> None:
    run = billed()
    for _ in range(2):
        await store(con, run)
    assert await con.fetchval("select count(*) from ledger_entry") == 6
    (xml,) = [row for row in run.rows if isinstance(row, InvoiceXml)]
    stored = await con.fetchrow("select * from invoice_document")
    assert stored is not None
    assert (stored["access_key"], stored["xml"]) == (xml.access_key, b"<nfeProc/>")


async def test_movement_that_does_not_balance_is_refused_at_commit(con: asyncpg.Connection) -> None:
    entry = "insert into ledger_entry values (gen_random_uuid(), 1, 'order-1', 'bank', 1.00, 0, now())"
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance"):
        async with con.transaction():
            await con.execute(entry)
    assert await con.fetchval("select count(*) from ledger_entry") == 0


@pytest.mark.parametrize("statement", ["update ledger_entry set debit = 1", "delete from ledger_entry"])
async def test_service_may_not_change_the_ledger(con: asyncpg.Connection, statement: str) -> None:
    await store(con, billed())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await con.execute(statement)


async def test_not_even_the_owner_changes_the_ledger(con: asyncpg.Connection, database: str) -> None:
    await store(con, billed())
    owner = await asyncpg.connect(database)
    try:
        for statement in ("update billing.ledger_entry set debit = 1", "truncate billing.ledger_entry"):
            with pytest.raises(asyncpg.CheckViolationError, match="append-only"):
                await owner.execute(statement)
    finally:
        await owner.close()


async def test_ledger_reconciles_with_open_payables_and_is_settled_when_paid(con: asyncpg.Connection) -> None:
    run = billed()
    await store(con, run)
    found = await ledger_balance(con)
    assert (found.balanced, found.settled, found.orders) == (True, False, 1)
    assert (found.customer_paid, found.revenue, found.owed_to_customer) == (Decimal(300), Decimal(300), Decimal(0))
    assert (found.cost, found.payments, found.open_payables) == (Decimal(160), Decimal(0), Decimal(160))
    run.hear(b.payment_reported(run.now.payables[0].payable_id))
    await store(con, run)
    paid = await ledger_balance(con)
    assert (paid.settled, paid.payments, paid.open_payables) == (True, Decimal(160), Decimal(0))


async def test_customer_who_paid_and_has_no_invoice_yet_is_owed(con: asyncpg.Connection) -> None:
    await store(con, Run().hear(b.order_ready()))
    found = await ledger_balance(con)
    assert (found.balanced, found.settled, found.owed_to_customer) == (True, False, Decimal(300))


async def test_ledger_that_lacks_a_movement_or_has_one_too_many_does_not_reconcile(con: asyncpg.Connection) -> None:
    run = billed()
    await save(con, "bill", "order-1", run.now)
    lacking = await ledger_balance(con)
    assert not lacking.balanced
    assert "revenue: 0.00 and 300.00" in lacking.unreconciled[0].wrong
    await store(con, run)
    stray = ledger.supplier_paid("order-2", "nobody", Decimal("5.00"), b.NOW + timedelta(days=1))
    async with con.transaction():
        await save_rows(con, [stray])
    (wrong,) = (await ledger_balance(con)).unreconciled
    assert wrong.order_id == "order-2"


async def test_empty_ledger_balances(con: asyncpg.Connection) -> None:
    found = await ledger_balance(con)
    assert (found.orders, found.settled, found.cost) == (0, True, Decimal(0))
