"""Partners: who has open calls, and whether it may be called now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Connection


@dataclass(frozen=True, slots=True)
class Gate:
    """From when on a partner may be called, until when its circuit is open, and its failures in a row."""

    next_at: datetime | None = None
    open_until: datetime | None = None
    failures: int = 0


async def load_open_partners(con: Connection, known: Sequence[str]) -> list[tuple[str, str, Gate]]:
    """Partners with calls that have no answer yet, due or not, each with the operation of its oldest call (of a known
    operation, where there is one) and its gate.

    Jumps from partner to partner in the index: what it costs does not grow with what waits.
    """
    rows = await con.fetch(
        "with recursive open as ("
        " (select partner, operation from partner_call where status in ('pending', 'leased') "
        "  order by partner, seq limit 1) union all "
        " select n.partner, n.operation from open o cross join lateral (select partner, operation from partner_call p "
        "  where p.status in ('pending', 'leased') and p.partner > o.partner order by p.partner, p.seq limit 1) n) "
        "select partner, case when operation = any($1::text[]) then operation else coalesce("
        " (select operation from partner_call p where p.partner = open.partner and status in ('pending', 'leased') "
        "  and p.operation = any($1) order by p.partner, p.seq limit 1), operation) end as operation, "
        "next_at, open_until, coalesce(failures, 0) as failures from open left join partner_gate using (partner)",
        known,
    )
    return [
        (row["partner"], row["operation"], Gate(row["next_at"], row["open_until"], row["failures"])) for row in rows
    ]


async def lock_gate(con: Connection, partner: str) -> Gate:
    """The partner's gate, locked until the end of the transaction."""
    await con.execute("insert into partner_gate (partner) values ($1) on conflict do nothing", partner)
    row = await con.fetchrow(
        "select next_at, open_until, failures from partner_gate where partner = $1 for update", partner
    )
    assert row is not None
    return Gate(*row.values())


async def save_next_at(con: Connection, partner: str, next_at: datetime) -> None:
    await con.execute(
        "insert into partner_gate (partner, next_at) values ($1, $2) "
        "on conflict (partner) do update set next_at = greatest(partner_gate.next_at, excluded.next_at)",
        partner,
        next_at,
    )


async def save_circuit(con: Connection, partner: str, failures: int, open_until: datetime | None) -> None:
    await con.execute(
        "insert into partner_gate (partner, failures, open_until) values ($1, $2, $3) "
        "on conflict (partner) do update set failures = excluded.failures, open_until = excluded.open_until",
        partner,
        failures,
        open_until,
    )
