"""How fast a partner may be called, by all replicas together, and whether at all just now (circuit breaker)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg import Connection

from shared.backoff import ceiling
from shared.partner import store
from shared.partner.operation import Policy

OPEN_AFTER = 5
"""Failures in a row after which the circuit opens."""
BURST = 1.0
"""Seconds' worth of calls that may be made at once after a quiet time; one call at least."""
_ROUNDING = 1e-6
"""Of a call: times are kept in microseconds."""


def is_free(policy: Policy, gate: store.Gate, now: datetime) -> bool:
    """Whether there is nothing to look at under a lock: no rate, no pause asked for, no open circuit."""
    return policy.rate is None and gate.open_until is None and (gate.next_at is None or gate.next_at <= now)


async def lease(
    con: Connection, wanted: store.Wanted, known: Sequence[str], policy: Policy, gate: store.Gate, token: UUID
) -> list[store.Leased]:
    """Calls of a partner that may be made now: fewer by the rate, one only to probe a circuit that was open."""
    now = datetime.now(UTC)
    if gate.open_until is not None:
        time = timedelta(seconds=policy.timeout) + wanted.time
        return await _probe(con, wanted, known, time, token) if now >= gate.open_until else []
    if gate.next_at is not None and gate.next_at > now:
        return []
    if policy.rate is not None:
        return await _lease_at_rate(con, wanted, known, policy.rate, token)
    return await store.lease_calls(con, [wanted], known, token)


async def _probe(
    con: Connection, wanted: store.Wanted, known: Sequence[str], time: timedelta, token: UUID
) -> list[store.Leased]:
    """One call for all replicas: the circuit stays open until its outcome is known, or until that takes too long."""
    async with con.transaction():
        gate = await store.lock_gate(con, wanted.partner)
        now = datetime.now(UTC)
        if gate.open_until is None or now < gate.open_until or (gate.next_at is not None and gate.next_at > now):
            return []
        calls = await store.lease_calls(con, [replace(wanted, room=1)], known, token, gate_locked=True)
        if calls:
            await store.save_circuit(con, wanted.partner, gate.failures, now + time)
        return calls


async def _lease_at_rate(
    con: Connection, wanted: store.Wanted, known: Sequence[str], rate: float, token: UUID
) -> list[store.Leased]:
    """The gate's `next_at` is where the last call's share of time ends; replicas take turns at it."""
    async with con.transaction():
        gate = await store.lock_gate(con, wanted.partner)
        now = datetime.now(UTC)
        start = max(gate.next_at or now, now - timedelta(seconds=max(0.0, BURST - 1 / rate)))
        if start > now:
            return []
        allowed = 1 + int((now - start).total_seconds() * rate + _ROUNDING)
        wanted = replace(wanted, room=min(wanted.room, allowed))
        calls = await store.lease_calls(con, [wanted], known, token, gate_locked=True)
        await store.save_next_at(con, wanted.partner, start + timedelta(seconds=len(calls) / rate))
        return calls


async def note_failure(con: Connection, partner: str) -> None:
    """Counts failures in a row; the circuit opens after some, longer each time."""
    async with con.transaction():
        failures = (await store.lock_gate(con, partner)).failures + 1
        wait = ceiling(failures - OPEN_AFTER, 1.0, 30.0) if failures >= OPEN_AFTER else None
        open_until = None if wait is None else datetime.now(UTC) + timedelta(seconds=wait)
        await store.save_circuit(con, partner, failures, open_until)


async def note_success(con: Connection, partner: str) -> None:
    """One success closes the circuit."""
    await store.save_circuit(con, partner, 0, None)
