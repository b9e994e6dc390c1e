"""From what decisions said to AMQP messages: enveloped, routed by the catalogue, packed by routing key."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from uuid import UUID

from schemas import catalogue, envelope
from schemas.model import Message
from shared.broker.outgoing import Outgoing
from shared.worker.fold import Said

EVENTS = "fleet.events"
INBOUND = "fleet.inbound"
DEAD = "fleet.dead"


def source_of(service: str) -> str:
    return f"/dropfleet/{service}"


def route_of(message: Message, service: str) -> tuple[str, str]:
    """The exchange that a message is published to, and its routing key."""
    return _route(type(message), service, message.__dict__.get("service"))


@lru_cache(maxsize=1024)
def _route(model: type[Message], service: str, named: str | None) -> tuple[str, str]:
    """Facts, commands and dead letters have their own exchanges. `named`: the service that the message names."""
    entry = catalogue.by_type()[model.TYPE]
    match entry.kind:
        case "inbound":
            return INBOUND, model.TYPE
        case "fact":
            return EVENTS, model.TYPE
        case "dead_letter":
            return DEAD, f"{service}.dead"
    target = named or (entry.consumers[0] if len(entry.consumers) == 1 else service)
    return f"fleet.to.{target}", model.TYPE


def derived(cause: UUID, name: str) -> str:
    """`str(uuid5(cause, name))`, in half its time."""
    digest = hashlib.sha1(cause.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


class Outbox:
    """Collects the messages of one batch. The same cause and position give the same event id, always."""

    def __init__(self, service: str, batch: UUID, now: datetime) -> None:
        self._service = service
        self._batch = batch
        self._now = now
        self._encoded: list[tuple[str, str, bytes]] = []

    def add_all(self, said: Iterable[Said]) -> None:
        for one in said:
            cause = one.cause
            self.add(
                one.message,
                id=derived(cause.ref, f"{self._service}/{one.position}/{one.message.TYPE}"),
                correlation=cause.correlation or cause.id,
                causation=cause.id,
                trace=cause.trace,
            )

    def add(
        self,
        message: Message,
        *,
        id: str,
        correlation: str | None = None,
        causation: str | None = None,
        trace: str | None = None,
    ) -> None:
        body = envelope.encode(
            message,
            id=id,
            source=source_of(self._service),
            time=self._now,
            correlation=correlation,
            causation=causation,
            trace=trace,
        )
        self._encoded.append((*route_of(message, self._service), body))

    def packed(self) -> list[Outgoing]:
        """One AMQP message for up to 64 events of a routing key, in the order in which they were said."""
        by_route = sorted(self._encoded, key=lambda e: e[:2])
        packs = [
            (exchange, routing_key, body)
            for (exchange, routing_key), group in groupby(by_route, key=lambda e: e[:2])
            for body in envelope.pack(event for _, _, event in group)
        ]
        return [
            Outgoing(exchange, routing_key, envelope.PACK, body, f"{self._batch}/{n}")
            for n, (exchange, routing_key, body) in enumerate(packs)
        ]
