"""The SQL of nf_reconciliation. Its states are loaded and saved by the worker; these are the looks aside."""

from collections.abc import Iterable, Sequence

from asyncpg import Connection

from schemas.purchase_order import PurchaseOrderCreated
from schemas.store import StoreChanged
from schemas.supplier import SupplierChanged, SupplierNfIssued
from schemas.timeline import Timeline
from services.nf_reconciliation.candidates import fitting
from services.nf_reconciliation.checks import kind_of
from services.nf_reconciliation.document_fields import Document, Unreadable
from services.nf_reconciliation.reading import document_of
from services.nf_reconciliation.state import PurchaseOrder, Received

CANDIDATES = 200
"""How many POs of a supplier are looked at for one S2 that cites none, newest first."""


async def load_stores(
    con: Connection, keys: Sequence[str], messages: Sequence[PurchaseOrderCreated]
) -> list[Timeline[StoreChanged] | None]:
    """Each PO's store with its settings through time; None where the store is not known."""
    rows = await con.fetch("select key, body from store where key = any($1)", _distinct(m.store_id for m in messages))
    stores = {row["key"]: Timeline[StoreChanged].model_validate_json(row["body"]) for row in rows}
    return [stores.get(message.store_id) for message in messages]


async def load_received(con: Connection, keys: Sequence[str], messages: Sequence[SupplierNfIssued]) -> list[Received]:
    """Each XML as it reads, with its supplier, and what is known of its receiver and its POs."""
    read = [document_of(message.xml) for message in messages]
    documents = [document for document in read if isinstance(document, Document)]
    suppliers = await load_suppliers(con, [message.supplier_id for message in messages])
    sellers = await load_sellers(con, [document.receiver.tax_id for document in documents])
    stores_known = bool(sellers) or await con.fetchval("select exists (select from store)")
    cited = [line.po_number for document in documents for line in document.lines if line.po_number is not None]
    order_ids = await load_order_ids(con, cited)
    return [
        Received(
            document=document,
            supplier=suppliers.get(message.supplier_id),
            stores_known=stores_known,
            for_a_store=isinstance(document, Document) and document.receiver.tax_id in sellers,
            order_ids=order_ids,
            candidates=await _load_candidates(con, message.supplier_id, document),
        )
        for message, document in zip(messages, read, strict=True)
    ]


async def load_suppliers(con: Connection, supplier_ids: Sequence[str]) -> dict[str, Timeline[SupplierChanged]]:
    rows = await con.fetch("select key, body from supplier where key = any($1)", _distinct(supplier_ids))
    return {row["key"]: Timeline[SupplierChanged].model_validate_json(row["body"]) for row in rows}


async def load_sellers(con: Connection, cnpjs: Sequence[str]) -> set[str]:
    """Those of the CNPJs that sell, or ever sold, in one of our stores."""
    rows = await con.fetch(
        "select distinct cnpj from store, unnest(seller_cnpjs) cnpj"
        " where seller_cnpjs && $1::text[] and cnpj = any($1)",
        _distinct(cnpjs),
    )
    return {row["cnpj"] for row in rows}


async def load_order_ids(con: Connection, po_numbers: Sequence[str]) -> dict[str, str]:
    """Order ids of the POs that are known, by PO number."""
    rows = await con.fetch(
        "select key, body #>> '{created,order_id}' as order_id from purchase_order"
        " where key = any($1) and supplier_id is not null",
        _distinct(po_numbers),
    )
    return {row["key"]: row["order_id"] for row in rows}


async def _load_candidates(con: Connection, supplier_id: str, document: Document | Unreadable) -> tuple[str, ...]:
    """The rare document that cites no PO is looked up by itself: an S1 by the R it cites, an S2 by its products."""
    if isinstance(document, Unreadable) or any(line.po_number is not None for line in document.lines):
        return ()
    if kind_of(document) == "remittance":
        return await load_billed(con, supplier_id, document.cites)
    return fitting(document, await load_with_products(con, supplier_id, [line.sku for line in document.lines]))


async def load_billed(con: Connection, supplier_id: str, invoice_keys: Sequence[str]) -> tuple[str, ...]:
    """Numbers of the supplier's POs that one of these R bills."""
    rows = await con.fetch(
        "select key from purchase_order where invoice_keys && $1::text[] and supplier_id = $2 order by key",
        list(invoice_keys),
        supplier_id,
    )
    return tuple(row["key"] for row in rows)


async def load_with_products(con: Connection, supplier_id: str, skus: Sequence[str]) -> list[PurchaseOrder]:
    """The supplier's newest POs that have all these products of its."""
    rows = await con.fetch(
        "select body from purchase_order where supplier_skus @> $1::text[] and supplier_id = $2"
        " order by (body #>> '{created,created_at}')::timestamptz desc limit $3",
        _distinct(skus),
        supplier_id,
        CANDIDATES,
    )
    return [PurchaseOrder.model_validate_json(row["body"]) for row in rows]


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
