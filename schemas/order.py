"""Orders: what upstream systems say of them, and what order_intake publishes."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.model import Message, Model
from schemas.values import (
    AccessKey,
    Address,
    Amount,
    Cpf,
    Customer,
    Email,
    Gtin,
    Id,
    Logistics,
    Original,
    Problem,
    Text,
    Time,
    UnitPrice,
    Units,
)

Status = Literal[
    "payment_pending",
    "payment_slip_expired",
    "payment_confirmed",
    "quote_pending",
    "out_of_stock",
    "ready_to_order",
    "supplier_payment_pending",
    "po_dispatched",
    "po_acknowledged",
    "supplier_invoice_received",
    "invoice_divergent",
    "awaiting_invoice",
    "invoiced",
    "awaiting_shipment",
    "shipped",
    "delivery_problem",
    "delivered",
    "cancelled",
    "completed",
]
"""The canonical order status."""


class Item(Model):
    line: Annotated[int, Field(ge=1, le=990)]
    sku: Id
    name: Text
    quantity: Units
    unit_price: UnitPrice
    discount: Amount = Decimal("0.00")
    gtin: Gtin | None = None

    @property
    def total(self) -> Decimal:
        """BRL, two places: quantity × price less discount."""
        return (self.quantity * self.unit_price).quantize(CENT) - self.discount


CENT = Decimal("0.01")
Items = Annotated[tuple[Item, ...], Field(min_length=1, max_length=500)]


class Payment(Model):
    """A payment of the customer. `approved_at` is None until the money is there."""

    payment_id: Id
    method: Literal["pix", "boleto", "credit_card", "debit_card", "marketplace", "other"]
    amount: Amount
    approved_at: Time | None = None


class OrderPlacedV1(Message):
    """The first version: customer in flat fields, freight as `shipping_amount`."""

    TYPE = "order.placed.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    placed_at: Time
    customer_name: Annotated[str, Field(min_length=2, max_length=60)]
    customer_document: Cpf
    customer_email: Email
    address: Address
    items: Items
    shipping_amount: Amount = Decimal("0.00")
    total: Amount
    payments: Annotated[tuple[Payment, ...], Field(max_length=20)] = ()


class OrderPlaced(Message):
    """A channel sold something. Paid or not: its approved payments say so."""

    TYPE = "order.placed.v2"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    placed_at: Time
    customer: Customer
    ship_to: Address
    items: Items
    freight: Amount = Decimal("0.00")
    discount: Amount = Decimal("0.00")
    total: Amount
    payments: Annotated[tuple[Payment, ...], Field(max_length=20)] = ()
    logistics: Logistics = Logistics()
    fulfilment: Literal["unfulfilled", "fulfilled"] = "unfulfilled"
    """Whether the channel says that somebody delivered it already."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if len({item.line for item in self.items}) != len(self.items):
            raise ValueError("two items have the same line number")
        expected = sum((item.total for item in self.items), Decimal(0)) + self.freight - self.discount
        if expected != self.total:
            raise ValueError(f"total is {self.total}, but items + freight - discount make {expected}")
        return self

    @property
    def paid(self) -> Decimal:
        return sum((p.amount for p in self.payments if p.approved_at is not None), Decimal("0.00"))


def upcast_placed_v1(old: OrderPlacedV1) -> OrderPlaced:
    """v1 → v2: the customer becomes an object, shipping_amount becomes freight."""
    return OrderPlaced(
        order_id=old.order_id,
        store_id=old.store_id,
        channel_id=old.channel_id,
        channel_order_code=old.channel_order_code,
        placed_at=old.placed_at,
        customer=Customer(name=old.customer_name, tax_id=old.customer_document, email=old.customer_email),
        ship_to=old.address,
        items=old.items,
        freight=old.shipping_amount,
        total=old.total,
        payments=old.payments,
    )


class OrderAccepted(Message):
    """The order is in the book. Carries what channel and mails need later."""

    TYPE = "order.accepted.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    logistics: Logistics
    customer_name: Text
    customer_email: Email
    items: Items
    total: Amount
    accepted_at: Time
    placed_at: Time | None = None
    """The store's settings of then hold for the order."""


class OrderRefused(Message):
    """The order cannot be taken; the reasons say why."""

    TYPE = "order.refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    reasons: tuple[Problem, ...]
    original: Original | None = None
    """Where its channel is not asked to give it again: all that it said of it."""


class OrderChangeRequested(Message):
    """The channel or the customer wants an order otherwise. What is None stays as it is."""

    TYPE = "order.change_requested.v1"
    SUBJECT = "order_id"

    order_id: Id
    change_id: Id
    requested_at: Time
    customer: Customer | None = None
    ship_to: Address | None = None
    items: Items | None = None
    freight: Amount | None = None
    discount: Amount | None = None
    total: Amount | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.model_fields_set - {"order_id", "change_id", "requested_at"}):
            raise ValueError("names nothing to change: give customer, ship_to, items, freight, discount or total")
        return self


class OrderChanged(Message):
    """The order as it is from now on, before its fulfilment began."""

    TYPE = "order.changed.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    change_id: Id
    customer: Customer
    ship_to: Address
    items: Items
    freight: Amount
    discount: Amount
    total: Amount
    changed_at: Time


class OrderChangeRefused(Message):
    """The change was not made, or is taken back (`difference_not_paid`); the reasons say why."""

    TYPE = "order.change_refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    change_id: Id
    reasons: tuple[Problem, ...]
    refused_at: Time
    original: Original | None = None
    """Where its channel is not asked to give it again: all that it said of the order."""


CancellationCause = Literal["requested", "lost", "late_payment", "no_supplier", "no_stock", "payment_expired"]
"""Why an order is cancelled: somebody asked, the store gives up goods that were lost, or a limit of it was reached."""


class OrderCancellationRequested(Message):
    """Somebody wants the order cancelled. Asked first, done last."""

    TYPE = "order.cancellation_requested.v1"
    SUBJECT = "order_id"

    order_id: Id
    requested_by: Literal["customer", "channel", "store", "engineer"]
    reason: Text
    requested_at: Time


class OrderCancellationStarted(Message):
    """Nothing more is bought or invoiced for the order, until it is cancelled or the cancellation refused."""

    TYPE = "order.cancellation_started.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    cause: CancellationCause
    reason: Text
    started_at: Time


class OrderCancellationRefused(Message):
    """The order goes on: the reasons say why it cannot be cancelled any more. What follows is a return."""

    TYPE = "order.cancellation_refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    reasons: tuple[Problem, ...]
    refused_at: Time


class OrderCancellationDecided(Message):
    """A person's word on R in force that is too late to cancel: a cancellation found it (`billing.stopped` names it),
    or it bills goods that do not come (`invoice.refused` names it).

    Either way an entry NF of the retailer (finNFe 4, which cites R) undoes it; a CC-e could not, as it touches neither
    value nor quantity. `returned`: the goods come back, never left, or are lost; the order is cancelled and refunded,
    where suppliers and store still allow it. `continue`: it goes on, and what replaces the goods is billed anew.
    """

    TYPE = "order.cancellation_decided.v1"
    SUBJECT = "order_id"

    order_id: Id
    decision: Literal["continue", "returned"]
    decided_by: Text
    reason: Text
    entry_nf_keys: tuple[AccessKey, ...] = ()
    """The entry NFs, where they are written already."""
    decided_at: Time


class OrderCancelled(Message):
    """Every PO and R of the order is cancelled. What was paid is refunded (`refund.requested`)."""

    TYPE = "order.cancelled.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    cause: CancellationCause
    reason: Text
    cancelled_at: Time
    to_refund: Amount = Decimal("0.00")
    """What the customer has paid by now and gets back, BRL."""


class OrderLinesGivenUp(Message):
    """These lines are not bought in time, and others of the order have left already: what of them nobody has by now is
    not to be bought any more. Or, where POs are named, the store gives up what of them was lost on its way, while other
    goods of the order were not. `sourcing.given_up` says what that is."""

    TYPE = "order.lines_given_up.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    order_lines: Annotated[tuple[int, ...], Field(min_length=1)]
    lost_po_ids: tuple[Id, ...] = ()
    """POs of which parcels were lost: that is given up, and nothing else."""
    reason: Text
    given_up_at: Time


class OrderReady(Message):
    """Paid, registered in the ERP and free to be fulfilled. Carries all that fulfilment and R need."""

    TYPE = "order.ready.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    erp_order_number: Id | None = None
    placed_at: Time
    ready_at: Time
    customer: Customer
    ship_to: Address
    items: Items
    freight: Amount
    discount: Amount
    total: Amount
    payments: tuple[Payment, ...]
    logistics: Logistics


class OrderPaymentReceived(Message):
    """A payment was approved after `order.ready`, which does not name it: a late slip, or money that nobody awaited."""

    TYPE = "order.payment_received.v1"
    SUBJECT = "order_id"

    order_id: Id
    payment_id: Id
    amount: Amount
    approved_at: Time


class PoStatus(Model):
    """Where one PO of the order stands, in the order's own words."""

    po_id: Id
    po_number: Id | None = None
    supplier_id: Id | None = None
    status: Status


class OrderStatusChanged(Message):
    """The canonical status moved: with several POs, the least advanced open one decides.

    `purchase_orders` are those that the order has, as they stand then. That one of them moves while the least advanced
    stands still is told by its own messages only.
    """

    TYPE = "order.status_changed.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    status: Status
    previous: Status | None = None
    changed_at: Time
    purchase_orders: tuple[PoStatus, ...] = ()


class OrderCompleted(Message):
    """All delivered, the store's return window over, no case open."""

    TYPE = "order.completed.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    completed_at: Time
