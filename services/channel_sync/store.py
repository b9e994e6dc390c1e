"""The only SQL of channel_sync: which order a channel means, and the reference data of orders."""

from collections.abc import Iterable, Sequence
from typing import Any

from asyncpg import Connection

from schemas.channel import ChannelChanged, ChannelOrderReported
from schemas.order import OrderAccepted
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.channel_sync.state import Reference

_ORDER_BY_CODE = """
select asked.position, o.key
from unnest($1::text[], $2::text[]) with ordinality as asked (channel_id, code, position)
join channel_order o on o.channel_id = asked.channel_id and o.channel_order_code = asked.code
"""
_SALES = "select key, channel_id, store_id from channel_order where key = any($1::text[]) and channel_id is not null"
_CHANNELS = "select key, body from channel where key = any($1::text[])"
_POLLED = "select key, polled_store_ids from channel where polled_store_ids && $1::text[]"
_STORES = "select key, body from store where key = any($1::text[])"


async def find_orders(con: Connection, reports: Sequence[ChannelOrderReported]) -> list[str | None]:
    """The order ids that channels mean by their own codes; None: not accepted (yet)."""
    channels, codes = [r.channel_id for r in reports], [r.channel_order_code for r in reports]
    found = {row["position"]: row["key"] for row in await con.fetch(_ORDER_BY_CODE, channels, codes)}
    return [found.get(position) for position in range(1, len(reports) + 1)]


async def load_references(con: Connection, keys: Sequence[str], messages: Sequence[Any]) -> list[Reference]:
    """Channel and store of each order: of the acceptance itself, or as it was accepted before."""
    sales = {row["key"]: (row["channel_id"], row["store_id"]) for row in await con.fetch(_SALES, list(keys))}
    for key, message in zip(keys, messages, strict=True):
        if isinstance(message, OrderAccepted):
            sales.setdefault(key, (message.channel_id, message.store_id))
    channels = await _bodies(con, _CHANNELS, {channel for channel, _ in sales.values()})
    stores = await _bodies(con, _STORES, {store for _, store in sales.values()})
    known_channels = {key: Timeline[ChannelChanged].model_validate_json(body) for key, body in channels.items()}
    known_stores = {key: Timeline[StoreChanged].model_validate_json(body) for key, body in stores.items()}
    return [
        Reference(known_channels.get(sales[key][0]), known_stores.get(sales[key][1])) if key in sales else Reference()
        for key in keys
    ]


async def load_channels(
    con: Connection, keys: Sequence[str], messages: Sequence[Any]
) -> list[Timeline[ChannelChanged] | None]:
    """The channel of each queue, which has its key."""
    found = await _bodies(con, _CHANNELS, set(keys))
    return [Timeline[ChannelChanged].model_validate_json(found[key]) if key in found else None for key in keys]


async def load_polled(con: Connection, keys: Sequence[str], messages: Sequence[Any]) -> list[tuple[str, ...]]:
    """The channels with a queue of each store, by id."""
    polled: dict[str, set[str]] = {key: set() for key in keys}
    for row in await con.fetch(_POLLED, list(polled)):
        for store_id in set(row["polled_store_ids"]) & polled.keys():
            polled[store_id].add(row["key"])
    return [tuple(sorted(polled[key])) for key in keys]


async def _bodies(con: Connection, query: str, keys: Iterable[str]) -> dict[str, str]:
    wanted = sorted(keys)
    return {row["key"]: row["body"] for row in await con.fetch(query, wanted)} if wanted else {}
