"""A batch: events on their way through the cycle together, and how far they have come.

    TAKEN → LOCKED → DECIDED → SAVED (committed) → SENT → ACKED

A crash before SAVED leaves no trace: the deliveries come again. A crash after it leaves the outgoing row:
the deliveries come again, are known, and the row is sent under the same ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID, uuid4

from shared.broker.link import Delivery
from shared.broker.outgoing import Outgoing
from shared.worker.fold import Result
from shared.worker.incoming import Incoming, Kept
from shared.worker.routes import Routes
from shared.worker.subscription import Service


class Stage(Enum):
    TAKEN = "taken"
    LOCKED = "locked"
    DECIDED = "decided"
    SAVED = "saved"
    SENT = "sent"
    ACKED = "acked"


@dataclass(slots=True)
class Batch:
    """Events on their way through the cycle together, and what became of them."""

    items: list[Incoming]
    suspect: Delivery | Kept | None = None
    """In the place of items: it may have killed a process, perhaps while it was decoded."""
    one_by_one: bool = False
    """Each event in a transaction of its own, and marked before."""
    step_by_step: bool = False
    """A replay with held events, one of which the database has refused: what goes before that one is to stay."""
    id: UUID = field(default_factory=uuid4)
    stage: Stage = Stage.TAKEN
    results: list[Result] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    left: list[Incoming] = field(default_factory=list)
    """Events that were not decided because too many before them died."""
    duplicates: int = 0
    made_calls: bool = False
    reminds_soon: bool = False
    """A reminder is due before anybody would look for it."""


@dataclass(slots=True)
class Desk:
    """What every batch of a service needs."""

    service: Service
    routes: Routes
    version: str
    ladder: Sequence[float]
