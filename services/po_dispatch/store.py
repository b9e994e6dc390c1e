"""The only SQL: whose order a PO number or a tracking code is, and what routing needs to know."""

from collections.abc import Sequence

from asyncpg import Connection

from schemas.order import OrderReady
from schemas.store import StoreChanged
from schemas.supplier import CarrierReported, OfferChanged, SupplierChanged, SupplierPoConfirmed, SupplierShipped
from schemas.timeline import Timeline
from services.po_dispatch.state import Sourcing

_BY_PO_NUMBER = """
    select number, key
    from unnest($1::text[]) as wanted(number)
    cross join lateral (select key from fulfilment where po_numbers @> array[number] limit 1) as found
"""
_BY_TRACKING_CODE = """
    select code, key
    from unnest($1::text[]) as wanted(code)
    cross join lateral (
        select key from fulfilment where tracking_codes @> array[code] order by updated_at desc limit 1
    ) as found
"""
_STORES = "select key, body from store where key = any($1)"
_OFFERS = "select body from offer where skus && $1::text[] order by key"
_SUPPLIERS = "select key, body from supplier where key = any($1)"


async def find_by_po_number(
    con: Connection, messages: Sequence[SupplierPoConfirmed | SupplierShipped]
) -> Sequence[str | None]:
    """The order of each message's PO; None while no such PO has been created."""
    rows = await con.fetch(_BY_PO_NUMBER, list({m.po_number for m in messages}))
    keys = {row["number"]: row["key"] for row in rows}
    return [keys.get(m.po_number) for m in messages]


async def find_by_tracking_code(con: Connection, messages: Sequence[CarrierReported]) -> Sequence[str | None]:
    """The order whose parcel it is, the latest where a carrier uses a code again; None while nothing was shipped."""
    rows = await con.fetch(_BY_TRACKING_CODE, list({m.tracking_code for m in messages}))
    keys = {row["code"]: row["key"] for row in rows}
    return [keys.get(m.tracking_code) for m in messages]


async def load_sourcing(con: Connection, keys: Sequence[str], messages: Sequence[OrderReady]) -> Sequence[Sourcing]:
    """Store, offers and suppliers for each order, in three statements for all of them."""
    stores = {
        row["key"]: Timeline[StoreChanged].model_validate_json(row["body"])
        for row in await con.fetch(_STORES, list({m.store_id for m in messages}))
    }
    skus = {item.sku for m in messages for item in m.items}
    offers = [Timeline[OfferChanged].model_validate_json(row["body"]) for row in await con.fetch(_OFFERS, list(skus))]
    makers = {version.supplier_id for offer in offers for version in offer.versions}
    suppliers = {
        row["key"]: Timeline[SupplierChanged].model_validate_json(row["body"])
        for row in await con.fetch(_SUPPLIERS, list(makers))
    }
    return [Sourcing(stores.get(m.store_id), _for(m, offers), suppliers) for m in messages]


def _for(order: OrderReady, offers: Sequence[Timeline[OfferChanged]]) -> tuple[Timeline[OfferChanged], ...]:
    skus = {item.sku for item in order.items}
    return tuple(offer for offer in offers if any(version.sku in skus for version in offer.versions))
