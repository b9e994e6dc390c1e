"""Marks of attempts that have begun, each in a transaction of its own: they must be there when the process dies."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Connection

from shared.worker.incoming import Attempt, Mark


async def load_attempts(con: Connection, message: UUID) -> dict[int, Attempt]:
    """By place: what is known of attempts that never ended."""
    rows = await con.fetch("select place, begun, by, at from attempt where message = $1", message)
    return {row["place"]: Attempt(row["begun"], row["by"], row["at"]) for row in rows}


async def begin_attempt(con: Connection, mark: Mark, by: str) -> None:
    """Counts one more. Whoever is at an event has decoded the message. What nobody came back to goes after weeks."""
    await con.execute(
        "with gone as (delete from attempt where message = $1 and place < 0 and $2::int >= 0 "
        " or message <> $1 and at < now() - interval '21 days') "
        "insert into attempt as a (message, place, begun, by) values ($1, $2, 1, $3) "
        "on conflict (message, place) do update set begun = a.begun + 1, by = excluded.by, at = now()",
        mark.message,
        mark.place,
        by,
    )


async def take_back_attempt(con: Connection, mark: Mark) -> None:
    """It does not count: what it waits for has nothing to do with its event."""
    await con.execute(
        "update attempt set begun = begun - 1 where message = $1 and place = $2", mark.message, mark.place
    )


async def end_attempts(con: Connection, marks: Sequence[Mark]) -> None:
    """The attempts came to an end, whatever it was; so did decoding what they are about."""
    await con.execute(
        "delete from attempt a using unnest($1::uuid[], $2::int[]) as m(message, place) "
        "where a.message = m.message and (a.place = m.place or a.place < 0)",
        [mark.message for mark in marks],
        [mark.place for mark in marks],
    )
