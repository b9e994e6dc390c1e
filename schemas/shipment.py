"""Parcels and what becomes of them, as po_dispatch publishes it."""

from typing import Literal

from schemas.model import Message
from schemas.purchase_order import ParcelLine
from schemas.values import Id, Text, Time, Url


class ShipmentDispatched(Message):
    """A parcel has left. The PO has left when a parcel of it has no `open_lines`."""

    TYPE = "shipment.dispatched.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    shipment_id: Id
    carrier: Text
    tracking_code: Id
    tracking_url: Url | None = None
    lines: tuple[ParcelLine, ...] = ()
    """What is in the parcel. Empty: its supplier did not say, so all that was left."""
    open_lines: tuple[int, ...] = ()
    """The PO's lines of which something had not left when this was said."""
    dispatched_at: Time
    estimated_delivery: Time | None = None


class ShipmentIrregular(Message):
    """The goods left before R was handed over or S1 matched: an alert beside `shipment.dispatched`."""

    TYPE = "shipment.irregular.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    shipment_id: Id
    missing: tuple[Literal["invoice_handed_over", "remittance_nf_matched", "purchase_order"], ...]
    """`purchase_order`: the PO was void. Then there is no `shipment.dispatched`: the order does not wait for it."""
    at: Time


class ShipmentProblemReported(Message):
    TYPE = "shipment.problem_reported.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    shipment_id: Id
    detail: str
    at: Time


class ShipmentResumed(Message):
    """A parcel that had met with a problem is on its way again."""

    TYPE = "shipment.resumed.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    shipment_id: Id
    detail: str = ""
    at: Time


class ShipmentFound(Message):
    """A parcel that the store had given up as lost was delivered after all: the customer has the goods, and the money
    for them back. What becomes of that a person says."""

    TYPE = "shipment.found.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    shipment_id: Id
    carrier: Text
    tracking_code: Id
    delivered_at: Time


class ShipmentDelivered(Message):
    """A parcel has arrived. The PO is delivered when a parcel of it has no `open_lines`."""

    TYPE = "shipment.delivered.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    shipment_id: Id
    open_lines: tuple[int, ...] = ()
    """The PO's lines of which something had not arrived when this was said."""
    delivered_at: Time


class ShipmentDelayed(Message):
    """The goods come later than was told: of a parcel, or of a PO that has not left yet."""

    TYPE = "shipment.delayed.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    shipment_id: Id | None = None
    expected_ship_at: Time | None = None
    estimated_delivery: Time | None = None
    detail: str = ""
    at: Time
