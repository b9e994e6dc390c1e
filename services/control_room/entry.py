"""PURE: from a delivery to the journal's entries, one an event. What cannot be read is an entry too.

Nothing is validated here: the journal keeps what was said, right or wrong.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

from schemas import envelope
from schemas.billing import PayableOpened
from schemas.nota_fiscal import RemittanceNfDiverged, RemittanceNfMatched, SupplierNfDiverged, SupplierNfMatched
from schemas.order import OrderAccepted, OrderRefused, OrderStatusChanged
from schemas.purchase_order import PurchaseOrderCreated
from schemas.refund import RefundOrdered
from schemas.shipment import ShipmentDispatched
from services.control_room.facts import cleaned, order_names

if TYPE_CHECKING:  # the command line reads entries too, and has no use for the broker's client
    from shared.broker.link import Delivery

_LONGEST = 400
_FACTS = "fleet.events"
DESCRIBED = ("supplier.changed", "store.changed")
_SEEN = (OrderAccepted.TYPE, OrderStatusChanged.TYPE, OrderRefused.TYPE)
_NAMING = {
    message.TYPE
    for message in (
        PurchaseOrderCreated,
        ShipmentDispatched,
        SupplierNfMatched,
        SupplierNfDiverged,
        RemittanceNfMatched,
        RemittanceNfDiverged,
        PayableOpened,
        RefundOrdered,
    )
}
"""Facts that say first what else an order is called by."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it was said. Attributes are None where it does not say them in a form that can be kept."""

    ref: UUID
    exchange: str
    routing_key: str
    content_type: str
    body: bytes
    source: str | None = None
    id: str | None = None
    type: str | None = None
    subject: str | None = None
    order_id: str | None = None
    time: datetime | None = None
    correlation: str | None = None
    causation: str | None = None


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """What one fact says of an order's place in the book; None: it does not say."""

    order_id: str
    store_id: str | None = None
    channel_id: str | None = None
    channel_order_code: str | None = None
    total: Decimal | None = None
    accepted_at: datetime | None = None
    status: str | None = None
    status_at: datetime | None = None


def entries(delivery: "Delivery") -> list[Entry]:
    """The events of a delivery, unpacked; the whole body as one entry without attributes where it has none."""
    is_pack = delivery.content_type.partition(";")[0].strip().lower() == envelope.PACK
    try:
        events = envelope.parsed_slices(delivery.body) if is_pack else []
    except (ValueError, RecursionError):
        events = []
    return [
        _entry(delivery, body, said if isinstance(said, dict) else {})
        for body, said in events or [(delivery.body, parsed(delivery.body))]
    ]


def opaque(delivery: "Delivery") -> Entry:
    """A delivery as nothing but its bytes."""
    digest = hashlib.sha256(f"{delivery.exchange}\0{delivery.routing_key}\0".encode() + delivery.body).hexdigest()
    return _raw(delivery, delivery.body, envelope.reference("/journal/unreadable", digest))


def _raw(delivery: "Delivery", body: bytes, ref: UUID) -> Entry:
    return Entry(ref, *_carrier(delivery), body)


def _carrier(delivery: "Delivery") -> tuple[str, str, str]:
    """Exchange, routing key and content type."""
    return text(delivery.exchange) or "", text(delivery.routing_key) or "", text(delivery.content_type) or ""


def _entry(delivery: "Delivery", body: bytes, said: dict[str, Any]) -> Entry:
    source, id = text(said.get("source")), text(said.get("id"))
    if source is None or id is None or text(said.get("type")) is None:
        return opaque(replace(delivery, body=body))
    data = said.get("data")
    named = data.get("order_id") if isinstance(data, dict) else None
    return Entry(
        envelope.reference(source, id),
        *_carrier(delivery),
        body,
        source,
        id,
        text(said.get("type")),
        text(said.get("subject")),
        text(named) or _order_subject(said),
        instant(said.get("time")),
        text(said.get("correlationid")),
        text(said.get("causationid")),
    )


def _order_subject(said: dict[str, Any]) -> str | None:
    """The subject of what is about an order, where the data does not name it (a body that does not fit)."""
    return text(said.get("subject")) if str(said.get("type")).startswith(("order.", "payment.")) else None


def parsed(body: bytes) -> dict[str, Any]:
    """The event as JSON; empty where it is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def text(value: Any) -> str | None:
    """A string that PostgreSQL takes, of a length that an index takes; None otherwise."""
    if not isinstance(value, str) or not value or len(value) > _LONGEST or "\0" in value:
        return None
    if value.isascii():
        return value
    return None if any("\ud800" <= letter <= "\udfff" for letter in value) else value


def instant(value: Any) -> datetime | None:
    """A time with an offset, or None."""
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError):
        return None


def order_seen(entry: Entry) -> OrderSeen | None:
    """What an entry adds to the order list. Only order_intake's facts count: others cannot publish them there."""
    if entry.exchange != _FACTS or entry.order_id is None or entry.type not in _SEEN:
        return None
    data = parsed(entry.body).get("data")
    said = data if isinstance(data, dict) else {}
    seen = OrderSeen(
        entry.order_id,
        text(said.get("store_id")),
        text(said.get("channel_id")),
        text(said.get("channel_order_code")),
    )
    match entry.type:
        case OrderAccepted.TYPE:
            return replace(seen, total=_amount(said.get("total")), accepted_at=instant(said.get("accepted_at")))
        case OrderStatusChanged.TYPE:
            return replace(seen, status=text(said.get("status")), status_at=instant(said.get("changed_at")))
        case OrderRefused.TYPE:
            return replace(seen, status="refused", status_at=entry.time)
    return None


@dataclass(frozen=True, slots=True)
class OrderName:
    """What an order is called by where nobody says its id: its PO's number, a parcel's tracking code."""

    name: str
    order_id: str
    said_at: datetime


def named(entry: Entry) -> list[OrderName]:
    """The names that a fact gives its order."""
    if entry.exchange != _FACTS or entry.order_id is None or entry.time is None or entry.type not in _NAMING:
        return []
    data = parsed(entry.body).get("data")
    names = order_names(cleaned(data)) if isinstance(data, dict) else []
    return [OrderName(name, entry.order_id, entry.time) for name in names]


@dataclass(frozen=True, slots=True)
class Described:
    """A supplier or a store, as it was described at a time."""

    family: str
    key: str
    said_at: datetime
    data: str
    """JSON."""


def described(entry: Entry) -> Described | None:
    """What an entry says of a supplier or a store."""
    family = (entry.type or "").rpartition(".v")[0]
    if family not in DESCRIBED or entry.subject is None or entry.time is None:
        return None
    data = parsed(entry.body).get("data")
    if not isinstance(data, dict):
        return None
    try:
        said = json.dumps(cleaned(data), allow_nan=False)
    except ValueError:
        return None
    return Described(family, entry.subject, entry.time, said)


def _amount(value: Any) -> Decimal | None:
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() and abs(amount) < 10**13 else None
