"""The SQL of order_intake. Its states are loaded and saved by the worker."""

from collections.abc import Sequence

from asyncpg import Connection

from schemas.order import OrderPlaced
from schemas.store import StoreChanged
from schemas.timeline import Timeline


async def load_stores(
    con: Connection, keys: Sequence[str], messages: Sequence[OrderPlaced]
) -> list[Timeline[StoreChanged] | None]:
    """Each order's store with its settings through time; None where the store is not known."""
    names = list({message.store_id for message in messages})
    rows = await con.fetch("select key, body from store where key = any($1)", names)
    stores = {row["key"]: Timeline[StoreChanged].model_validate_json(row["body"]) for row in rows}
    return [stores.get(message.store_id) for message in messages]
