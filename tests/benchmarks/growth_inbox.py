"""An inbox that knows millions of events, as three weeks of work leave it."""

import asyncio
import json
from typing import Any

import asyncpg

from shared.worker.store import KNOWN_IN_INBOX
from tests.benchmarks.hop_ground import prepare
from tests.benchmarks.hop_service import NAME

BATCH = 256
WEEKS = 3
INDEXES_AT_ONCE = 2
PARTITIONS = (
    "select inhrelid::regclass::text as name, monday from pg_inherits, lateral "
    "to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') monday where inhparent = 'inbox'::regclass "
    f"and monday between current_date - {7 * WEEKS - 1} and current_date"
)
MAKE_PARTITION = (
    "do $$ declare monday date := date_trunc('week', current_date)::date - 7 * {week}; begin "
    "execute format('create table if not exists inbox_%s partition of inbox for values from (%L) to (%L)', "
    "to_char(monday, 'YYYYMMDD'), monday, monday + 7); end $$"
)
SETTLE = (
    "do $$ declare refs uuid[]; begin for n in 1..{batches} loop "
    f"select array_agg(gen_random_uuid()) into refs from generate_series(1, {BATCH}); "
    f"perform from ({KNOWN_IN_INBOX.replace('$1', 'refs')}) known; "
    "insert into inbox (ref) select unnest(refs); end loop; end $$"
)


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(url, server_settings={"search_path": NAME}, command_timeout=3600)


async def fill(url: str, rows: int) -> None:
    """Random references over three whole weeks, this one included; the index as full as random insertion leaves one."""
    await prepare(url)
    con = await connect(url)
    try:
        for week in range(WEEKS):
            await con.execute(MAKE_PARTITION.format(week=week))
        await con.execute("alter table inbox drop constraint inbox_pkey")
        partitions = await con.fetch(PARTITIONS)
        room = asyncio.Semaphore(INDEXES_AT_ONCE)
        await asyncio.gather(
            *(fill_week(url, part["name"], part["monday"], rows // WEEKS, room) for part in partitions)
        )
        await con.execute("alter table inbox add primary key (ref, received_on)")
        await con.execute("vacuum analyze inbox")
    finally:
        await con.close()


async def fill_week(url: str, name: str, monday: Any, rows: int, room: asyncio.Semaphore) -> None:
    async with room:
        con = await connect(url)
        try:
            await con.execute("set maintenance_work_mem = '512MB'")
            await con.execute(
                f"insert into {name} (ref, received_on) select gen_random_uuid(), $1::date + n % 7 "
                "from generate_series(1, $2::int) n",
                monday,
                rows,
            )
            await con.execute(f"alter table {name} add primary key (ref, received_on) with (fillfactor = 70)")
        finally:
            await con.close()


async def load_pages(url: str) -> int:
    """Of the index that new events go to."""
    con = await connect(url)
    try:
        return int(
            await con.fetchval(
                "select pg_relation_size(indexrelid) / 8192 from pg_index where indisprimary and indrelid = "
                "(select tableoid from inbox where received_on = current_date limit 1)"
            )
        )
    finally:
        await con.close()


async def settle(url: str, pages: int) -> None:
    """What three times as many events as the current index has pages leave behind: caches as they are at work, and few
    pages that were not changed since the last checkpoint. The statements are the worker's."""
    con = await connect(url)
    try:
        await con.execute(SETTLE.format(batches=3 * pages // BATCH))
    finally:
        await con.close()


async def load_plan(url: str) -> dict[str, Any]:
    """What one look-up of 256 new events does: partitions visited, how, pages, ms."""
    con = await connect(url)
    try:
        await con.execute(f"prepare known(uuid[]) as {KNOWN_IN_INBOX}; set plan_cache_mode = force_generic_plan")
        refs = await con.fetchval(f"select array_agg(gen_random_uuid())::text from generate_series(1, {BATCH})")
        for _ in range(2):  # once to fill the caches
            said = await con.fetchval(f"explain (analyze, buffers, format json) execute known('{refs}')")
    finally:
        await con.close()
    [plan] = json.loads(said)
    scans = [node for node in nodes(plan["Plan"]) if "Relation Name" in node and node["Actual Loops"]]
    return {
        "partitions": len(scans),
        "how": sorted({node["Node Type"] for node in scans}),
        "pages": plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"],
        "ms": round(plan["Execution Time"], 2),
    }


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]
