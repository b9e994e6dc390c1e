"""What one order of the mixed scenario consists of: what is published at once, what on cue, and how it must end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deploy.local.mixed.expected import Expected
from schemas.model import Message

Tell = Callable[[datetime], Sequence[Message]]


def nothing(now: datetime) -> Sequence[Message]:
    return ()


@dataclass(frozen=True, slots=True)
class Cue:
    """Once so many facts of this type that say this were seen of the order, its upstream says `then`."""

    type: str
    then: Tell
    having: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    visit: Callable[[Mapping[str, Any]], str] | None = None
    """Beside that, a page of the sandbox that is posted to, by what the fact says: once all have handled `then`."""


def told(page: str) -> Callable[[Mapping[str, Any]], str]:
    """Where the supplier of the one PO that an order has is told something, by `order.status_changed`."""

    def visit(moved: Mapping[str, Any]) -> str:
        [po] = moved["purchase_orders"]
        return f"/suppliers/{po['supplier_id']}/purchase-orders/{po['po_number']}/{page}"

    return visit


def late_po(page: str) -> Callable[[Mapping[str, Any]], str]:
    """The same of the PO that is late, by `purchase_order.late`."""
    return lambda late: f"/suppliers/{late['supplier_id']}/purchase-orders/{late['po_number']}/{page}"


def lost_by_carrier(matched: Mapping[str, Any]) -> str:
    """Where its parcel is lost, by `remittance_nf.matched`."""
    return f"/suppliers/{matched['supplier_id']}/purchase-orders/{matched['po_number']}/loss"


@dataclass(frozen=True, slots=True)
class Rubbish:
    """An event as no model would write it. `data` is JSON."""

    type: str
    subject: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """One order (or one piece of rubbish, `key` is its subject)."""

    case: str
    key: str
    expected: Expected
    messages: Sequence[Message] = ()
    reference: Sequence[Message] = ()
    """Offers of its own, before all orders."""
    cues: Sequence[Cue] = ()
    rubbish: Rubbish | None = None
    queued: Mapping[str, Any] | None = None
    """The order as a hub's queue gives it."""
    copies: int = 1
    """How often each message is published under its id."""
