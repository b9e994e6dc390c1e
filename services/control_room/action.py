"""Orders replays and discards: one order for each dead letter of a frozen set, and the wait for how they end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

from asyncpg import Connection

from schemas import envelope
from schemas.runtime import DeadLetterActionOrdered
from services.control_room import store
from services.control_room.state import Status
from shared.broker.outgoing import Outgoing

EXCHANGE = "fleet.to.control_room"
POLL_SECONDS = 0.25

Action = Literal["replay", "discard"]


@dataclass(frozen=True, slots=True)
class End:
    """How the action on one dead letter ended; `step` None: it still runs."""

    occurrence: str
    step: str | None
    outcome: str | None


def pointless(row: Mapping[str, Any]) -> str | None:
    """Why there is nothing to act on; None where there is."""
    status = Status(row["status"])
    if status.is_over:
        return f"{status} already"
    if status is Status.HELD:
        return "it waits behind a dead letter, and goes on with it"
    return f"became {row['next_occurrence']}" if row["next_occurrence"] else None


def orders(occurrences: Sequence[str], action: Action, actor: str, reason: str) -> list[DeadLetterActionOrdered]:
    """One order for each. ValidationError: actor or reason are empty or too long."""
    now = datetime.now(UTC)
    return [
        DeadLetterActionOrdered(
            action_id=str(uuid4()), action=action, occurrence=occurrence, actor=actor, reason=reason, ordered_at=now
        )
        for occurrence in occurrences
    ]


def messages(ordered: Sequence[DeadLetterActionOrdered]) -> list[Outgoing]:
    events = [
        envelope.encode(
            order, id=order.action_id, source=f"/engineers/{quote(order.actor)[:200]}", time=order.ordered_at
        )
        for order in ordered
    ]
    return [
        Outgoing(EXCHANGE, DeadLetterActionOrdered.TYPE, envelope.PACK, body, uuid4().hex)
        for body in envelope.pack(events)
    ]


async def ends(
    con: Connection,
    ordered: Sequence[DeadLetterActionOrdered],
    patience: float,
    progress: Callable[[Sequence[End]], None],
) -> list[End]:
    """Waits until all have ended or `patience` seconds are over; says on the way which have."""
    deadline = asyncio.get_running_loop().time() + patience
    ids = [order.action_id for order in ordered]
    while True:
        known = {row["action_id"]: row for row in await store.load_ends(con, ids)}
        found = [
            End(order.occurrence, row["step"], row["outcome"])
            if (row := known.get(order.action_id)) is not None
            else End(order.occurrence, None, None)
            for order in ordered
        ]
        progress(found)
        if len(known) == len(ids) or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(POLL_SECONDS)
