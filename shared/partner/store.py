"""The SQL of partner calls: stored with the state, leased by the caller, fenced by the lease's token."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from asyncpg import Connection

from schemas.decision import Call
from shared.broker.outgoing import Outgoing
from shared.worker.incoming import Incoming
from shared.worker.routes import plain
from shared.worker.store.outgoing import columns


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


@dataclass(frozen=True, slots=True)
class Gate:
    """From when on a partner may be called, until when its circuit is open, and its failures in a row."""

    next_at: datetime | None = None
    open_until: datetime | None = None
    failures: int = 0


async def load_open_partners(con: Connection) -> list[tuple[str, str, Gate]]:
    """Partners with calls that have no answer yet, due or not, each with the operation of its oldest and its gate.

    Jumps from partner to partner in the index: what it costs does not grow with what waits.
    """
    rows = await con.fetch(
        "with recursive open as ("
        " (select partner, operation from partner_call where status in ('pending', 'leased') "
        "  order by partner, seq limit 1) union all "
        " select n.partner, n.operation from open o cross join lateral (select partner, operation from partner_call p "
        "  where p.status in ('pending', 'leased') and p.partner > o.partner order by p.partner, p.seq limit 1) n) "
        "select partner, operation, next_at, open_until, coalesce(failures, 0) as failures "
        "from open left join partner_gate using (partner)"
    )
    return [
        (row["partner"], row["operation"], Gate(row["next_at"], row["open_until"], row["failures"])) for row in rows
    ]


_LEASED = (
    "c.id, c.partner, c.lane, c.key, c.operation, c.request, c.generation, c.attempt, c.created_at, c.exhaust_at, "
    "c.uncertain, c.lease_token, c.correlation, c.traceparent"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many of a partner's calls are to be leased, and for how long."""

    partner: str
    room: int
    time: timedelta


async def lease_calls(
    con: Connection, wanted: Sequence[Wanted], token: UUID, *, gate_locked: bool = False
) -> list[Leased]:
    """Leases due calls of partners, the oldest of each lane only: nothing overtakes in a lane. Without the lock on a
    partner's gate nothing is leased where the gate says no.

    Each partner's calls are walked through in order until there are enough, not all looked at and sorted.
    """
    rows = await con.fetch(
        "update partner_call c set status = 'leased', lease_until = now() + d.time, lease_token = $4, "
        "attempt = c.attempt + 1, uncertain = c.uncertain or c.status = 'leased' from ("
        " select f.id, w.time from unnest($1::text[], $2::int[], $3::interval[]) as w(partner, room, time) "
        " cross join lateral (select id from partner_call p where p.partner = w.partner "
        "  and p.status in ('pending', 'leased') "
        "  and case p.status when 'pending' then p.due <= now() else p.lease_until < now() end "
        "  and not exists (select 1 from partner_call e where e.partner = p.partner and e.lane = p.lane "
        "   and e.seq < p.seq and e.status in ('pending', 'leased')) "
        "  order by p.partner, p.seq limit w.room for update skip locked) f "
        " where $5 or not exists (select 1 from partner_gate g "
        "  where g.partner = w.partner and (g.open_until is not null or g.next_at > now()))) d "
        f"where c.id = d.id returning {_LEASED}",
        [w.partner for w in wanted],
        [w.room for w in wanted],
        [w.time for w in wanted],
        token,
        gate_locked,
    )
    return [Leased(*row.values()) for row in rows]


async def lease_over(con: Connection, partners: Sequence[str], token: UUID) -> list[Leased]:
    """Leases waiting calls of these partners whose window is over, oldest first, to give them up without a try."""
    if not partners:
        return []
    rows = await con.fetch(
        "update partner_call c set status = 'leased', lease_until = now() + interval '1 minute', lease_token = $2 "
        "from (select id from partner_call where partner = any($1::text[]) and status = 'pending' "
        " and exhaust_at < now() order by partner, seq limit 100 for update skip locked) d "
        f"where c.id = d.id returning {_LEASED}",
        partners,
        token,
    )
    return [Leased(*row.values()) for row in rows]


async def save_answers(con: Connection, answers: Sequence[tuple[Leased, str]]) -> set[UUID]:
    """Stores what partners answered (JSON); the calls for which it was stored.

    The others' leases ran out, and somebody else has them.
    """
    rows = await con.fetch(
        "update partner_call c set status = 'answered', answer = d.answer, finished_at = now(), error = null "
        "from unnest($1::uuid[], $2::uuid[], $3::jsonb[]) as d(id, token, answer) "
        "where c.id = d.id and c.lease_token = d.token and c.status = 'leased' returning c.id",
        [call.id for call, _ in answers],
        [call.lease_token for call, _ in answers],
        [answer for _, answer in answers],
    )
    return {row["id"] for row in rows}


async def save_answers_and_messages(
    con: Connection, answers: Sequence[tuple[Leased, str]], batch: UUID, messages: Sequence[Outgoing]
) -> bool:
    """Stores the answers together with what is said of them, in one statement; nothing where a lease has run out."""
    done = await con.execute(
        "with given as (select * from unnest($1::uuid[], $2::uuid[], $3::jsonb[]) as d(id, token, answer)), "
        "ours as (select c.id from partner_call c join given d on c.id = d.id and c.lease_token = d.token "
        " where c.status = 'leased' for update of c), "
        "whole as (select count(*) = cardinality($1::uuid[]) as is_so from ours), "
        "stored as (update partner_call c set status = 'answered', answer = d.answer, finished_at = now(), "
        " error = null from given d where c.id = d.id and (select is_so from whole)) "
        "insert into outgoing (batch, exchanges, routing_keys, content_types, message_ids, bodies) "
        "select $4, $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[] from whole where is_so",
        [call.id for call, _ in answers],
        [call.lease_token for call, _ in answers],
        [answer for _, answer in answers],
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
