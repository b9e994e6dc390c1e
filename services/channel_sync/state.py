"""One order as its channel and its customer see it: what is known, what was told, and what still waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from schemas.channel import ChannelChanged, Fact, Label
from schemas.model import Model
from schemas.order import Items, OrderChanged, Status
from schemas.refund import RefundCause
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from schemas.values import AccessKey, Amount, Base64, Email, Id, Logistics, Text, Time, Url

MailFact = Literal["confirmed", "invoiced", "shipped", "delayed", "delivered", "given_up", "cancelled", "refunded"]
Progress = Literal["created", "sent", "confirmed"]


class Stage(StrEnum):
    """How far a fact has come on its way to the channel."""

    HELD = "held"
    NOT_TOLD = "not_told"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Telling(Model):
    """One fact for the channel. `reference`: the access key, the tracking code, or the parcel that arrived: its id, or
    its PO's where the channel knows no tracking; or the refund's id."""

    fact: Fact
    reference: str
    stage: Stage
    why: str = ""
    """Why it is held, not told, or was refused."""
    since: Time


class Notice(Model):
    """One mail to the customer. `stage` is sent, confirmed (the server took it) or refused."""

    fact: MailFact
    reference: str
    stage: Stage
    why: str = ""


class Sale(Model):
    """The order as it was accepted."""

    store_id: Id
    channel_id: Id
    channel_order_code: Id
    logistics: Logistics
    customer_name: Text
    customer_email: Email
    items: Items
    total: Amount
    placed_at: Time | None = None
    """The store's settings of then hold for it."""


class PurchaseOrder(Model):
    po_id: Id
    po_number: Id
    supplier_id: Id
    progress: Progress


class Invoice(Model):
    """R. Its XML is kept only until it was sent."""

    access_key: AccessKey
    series: int
    number: int
    issued_at: Time
    po_ids: tuple[Id, ...]
    xml: Base64 | None = None


class Shipment(Model):
    shipment_id: Id
    po_id: Id
    carrier: Text
    tracking_code: Id
    tracking_url: Url | None = None
    dispatched_at: Time
    estimated_delivery: Time | None = None
    is_last: bool = True
    """Nothing of its PO was left to leave after it."""
    problem: str = ""
    """What the carrier or po_dispatch said of it last that is not over."""
    problem_at: Time | None = None
    resumed_at: Time | None = None
    """Until when, by the carrier, problems of it are over."""


class Delivery(Model):
    shipment_id: Id
    po_id: Id
    delivered_at: Time
    is_last: bool = True
    """Nothing of its PO was left to arrive after it."""


class Delay(Model):
    """The goods come later than was told. `reference` tells two of an order apart."""

    reference: str
    expected_ship_at: Time | None = None
    estimated_delivery: Time | None = None


class Refund(Model):
    """Money that went back to the customer."""

    refund_id: Id
    amount: Amount


class PartialRefund(Model):
    """What the channel is to pay back of an order that goes on."""

    refund_id: Id
    payment_id: Id
    amount: Amount
    cause: RefundCause


class GivenUp(Model):
    """What of the order is not bought any more."""

    lines: Mapping[int, int]
    """All of it by now: pieces by line of the order."""
    at: Time


class Reported(Model):
    """What the channel last said of the order."""

    status: str
    occurred_at: Time


class Given(Model):
    """What the channel's queue gave of the order last."""

    fields: Mapping[str, str]
    """A digest of each."""
    changes: int = 0
    """How many changes were asked for because it was otherwise than before."""
    cancelled: bool = False
    """Its cancellation was asked for."""
    at: Time | None = None
    """When it gave that."""


class ChannelOrder(Model):
    """The projection. Everything may be missing: messages come in any order."""

    order_id: Id
    given: Given | None = None
    """None where no queue gave it."""
    unreadable: str = ""
    """A digest of why its queue's order cannot be read; empty where it can."""
    set_aside: str = ""
    """A digest of all that was given when such an order was set aside, last."""
    sale: Sale | None = None
    refused: tuple[Id, ...] = ()
    """Codes of the reasons why the order was not taken."""
    status: Status | None = None
    status_at: Time | None = None
    paid: bool = False
    """The canonical status was payment_confirmed or later."""
    delivered_po_ids: tuple[Id, ...] | None = None
    """The POs of the order when its status became delivered; None before that."""
    purchase_orders: tuple[PurchaseOrder, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    rest_left: tuple[Id, ...] = ()
    """POs of which all had left that remained after a refusal."""
    rest_arrived: tuple[Id, ...] = ()
    """Those of which it had arrived, too."""
    label: Label | None = None
    label_at: Time | None = None
    delays: tuple[Delay, ...] = ()
    refunds: tuple[Refund, ...] = ()
    """Those that were settled."""
    partial_refunds: tuple[PartialRefund, ...] = ()
    given_up: GivenUp | None = None
    changed: OrderChanged | None = None
    """The newest change, which the sale follows."""
    cancellation: Literal["asked", "refused", "done"] | None = None
    cancellation_at: Time | None = None
    """When it was asked for or refused last."""
    to_refund: bool = False
    """Whether money was there when it was cancelled, also where it was not all."""
    cancelled_invoices: tuple[AccessKey, ...] = ()
    """Also of those whose R was not heard of yet."""
    reported: Reported | None = None
    marketplace_delivered_at: Time | None = None
    tellings: tuple[Telling, ...] = ()
    notices: tuple[Notice, ...] = ()

    def telling(self, fact: Fact, reference: str) -> Telling | None:
        return next((t for t in self.tellings if (t.fact, t.reference) == (fact, reference)), None)

    def with_telling(self, telling: Telling) -> "ChannelOrder":
        """Itself with this telling in the place of an earlier one of the same fact and reference."""
        slot = (telling.fact, telling.reference)
        if self.telling(*slot) is None:
            return self.model_copy(update={"tellings": (*self.tellings, telling)})
        tellings = tuple(telling if (t.fact, t.reference) == slot else t for t in self.tellings)
        return self.model_copy(update={"tellings": tellings})

    def stage_of(self, fact: Fact, reference: str) -> Stage | None:
        telling = self.telling(fact, reference)
        return None if telling is None else telling.stage

    def notice(self, fact: MailFact, reference: str) -> Notice | None:
        return next((n for n in self.notices if (n.fact, n.reference) == (fact, reference)), None)

    def invoice_of(self, po_id: str) -> Invoice | None:
        """The R that bills a PO, in force where there is one."""
        found = [i for i in self.invoices if po_id in i.po_ids]
        return next((i for i in found if not self.is_cancelled(i.access_key)), next(iter(found), None))

    def is_cancelled(self, access_key: str) -> bool:
        """Whether this R was cancelled."""
        return access_key in self.cancelled_invoices

    def shipments_of(self, *po_ids: str) -> tuple[Shipment, ...]:
        return tuple(s for s in self.shipments if s.po_id in po_ids)

    def has_left(self, po_id: str) -> bool:
        """Whether all goods of a PO have."""
        return po_id in self.rest_left or any(s.is_last for s in self.shipments_of(po_id))

    def has_arrived(self, po_id: str) -> bool:
        """Whether nothing of a PO is left to arrive, by what was said with its parcels."""
        return po_id in self.rest_arrived or any(d.is_last for d in self.deliveries if d.po_id == po_id)


class Queue(Model):
    """A channel's queue of orders, which is asked for one at a time."""

    channel_id: Id
    asked: bool = False
    """A call is under way: its answer, or that there is none, leads to the next."""
    again: bool = False
    """Somebody wants it asked once more when the call that is under way ends."""
    passed: tuple[Id, ...] = ()
    """Codes of the orders that could not be read and were passed over since it was last left alone."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The order's channel and store; None where nobody has described them yet."""

    channel: Timeline[ChannelChanged] | None = None
    store: Timeline[StoreChanged] | None = None
