"""Keeps what both entry exchanges carry, in one transaction for what waits.

A tap of its own beside the worker cycle: it decides nothing, so it needs no locks, no inbox and no states.
"""

from collections.abc import Sequence
from functools import partial

import asyncpg
import structlog
from asyncpg import Connection, Pool

from services.control_room import store
from services.control_room.entry import described, entries, named, opaque, order_seen
from services.control_room.settings import Settings
from shared.backoff import Backoff
from shared.broker.link import Delivery
from shared.database import connection
from shared.worker import tap

log = structlog.get_logger()

QUEUE = "control_room.journal"


async def run(pool: Pool, settings: Settings) -> None:
    """Keeps the journal until cancelled, through the loss of broker and database."""
    await tap.run(settings.amqp_url, QUEUE, settings.journal_prefetch, partial(save, pool))


async def save(pool: Pool, batch: Sequence[Delivery]) -> int:
    """How many new entries there were. While the database is away it waits, and so does the queue."""
    backoff = Backoff()
    while True:
        try:
            async with connection(pool) as con:
                return await keep(con, batch)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("journal.waiting_for_database", error=f"{type(error).__name__}: {error}")
        await backoff.wait()


async def keep(con: Connection, deliveries: Sequence[Delivery]) -> int:
    """Saves their events, and what they say of orders, in one transaction; returns how many were new."""
    try:
        async with con.transaction():
            found = [entry for delivery in deliveries for entry in entries(delivery)]
            fresh = await store.save_entries(con, found)
            await store.save_orders(con, [seen for entry in fresh if (seen := order_seen(entry)) is not None])
            await store.save_names(con, [name for entry in fresh for name in named(entry)])
            await store.save_described(con, [one for entry in fresh if (one := described(entry)) is not None])
            return len(fresh)
    except asyncpg.DataError as error:
        # An attribute that PostgreSQL does not take after all: rather the bytes alone than nothing, of that one only.
        if len(deliveries) > 1:
            return sum([await keep(con, [one]) for one in deliveries])
        log.warning("journal.kept_as_bytes", error=str(error), deliveries=len(deliveries))
        async with con.transaction():
            return len(await store.save_entries(con, [opaque(delivery) for delivery in deliveries]))
