"""How large things are, and what is past."""

from asyncpg import Connection, Record


async def load_sizes(con: Connection) -> Record:
    """What the metrics show: outgoing rows, kept events by status, open calls."""
    row = await con.fetchrow(
        "select (select count(*) from outgoing) as outgoing, "
        "(select count(*) from inbox_kept where status = 'waiting') as waiting, "
        "(select count(*) from inbox_kept where status = 'dead') as dead, "
        "(select count(*) from inbox_kept where status = 'held') as held, "
        "(select count(*) from partner_call where status in ('pending', 'leased')) as calls"
    )
    assert row is not None
    return row


async def keep_partitions(con: Connection, table: str, days: int, ahead: int, keep_days: int) -> Record:
    """Makes the partitions of the coming time and drops the oldest that is past its own: `created`, `dropped`, and how
    many more are `overdue`. Days are those of one partition; nobody waits for it longer than 200 ms."""
    row = await con.fetchrow("select * from time_partitions($1, $2, $3, $4)", table, days, ahead, keep_days)
    assert row is not None
    return row


async def load_bytes(con: Connection, table: str) -> int:
    """Size of a partitioned table with its indexes."""
    query = "select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits where inhparent = $1::text::regclass"
    return int(await con.fetchval(query, table) or 0)
