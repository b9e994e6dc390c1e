"""Messages to oneself at a time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Connection, Record


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
