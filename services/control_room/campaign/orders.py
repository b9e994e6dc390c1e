"""What an engineer's terminal tells the control room: an order with its frozen set, and the turns of a campaign."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

from schemas import envelope
from schemas.model import Message
from schemas.replay import PART, ListedLetter, ReplayCampaignOrdered, ReplayCampaignSteered, ReplayLettersListed
from services.control_room.state import Status
from shared.broker.outgoing import Outgoing

EXCHANGE = "fleet.to.control_room"

Steering = Literal["start", "pause", "resume", "stop"]


@dataclass(frozen=True, slots=True)
class Person:
    """Who orders something, and why."""

    actor: str
    reason: str


def ordered(
    person: Person, action: Literal["replay", "discard"], occurrences: Sequence[str], chosen: str, **how: Any
) -> ReplayCampaignOrdered:
    """An order about so many letters. ValidationError: actor or reason are empty or too long, or `how` is wrong."""
    return ReplayCampaignOrdered(
        campaign_id=str(uuid4()),
        action=action,
        size=len(occurrences),
        chosen=chosen[:1000],
        actor=person.actor,
        reason=person.reason,
        ordered_at=datetime.now(UTC),
        **how,
    )


def listed(order: ReplayCampaignOrdered, occurrences: Sequence[str], edited: bytes | None = None) -> list[Message]:
    """The order's set, in parts; `edited` is the event in the place of the one letter's."""
    body = None if edited is None else base64.b64encode(edited).decode()
    letters = [ListedLetter(occurrence=occurrence, body=body) for occurrence in occurrences]
    return [
        ReplayLettersListed(campaign_id=order.campaign_id, first=first, letters=tuple(letters[first : first + PART]))
        for first in range(0, len(letters), PART)
    ]


def steered(person: Person, campaign_id: str, steering: Steering) -> ReplayCampaignSteered:
    return ReplayCampaignSteered(
        campaign_id=campaign_id,
        steering=steering,
        actor=person.actor,
        reason=person.reason,
        ordered_at=datetime.now(UTC),
    )


def messages(person: Person, said: Sequence[Message]) -> list[Outgoing]:
    """As AMQP messages from this person."""
    source = f"/engineers/{quote(person.actor)[:200]}"
    return [
        Outgoing(
            EXCHANGE,
            one.TYPE,
            envelope.EVENT,
            envelope.encode(one, id=str(uuid4()), source=source, time=datetime.now(UTC)),
            uuid4().hex,
        )
        for one in said
    ]


def pointless(row: Mapping[str, Any]) -> str | None:
    """Why there is nothing to act on; None where there is."""
    status = Status(row["status"])
    if status.is_over:
        return f"{status} already"
    if status is Status.HELD:
        return "it waits behind a dead letter, and goes on with it"
    return f"became {row['next_occurrence']}" if row["next_occurrence"] else None
