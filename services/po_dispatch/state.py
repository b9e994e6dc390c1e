"""What po_dispatch knows of an order's purchasing, and what it asks of ERP and suppliers.

Milestones of a PO arrive in any order, so each has a field of its own and `status` is read off them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.channel import Label
from schemas.decision import Request
from schemas.model import Model
from schemas.purchase_order import Candidate, PoLine
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged, SupplierChanged, Terms
from schemas.timeline import Timeline
from schemas.values import (
    AccessKey,
    Address,
    Amount,
    Base64,
    Cnpj,
    Company,
    Customer,
    Id,
    Logistics,
    Text,
    Time,
    Units,
    Url,
)


class PoStatus(StrEnum):
    """The furthest a PO has come."""

    REGISTERING = "registering"
    CREATED = "created"
    SENT = "sent"
    CONFIRMED = "confirmed"
    HANDED_OVER = "handed_over"
    SHIPPED = "shipped"
    DELIVERED = "delivered"


class SupplierAccess(Model):
    """The supplier of a PO and how its API was reached when the PO was made: a PO stays where it was sent."""

    supplier_id: Id
    cnpj: Cnpj
    api_url: Url
    secret_ref: Id

    @property
    def partner(self) -> str:
        return f"supplier:{self.supplier_id}"


class Shipment(Model):
    """A parcel. One tracking code is one shipment."""

    shipment_id: Id
    carrier: Text
    tracking_code: Id
    dispatched_at: Time
    delivered_at: Time | None = None
    problem_at: Time | None = None
    """When the latest problem occurred that was told."""
    irregular: bool = False
    """That it left too early was told."""


class PurchaseOrder(Model):
    po_id: Id
    number: Id | None = None
    supplier: SupplierAccess
    terms: Terms
    lines: tuple[PoLine, ...]
    total: Amount
    candidates: tuple[Candidate, ...] = ()
    """Until the PO is created, which tells them; empty after."""
    ordered: bool = False
    """SendPurchaseOrder was asked for."""
    sent_at: Time | None = None
    confirmed_at: Time | None = None
    paid_at: Time | None = None
    sale_nf_keys: tuple[AccessKey, ...] = ()
    invoice_key: AccessKey | None = None
    handing_over: bool = False
    """HandOverInvoice was asked for."""
    handed_over_at: Time | None = None
    remittance_key: AccessKey | None = None
    shipments: tuple[Shipment, ...] = ()

    @property
    def status(self) -> PoStatus:
        if self.shipments:
            delivered = all(shipment.delivered_at for shipment in self.shipments)
            return PoStatus.DELIVERED if delivered else PoStatus.SHIPPED
        if self.handed_over_at:
            return PoStatus.HANDED_OVER
        if self.confirmed_at:
            return PoStatus.CONFIRMED
        if self.sent_at:
            return PoStatus.SENT
        return PoStatus.CREATED if self.number else PoStatus.REGISTERING


class HeldInvoice(Model):
    """An R that waits for the channel's label."""

    access_key: AccessKey
    po_ids: tuple[Id, ...]
    xml: Base64


class OrderLine(Model):
    line: int
    sku: Id
    quantity: Units


class Fulfilment(Model):
    """An order from `order.ready` on: what is bought for it, and where that stands."""

    order_id: Id
    store_id: Id
    lines: tuple[OrderLine, ...]
    recipient: Customer
    ship_to: Address
    logistics: Logistics
    buyer: Company
    lines_without_offer: tuple[int, ...] = ()
    lines_without_stock: tuple[int, ...] = ()
    purchase_orders: tuple[PurchaseOrder, ...] = ()
    held_invoices: tuple[HeldInvoice, ...] = ()
    label: Label | None = None

    def po(self, po_id: str) -> PurchaseOrder | None:
        return next((po for po in self.purchase_orders if po.po_id == po_id), None)

    def po_numbered(self, number: str) -> PurchaseOrder | None:
        return next((po for po in self.purchase_orders if po.number == number), None)

    def with_po(self, changed: PurchaseOrder) -> "Fulfilment":
        pos = tuple(changed if po.po_id == changed.po_id else po for po in self.purchase_orders)
        return self.model_copy(update={"purchase_orders": pos})


@dataclass(frozen=True, slots=True)
class Sourcing:
    """What routing an order needs, as `store.load_sourcing` found it: the offers of its SKUs and who makes them."""

    store: Timeline[StoreChanged] | None = None
    offers: tuple[Timeline[OfferChanged], ...] = ()
    suppliers: Mapping[str, Timeline[SupplierChanged]] = field(default_factory=dict)


class RegisterPurchaseOrder(Request):
    """ERP: book the PO and give it its number."""

    po_id: Id
    supplier_cnpj: Cnpj
    lines: tuple[PoLine, ...]
    total: Amount


class PurchaseOrderRegistered(Model):
    number: Id


class SendPurchaseOrder(Request):
    """Supplier: deliver these goods to this customer, and invoice them to us."""

    po_id: Id
    number: Id
    supplier: SupplierAccess
    lines: tuple[PoLine, ...]
    recipient: Customer
    ship_to: Address
    buyer: Company


class PurchaseOrderReceived(Model):
    number: Id


class HandOverInvoice(Request):
    """Supplier: here is R (and the label); issue S1 and ship."""

    po_id: Id
    number: Id
    supplier: SupplierAccess
    invoice_key: AccessKey
    xml: Base64
    label: Label | None = None


class InvoiceReceived(Model):
    number: Id
