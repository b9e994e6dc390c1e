"""Who may make which call, and until when: fenced by the lease's token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Connection


@dataclass(frozen=True, slots=True)
class Leased:
    """A call that this process may make, until `lease_until`, and whose outcome only the lease's token may store."""

    id: UUID
    partner: str
    lane: str
    key: str
    aggregate: str
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


_LEASED = (
    "c.id, c.partner, c.lane, c.key, c.aggregate, c.operation, c.request, c.generation, c.attempt, c.created_at, "
    "c.exhaust_at, c.uncertain, c.lease_token, c.correlation, c.traceparent"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many of a partner's calls are to be leased, and for how long."""

    partner: str
    room: int
    time: timedelta


async def lease_calls(
    con: Connection, wanted: Sequence[Wanted], known: Sequence[str], token: UUID, *, gate_locked: bool = False
) -> list[Leased]:
    """Leases due calls of partners, the oldest of each lane only: nothing overtakes in a lane. Operations that are not
    `known` are left to a release that knows them. Without the lock on a partner's gate nothing is leased where the
    gate says no.

    Each partner's calls are walked through in order until there are enough, not all looked at and sorted.
    """
    rows = await con.fetch(
        "update partner_call c set status = 'leased', lease_until = now() + d.time, lease_token = $4, "
        "attempt = c.attempt + 1, uncertain = c.uncertain or c.status = 'leased' from ("
        " select f.id, w.time from unnest($1::text[], $2::int[], $3::interval[]) as w(partner, room, time) "
        " cross join lateral (select id from partner_call p where p.partner = w.partner "
        "  and p.status in ('pending', 'leased') and p.operation = any($6::text[]) "
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
        known,
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


async def lease_unknown_over(con: Connection, known: Sequence[str], token: UUID) -> list[Leased]:
    """Leases calls that this release cannot make, and that no other has made within their window, to give them up.
    One whose lease ran out may have been made all the same."""
    rows = await con.fetch(
        "update partner_call c set status = 'leased', lease_until = now() + interval '1 minute', lease_token = $2, "
        "uncertain = c.uncertain or c.status = 'leased' "
        "from (select id from partner_call where status in ('pending', 'leased') and operation <> all($1::text[]) "
        " and exhaust_at < now() and (status = 'pending' or lease_until < now()) "
        " order by partner, seq limit 100 for update skip locked) d "
        f"where c.id = d.id returning {_LEASED}",
        known,
        token,
    )
    return [Leased(*row.values()) for row in rows]


async def renew_leases(con: Connection, calls: Sequence[Leased], time: timedelta) -> None:
    """Of calls under way. Those that somebody else has meanwhile stay his."""
    await con.execute(
        "update partner_call c set lease_until = now() + $3::interval "
        "from unnest($1::uuid[], $2::uuid[]) as d(id, token) "
        "where c.id = d.id and c.lease_token = d.token and c.status = 'leased'",
        [call.id for call in calls],
        [call.lease_token for call in calls],
        time,
    )
