"""The SQL of billing. The worker loads and saves its states; the ledger's rows and their check are here."""

from collections.abc import AsyncIterator, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from asyncpg import Connection

from schemas.billing import SupplierPaymentReported, TaxProfileChanged
from schemas.channel import ChannelChanged
from schemas.model import Message, Model
from schemas.nota_fiscal import SupplierNfMatched
from schemas.refund import RefundReported
from schemas.store import StoreChanged
from schemas.supplier import SupplierChanged
from schemas.timeline import Timeline
from services.billing.ledger import Movement
from services.billing.reference import Reference
from services.billing.state import Bill, InvoiceXml

V = TypeVar("V", StoreChanged, ChannelChanged, TaxProfileChanged, SupplierChanged)


async def find_bills(con: Connection, messages: Sequence[SupplierPaymentReported]) -> list[str | None]:
    """The order of each payable; None where it is not known (yet)."""
    wanted = list({message.payable_id for message in messages})
    rows = await con.fetch("select key, payable_ids from bill where payable_ids && $1::text[]", wanted)
    order_of = {payable_id: row["key"] for row in rows for payable_id in row["payable_ids"]}
    return [order_of.get(message.payable_id) for message in messages]


async def find_refunded(con: Connection, messages: Sequence[RefundReported]) -> list[str | None]:
    """The order of each refund; None where it is not known (yet)."""
    wanted = list({message.refund_id for message in messages})
    rows = await con.fetch("select key, refund_ids from bill where refund_ids && $1::text[]", wanted)
    order_of = {refund_id: row["key"] for row in rows for refund_id in row["refund_ids"]}
    return [order_of.get(message.refund_id) for message in messages]


async def load_references(con: Connection, keys: Sequence[str], messages: Sequence[Message]) -> list[Reference]:
    """What R of each order needs: by the bill as it is, and by what the message adds to it."""
    rows = await con.fetch(
        "select key, store_id, channel_id, supplier_ids, supplied from bill where key = any($1::text[])",
        list(set(keys)),
    )
    bills = {row["key"]: row for row in rows}
    named = [_named(bills.get(key), message) for key, message in zip(keys, messages, strict=True)]
    stores = await _load(con, "store", StoreChanged, (store for store, _, _ in named))
    channels = await _load(con, "channel", ChannelChanged, (channel for _, channel, _ in named))
    profiles = await _load(con, "tax_profile", TaxProfileChanged, (store for store, _, _ in named))
    suppliers = await _load(con, "supplier", SupplierChanged, (id for _, _, ids in named for id in ids))
    return [
        Reference(
            store=stores.get(store or ""),
            channel=channels.get(channel or ""),
            tax_profile=profiles.get(store or ""),
            suppliers={id: suppliers[id] for id in ids if id in suppliers},
            supplied=isinstance(message, SupplierNfMatched) or (key in bills and bills[key]["supplied"]),
        )
        for (store, channel, ids), key, message in zip(named, keys, messages, strict=True)
    ]


def _named(bill: Any, message: Message) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Ids of the store, the channel and the suppliers."""
    known = bill or {"store_id": None, "channel_id": None, "supplier_ids": []}
    supplier = getattr(message, "supplier_id", None)
    return (
        known["store_id"] or getattr(message, "store_id", None),
        known["channel_id"] or getattr(message, "channel_id", None),
        (*known["supplier_ids"], *((supplier,) if supplier else ())),
    )


async def _load(con: Connection, table: str, model: type[V], ids: Iterable[str | None]) -> dict[str, Timeline[V]]:
    wanted = list({id for id in ids if id})
    if not wanted:
        return {}
    rows = await con.fetch(f'select key, body from "{table}" where key = any($1::text[])', wanted)
    return {row["key"]: Timeline[model].model_validate_json(row["body"]) for row in rows}  # type: ignore[valid-type]


async def save_rows(con: Connection, rows: Sequence[Model]) -> None:
    """Writes movements and XML once: ids derive from what moved, so a row that is there already is the same one."""
    await _save_movements(con, [row for row in rows if isinstance(row, Movement)])
    await _save_documents(con, [row for row in rows if isinstance(row, InvoiceXml)])


async def _save_movements(con: Connection, movements: Sequence[Movement]) -> None:
    if not movements:
        return
    await con.execute(
        "insert into ledger_entry (movement_id, entry, order_id, account, debit, credit, at) "
        "select m.id, e.entry, m.order_id, e.account, e.debit, e.credit, m.at "
        "from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::timestamptz[]) "
        "as m(id, order_id, debited, credited, amount, at) "
        "cross join lateral (values (1, m.debited, m.amount, 0), (2, m.credited, 0, m.amount)) "
        "as e(entry, account, debit, credit) on conflict do nothing",
        [m.movement_id for m in movements],
        [m.order_id for m in movements],
        [str(m.debit) for m in movements],
        [str(m.credit) for m in movements],
        [m.amount for m in movements],
        [m.at for m in movements],
    )


async def _save_documents(con: Connection, documents: Sequence[InvoiceXml]) -> None:
    if not documents:
        return
    await con.execute(
        "insert into invoice_document (access_key, order_id, invoice_id, xml, issued_at) "
        "select k, o, i, decode(x, 'base64'), a "
        "from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) as d(k, o, i, x, a) "
        "on conflict do nothing",
        [d.access_key for d in documents],
        [d.order_id for d in documents],
        [d.invoice_id for d in documents],
        [d.xml for d in documents],
        [d.issued_at for d in documents],
    )


async def load_bills(con: Connection) -> AsyncIterator[Bill]:
    """All bills, a few at a time. Inside a transaction."""
    async for row in con.cursor("select body from bill", prefetch=200):
        yield Bill.model_validate_json(row["body"])


async def load_account_balances(con: Connection) -> dict[str, dict[str, Decimal]]:
    """By order and account: debits less credits."""
    rows = await con.fetch(
        "select order_id, account, sum(debit) - sum(credit) as balance from ledger_entry group by order_id, account"
    )
    balances: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        balances.setdefault(row["order_id"], {})[row["account"]] = row["balance"]
    return balances


async def load_unbalanced_movements(con: Connection) -> tuple[str, ...]:
    """Ids of movements whose debits and credits differ: none, unless somebody switched the constraint off."""
    rows = await con.fetch(
        "select movement_id from ledger_entry group by movement_id having sum(debit) <> sum(credit) order by 1"
    )
    return tuple(str(row["movement_id"]) for row in rows)
