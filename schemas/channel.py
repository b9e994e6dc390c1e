"""Channels: how each wants to be told, what it reports, and what it was told."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from schemas.model import Dated, Message, Model
from schemas.order import OrderCancellationRequested, OrderPlaced
from schemas.payment import PaymentApproved
from schemas.values import Base64, Cnpj, Email, Id, Original, Problem, Span, Text, Time, Url

Fact = Literal["invoice", "shipment", "delivered", "cancelled", "refunded"]


class ReleaseRule(Model):
    """When a channel may be told what; the most specific rule wins, `logistics` None fits all."""

    logistics: Id | None = None
    nf_key: Literal["when_invoiced", "with_tracking"] = "when_invoiced"
    needs_xml: bool = False
    tracking: Literal["after_nf", "releases_nf", "not_needed", "from_label"] = "after_nf"
    delivered_by: Literal["us", "marketplace", "either"] = "us"


def _one_each(rules: tuple[ReleaseRule, ...]) -> tuple[ReleaseRule, ...]:
    named = [rule.logistics for rule in rules]
    if twice := [logistics or "all others" for logistics in dict.fromkeys(named) if named.count(logistics) > 1]:
        raise ValueError(f"two rules are equally specific, so neither wins: one only for {', '.join(twice)}")
    return rules


class ChannelChanged(Dated):
    """A channel, the route to it and its release rules, from `valid_from` on."""

    TYPE = "channel.changed.v1"
    SUBJECT = "channel_id"

    channel_id: Id
    name: Text
    route: Literal["hub", "direct"]
    api: Literal["hub", "mercado_livre"]
    """Which protocol its API speaks."""
    api_url: Url
    token_ref: Id
    """Names the secret that opens its API: `FLEET_SECRETS` has it as `channel:` and this; the secret itself never
    travels. Its callbacks are checked under `channel:` and its `channel_id`."""
    one_invoice_only: bool = False
    intermediary_cnpj: Cnpj | None = None
    intermediary_account: Annotated[str, Field(min_length=2, max_length=60)] | None = None
    """infIntermed: the marketplace's CNPJ and the seller's name there; None for the own shop."""
    rules: Annotated[tuple[ReleaseRule, ...], Field(min_length=1), AfterValidator(_one_each)]
    store_id: Id | None = None
    """Whose orders its queue gives."""
    polls: bool = False
    """Whether its orders are fetched from a queue API (one at a time, each confirmed within five minutes)."""
    poll_every: Span = timedelta(seconds=30)
    """How long an empty queue is left alone."""


class Label(Model):
    carrier: Text
    tracking_code: Id
    tracking_url: Url | None = None
    content_type: Literal["application/pdf", "application/zpl"]
    content: Base64


class ChannelOrderReported(Message):
    """What a channel says of one of its orders: status, the label it made, the delivery it saw."""

    TYPE = "channel.order_reported.v1"
    SUBJECT = "channel_order_code"

    channel_id: Id
    channel_order_code: Id
    status: Literal["new", "approved", "invoiced", "label_ready", "shipped", "delivered", "cancelled"]
    occurred_at: Time
    label: Label | None = None


class ChannelSyncRequested(Message):
    """Ask a store's channels for their orders now. `channel_id` None: all of them."""

    TYPE = "channel.sync_requested.v1"
    SUBJECT = "store_id"

    store_id: Id
    channel_id: Id | None = None
    requested_at: Time


class ChannelOrderGiven(Message):
    """channel_sync to itself: a queue gave this order; told on where it is new, or otherwise than before."""

    TYPE = "channel.order_given.v1"
    SUBJECT = "order_id"

    order_id: Id
    channel_id: Id
    placed: OrderPlaced
    """As it is there now, whatever it was before."""
    approved: tuple[PaymentApproved, ...] = ()
    cancelled: OrderCancellationRequested | None = None
    given_at: Time


class ChannelOrderUnreadable(Message):
    """channel_sync to itself: a queue gave this order in a way that makes none; told once for each way."""

    TYPE = "channel.order_unreadable.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    problems: Annotated[tuple[Problem, ...], Field(min_length=1)]
    cancelled: OrderCancellationRequested | None = None
    """That it is cancelled there can be read all the same."""
    original: Original | None = None
    """All that the queue said, of one that it is not asked to give again; None: it stays in the queue."""
    given_at: Time


class ChannelPollDue(Message):
    """channel_sync to itself: ask this channel's queue for an order now."""

    TYPE = "channel.poll_due.v1"
    SUBJECT = "channel_id"

    channel_id: Id


class ChannelUpdated(Message):
    """The channel confirmed a fact. Told once each."""

    TYPE = "channel.updated.v1"
    SUBJECT = "order_id"

    order_id: Id
    channel_id: Id
    fact: Fact
    reference: Annotated[str, Field(max_length=200)]
    """The access key, the tracking code, the parcel or PO delivered, or the refund."""
    confirmed_at: Time


class ChannelUpdateRefused(Message):
    """The channel does not take a fact, or has no call for it that a person must know of."""

    TYPE = "channel.update_refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    channel_id: Id
    fact: Fact
    reference: Annotated[str, Field(max_length=200)]
    code: Id
    detail: Annotated[str, Field(max_length=2000)] = ""


class LabelAvailable(Message):
    """The marketplace made the label for an order that its own logistics ship."""

    TYPE = "channel.label_available.v1"
    SUBJECT = "order_id"

    order_id: Id
    channel_id: Id
    label: Label
    at: Time


class DeliveryReported(Message):
    """The marketplace, whose logistics shipped it, says that the order was delivered."""

    TYPE = "channel.delivery_reported.v1"
    SUBJECT = "order_id"

    order_id: Id
    channel_id: Id
    delivered_at: Time


class CustomerNotified(Message):
    """The customer was mailed about a fact, once."""

    TYPE = "customer.notified.v1"
    SUBJECT = "order_id"

    order_id: Id
    fact: Literal["confirmed", "invoiced", "shipped", "delayed", "delivered", "given_up", "cancelled", "refunded"]
    reference: Annotated[str, Field(max_length=200)]
    """What tells two mails of one fact apart (a shipment's id); empty where there is only one."""
    notified_at: Time


class Mail(Model):
    """A mail as it is sent. Both parts say the same."""

    sender: Email
    recipient: Email
    subject: Text
    text: str
