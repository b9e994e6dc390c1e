"""The only SQL: whose order a PO number or a tracking code is, what buying needs to know, and who waits for what."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from asyncpg import Connection

from schemas.model import Message
from schemas.order import OrderReady
from schemas.sourcing import OfferWakingDue, SupplierWakingDue
from schemas.store import StoreChanged
from schemas.supplier import (
    CarrierReported,
    OfferChanged,
    PackagingChanged,
    ShippingRuleChanged,
    SupplierCancellationAnswered,
    SupplierChanged,
    SupplierDelayReported,
    SupplierPoConfirmed,
    SupplierPoRefused,
    SupplierShipped,
)
from schemas.timeline import Timeline
from services.po_dispatch.catalogue import Offer, Offers, offer_versions, offers_of, supplier_versions
from services.po_dispatch.state import WOKEN_AT_ONCE, Sourcing, WaitingOrder

_STORE, _PACKAGING, _RULE = Timeline[StoreChanged], Timeline[PackagingChanged], Timeline[ShippingRuleChanged]
"""Looking such a class up takes longer than reading a row with it."""
OfPo = SupplierPoConfirmed | SupplierPoRefused | SupplierCancellationAnswered | SupplierDelayReported | SupplierShipped

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
_STORES = (
    "select s.key, s.body, p.body as packaging from store s left join packaging p on p.key = s.key "
    "where s.key = any($1)"
)
_OFFERS = "select body from offer where jsonb_path_query_array(body, '$.versions[*].sku') ?| $1::text[]"
"""In the words of its index; a column for the SKUs would be worked out and stored anew with every offer in bulk. In no
order: to have them in the order of their keys, the planner may rather look at all offers there are."""
_SUPPLIERS = "select key, body from supplier where key = any($1)"
_RULES = "select body from shipping_rule order by key"
_ORDERED = """
    select key, body->'order'->>'store_id' as store_id,
           texts(jsonb_path_query_array(body, '$.order.lines[*].sku')) as skus
    from fulfilment where key = any($1) and body ? 'order'
"""
_WAITING = """
    select nr, key, quantity, lacks = 1 as only, unconnected, in_portions, uf, placed_at
    from unnest($1::text[], $2::timestamptz[], $3::text[]) with ordinality as wanted(sku, after_at, after_key, nr)
    cross join lateral (
        select key, lines.quantity, jsonb_array_length(body->'waiting') as lacks, lines.unconnected,
               lines.several or exists (
                   select from store where store.key = fulfilment.body->'order'->>'store_id'
                   and store.body @? '$.versions[*].split_lines ? (@ == true)'
               ) as in_portions,
               body->'order'->'ship_to'->>'uf' as uf, (body->'order'->>'placed_at')::timestamptz as placed_at
        from fulfilment, lateral (
            select sum((line->>'quantity')::int)::int as quantity, count(*) > 1 as several,
                   bool_or(body->'lines_without_offer' @> (line->'line')) as unconnected
            from jsonb_array_elements(body->'waiting') as line where line->>'sku' = wanted.sku
        ) as lines
        where waiting_skus @> array[wanted.sku] and waiting_skus <> '{}'
        and (after_key is null or ((body->'order'->>'placed_at')::timestamptz, key) > (after_at, after_key))
        order by placed_at, key limit $4
    ) as found
    order by nr, placed_at, key
"""
_WAITING_LONGEST = """
    select nr, key, 0 as quantity, true as only, false as unconnected, false as in_portions, null as uf, placed_at
    from unnest($1::timestamptz[], $2::text[]) with ordinality as wanted(after_at, after_key, nr)
    cross join lateral (
        select key, (body->'order'->>'placed_at')::timestamptz as placed_at from fulfilment
        where waiting_skus <> '{}'
        and (after_key is null or ((body->'order'->>'placed_at')::timestamptz, key) > (after_at, after_key))
        order by placed_at, key limit $3
    ) as found
    order by nr, placed_at, key
"""


async def find_by_po_number(con: Connection, messages: Sequence[OfPo]) -> Sequence[str | None]:
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
    """What buying needs, for each order, in the same few statements for all of them."""
    return await _load(con, [(m.store_id, {item.sku for item in m.items}) for m in messages])


async def load_resourcing(con: Connection, keys: Sequence[str], messages: Sequence[Message]) -> Sequence[Sourcing]:
    """The same for orders that are known already."""
    rows = await con.fetch(_ORDERED, list(keys))
    ordered = {row["key"]: (row["store_id"], set(row["skus"])) for row in rows}
    return await _load(con, [ordered.get(key, ("", set())) for key in keys])


async def load_waiting(
    con: Connection, keys: Sequence[str], messages: Sequence[OfferChanged | OfferWakingDue]
) -> Sequence[Sequence[WaitingOrder]]:
    """Who waits for each offer's SKU, the oldest order first: a page of them."""
    return await _load_pages(con, _WAITING, [(m.sku, *_after(m)) for m in messages])


async def load_waiting_longest(
    con: Connection, keys: Sequence[str], messages: Sequence[SupplierChanged | SupplierWakingDue]
) -> Sequence[Sequence[WaitingOrder]]:
    """Who waits for anything: a supplier's offers may be for any SKU."""
    return await _load_pages(con, _WAITING_LONGEST, [_after(m) for m in messages])


async def _load_pages(
    con: Connection, query: str, wanted: Sequence[tuple[Any, ...]]
) -> Sequence[Sequence[WaitingOrder]]:
    distinct = list(dict.fromkeys(wanted))
    columns = [list(column) for column in zip(*distinct, strict=True)]
    pages: dict[tuple[Any, ...], list[WaitingOrder]] = defaultdict(list)
    for nr, *order in await con.fetch(query, *columns, WOKEN_AT_ONCE):
        pages[distinct[nr - 1]].append(WaitingOrder(*order))
    return [tuple(pages.get(one, ())) for one in wanted]


def _after(message: Message) -> tuple[datetime | None, str | None]:
    """Behind whom the page begins; None: with the oldest."""
    match message:
        case OfferWakingDue(after=last) | SupplierWakingDue(after=last):
            return last.placed_at, last.order_id
        case _:
            return None, None


async def _load(con: Connection, wanted: Sequence[tuple[str, Collection[str]]]) -> Sequence[Sourcing]:
    stores = {
        row["key"]: (
            _STORE.model_validate_json(row["body"]),
            None if row["packaging"] is None else _PACKAGING.model_validate_json(row["packaging"]),
        )
        for row in await con.fetch(_STORES, list({store_id for store_id, _ in wanted}))
    }
    offers = await _load_offers(con, {sku for _, skus in wanted for sku in skus})
    makers = {o.supplier_id for of_sku in offers.values() for versions in of_sku.versions for o in versions}
    suppliers = {row["key"]: supplier_versions(row["body"]) for row in await con.fetch(_SUPPLIERS, list(makers))}
    rules = tuple(_RULE.model_validate_json(row["body"]) for row in await con.fetch(_RULES))
    found: list[Sourcing] = []
    for store_id, skus in wanted:
        store, packaging = stores.get(store_id, (None, None))
        own = {sku: offers[sku] for sku in skus}
        found.append(Sourcing(store, own, suppliers, rules, packaging))
    return found


async def _load_offers(con: Connection, skus: Collection[str]) -> Mapping[str, Offers]:
    found: dict[str, list[Sequence[Offer]]] = {sku: [] for sku in skus}
    for row in await con.fetch(_OFFERS, list(skus)):
        versions = offer_versions(row["body"])
        for sku in {version.sku for version in versions} & found.keys():
            found[sku].append(versions)
    return {sku: offers_of(sku, every) for sku, every in found.items()}
