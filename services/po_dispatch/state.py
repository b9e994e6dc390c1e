"""What po_dispatch knows of an order's purchasing, and what it asks of ERP and suppliers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from schemas.channel import Label
from schemas.decision import Request
from schemas.model import Model
from schemas.purchase_order import OrderLineQuantity, PoLine
from schemas.store import Deadlines, StoreChanged
from schemas.supplier import PackagingChanged, ShippingRuleChanged
from schemas.timeline import Timeline
from schemas.values import (
    AccessKey,
    Address,
    Amount,
    Base64,
    Cnpj,
    Company,
    Customer,
    Email,
    Id,
    Logistics,
    LongText,
    Text,
    Time,
    UnitPrice,
    Units,
)
from services.po_dispatch.catalogue import Offers, Supplier
from services.po_dispatch.machine import PoStatus, check
from services.po_dispatch.parcels import Shipment
from services.po_dispatch.purchase_order import PurchaseOrder, SupplierAccess

__all__ = ["PoStatus", "PurchaseOrder", "Shipment", "SupplierAccess"]

RerouteCause = Literal["refused", "silent", "prepayment_refused", "prepayment_late", "cancellation_refused"]
CancelReason = Literal["order_cancelled", "silent", "refused"]
_CENT = Decimal("0.01")

LONG_AGO = datetime.min.replace(tzinfo=UTC)
WOKEN_AT_ONCE = 200
"""Waiting orders that one message about an offer, or a supplier, wakes."""
TICK = timedelta(microseconds=1)
"""Between two words of which the later must be seen to be it."""


class HeldInvoice(Model):
    """An R that waits for the channel's label, or for POs of which it is not known whether they go on."""

    access_key: AccessKey
    po_ids: tuple[Id, ...]
    xml: Base64


class OrderLine(Model):
    """So many of a product: what the customer ordered, or what of it must still be bought."""

    line: int
    sku: Id
    quantity: Units
    unit_price: UnitPrice = Decimal(0)
    """What the customer pays for one, less its share of the line's discount."""

    @property
    def value(self) -> Decimal:
        return (self.quantity * self.unit_price).quantize(_CENT, ROUND_HALF_UP)

    def of_quantity(self, quantity: int) -> "OrderLine":
        """So much of it."""
        return self if quantity == self.quantity else self.model_copy(update={"quantity": quantity})


class CustomerOrder(Model):
    """What was ordered, and the store's terms as they were when it could be fulfilled."""

    store_id: Id
    placed_at: Time
    lines: tuple[OrderLine, ...]
    recipient: Customer
    ship_to: Address
    logistics: Logistics
    buyer: Company
    mail_sender: Email
    deadlines: Deadlines = Deadlines()


class Bar(Model):
    """A supplier that does not deliver an order line: not asked again for it unless its offer changes after `since`."""

    order_line: int
    supplier_id: Id
    since: Time


class Reroute(Model):
    """What a PO does not deliver any more and must be bought elsewhere, if the order goes on."""

    po_id: Id
    lines: tuple[OrderLineQuantity, ...]
    cause: RerouteCause


class Stop(Model):
    """The order is being cancelled: nothing more is bought or handed over."""

    started_at: Time
    stopped_at: Time | None = None
    """When every PO was void, which was told."""


class Fulfilment(Model):
    """What is bought for an order, and where that stands."""

    order_id: Id
    order: CustomerOrder | None = None
    """From `order.ready` on; None where its cancellation was heard of first."""
    lines_without_offer: tuple[int, ...] = ()
    lines_without_stock: tuple[int, ...] = ()
    """What was told of the lines that could not be bought when it was tried last."""
    told_at: Time | None = None
    """Of the newest word on what is lacking, or PO: others tell by their times which came later."""
    given_up: Mapping[int, int] = {}
    """Pieces that are not to be bought any more, by order line."""
    given_up_at: Time | None = None
    """Up to when what was heard of giving up is out of date."""
    waiting: tuple[OrderLine, ...] = ()
    """These lines, while offers for them are waited for."""
    bars: tuple[Bar, ...] = ()
    purchase_orders: tuple[PurchaseOrder, ...] = ()
    held_invoices: tuple[HeldInvoice, ...] = ()
    label: Label | None = None
    stop: Stop | None = None
    resumed_at: Time | None = None
    """Up to when what was heard of a cancellation's start is out of date."""
    reroutes: tuple[Reroute, ...] = ()
    """What follows if the order is not cancelled after all."""

    def after_all(self, now: datetime) -> datetime:
        """`now`, but not before what was told: another replica's clock may be ahead of ours."""
        return now if self.told_at is None or now >= self.told_at else self.told_at + TICK

    @property
    def living(self) -> tuple[PurchaseOrder, ...]:
        """The POs that are not void."""
        return tuple(po for po in self.purchase_orders if po.void is None)

    @property
    def po_ids(self) -> tuple[str, ...]:
        """The POs that the order has now."""
        return tuple(po.po_id for po in self.living)

    @property
    def open_lines(self) -> tuple[OrderLine, ...]:
        """What no living PO delivers and was not given up: ordered less bought, by order line."""
        ordered = self.order.lines if self.order else ()
        left = {line.line: line.quantity - self.given_up.get(line.line, 0) for line in ordered}
        for po in self.living:
            for bought in po.lines:
                left[bought.order_line] -= bought.quantity
        return tuple(line.of_quantity(left[line.line]) for line in ordered if left[line.line] > 0)

    def po(self, po_id: str) -> PurchaseOrder | None:
        return next((po for po in self.purchase_orders if po.po_id == po_id), None)

    def po_numbered(self, number: str) -> PurchaseOrder | None:
        return next((po for po in self.purchase_orders if po.number == number), None)

    def with_po(self, changed: PurchaseOrder) -> "Fulfilment":
        """Raises ForbiddenTransition where the PO would take a step that may not follow."""
        old = self.po(changed.po_id)
        if old is not None:
            check(changed.po_id, old.status, changed.status)
        pos = tuple(changed if po.po_id == changed.po_id else po for po in self.purchase_orders)
        return self.model_copy(update={"purchase_orders": pos})


@dataclass(frozen=True, slots=True)
class Sourcing:
    """What buying for an order needs, as `store` found it."""

    store: Timeline[StoreChanged] | None = None
    offers: Mapping[str, Offers] = field(default_factory=dict)
    """By SKU."""
    suppliers: Mapping[str, Sequence[Supplier]] = field(default_factory=dict)
    """By id: the versions, oldest first, of those who make them."""
    shipping_rules: Sequence[Timeline[ShippingRuleChanged]] = ()
    packaging: Timeline[PackagingChanged] | None = None


@dataclass(frozen=True, slots=True)
class WaitingOrder:
    """An order that waits for a SKU: how many of it, and whether that is all that it lacks."""

    order_id: str
    quantity: int
    only: bool = True
    unconnected: bool = False
    """No offer at all was known for it."""
    in_portions: bool = False
    """Fewer may help it: the SKU is on several of its lines, or its store splits lines."""
    uf: str | None = None
    """Where the goods go."""
    placed_at: datetime = LONG_AGO


class RegisterPurchaseOrder(Request):
    """ERP: book the PO and give it its number."""

    po_id: Id
    supplier_cnpj: Cnpj
    lines: tuple[PoLine, ...]
    total: Amount


class PurchaseOrderRegistered(Model):
    number: Id


class RevisePurchaseOrder(Request):
    """ERP: the PO consists of no more than this now."""

    po_id: Id
    number: Id
    lines: tuple[PoLine, ...]
    total: Amount


class PurchaseOrderRevised(Model):
    number: Id


class VoidPurchaseOrder(Request):
    """ERP: nothing of this PO will come."""

    po_id: Id
    number: Id


class PurchaseOrderVoided(Model):
    number: Id


class SendPurchaseOrder(Request):
    """Supplier: deliver these goods to this customer, and invoice them to us."""

    po_id: Id
    number: Id
    supplier: SupplierAccess
    purpose: Literal["sale", "resend"] = "sale"
    lines: tuple[PoLine, ...]
    recipient: Customer
    ship_to: Address
    buyer: Company
    shipping_method: Text | None = None
    packaging: Text | None = None
    card: LongText | None = None
    estimated_delivery: Time | None = None


class PurchaseOrderReceived(Model):
    number: Id


class RemindSupplier(Request):
    """Supplier: this PO waits for your word until `due`; then it is cancelled."""

    po_id: Id
    number: Id
    supplier: SupplierAccess
    sent_at: Time
    due: Time


class ReminderReceived(Model):
    number: Id


class CancelPurchaseOrder(Request):
    """Supplier: can you cancel this PO? Or, where it was silent for too long: it is cancelled."""

    po_id: Id
    number: Id
    supplier: SupplierAccess
    reason: CancelReason
    """`refused`: it was confirmed after it had been refused, and is bought elsewhere by now."""


class CancellationReceived(Model):
    """Its answer follows as `supplier.cancellation_answered`; a PO that it never got needs none."""

    number: Id
    known: bool = True


class HandOverInvoice(Request):
    """Supplier: here is R (and the label); issue S1 and ship."""

    po_id: Id
    number: Id
    supplier: SupplierAccess
    invoice_key: AccessKey
    xml: Base64
    label: Label | None = None
    replaces: AccessKey | None = None
    """The R that it had before, which is cancelled."""


class InvoiceReceived(Model):
    number: Id
