"""A careless upstream system: it publishes every event twice, shuffled, now alone and now in packs, until confirmed.

Of each lot one payment says its amount in words.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from random import Random
from uuid import UUID

from schemas import envelope
from schemas.model import Message
from schemas.payment import PaymentApproved
from shared.broker.outgoing import NotConfirmed, Outgoing
from shared.broker.publisher import Publisher
from shared.broker.topology import INBOUND

RETRY_SECONDS = 0.3


class Upstream:
    """Counts what it did: the proof that input was doubled, shuffled and packed."""

    def __init__(self, publisher: Publisher, random: Random) -> None:
        self._publisher = publisher
        self._random = random
        self.events = 0
        self.doubles = 0
        self.out_of_order = 0
        self.packs = 0
        self.repeated = 0
        """Messages that were published again because the broker had not confirmed them."""
        self.right: dict[str, bytes] = {}
        """What should have been said, by the id of the event that says it wrongly."""

    def counts(self) -> dict[str, int]:
        names = ("events", "doubles", "out_of_order", "packs", "repeated")
        return {name: getattr(self, name) for name in names} | {"wrong": len(self.right)}

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns when the broker has confirmed all."""
        for outgoing in self._careless(messages):
            while True:
                try:
                    await self._publisher.publish([outgoing])
                    break
                except NotConfirmed:
                    self.repeated += 1
                    await asyncio.sleep(RETRY_SECONDS)

    def _careless(self, messages: Sequence[Message]) -> list[Outgoing]:
        payment = next((place for place, m in enumerate(messages) if isinstance(m, PaymentApproved)), None)
        events = [
            (place, m.TYPE, self._encoded(m) if place != payment else self._wrong(self._encoded(m)))
            for place, m in enumerate(messages)
        ]
        twice = [*events, *events]
        self._random.shuffle(twice)
        self.events += len(events)
        self.doubles += len(events)
        self.out_of_order += sum(a[0] > b[0] for a, b in pairwise(twice))
        alone, packed = twice[::2], sorted(twice[1::2], key=lambda event: event[1])
        outgoing = [self._outgoing(type, envelope.EVENT, body) for _, type, body in alone]
        for type, group in groupby(packed, key=lambda event: event[1]):
            packs = envelope.pack(body for _, _, body in group)
            self.packs += len(packs)
            outgoing += [self._outgoing(type, envelope.PACK, body) for body in packs]
        self._random.shuffle(outgoing)
        return outgoing

    def _encoded(self, message: Message) -> bytes:
        id = str(UUID(int=self._random.getrandbits(128), version=4))
        return envelope.encode(message, id=id, source="/upstream/chaos", time=datetime.now(UTC))

    def _wrong(self, body: bytes) -> bytes:
        event = json.loads(body)
        self.right[event["id"]] = body
        event["data"]["amount"] = "doze e noventa"
        return json.dumps(event).encode()

    def _outgoing(self, type: str, content_type: str, body: bytes) -> Outgoing:
        return Outgoing(INBOUND, type, content_type, body, f"{self._random.getrandbits(64):x}")
