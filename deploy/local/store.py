"""What the demo and the tests read of a running fleet's database, as an administrator. Reads only."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asyncpg import Connection

from schemas.catalogue import CONSUMERS, SERVICES


async def load_statuses(con: Connection) -> dict[str, int]:
    """How many orders have which status, as control_room last saw them."""
    rows = await con.fetch(
        "select coalesce(status, 'accepted') as status, count(*) as orders from control_room.order_summary group by 1"
    )
    return {row["status"]: row["orders"] for row in rows}


async def load_message_count(con: Connection) -> int:
    """Events that the journal has."""
    return int(await con.fetchval("select count(*) from control_room.journal"))


async def load_handled(con: Connection) -> dict[str, int]:
    """How many events each service's inbox has seen."""
    return {s: int(await con.fetchval(f"select count(distinct ref) from {s}.inbox")) for s in CONSUMERS}


async def has_handled(con: Connection, service: str, ref: UUID) -> bool:
    """Whether a service has handled the event of this reference."""
    return bool(await con.fetchval(f"select exists (select from {service}.inbox where ref = $1)", ref))


async def load_open_work(con: Connection) -> dict[str, int]:
    """What is not finished, by service and kind; only what there is."""
    found: dict[str, int] = {}
    for service in SERVICES:
        row = await con.fetchrow(
            f"select (select count(*) from {service}.outgoing) as outgoing, "
            f"(select count(*) from {service}.inbox_kept where status = 'waiting') as waiting, "
            f"(select count(*) from {service}.partner_call where status <> 'exhausted') as calls, "
            f"(select count(*) from {service}.reminder) as reminders"
        )
        assert row is not None
        found |= {f"{service}.{kind}": count for kind, count in row.items() if count}
    return found


async def load_dead_letters(con: Connection) -> int:
    """Events that are dead or held in any service, and exhausted partner calls."""
    counts = [
        await con.fetchval(
            f"select (select count(*) from {s}.inbox_kept where status <> 'waiting') "
            f"+ (select count(*) from {s}.partner_call where status = 'exhausted')"
        )
        for s in SERVICES
    ]
    return int(sum(counts))


async def load_facts(con: Connection, types: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """`(type, data)` of the journal's events of these types, in the order in which they arrived."""
    rows = await con.fetch(
        "select type, body from control_room.journal where type = any($1::text[]) order by position", types
    )
    return [(row["type"], json.loads(row["body"])["data"]) for row in rows]


async def load_status_of_orders(con: Connection) -> dict[str, str]:
    """By order id, as control_room last saw them."""
    rows = await con.fetch("select order_id, status from control_room.order_summary where status is not null")
    return {row["order_id"]: row["status"] for row in rows}


async def load_facts_since(
    con: Connection, position: int, types: Sequence[str]
) -> list[tuple[int, str, dict[str, Any]]]:
    """`(position, type, data)` of these types from shortly before a position on: rows become visible a little late."""
    rows = await con.fetch(
        "select position, type, body from control_room.journal where position > $1 and type = any($2::text[]) "
        "order by position",
        position - 500,
        types,
    )
    return [(row["position"], row["type"], json.loads(row["body"])["data"]) for row in rows]


async def load_dead_subjects(con: Connection) -> list[str]:
    """What each dead letter that control_room has is about: its subject, as its sender wrote it."""
    rows = await con.fetch("select coalesce(event_subject, '') as subject from control_room.dead_letter_facts")
    return [row["subject"] for row in rows]
