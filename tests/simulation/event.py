"""Events and packs as the simulated broker carries them: as objects, or (some seeds) as the very bytes of the wire."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from schemas import catalogue, envelope
from schemas.model import Message
from shared.broker.link import Delivery
from shared.worker.decode import decode, decode_kept
from shared.worker.incoming import Incoming, Kept
from shared.worker.outbox import INBOUND, Outbox, route_of, source_of
from shared.worker.routes import Routes

FOR_EVER = timedelta(days=36_500)
NO_BATCH = UUID(int=0)


@dataclass(slots=True, eq=False)
class Event:
    """One event with the attributes of its envelope. Nobody changes it; that Python forbids it would cost as much
    as making it."""

    ref: UUID
    id: str
    source: str
    time: datetime
    correlation: str | None
    causation: str | None
    data: Message


@dataclass(slots=True, eq=False)
class Pack:
    """One AMQP message: of events, or of bytes."""

    exchange: str
    routing_key: str
    events: tuple[Event, ...]
    body: bytes = b""
    content_type: str = envelope.PACK


@dataclass(slots=True)
class Arrived(Incoming):
    """An event that did not travel as bytes."""

    event: Event | None = None


class Saying(Outbox):
    """The real outbox, which also keeps what it is given as objects."""

    def __init__(self, service: str, now: datetime, wire: bool) -> None:
        super().__init__(service, NO_BATCH, now)
        self.service = service
        self.source = source_of(service)
        self.now = now
        self.wire = wire
        self.events: list[Event] = []

    def add(
        self,
        message: Message,
        *,
        id: str,
        correlation: str | None = None,
        causation: str | None = None,
        trace: str | None = None,
    ) -> None:
        ref = envelope.reference(self.source, id)
        self.events.append(Event(ref, id, self.source, self.now, correlation, causation, message))
        if self.wire:
            super().add(message, id=id, correlation=correlation, causation=causation, trace=trace)

    def packs(self) -> tuple[Pack, ...]:
        """As the real one packs: by route, at most 64 a pack."""
        if not self.events:
            return ()
        if self.wire:
            return tuple(Pack(o.exchange, o.routing_key, (), o.body, o.content_type) for o in self.packed())
        routed: dict[tuple[str, str], list[Event]] = {}
        for event in self.events:
            routed.setdefault(route_of(event.data, self.service), []).append(event)
        return tuple(
            [
                Pack(exchange, routing_key, tuple(events[at : at + envelope.PACK_EVENTS]))
                for (exchange, routing_key), events in sorted(routed.items())
                for at in range(0, len(events), envelope.PACK_EVENTS)
            ]
        )


def inbound(source: str, id: str, message: Message, at: datetime, wire: bool) -> Pack:
    """What upstream or a partner says: a single event to the inbound entry."""
    event = Event(envelope.reference(source, id), id, source, at, None, None, message)
    if not wire:
        return Pack(INBOUND, message.TYPE, (event,))
    body = envelope.encode(message, id=id, source=source, time=at)
    return Pack(INBOUND, message.TYPE, (), body, envelope.EVENT)


def opened(pack: Pack, tag: int, routes: Routes) -> list[Incoming]:
    """The events of a delivery, decoded, upcast and with their routes."""
    if not pack.body:
        return [_arrived(event, routes) for event in pack.events]
    delivery = Delivery(tag, "", pack.exchange, pack.routing_key, pack.content_type, {}, pack.body, False)
    items = decode(delivery, FOR_EVER)
    for item in items:
        _assign(item, routes)
    return items


def reopened(kept: Kept, event: Event | None, routes: Routes) -> Incoming:
    """An event that the inbox kept."""
    if event is not None:
        item = _arrived(event, routes)
        item.kept = kept
        return item
    item = decode_kept(kept, kept.body)
    item.kept = kept
    _assign(item, routes)
    return item


def _arrived(event: Event, routes: Routes) -> Incoming:
    data = event.data
    item = Arrived(
        ref=event.ref,
        source=event.source,
        id=event.id,
        type=data.TYPE,
        subject=data.subject,
        time=event.time,
        correlation=event.correlation,
        data=catalogue.upcast(data),
        event=event,
    )
    routes.assign(item)
    return item


def _assign(item: Incoming, routes: Routes) -> None:
    if item.fault is None:
        routes.assign(item)
