"""Looks after the tables that are partitioned by time: what comes gets its partition, what is past goes with it, whole.

At the start of every process and once an hour. Nothing waits for it (see `time_partitions` in the migration), and
what a long-running reader keeps from being dropped is dropped another time. Rows that still matter are elsewhere.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from asyncpg import Pool

from shared import metrics
from shared.database import connection
from shared.worker import store

log = structlog.get_logger()

EVERY = 3600.0
AGAIN = 60.0
"""Seconds until it is tried again where it failed."""


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table, the days of one of its partitions, how many are made ahead, and the days that its rows are kept."""

    table: str
    days: int
    ahead: int
    keep_days: int


def of_runtime(retention_days: int) -> tuple[Partitioned, ...]:
    """The runtime's own tables, which every service has."""
    return (
        Partitioned("inbox", 7, 8, retention_days + 1),  # a row's day is that of its time zone, at most one off
        Partitioned("partner_call_done", 7, 8, retention_days),
    )


async def keep(pool: Pool, tables: Sequence[Partitioned]) -> None:
    """Until cancelled."""
    while True:
        well = await keep_once(pool, tables)
        await asyncio.sleep(EVERY if well else AGAIN)


async def keep_once(pool: Pool, tables: Sequence[Partitioned]) -> bool:
    """Whether all went well. It does not raise: a table that could not be looked after is good for weeks."""
    failed = False
    for one in tables:
        try:
            await keep_one(pool, one)
        except Exception as error:
            failed = True
            metrics.PARTITIONS_FAILED.labels(one.table).inc()
            log.warning("partitions.not_kept", table=one.table, error=f"{type(error).__name__}: {error}")
    return not failed


async def keep_one(pool: Pool, one: Partitioned) -> tuple[int, int]:
    """How many partitions were made and dropped. Each drop is a transaction of its own, so that locks are short."""
    created = dropped = 0
    async with connection(pool) as con:
        while True:
            row = await store.keep_partitions(con, one.table, one.days, one.ahead, one.keep_days)
            created, dropped = created + row["created"], dropped + row["dropped"]
            if not (row["dropped"] and row["overdue"]):
                break
        metrics.PARTITIONS_OVERDUE.labels(one.table).set(row["overdue"])
        metrics.TABLE_BYTES.labels(one.table).set(await store.load_bytes(con, one.table))
    if created or dropped or row["overdue"]:
        log.info("partitions.kept", table=one.table, created=created, dropped=dropped, overdue=row["overdue"])
    return created, dropped
