"""What keeps the control room's tables from growing without end: the journal's days go whole, dead letters and
campaigns that are over go a few at a time. Nothing that is open is ever touched."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog
from asyncpg import Connection, Pool

from services.control_room import store
from services.control_room.campaign.store import purge_campaigns
from services.control_room.settings import Settings
from shared.database import connection
from shared.worker import partitions

log = structlog.get_logger()

EVERY = 3600.0


async def keep_journal(pool: Pool, settings: Settings) -> None:
    """Makes the coming days' partitions and drops the old ones, until cancelled."""
    await partitions.keep(pool, [partitions.Partitioned("journal", 1, 7, settings.journal_days)])


async def keep_dead_letters(pool: Pool, settings: Settings) -> None:
    """Deletes dead letters that have long been over, until cancelled."""
    while True:
        try:
            if deleted := await purge(pool, settings.dead_letter_days):
                log.info("dead_letters.purged", deleted=deleted)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("dead_letters.not_purged", error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(EVERY)


async def purge(pool: Pool, keep_days: int) -> int:
    """In portions, each a transaction of its own; how many rows were deleted: campaigns first, whose letters are
    looked at to see that they are settled, then letters."""
    return sum([await _in_portions(pool, delete, keep_days) for delete in (purge_campaigns, store.purge_dead_letters)])


async def _in_portions(pool: Pool, delete: Callable[[Connection, int], Awaitable[int]], keep_days: int) -> int:
    total = 0
    while True:
        async with connection(pool) as con:
            deleted = await delete(con, keep_days)
        total += deleted
        if not deleted:
            return total
