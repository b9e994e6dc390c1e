"""Calls from the decision that made them to the one that closes them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self
from uuid import UUID

from asyncpg import Connection

from schemas.decision import Call
from shared.worker.incoming import Incoming
from shared.worker.routes import plain


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call as a decision made it."""

    id: UUID
    partner: str
    lane: str
    key: str
    aggregate: str
    operation: str
    request: str
    created_at: datetime
    exhaust_at: datetime
    correlation: str
    trace: str | None

    @classmethod
    def of(cls, call: Call, id: UUID, cause: Incoming, now: datetime) -> Self:
        key = plain(cause.key or "")
        return cls(
            id=id,
            partner=call.partner,
            lane=call.lane or key,
            key=key,
            aggregate=cause.route.aggregate.table,
            operation=type(call.request).__name__,
            request=call.request.model_dump_json(),
            created_at=now,
            exhaust_at=now + call.window,
            correlation=cause.correlation or cause.id,
            trace=cause.trace,
        )


async def save_calls(con: Connection, made: Sequence[NewCall]) -> None:
    """In the order in which they were decided."""
    columns = ([getattr(call, field.name) for call in made] for field in fields(NewCall))
    await con.execute(
        "insert into partner_call (id, partner, lane, key, aggregate, operation, request, status, due, created_at, "
        "exhaust_at, correlation, traceparent) "
        "select id, partner, lane, key, aggregate, operation, request, 'pending', created_at, created_at, exhaust_at, "
        "correlation, traceparent from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], "
        "$7::jsonb[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[]) with ordinality as made(id, "
        "partner, lane, key, aggregate, operation, request, created_at, exhaust_at, correlation, traceparent, place) "
        "order by place on conflict (id) do nothing",
        *columns,
    )


_DONE = (
    "id, partner, lane, key, aggregate, operation, request, status, generation, attempt, created_at, finished_at, "
    "uncertain, error, answer, occurrence, correlation, traceparent"
)
"""What is kept of a closed call."""


async def close_calls(con: Connection, calls: Sequence[tuple[UUID, int]]) -> None:
    """Closes answered calls, by id and generation: the decision on the answer has been made."""
    await con.execute(
        "with gone as (delete from partner_call c using unnest($1::uuid[], $2::int[]) as d(id, generation) "
        " where c.id = d.id and c.generation = d.generation and c.status = 'answered' returning c.*) "
        f"insert into partner_call_done ({_DONE}) select {_DONE} from gone",
        [id for id, _ in calls],
        [generation for _, generation in calls],
    )


async def revive_calls(con: Connection, again: Sequence[UUID], discard: Sequence[UUID]) -> set[UUID]:
    """Makes exhausted calls due again under a new generation, for as long as they were tried the first time, or
    closes them; the occurrences that were found."""
    revived = await con.fetch(
        "update partner_call set status = 'pending', generation = generation + 1, attempt = 0, due = now(), "
        "exhaust_at = now() + (exhaust_at - coalesce(revived_at, created_at)), revived_at = now(), finished_at = null "
        "where status = 'exhausted' and occurrence = any($1::uuid[]) returning occurrence",
        again,
    )
    closed = await con.fetch(
        "with gone as (delete from partner_call where status = 'exhausted' and occurrence = any($1::uuid[]) "
        " returning *), "
        f"done as (insert into partner_call_done ({_DONE}) select {_DONE} from gone) "
        "select occurrence from gone",
        discard,
    )
    return {row["occurrence"] for row in (*revived, *closed)}
