"""The broker's topology as one table, derived from the catalogue of messages.

Two entries (`fleet.inbound`, `fleet.events`) lead to `fleet.routed`, where the services' queues are bound;
what no service takes goes to `fleet.unrouted`. Commands go straight to one service by `fleet.to.<service>`.
The journal is bound to the entries, so that it does not hide an unrouted message.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from schemas import catalogue

INBOUND = "fleet.inbound"
EVENTS = "fleet.events"
ROUTED = "fleet.routed"
UNROUTED = "fleet.unrouted"
DEAD = "fleet.dead"
JOURNAL = f"{catalogue.CONTROL_ROOM}.journal"

WORK_LIMIT = 1_000
"""Deliveries after which the broker itself makes a message a dead letter: a last net only."""
NO_LIMIT = 1_000_000_000
"""RabbitMQ 4 drops after 20 deliveries where no limit is set; what lies in these queues must stay."""


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    kind: Literal["topic", "direct", "fanout"]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """Messages of `source` with `key` go to `destination`, a queue or an exchange."""

    source: str
    destination: str
    key: str
    to: Literal["queue", "exchange"] = "queue"


@dataclass(frozen=True, slots=True)
class Topology:
    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


def to(service: str) -> str:
    """The exchange for commands to a service."""
    return f"fleet.to.{service}"


def dead(service: str) -> str:
    """The queue for a service's dead letters, and its routing key on `fleet.dead`."""
    return f"{service}.dead"


def whole() -> Topology:
    """All that must be there."""
    return Topology(_exchanges(), _queues(), tuple(sorted({*_fixed_bindings(), *_fact_bindings(), *_commands()})))


def part_of(user: str) -> Topology:
    """What one service needs: the queues it reads, the exchanges it writes, and how its queues are bound."""
    topology = whole()
    reads, writes = reads_of(user), writes_of(user)
    return Topology(
        tuple(e for e in topology.exchanges if e.name in writes),
        tuple(q for q in topology.queues if q.name in reads),
        tuple(b for b in topology.bindings if b.destination in reads and b.to == "queue"),
    )


def reads_of(user: str) -> tuple[str, ...]:
    """The queues that a user may read."""
    if user == catalogue.CONTROL_ROOM:
        return (user, JOURNAL, UNROUTED, *(dead(service) for service in catalogue.SERVICES))
    return (user,) if user in catalogue.SERVICES else ()


def writes_of(user: str) -> tuple[str, ...]:
    """The exchanges that a user may write to."""
    topics = tuple(exchange for exchange in (INBOUND, EVENTS) if families_of(user, exchange))
    if user == catalogue.CONTROL_ROOM:
        return (*topics, DEAD, *(to(service) for service in catalogue.SERVICES))
    return (*topics, DEAD, to(user)) if user in catalogue.SERVICES else topics


def families_of(user: str, exchange: str) -> tuple[str, ...]:
    """`<subject>.<fact>` of the messages that a user may publish to one of the entries."""
    kind = {INBOUND: "inbound", EVENTS: "fact"}[exchange]
    entries = [e for e in catalogue.CATALOGUE if e.kind == kind and user in e.producers]
    return tuple(sorted({catalogue.family_of(e.type) for e in entries}))


def _exchanges() -> tuple[Exchange, ...]:
    return (
        Exchange(INBOUND, "topic"),
        Exchange(EVENTS, "topic"),
        Exchange(ROUTED, "topic", {"alternate-exchange": UNROUTED}),
        Exchange(UNROUTED, "fanout"),
        Exchange(DEAD, "direct"),
        *(Exchange(to(service), "direct") for service in catalogue.SERVICES),
    )


def _queues() -> tuple[Queue, ...]:
    kept = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
    return (
        *(Queue(service, _work(service)) for service in catalogue.SERVICES),
        *(Queue(name, kept) for name in (*map(dead, catalogue.SERVICES), JOURNAL, UNROUTED)),
    )


def _work(service: str) -> dict[str, Any]:
    """No max-length: a full queue would stall publishers in a ring. At-least-once needs `reject-publish`."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": WORK_LIMIT,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": dead(service),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _fixed_bindings() -> tuple[Binding, ...]:
    return (
        *(Binding(entry, ROUTED, "#", "exchange") for entry in (INBOUND, EVENTS)),
        *(Binding(entry, JOURNAL, "#") for entry in (INBOUND, EVENTS)),
        *(Binding(DEAD, dead(service), dead(service)) for service in catalogue.SERVICES),
        Binding(UNROUTED, UNROUTED, ""),
    )


def _fact_bindings() -> list[Binding]:
    """Every version: one that is newer than the consumer knows must still arrive, and waits there."""
    entries = [e for e in catalogue.CATALOGUE if e.kind in ("inbound", "fact")]
    return [Binding(ROUTED, c, f"{catalogue.family_of(e.type)}.*") for e in entries for c in e.consumers]


def _commands() -> list[Binding]:
    entries = [e for e in catalogue.CATALOGUE if e.kind == "command"]
    return [Binding(to(c), queue, e.type) for e in entries for c in e.consumers for queue in (c, JOURNAL)]
