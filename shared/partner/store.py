"""The SQL of partner calls: stored with the state, leased by the caller, fenced by the lease's token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from asyncpg import Connection

from schemas.decision import Call
from shared.broker.outgoing import Outgoing
from shared.worker.incoming import Incoming
from shared.worker.routes import plain
from shared.worker.store import columns


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


@dataclass(frozen=True, slots=True)
class Leased:
    """A call that this process may make, until `lease_until`, and whose outcome only the lease's token may store."""

    id: UUID
    partner: str
    lane: str
    key: str
    operation: str
    request: str
    generation: int
    attempt: int
    created_at: datetime
    exhaust_at: datetime
    uncertain: bool
    lease_token: UUID
    correlation: str | None
    trace: str | None


async def save_calls(con: Connection, made: Sequence[NewCall]) -> None:
    await con.executemany(
        "insert into partner_call (id, partner, lane, key, aggregate, operation, request, status, due, created_at, "
        "exhaust_at, correlation, traceparent) values ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $8, $9, $10, $11) "
        "on conflict (id) do nothing",
        [
            (
                c.id,
                c.partner,
                c.lane,
                c.key,
                c.aggregate,
                c.operation,
                c.request,
                c.created_at,
                c.exhaust_at,
                c.correlation,
                c.trace,
            )
            for c in made
        ],
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


async def load_waiting_partners(con: Connection) -> list[tuple[str, str]]:
    """Partners with a call that is due, or whose lease ran out, each with one of the operations."""
    rows = await con.fetch(
        "select partner, min(operation) as operation from partner_call where (status = 'pending' and due <= now()) "
        "or (status = 'leased' and lease_until < now()) group by partner"
    )
    return [(row["partner"], row["operation"]) for row in rows]


async def lease_calls(con: Connection, partner: str, limit: int, lease: timedelta, token: UUID) -> list[Leased]:
    """Leases up to `limit` due calls of a partner, the oldest of each lane only: nothing overtakes in a lane."""
    rows = await con.fetch(
        "update partner_call c set status = 'leased', lease_until = now() + $3::interval, lease_token = $4, "
        "attempt = c.attempt + 1, uncertain = c.uncertain or c.status = 'leased' from ("
        " select id from partner_call p where partner = $1 "
        " and ((status = 'pending' and due <= now()) or (status = 'leased' and lease_until < now())) "
        " and not exists (select 1 from partner_call e where e.partner = p.partner and e.lane = p.lane "
        "  and e.seq < p.seq and e.status in ('pending', 'leased')) "
        " order by seq limit $2 for update skip locked) d "
        "where c.id = d.id returning c.id, c.partner, c.lane, c.key, c.operation, c.request, c.generation, c.attempt, "
        "c.created_at, c.exhaust_at, c.uncertain, c.lease_token, c.correlation, c.traceparent",
        partner,
        limit,
        lease,
        token,
    )
    return [Leased(*row.values()) for row in rows]


async def save_answer(con: Connection, call: Leased, answer: str, batch: UUID, messages: Sequence[Outgoing]) -> bool:
    """Stores what the partner answered and the messages about it, at once.

    False: the lease ran out and somebody else has the call; then nothing is stored.
    """
    done = await con.execute(
        "with done as (update partner_call set status = 'answered', answer = $3, finished_at = now(), error = null "
        " where id = $1 and lease_token = $2 and status = 'leased' returning id) "
        "insert into outgoing (batch, exchanges, routing_keys, content_types, message_ids, bodies) "
        "select $4, $5, $6, $7, $8, $9 from done",
        call.id,
        call.lease_token,
        answer,
        batch,
        *columns(messages),
    )
    return str(done) == "INSERT 0 1"


async def save_retry(con: Connection, call: Leased, due: datetime, error: str, uncertain: bool) -> bool:
    """Gives the call back, to be tried again when `due`. `uncertain` says that it may have had its effect."""
    done = await con.execute(
        "update partner_call set status = 'pending', due = $3, error = $4, uncertain = $5 "
        "where id = $1 and lease_token = $2 and status = 'leased'",
        call.id,
        call.lease_token,
        due,
        error,
        uncertain,
    )
    return str(done) == "UPDATE 1"


async def save_exhausted(con: Connection, call: Leased, error: str, occurrence: UUID) -> bool:
    done = await con.execute(
        "update partner_call set status = 'exhausted', error = $3, finished_at = now(), occurrence = $4 "
        "where id = $1 and lease_token = $2 and status = 'leased'",
        call.id,
        call.lease_token,
        error,
        occurrence,
    )
    return str(done) == "UPDATE 1"


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


@dataclass(frozen=True, slots=True)
class Gate:
    """From when on a partner may be called, until when its circuit is open, and its failures in a row."""

    next_at: datetime | None = None
    open_until: datetime | None = None
    failures: int = 0


async def load_gates(con: Connection, partners: Sequence[str]) -> dict[str, Gate]:
    """The gates of partners, as they are now; a partner that never was in trouble has none."""
    rows = await con.fetch(
        "select partner, next_at, open_until, failures from partner_gate where partner = any($1::text[])", partners
    )
    return {row["partner"]: Gate(row["next_at"], row["open_until"], row["failures"]) for row in rows}


async def lock_gate(con: Connection, partner: str) -> Gate:
    """The partner's gate, locked until the end of the transaction."""
    await con.execute("insert into partner_gate (partner) values ($1) on conflict do nothing", partner)
    row = await con.fetchrow(
        "select next_at, open_until, failures from partner_gate where partner = $1 for update", partner
    )
    assert row is not None
    return Gate(*row.values())


async def save_next_at(con: Connection, partner: str, next_at: datetime) -> None:
    await con.execute("update partner_gate set next_at = greatest(next_at, $2) where partner = $1", partner, next_at)


async def save_circuit(con: Connection, partner: str, failures: int, open_until: datetime | None) -> None:
    await con.execute(
        "insert into partner_gate (partner, failures, open_until) values ($1, $2, $3) "
        "on conflict (partner) do update set failures = excluded.failures, open_until = excluded.open_until",
        partner,
        failures,
        open_until,
    )
