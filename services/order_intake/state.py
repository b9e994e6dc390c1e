"""The order book's state: facts about an order and its POs, and what is asked of the ERP."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, Self

from schemas.decision import Request
from schemas.model import Model
from schemas.order import Items, OrderPlaced, Payment, Status
from schemas.values import Amount, Customer, Id, Time

Milestone = Literal[
    "created",
    "sent",
    "confirmed",
    "s2_matched",
    "s2_complete",
    "invoiced",
    "handed_over",
    "s1_matched",
]


class Shipment(Model):
    """What is known of one shipment; each time is the earliest that was told."""

    dispatched_at: Time | None = None
    problem_at: Time | None = None
    delivered_at: Time | None = None


class PurchaseOrder(Model):
    """What is known of one PO. Milestones that came before `purchase_order.created` are kept all the same."""

    po_number: Id | None = None
    supplier_id: Id | None = None
    prepaid: bool = False
    milestones: Mapping[Milestone, Time] = {}
    s2_keys: tuple[str, ...] = ()
    """Access keys of the S2 that matched, in part or whole."""
    shipments: Mapping[str, Shipment] = {}

    def reached(self, milestone: Milestone, at: datetime) -> Self:
        """With this milestone; of two times that were told, the earlier one holds."""
        known = self.milestones.get(milestone, at)
        return self.model_copy(update={"milestones": {**self.milestones, milestone: min(known, at)}})

    def with_shipment(self, shipment_id: str, **times: datetime) -> Self:
        """With these times of a shipment; of two times that were told, the earlier one holds."""
        known = self.shipments.get(shipment_id) or Shipment()
        earliest = {name: min(getattr(known, name) or at, at) for name, at in times.items()}
        return self.model_copy(update={"shipments": {**self.shipments, shipment_id: known.model_copy(update=earliest)}})

    @property
    def delivered_at(self) -> datetime | None:
        """When the last of its shipments was delivered; None while one is on its way, or none is known."""
        times = [shipment.delivered_at for shipment in self.shipments.values()]
        known = [time for time in times if time is not None]
        return max(known) if known and len(known) == len(times) else None


class Approval(Model):
    """Money of the customer that is there."""

    amount: Amount
    approved_at: Time


class Terms(Model):
    """The store's settings that hold for an order: those of the time it was placed."""

    has_erp: bool
    return_window: timedelta


class Order(Model):
    """An order, or what is known of one that has not been placed yet."""

    placed: OrderPlaced | None = None
    terms: Terms | None = None
    accepted_at: Time | None = None
    approvals: Mapping[str, Approval] = {}
    """By payment id."""
    erp_order_number: Id | None = None
    ready_at: Time | None = None
    quote_needed_at: Time | None = None
    out_of_stock_at: Time | None = None
    po_ids: tuple[Id, ...] = ()
    """All POs of the order, as the newest `purchase_order.created` names them."""
    po_ids_at: Time | None = None
    purchase_orders: Mapping[str, PurchaseOrder] = {}
    """By PO id."""
    divergences: Mapping[str, Id] = {}
    """PO numbers by the access key of an S2 that diverged."""
    completes_at: Time | None = None
    """When the return window ends; None until all is delivered."""
    completed_at: Time | None = None
    closed_in_erp: bool = False
    status: Status | None = None
    """The last one published."""
    status_at: Time | None = None

    @property
    def paid(self) -> bool:
        """Whether the approved payments cover the total."""
        return self.placed is not None and sum(a.amount for a in self.approvals.values()) >= self.placed.total

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

    def purchase_order(self, po_id: str) -> PurchaseOrder:
        return self.purchase_orders.get(po_id) or PurchaseOrder()

    def with_purchase_order(self, po_id: str, po: PurchaseOrder) -> Self:
        return self.model_copy(update={"purchase_orders": {**self.purchase_orders, po_id: po}})


class RegisterSalesOrder(Request):
    """To the ERP: a customer's order."""

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    customer: Customer
    items: Items
    freight: Amount
    discount: Amount
    total: Amount


class SalesOrderRegistered(Model):
    """From the ERP: the order's number there."""

    number: Id


class MarkCompleted(Request):
    """To the ERP: the order is over."""

    order_id: Id
    number: Id


class CompletedMarked(Model):
    """From the ERP: it shows the order as completed."""

    number: Id
