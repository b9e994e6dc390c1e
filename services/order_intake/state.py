"""The order book's state: facts about an order, and what was decided on them."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Literal, Self

from schemas.model import Model
from schemas.order import (
    CancellationCause,
    OrderCancellationRequested,
    OrderChangeRequested,
    OrderPlaced,
    Payment,
    Status,
)
from schemas.values import AccessKey, Amount, Id, Problem, Text, Time
from services.order_intake.purchase import Invoice, PurchaseOrder


class Approval(Model):
    """Money of the customer that is there."""

    amount: Amount
    approved_at: Time


class Terms(Model):
    """The store's settings that hold for an order: those of the time it was placed."""

    has_erp: bool
    return_window: timedelta
    late_payment: Literal["accept", "cancel"]
    cancellation: Literal["until_sent", "until_invoiced", "until_shipped"]
    longest_quote: timedelta
    longest_stock: timedelta
    """How long an order waits for a supplier, or for stock, before it is cancelled."""
    longest_late_payment: timedelta | None = None
    """How long after all payments expired one may still come; None: for ever."""
    longest_difference: timedelta = timedelta(hours=24)
    """How long what a change added may still be paid, where the rest is."""


class Shortage(Model):
    """The newest word of sourcing on a line: it waits for an offer, or for stock."""

    status: Literal["quote_pending", "out_of_stock"]
    at: Time


class Wish(Model):
    """Somebody wants the order cancelled. `answered` once that led to something."""

    event: OrderCancellationRequested
    answered: bool = False
    lost: tuple[Id, ...] = ()
    """Parcels in trouble that the store gave up with it, and that are not given up yet, by shipment id."""
    lost_since: Mapping[str, Time] = {}
    """When they met with that trouble. Of what was kept before anybody noted this: before it was asked for."""


class Change(Model):
    """Somebody wants the order otherwise; `accepted` is None until it is answered."""

    event: OrderChangeRequested
    accepted: bool | None = None
    taken_back: bool = False
    """It was made, and what it added was not paid."""

    @property
    def holds(self) -> bool:
        return self.accepted is True and not self.taken_back


class Cancellation(Model):
    """The newest attempt to cancel the order: started, then either refused or done (`Order.cancelled_at`)."""

    cause: CancellationCause
    reason: Text
    started_at: Time
    refused_at: Time | None = None


class CancelRefusal(Model):
    """A supplier's "too late"."""

    supplier_id: Id
    po_number: Id
    detail: str = ""


class Stop(Model):
    """Billing's word that it has stopped: the R's that it could not cancel."""

    started_at: Time
    """Of the attempt that it belongs to."""
    invoices_in_force: tuple[AccessKey, ...]
    decision: Literal["continue", "returned"] | None = None
    """Of a person, on those that could not be cancelled."""
    reason: str = ""
    stopped_at: Time


class Refund(Model):
    """Money that goes back: requested, then ordered, then settled or failed. Each may be heard of first."""

    payment_id: Id | None = None
    amount: Amount = Decimal("0.00")
    """Of that payment, BRL; both are known once it was requested."""
    requested_at: Time | None = None
    ordered_at: Time | None = None
    settled_at: Time | None = None
    failed_at: Time | None = None


class Order(Model):
    """An order, or what is known of one that has not been placed yet."""

    placed: OrderPlaced | None = None
    """As it was placed."""
    revised: OrderPlaced | None = None
    """As it is since it was changed; None: as it was placed."""
    terms: Terms | None = None
    accepted_at: Time | None = None
    refused: tuple[Problem, ...] = ()
    """Why the order was not taken; then nothing else happens with it."""
    changes: Mapping[str, Change] = {}
    """By change id."""
    approvals: Mapping[str, Approval] = {}
    """By payment id."""
    expired: Mapping[str, Time] = {}
    """Payments that were not made in time, by payment id."""
    erp_order_number: Id | None = None
    erp_revision_asked: int = 0
    erp_revision: int = 0
    """Up to which revision the ERP was told of, and has."""
    ready_at: Time | None = None
    shortages: Mapping[int, Shortage] = {}
    """By line of the order."""
    given_up: Mapping[int, int] = {}
    """Pieces that nobody will buy any more, by line of the order: po_dispatch's word."""
    given_up_for: Time | None = None
    """When the newest attempt was started, and refused, after which sourcing was told to give up what is missing."""
    told_to_give_up_at: Time | None = None
    """When sourcing was told that last: what is missing after it waits anew."""
    gives_up_at: Time | None = None
    """Until when the order waits for an offer, for stock or for a late payment; None while it does not."""
    difference_due_at: Time | None = None
    """Until when what a change added may be paid; None while nothing is lacking, or more than that."""
    purchase_orders: Mapping[str, PurchaseOrder] = {}
    """By PO id."""
    invoices: Mapping[str, Invoice] = {}
    """R's by access key."""
    reduced: Mapping[str, Amount] = {}
    """What R's still bill of which a part was taken back, BRL, by access key."""
    divergences: Mapping[str, Id] = {}
    """PO numbers by the access key of an S2 that diverged."""
    wishes: tuple[Wish, ...] = ()
    """Who wanted it cancelled, oldest first."""
    cancellation: Cancellation | None = None
    cancellation_refused_at: Time | None = None
    """When a wish or an attempt was refused last: what is started later has a later time, whatever clocks say."""
    cancel_refusals: Mapping[str, CancelRefusal] = {}
    """By PO id."""
    fulfilment_stopped_for: Time | None = None
    """When the newest attempt was started for which po_dispatch has stopped."""
    billing_stopped: Stop | None = None
    cancelled_at: Time | None = None
    cancelled_in_erp: Literal["no", "asked", "yes"] = "no"
    refunds: Mapping[str, Refund] = {}
    """By refund id."""
    completes_at: Time | None = None
    """When the return window ends; None until all is delivered."""
    completed_at: Time | None = None
    closed_in_erp: bool = False
    status: Status | None = None
    """The last one published."""
    status_at: Time | None = None

    @property
    def sale(self) -> OrderPlaced | None:
        """What is sold, as it is now."""
        return self.revised or self.placed

    @property
    def revision(self) -> int:
        """How many changes were made, or taken back."""
        return sum((change.accepted is True) + change.taken_back for change in self.changes.values())

    @property
    def paid(self) -> bool:
        """Whether the approved payments cover the total."""
        return self.sale is not None and sum(a.amount for a in self.approvals.values()) >= self.sale.total

    @property
    def payments(self) -> tuple[Payment, ...]:
        """The payments that the order was placed with, as they stand now, then those that were not announced."""
        placed = {payment.payment_id: payment for payment in self.placed.payments} if self.placed else {}
        return tuple(
            placed[i] if i not in self.approvals else self._approved(i, placed.get(i)) for i in self._ids(placed)
        )

    def _ids(self, placed: Mapping[str, Payment]) -> tuple[str, ...]:
        return (*placed, *(payment_id for payment_id in self.approvals if payment_id not in placed))

    def _approved(self, payment_id: str, announced: Payment | None) -> Payment:
        approval = self.approvals[payment_id]
        return Payment(
            payment_id=payment_id,
            method=announced.method if announced else "other",
            amount=approval.amount,
            approved_at=approval.approved_at,
        )

    @property
    def is_registered(self) -> bool:
        """Whether the ERP has it, where the store has one."""
        return self.erp_order_number is not None or (self.terms is not None and not self.terms.has_erp)

    @property
    def is_being_cancelled(self) -> bool:
        attempt = self.cancellation
        return attempt is not None and attempt.refused_at is None and self.cancelled_at is None

    @property
    def open_purchase_orders(self) -> dict[str, PurchaseOrder]:
        """The POs that the order has now, by PO id in a fixed order."""
        return {po_id: po for po_id, po in sorted(self.purchase_orders.items()) if po.is_open}

    def purchase_order(self, po_id: str) -> PurchaseOrder:
        return self.purchase_orders.get(po_id) or PurchaseOrder()

    def with_purchase_order(self, po_id: str, po: PurchaseOrder) -> Self:
        return self.model_copy(update={"purchase_orders": {**self.purchase_orders, po_id: po}})
