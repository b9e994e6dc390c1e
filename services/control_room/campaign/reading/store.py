"""The SQL of what people read of campaigns."""

from collections.abc import Sequence
from typing import Any

from asyncpg import Connection, Record

from schemas import envelope
from services.control_room.campaign.sequence import Died
from services.control_room.campaign.state import (
    Campaign,
)
from services.control_room.entry import instant


async def load_campaign(con: Connection, campaign: str) -> Campaign | None:
    body = await con.fetchval("select body from replay_campaign where key = $1", campaign)
    return None if body is None else Campaign.model_validate_json(body)


async def load_campaigns(con: Connection, limit: int, with_planned: bool) -> list[Campaign]:
    """The latest first."""
    rows = await con.fetch(
        "select body from replay_campaign where $2 or status not in ('listing', 'planned') "
        "order by body -> 'ordered' ->> 'ordered_at' desc nulls last, key limit $1",
        limit,
        with_planned,
    )
    return [Campaign.model_validate_json(row["body"]) for row in rows]


async def load_campaign_ids(con: Connection, prefix: str) -> list[str]:
    rows = await con.fetch("select key from replay_campaign where starts_with(key, $1) order by key limit 6", prefix)
    return [row["key"] for row in rows]


async def load_steps(con: Connection, campaign: str) -> list[Record]:
    """Its turns, oldest first."""
    return await con.fetch(
        "select at, step, actor, reason, outcome from replay_campaign_step where campaign = $1 order by at, step",
        campaign,
    )


async def load_findings(con: Connection, campaign: str) -> list[Record]:
    return await con.fetch(
        "select place, occurrence, finding, detail from replay_finding where campaign = $1 order by place", campaign
    )


async def load_failures(con: Connection, campaign: str, limit: int) -> list[dict[str, Any]]:
    """Letters of the campaign that failed, with the error, in its order: `place`, `occurrence`, `error`.

    In two statements: what the planner knows of a set that was written just now is nothing, and a join may read all of
    it for each failure. An action's row is named after its first letter, so as many rows have at least as many letters.
    """
    failed = await con.fetch(
        "select occurrences, outcome from dead_letter_action where split_part(action_id, '/', 1) = $1 "
        "and step = 'failed' order by split_part(action_id, '/', 2)::int limit $2",
        campaign,
        limit,
    )
    errors = {occurrence: row["outcome"] for row in failed for occurrence in row["occurrences"]}
    listed = await con.fetch(
        "select place, occurrence from replay_letter where campaign = $1 and occurrence = any($2::text[]) "
        "order by place limit $3",
        campaign,
        list(errors),
        limit,
    )
    return [{**row, "error": errors[row["occurrence"]]} for row in listed]


async def load_died(con: Connection, occurrences: Sequence[str]) -> list[Died]:
    """These letters, with what is known of their events' beginnings."""
    rows = await con.fetch(
        "select o.occurrence, o.service, f.first_at, o.event_source, o.event_id, f.event ->> 'causationid' as cause, "
        "f.event ->> 'time' as time from dead_letter_original o join dead_letter_facts f using (occurrence) "
        "where o.occurrence = any($1::text[])",
        occurrences,
    )
    refs = {
        row["occurrence"]: envelope.reference(row["event_source"], row["event_id"])
        for row in rows
        if row["event_source"] is not None and row["event_id"] is not None
    }
    seen = await con.fetch(
        "select ref, min(position) as position from journal where ref = any($1::uuid[]) group by ref",
        list(refs.values()),
    )
    positions = {row["ref"]: row["position"] for row in seen}
    return [
        Died(
            occurrence=row["occurrence"],
            service=row["service"],
            first_at=row["first_at"],
            event_id=row["event_id"],
            cause=row["cause"],
            time=instant(row["time"]),
            position=positions.get(refs[row["occurrence"]]) if row["occurrence"] in refs else None,
        )
        for row in rows
    ]
