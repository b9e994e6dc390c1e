"""Who may do what on the broker: one user per service and per outside party, least privilege, one table.

Nobody may configure anything, and nobody may write to the default exchange. Services have the tag `management`,
with which they see (and only see) their virtual host through the management API: the start-up check of a
worker needs it for the arguments of its queues. It gives no right that the permissions do not give.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas import catalogue
from shared.broker import topology

ENGINEER = catalogue.ENGINEER
NOTHING = "^$"


@dataclass(frozen=True, slots=True)
class TopicRight:
    """Which routing keys a user may write on a topic exchange."""

    exchange: str
    write: str
    read: str = NOTHING


@dataclass(frozen=True, slots=True)
class User:
    """A user with its permissions as RabbitMQ's regular expressions."""

    name: str
    tags: tuple[str, ...]
    write: str
    read: str
    topics: tuple[TopicRight, ...] = ()
    configure: str = NOTHING


def table() -> tuple[User, ...]:
    """Every user of the fleet."""
    names = (*catalogue.SERVICES, catalogue.GATEWAY, catalogue.UPSTREAM)
    decides = TopicRight(topology.INBOUND, _keys(topology.families_of(ENGINEER, topology.INBOUND)))
    writes = _any_of([topology.to(catalogue.CONTROL_ROOM), topology.INBOUND])
    engineer = User(ENGINEER, ("monitoring",), writes, NOTHING, (decides,))
    return (*(_user(name) for name in names), engineer)


def _user(name: str) -> User:
    tags = () if name == catalogue.UPSTREAM else ("management",)
    exchanges = [e for e in (topology.INBOUND, topology.EVENTS) if topology.families_of(name, e)]
    topics = tuple(TopicRight(e, _keys(topology.families_of(name, e))) for e in exchanges)
    return User(name, tags, _any_of(topology.writes_of(name)), _any_of(topology.reads_of(name)), topics)


def _any_of(names: Iterable[str]) -> str:
    found = "|".join(re.escape(name) for name in names)
    return f"^({found})$" if found else NOTHING


def _keys(families: Iterable[str]) -> str:
    """Any version of these families: what is newer than known waits at the consumer."""
    return f"^({'|'.join(re.escape(family) for family in families)})\\.v[0-9]+$"
