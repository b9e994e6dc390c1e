"""How fast a partner may be called, by all replicas together, and whether at all just now (circuit breaker)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg import Connection

from shared.backoff import ceiling
from shared.partner import store
from shared.partner.operation import Policy

OPEN_AFTER = 5
"""Failures in a row after which the circuit opens."""
BURST = 1.0
"""Seconds' worth of calls that may be made at once after a quiet time."""


async def lease(
    con: Connection, partner: str, policy: Policy, room: int, time: timedelta, token: UUID
) -> list[store.Leased]:
    """Up to `room` calls that may be made now: fewer by the rate, one only to probe a circuit that was open."""
    async with con.transaction():
        gate = (await store.load_gates(con, [partner]))[partner]
        now = datetime.now(UTC)
        if gate["open_until"] is not None:
            if now < gate["open_until"]:
                return []
            room = 1
        if policy.rate is None:
            return [] if gate["next_at"] > now else await store.lease_calls(con, partner, room, time, token)
        start = max(gate["next_at"], now - timedelta(seconds=BURST))
        allowed = int((now - start).total_seconds() * policy.rate)
        calls = await store.lease_calls(con, partner, min(room, allowed), time, token) if allowed > 0 else []
        if calls:
            await store.save_next_at(con, partner, start + timedelta(seconds=len(calls) / policy.rate))
        return calls


async def note(con: Connection, partner: str, up: bool) -> None:
    """Counts failures in a row; one success closes the circuit."""
    async with con.transaction():
        gate = (await store.load_gates(con, [partner]))[partner]
        if up:
            if gate["failures"]:
                await store.save_circuit(con, partner, 0, None)
            return
        failures = gate["failures"] + 1
        wait = ceiling(failures - OPEN_AFTER, 1.0, 30.0) if failures >= OPEN_AFTER else None
        open_until = None if wait is None else datetime.now(UTC) + timedelta(seconds=wait)
        await store.save_circuit(con, partner, failures, open_until)
