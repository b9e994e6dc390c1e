"""Events that are not handled: waiting, dead, or held behind a dead one of their key."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Connection, Record

from schemas.text import storable, storable_error
from shared.worker.fold import Result
from shared.worker.incoming import Kept


async def load_kept(con: Connection, refs: Sequence[UUID]) -> dict[UUID, str]:
    """Status and attempt of kept events, as `status/attempt`: what a due row must still be to be handled."""
    if not refs:
        return {}
    rows = await con.fetch("select ref, status, attempt from inbox_kept where ref = any($1::uuid[])", refs)
    return {row["ref"]: f"{row['status']}/{row['attempt']}" for row in rows}


LARGEST_DUE = 8_000_000
"""Bytes of due events that are taken at once; one larger than that comes alone."""


async def load_due(con: Connection, limit: int) -> list[Kept]:
    """Waiting events whose time has come, oldest first. Not locked: the batch looks again under the key's lock."""
    rows = await con.fetch(
        f"select {_KEPT} from inbox_kept where ref in (select ref from (select ref, row_number() over w as place, "
        "sum(octet_length(body)) over w as bytes from (select ref, body, due, seq from inbox_kept "
        "where status = 'waiting' and due <= now() order by due, seq limit $1) due window w as (order by due, seq)) s "
        "where place = 1 or bytes <= $2) order by due, seq",
        limit,
        LARGEST_DUE,
    )
    return [_kept(row) for row in rows]


async def load_dead(con: Connection, occurrences: Sequence[UUID]) -> list[Kept]:
    """Dead letters, also those that a replay made wait."""
    rows = await con.fetch(
        f"select {_KEPT} from inbox_kept where status in ('dead', 'waiting') and occurrence = any($1::uuid[])",
        occurrences,
    )
    return [_kept(row) for row in rows]


async def load_held(con: Connection, keys: Sequence[str]) -> list[Kept]:
    """The events that wait behind these keys' dead letters, in order of arrival."""
    rows = await con.fetch(
        f"select {_KEPT} from inbox_kept where status = 'held' and key = any($1::text[]) order by seq", keys
    )
    return [_kept(row) for row in rows]


async def load_holders(con: Connection, keys: Sequence[str]) -> dict[str, UUID]:
    """The occurrences of the dead letters that hold these keys."""
    rows = await con.fetch(
        "select key, occurrence from inbox_kept where status = 'dead' and key = any($1::text[])", keys
    )
    return {row["key"]: row["occurrence"] for row in rows}


_KEPT = (
    "ref, status, source, id, type, subject, key, attempt, due, occurrence, reason, error, first_at, last_at, "
    "content_type, headers, body, edited, replay_id"
)


def _kept(row: Record) -> Kept:
    return Kept(*row.values())


async def save_kept(con: Connection, results: Sequence[Result], now: datetime) -> None:
    """Keeps the events that are not handled, with all that is needed to handle them later."""
    await con.executemany(
        "insert into inbox_kept (ref, status, source, id, type, subject, key, attempt, due, occurrence, reason, error, "
        "first_at, last_at, content_type, headers, body, edited, replay_id) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17, $18) "
        "on conflict (ref) do update set status = excluded.status, key = excluded.key, attempt = excluded.attempt, "
        "due = excluded.due, occurrence = excluded.occurrence, reason = excluded.reason, error = excluded.error, "
        "last_at = excluded.last_at, replay_id = excluded.replay_id, "
        # What an edited event says holds while it waits; of one that is dead again the original counts.
        "edited = case when excluded.status = 'waiting' then coalesce(excluded.edited, inbox_kept.edited) end",
        [_kept_row(result, now) for result in results],
    )


def _kept_row(result: Result, now: datetime) -> tuple[Any, ...]:
    item = result.item
    replay = item.replay if item.is_replayed else None
    return (
        item.ref,
        result.status,
        item.source,
        item.id,
        item.type,
        item.subject,
        result.key,
        result.attempt,
        result.due,
        result.occurrence,
        result.reason,
        storable_error(result.error or ""),
        now,
        None if item.content_type is None else storable(item.content_type),
        json.dumps(item.headers),
        item.raw,
        None if replay is None else replay.body,
        replay.replay_id if replay is not None and result.status == "waiting" else None,
    )
