"""What is to be sent: one row for a batch, until its confirms have come."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from asyncpg import Connection

from shared.broker.outgoing import Outgoing


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
