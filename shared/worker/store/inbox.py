"""Which events are known: handled ones by their reference only."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Connection

from shared.broker.outgoing import Outgoing
from shared.worker.store.outgoing import columns


async def load_known(con: Connection, refs: Sequence[UUID], keys: Sequence[str]) -> tuple[set[UUID], dict[str, UUID]]:
    """Those of the events that the inbox has seen, and those of the keys that a dead letter holds, with its ref.

    The bound spares the look into the partitions of the coming weeks, which are empty.
    """
    rows = await con.fetch(
        f"{KNOWN_IN_INBOX} "
        "union all select ref, null from inbox_kept where ref = any($1) "
        "union all select ref, key from inbox_kept where status = 'dead' and key = any($2::text[])",
        refs,
        keys,
    )
    known = {row["ref"] for row in rows if row["key"] is None}
    return known, {row["key"]: row["ref"] for row in rows if row["key"] is not None}


KNOWN_IN_INBOX = "select ref, null as key from inbox where ref = any($1::uuid[]) and received_on <= current_date + 1"


async def load_traces(con: Connection, refs: Sequence[UUID]) -> dict[UUID, str]:
    """What the inbox knows of events: `handled`, or their status and occurrence as `dead <occurrence>`."""
    rows = await con.fetch(
        "select ref, 'handled' as known from inbox where ref = any($1::uuid[]) union all "
        "select ref, status || coalesce(' ' || occurrence, '') from inbox_kept where ref = any($1)",
        refs,
    )
    return {row["ref"]: row["known"] for row in rows}


async def save_done(
    con: Connection, refs: Sequence[UUID], batch: UUID, messages: Sequence[Outgoing], sent: Sequence[UUID]
) -> None:
    """Remembers events, saves the batch's messages as one row exactly as they will be sent, and deletes the rows of
    batches that are sent. Raises UniqueViolationError where another worker was faster with one of the events: also
    one that began yesterday and has not ended, which is why the first events of a day are remembered under both."""
    await con.execute(
        "with seen as (insert into inbox (ref, received_on) select r, d from unnest($1::uuid[]) r, unnest(case "
        " when localtime < time '00:05' then array[current_date - 1, current_date] else array[current_date] end) d), "
        "gone as (delete from outgoing where batch = any($2::uuid[])) "
        "insert into outgoing (batch, exchanges, routing_keys, content_types, message_ids, bodies) "
        "select $3, $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[] where cardinality($4::text[]) > 0",
        refs,
        sent,
        batch,
        *columns(messages),
    )


async def settle_kept(con: Connection, refs: Sequence[UUID]) -> None:
    """Forgets kept events that are handled now, and remembers that they are: what the inbox knew of them since
    they came may be past its retention."""
    await con.execute(
        "with gone as (delete from inbox_kept where ref = any($1::uuid[]) returning ref) "
        "insert into inbox (ref) select ref from gone on conflict do nothing",
        refs,
    )
