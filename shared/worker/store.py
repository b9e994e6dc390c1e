"""The SQL of the worker cycle: locks, inbox, states, outgoing, reminders, number series. Bulk only."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Connection, Record

from schemas.model import Model
from shared.broker.outgoing import Outgoing
from shared.worker.fold import Result
from shared.worker.incoming import Kept
from shared.worker.routes import plain, qualified
from shared.worker.subscription import Aggregate


@asynccontextmanager
async def locked(con: Connection, service: str, keys: Iterable[str]) -> AsyncIterator[None]:
    """A transaction that holds the keys' advisory locks, taken in one order everywhere.

    The locks are a statement of their own: under READ COMMITTED the next one sees what their last holder committed.
    It goes with BEGIN in one round trip.
    """
    salt = hashlib.blake2b(service.encode(), digest_size=8).digest()
    hashes = sorted({_hash(key, salt) for key in keys})
    try:
        await con.execute(
            f"begin; select count(pg_advisory_xact_lock(k)) from unnest('{{{','.join(map(str, hashes))}}}'::bigint[]) k"
        )
        yield
    except BaseException:
        with suppress(Exception):  # what went wrong first counts (a cancellation above all); the pool drops the rest
            await con.execute("rollback")
        raise
    await con.execute("commit")


def _hash(key: str, salt: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, salt=salt).digest(), "big", signed=True)


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


async def load_traces(con: Connection, refs: Sequence[UUID]) -> dict[UUID, str]:
    """What the inbox knows of events: `handled`, or their status and occurrence as `dead <occurrence>`."""
    rows = await con.fetch(
        "select ref, 'handled' as known from inbox where ref = any($1::uuid[]) union all "
        "select ref, status || coalesce(' ' || occurrence, '') from inbox_kept where ref = any($1)",
        refs,
    )
    return {row["ref"]: row["known"] for row in rows}


async def load_unsent(con: Connection, ids: Sequence[str], older_than: timedelta) -> set[str]:
    """Those of the events, by id, whose messages are saved and not known to be sent. The row of what was sent just
    now goes with the next batch: only older ones count."""
    rows = await con.fetch(
        "select distinct i.id from unnest($1::text[], $2::bytea[]) as i(id, needle), outgoing o, unnest(o.bodies) b "
        "where o.at < now() - $3::interval and position(i.needle in b) > 0",
        ids,
        [f'"causationid":{json.dumps(id)}'.encode() for id in ids],
        older_than,
    )
    return {row["id"] for row in rows}


_KEPT = (
    "ref, status, source, id, type, subject, key, attempt, due, occurrence, reason, error, first_at, last_at, "
    "content_type, headers, body, edited, replay_id"
)


def _kept(row: Record) -> Kept:
    return Kept(*row.values())


async def load_states(con: Connection, aggregate: Aggregate[Any], keys: Sequence[str]) -> dict[str, Model]:
    """States by qualified key; keys without a state are left out."""
    rows = await con.fetch(f'select key, body from "{aggregate.table}" where key = any($1::text[])', keys)
    return {qualified(aggregate, row["key"]): aggregate.model.model_validate_json(row["body"]) for row in rows}


async def save_states(con: Connection, table: str, states: Mapping[str, Model]) -> None:
    """Inserts or replaces states, by qualified key."""
    await con.execute(
        f'insert into "{table}" as t (key, version, body) '
        "select k, 1, b from unnest($1::text[], $2::jsonb[]) as s(k, b) order by k "
        "on conflict (key) do update set version = t.version + 1, body = excluded.body, updated_at = now()",
        [plain(key) for key in states],
        [state.__pydantic_serializer__.to_json(state, exclude_none=True).decode() for state in states.values()],
    )


async def save_done(
    con: Connection, refs: Sequence[UUID], batch: UUID, messages: Sequence[Outgoing], sent: Sequence[UUID]
) -> None:
    """Remembers events, saves the batch's messages as one row exactly as they will be sent, and deletes the rows of
    batches that are sent. Raises UniqueViolationError where another worker was faster with one of the events."""
    await con.execute(
        "with seen as (insert into inbox (ref) select r from unnest($1::uuid[]) r), "
        "gone as (delete from outgoing where batch = any($2::uuid[])) "
        "insert into outgoing (batch, exchanges, routing_keys, content_types, message_ids, bodies) "
        "select $3, $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[] where cardinality($4::text[]) > 0",
        refs,
        sent,
        batch,
        *columns(messages),
    )


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
        storable(result.error or ""),
        now,
        None if item.content_type is None else storable(item.content_type),
        json.dumps(item.headers),
        item.raw,
        None if replay is None else replay.body,
        replay.replay_id if replay is not None and result.status == "waiting" else None,
    )


def storable(text: str) -> str:
    """A text that PostgreSQL takes: no NUL, no lone surrogate, of bounded length."""
    return text.encode(errors="replace").decode().replace("\0", "�")[:20_000]


async def settle_kept(con: Connection, refs: Sequence[UUID]) -> None:
    """Forgets kept events that are handled now, and remembers that they are: what the inbox knew of them since
    they came may be past its retention."""
    await con.execute(
        "with gone as (delete from inbox_kept where ref = any($1::uuid[]) returning ref) "
        "insert into inbox (ref) select ref from gone on conflict do nothing",
        refs,
    )


async def lock_series(con: Connection, names: Sequence[str]) -> dict[str, int]:
    """The next number of each series; nobody else takes from it until the end of the transaction."""
    wanted = sorted(set(names))
    await con.execute(
        "insert into number_series (name, following) select n, 1 from unnest($1::text[]) n order by n "
        "on conflict do nothing",
        wanted,
    )
    rows = await con.fetch(
        "select name, following from number_series where name = any($1::text[]) order by name for update", wanted
    )
    return {row["name"]: row["following"] for row in rows}


async def save_series(con: Connection, following: Mapping[str, int]) -> None:
    await con.execute(
        "update number_series s set following = n.following "
        "from unnest($1::text[], $2::bigint[]) as n(name, following) where s.name = n.name",
        list(following),
        list(following.values()),
    )


async def save_reminders(con: Connection, reminders: Sequence[tuple[str, str, str, datetime, str, str, UUID]]) -> None:
    """`(aggregate, key, name, due, note as JSON, correlation, generation)`; the same name of a key is replaced."""
    await con.executemany(
        "insert into reminder (aggregate, key, name, due, note, correlation, generation) "
        "values ($1, $2, $3, $4, $5, $6, $7) on conflict (key, name, aggregate) do update "
        "set due = excluded.due, note = excluded.note, correlation = excluded.correlation, "
        "generation = excluded.generation",
        reminders,
    )


async def delete_reminders(con: Connection, reminders: Sequence[tuple[str, str, str]]) -> None:
    """`(aggregate, key, name)`."""
    await con.executemany("delete from reminder where aggregate = $1 and key = $2 and name = $3", reminders)


async def take_due_reminders(con: Connection, limit: int) -> list[Record]:
    """Deletes and returns reminders whose time has come; the caller saves their messages in the same transaction."""
    return await con.fetch(
        "delete from reminder r using (select ctid from reminder where due <= now() order by due limit $1 "
        "for update skip locked) d where r.ctid = d.ctid "
        "returning r.aggregate, r.key, r.name, r.due, r.note, r.correlation, r.generation",
        limit,
    )


async def save_outgoing(con: Connection, batch: UUID, messages: Sequence[Outgoing]) -> None:
    """The batch's messages, exactly as they will be sent: one row."""
    await con.execute(
        "insert into outgoing (batch, exchanges, routing_keys, content_types, message_ids, bodies) "
        "values ($1, $2, $3, $4, $5, $6)",
        batch,
        *columns(messages),
    )


def columns(messages: Sequence[Outgoing]) -> tuple[list[Any], ...]:
    """The messages as the columns of an outgoing row: exchange, routing key, content type, message id, body."""
    return (
        [m.exchange for m in messages],
        [m.routing_key for m in messages],
        [m.content_type for m in messages],
        [m.message_id for m in messages],
        [m.body for m in messages],
    )


async def delete_outgoing(con: Connection, batches: Sequence[UUID]) -> None:
    await con.execute("delete from outgoing where batch = any($1::uuid[])", batches)


async def load_outgoing(con: Connection, older_than: timedelta, limit: int) -> list[tuple[UUID, list[Outgoing]]]:
    """Batches that nobody is known to have sent, oldest first."""
    rows = await con.fetch(
        "select batch, exchanges, routing_keys, content_types, message_ids, bodies from outgoing "
        "where at <= now() - $1::interval order by at limit $2",
        older_than,
        limit,
    )
    return [
        (
            row["batch"],
            [
                Outgoing(*parts)
                for parts in zip(
                    row["exchanges"],
                    row["routing_keys"],
                    row["content_types"],
                    row["bodies"],
                    row["message_ids"],
                    strict=True,
                )
            ],
        )
        for row in rows
    ]


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
