"""What is asked of channels and of the mail server, and what they answer, in our words."""

from schemas.channel import Mail
from schemas.decision import Request
from schemas.model import Model
from schemas.order import OrderCancellationRequested, OrderPlaced
from schemas.payment import PaymentApproved
from schemas.values import AccessKey, Amount, Base64, Id, Original, Problem, Text, Time, Url
from services.channel_sync.state import MailFact


class Access(Model):
    """Where a channel's API is, and the name of the secret that opens it."""

    api_url: Url
    token_ref: Id


class TellInvoice(Request):
    """R's key (and its XML where the channel needs it), to a hub."""

    access: Access
    order_code: Id
    access_key: AccessKey
    series: int
    number: int
    issued_at: Time
    xml: Base64 | None = None


class TellShipment(Request):
    """A parcel's tracking, with the key of the NF that travels with it, to a hub."""

    access: Access
    order_code: Id
    carrier: Text
    tracking_code: Id
    tracking_url: Url | None = None
    invoice_key: AccessKey
    dispatched_at: Time


class TellDelivery(Request):
    """A parcel has arrived, to a hub; where it knows no tracking, every parcel of a PO has."""

    access: Access
    order_code: Id
    po_id: Id
    shipment_id: Id | None = None
    """None: the whole PO."""
    tracking_codes: tuple[Id, ...]
    delivered_at: Time


class TellCancellation(Request):
    """The order is cancelled, to a hub."""

    access: Access
    order_code: Id
    reason: Text


class TellRefund(Request):
    """A part of what the customer paid there goes back, of an order that goes on, to a hub, which pays it."""

    access: Access
    order_code: Id
    refund_id: Id
    payment_id: Id
    amount: Amount
    """BRL."""
    reason: Text


class FetchOrder(Request):
    """The next order of a channel's queue; the channel gives it again until it is confirmed."""

    access: Access
    channel_id: Id
    store_id: Id


class OrderFetched(Model):
    """What the queue gave: nothing, an order as the messages that say it, or one that cannot be read."""

    code: Id | None = None
    """The channel's code of it; None: the queue is empty."""
    placed: OrderPlaced | None = None
    approved: tuple[PaymentApproved, ...] = ()
    cancelled: OrderCancellationRequested | None = None
    problems: tuple[Problem, ...] = ()
    """Why it cannot be read."""
    original: Original | None = None
    """Then, all that the queue said of it; None where that is too long, or its code no name to confirm it by."""


class ConfirmOrder(Request):
    """The fleet has the order: the queue need not give it again."""

    access: Access
    channel_id: Id
    code: Id


class OrderConfirmed(Model):
    code: Id


class SendInvoiceXml(Request):
    """R's XML for a shipment that Mercado Livre's own logistics carry."""

    access: Access
    shipment_id: Id
    access_key: AccessKey
    xml: Base64


class ChannelAnswered(Model):
    """Confirmed (and read back), or refused for good: why, in the channel's code."""

    confirmed: bool
    code: str = ""
    detail: str = ""


class SendMail(Request):
    mail: Mail
    fact: MailFact
    reference: str


class MailAnswered(Model):
    """Taken by the mail server, or the customer's address refused for good."""

    taken: bool
    detail: str = ""
