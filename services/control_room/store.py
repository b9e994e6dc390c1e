"""The only SQL of the control room: journal, orders as seen, dead letters and what was done about them."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from asyncpg import Connection, Record

from schemas.model import Model
from services.control_room.entry import Described, Entry, OrderName, OrderSeen
from services.control_room.facts import FactsRow, PartRow
from services.control_room.looking import store as looking
from services.control_room.looking.store import load_dead_letters as load_dead_letters
from services.control_room.state import ActionRow, LetterRow, WholeLetter


@dataclass(frozen=True, slots=True)
class OrderChoice:
    """Which orders; None: any."""

    status: str | None = None
    store: str | None = None
    channel: str | None = None
    code: str | None = None
    """The channel's."""
    since: datetime | None = None
    until: datetime | None = None
    """Of the last thing that happened."""
    open: bool = False
    """Only those that are not over."""


_COLUMNS = tuple(field.name for field in fields(Entry))
_ENTRY = ", ".join(("received_at", "position", *_COLUMNS))


async def save_entries(con: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Adds entries to the journal and returns those it did not have. Writers take turns."""
    await con.execute("select pg_advisory_xact_lock(hashtextextended('journal', 0))")
    new: dict[UUID, Entry] = {}
    for entry in entries:
        new.setdefault(entry.ref, entry)
    known = await con.fetch("select ref from journal where ref = any($1::uuid[])", list(new))
    for row in known:
        del new[row["ref"]]
    fresh = list(new.values())
    if fresh:
        await con.copy_records_to_table(
            "journal", records=[attrgetter(*_COLUMNS)(entry) for entry in fresh], columns=_COLUMNS
        )
    return fresh


async def save_orders(con: Connection, seen: Sequence[OrderSeen]) -> None:
    """Brings the order list up to date, in order of arrival; an earlier status never replaces a later one."""
    await con.executemany(
        "insert into order_summary as o (order_id, store_id, channel_id, channel_order_code, total, accepted_at, "
        "status, status_at) values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (order_id) do update set "
        "store_id = coalesce(excluded.store_id, o.store_id), channel_id = coalesce(excluded.channel_id, o.channel_id), "
        "channel_order_code = coalesce(excluded.channel_order_code, o.channel_order_code), "
        "total = coalesce(excluded.total, o.total), accepted_at = coalesce(excluded.accepted_at, o.accepted_at), "
        "status = case when o.status_at is null or excluded.status_at >= o.status_at "
        "then coalesce(excluded.status, o.status) else o.status end, "
        "status_at = greatest(excluded.status_at, o.status_at)",
        [tuple(getattr(one, f.name) for f in fields(one)) for one in seen],
    )


async def save_names(con: Connection, found: Sequence[OrderName]) -> None:
    """Remembers what orders are called by; a name that is used again means the latest."""
    latest = {one.name: one for one in sorted(found, key=attrgetter("said_at"))}
    if latest:
        await con.execute(
            "insert into order_name as n (name, order_id, said_at) "
            "select * from unnest($1::text[], $2::text[], $3::timestamptz[]) on conflict (name) do update "
            "set order_id = excluded.order_id, said_at = excluded.said_at "
            "where n.said_at <= excluded.said_at and n.order_id <> excluded.order_id",
            *([getattr(one, field.name) for one in latest.values()] for field in fields(OrderName)),
        )


async def save_described(con: Connection, found: Sequence[Described]) -> None:
    """Remembers the newest description of each supplier and store."""
    if found:
        await con.executemany(
            "insert into described as d (family, key, said_at, data) values ($1, $2, $3, $4::jsonb) "
            "on conflict (family, key) do update set said_at = excluded.said_at, data = excluded.data "
            "where d.said_at <= excluded.said_at",
            [(one.family, one.key, one.said_at, one.data) for one in found],
        )


async def load_described(con: Connection, keys: Sequence[str]) -> list[Record]:
    """Suppliers and stores by id."""
    return await con.fetch("select family, key, data from described where key = any($1::text[])", list(keys))


async def load_entries_of(con: Connection, order_ids: Sequence[str]) -> list[Record]:
    """What the journal has that names one of the orders; what the fleet said only."""
    return await con.fetch(
        f"select {_ENTRY} from journal where order_id = any($1::text[]) and exchange = 'fleet.events'", list(order_ids)
    )


async def purge_dead_letters(con: Connection, keep_days: int, limit: int = 2000) -> int:
    """Deletes some of those that were resolved or discarded more than `keep_days` ago, at most `limit`; how many.
    What is open or failed stays for ever, and so do the actions: they are the record of who did what."""
    deleted = await con.fetchval(
        "with gone as (delete from dead_letter where key in (select key from dead_letter "
        "where status in ('resolved', 'discarded') and updated_at < now() - $1 * interval '1 day' "
        "limit $2 for update skip locked) returning key), "
        "facts as (delete from dead_letter_facts where occurrence in (select key from gone)), "
        "originals as (delete from dead_letter_original where occurrence in (select key from gone)), "
        "parts as (delete from dead_letter_bytes where occurrence in (select key from gone)) "
        "select count(*) from gone",
        keep_days,
        limit,
    )
    return int(deleted)


async def load_order_entries(con: Connection, order_id: str) -> list[Record]:
    """What the journal has that names the order."""
    return await con.fetch(f"select {_ENTRY} from journal where order_id = $1", order_id)


async def load_entries_about(con: Connection, subjects: Sequence[str], ids: Sequence[str]) -> list[Record]:
    """What names no order but has one of these subjects or event ids."""
    return await con.fetch(
        f"select {_ENTRY} from journal where order_id is null and subject = any($1::text[]) union all "
        f"select {_ENTRY} from journal where order_id is null and id = any($2::text[]) "
        "and not coalesce(subject = any($1::text[]), false)",
        subjects,
        ids,
    )


async def load_orders(con: Connection, choice: OrderChoice, limit: int) -> list[Record]:
    """Orders as last seen, the latest first."""
    return await con.fetch(
        "select order_id, status, latest, store_id, channel_id, channel_order_code, total from order_summary "
        "where ($1::text is null or status = $1) and ($2::text is null or store_id = $2) "
        "and ($3::text is null or channel_id = $3) and ($4::timestamptz is null or latest >= $4) "
        "and ($5::timestamptz is null or latest <= $5) and ($6::text is null or channel_order_code = $6) "
        "and (not $7 or status is null or status not in ('completed', 'cancelled', 'refused')) "
        "order by latest desc nulls last, order_id limit $8",
        choice.status,
        choice.store,
        choice.channel,
        choice.since,
        choice.until,
        choice.code,
        choice.open,
        limit,
    )


async def save_rows(con: Connection, rows: Sequence[Model]) -> None:
    """Writes what decisions recorded; what is there already stays as it is."""
    steps = [row for row in rows if isinstance(row, ActionRow)]
    await con.executemany(
        "insert into dead_letter_action (action_id, step, occurrences, at, action, actor, reason, outcome) "
        "values ($1, $2, array[$3], $4, $5, $6, $7, $8) on conflict do nothing",
        [tuple(getattr(row, name) for name in ActionRow.model_fields) for row in steps],
    )
    if letters := [row for row in rows if isinstance(row, LetterRow)]:
        await looking.save_letters(con, letters)
    if facts := [row for row in rows if isinstance(row, FactsRow)]:
        await looking.save_facts(con, [_facts(row) for row in facts])
    if parts := [row for row in rows if isinstance(row, PartRow)]:
        await looking.save_parts(con, [(p.occurrence, p.body_offset, base64.b64decode(p.body)) for p in parts])


def _facts(row: FactsRow) -> tuple[Any, ...]:
    event = None if row.event is None else json.dumps(row.event)
    return (*(getattr(row, name) for name in FactsRow.model_fields if name not in ("event", "words")), event, row.words)


async def load_occurrences(con: Connection, prefixes: Sequence[str]) -> dict[str, list[str]]:
    """The occurrences that begin so, for each prefix; one that is whole means itself only."""
    rows = await con.fetch(
        "select prefix, array_agg(key order by key) filter (where key is not null) as keys from ("
        "select prefix, key, row_number() over (partition by prefix order by key = prefix desc, key) as place "
        "from unnest($1::text[]) as prefix left join dead_letter on starts_with(key, prefix)) as meant "
        "where place <= 6 group by prefix",
        prefixes,
    )
    found = {row["prefix"]: row["keys"] or [] for row in rows}
    return {prefix: [prefix] if prefix in found[prefix] else found[prefix] for prefix in prefixes}


async def load_dead_letter(con: Connection, occurrence: str) -> WholeLetter | None:
    """As the ledger has it, with all of its original bytes."""
    return (await looking.load_whole(con, [occurrence])).get(occurrence)


async def load_actions(con: Connection, occurrence: str) -> list[Record]:
    """The steps of all actions on a dead letter, oldest first."""
    return await con.fetch(
        "select action_id, step, at, action, actor, reason, outcome from dead_letter_action "
        "where occurrences @> array[$1] order by at, step = 'ordered' desc",
        occurrence,
    )
