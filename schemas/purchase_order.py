"""Purchase orders, as po_dispatch publishes them."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.model import Message, Model
from schemas.supplier import Terms
from schemas.values import AccessKey, Amount, Cnpj, Gtin, Id, LongText, Ncm, Text, Time, Uf, UnitPrice, Units


class PoLine(Model):
    """One line of a PO: `line` is its number there (nItemPed), `order_line` the customer's."""

    line: Annotated[int, Field(ge=1, le=990)]
    order_line: int
    offer_id: Id
    sku: Id
    supplier_sku: Id
    gtin: Gtin | None = None
    name: Text
    ncm: Ncm
    unit: Annotated[str, Field(min_length=1, max_length=6)]
    quantity: Units
    unit_cost: UnitPrice
    total: Amount


class Candidate(Model):
    """An offer that was looked at for a line, and why it won or lost."""

    order_line: int
    offer_id: Id
    supplier_id: Id
    chosen: bool
    reason: Text


class PurchaseOrderCreated(Message):
    """The PO has its number (at most 15 characters, as xPed allows); it is not sent yet."""

    TYPE = "purchase_order.created.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    po_id: Id
    po_number: Annotated[str, Field(min_length=1, max_length=15)]
    order_po_ids: tuple[Id, ...]
    """All POs that this order has now, this one among them."""
    supplier_id: Id
    supplier_cnpj: Cnpj
    purpose: Literal["sale", "resend"] = "sale"
    lines: tuple[PoLine, ...]
    total: Amount
    terms: Terms
    ship_to_uf: Uf
    created_at: Time
    placed_at: Time | None = None
    """When the customer ordered: the store's settings of then hold."""
    candidates: tuple[Candidate, ...] = ()
    shipping_method: Text | None = None
    shipping_reason: str = ""
    """Which shipping rule chose the method."""
    packaging: Text | None = None
    card: LongText | None = None


class PurchaseOrderSent(Message):
    TYPE = "purchase_order.sent.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    sent_at: Time


class PurchaseOrderConfirmed(Message):
    TYPE = "purchase_order.confirmed.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    confirmed_at: Time
    expected_ship_at: Time | None = None


class RefusedLine(Model):
    """So much of a PO's line the supplier does not deliver."""

    line: int
    order_line: int
    quantity: Units
    reason: str = ""


class LostParcel(Model):
    """A parcel that its carrier lost, and that the store gave up: it is not the supplier that did not deliver."""

    shipment_id: Id
    carrier: Text
    tracking_code: Id


class PurchaseOrderRefused(Message):
    """The supplier does not deliver these lines, or parts of them, or they were lost on their way; what remains of the
    PO goes on."""

    TYPE = "purchase_order.refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    order_po_ids: tuple[Id, ...]
    """The POs that the order has now; without this one where nothing remains of it."""
    supplier_id: Id
    refused: Annotated[tuple[RefusedLine, ...], Field(min_length=1)]
    lines: tuple[PoLine, ...]
    """What the PO consists of from now on: S2 and R are compared with this."""
    total: Amount
    dispatched_at: Time | None = None
    """When the first parcel of the PO left; None: nothing had when this was said."""
    has_left: bool = False
    """All that remains of it had left."""
    has_arrived: bool = False
    """All that remains of it had arrived."""
    lost_parcels: tuple[LostParcel, ...] = ()
    """In which `refused` was, where it was lost on its way. Empty: the supplier does not deliver it."""
    refused_at: Time


class OrderLineQuantity(Model):
    order_line: int
    quantity: Units


class PurchaseOrderRerouted(Message):
    """What one supplier does not deliver is bought elsewhere: these lines are being routed again."""

    TYPE = "purchase_order.rerouted.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    """Who does not deliver them; does not get these lines again unless its offer changes (but where it cancelled them
    because it was asked: `cancellation_refused`)."""
    lines: tuple[OrderLineQuantity, ...]
    cause: Literal["refused", "silent", "prepayment_refused", "prepayment_late", "cancellation_refused"]
    at: Time


class PurchaseOrderCancelled(Message):
    """The PO is void: nothing of it will come, and an S2 for it is not ours."""

    TYPE = "purchase_order.cancelled.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    order_po_ids: tuple[Id, ...]
    """The POs that the order has now."""
    supplier_id: Id
    cause: Literal["order_cancelled", "silent", "prepayment_refused", "prepayment_late"]
    lost_parcels: tuple[LostParcel, ...] = ()
    """In which it was lost on its way, and given up with the order: its supplier had delivered."""
    cancelled_at: Time


class PurchaseOrderCancelRefused(Message):
    """The supplier was asked to cancel the PO and says that it is too late."""

    TYPE = "purchase_order.cancel_refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    detail: str = ""
    refused_at: Time


class ParcelLine(Model):
    """So much of a line of a PO."""

    line: int
    order_line: int
    sku: Id
    quantity: Units


class PurchaseOrderLate(Message):
    """Something of a PO did not come in time: an alert, told once for each."""

    TYPE = "purchase_order.late.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    what: Literal["confirmation", "supplier_nf", "dispatch", "prepayment", "cancellation"]
    lines: tuple[ParcelLine, ...] = ()
    """Of a late dispatch: what has not left. Empty: all of the PO."""
    since: Time
    """From when it is waited for."""
    due: Time
    at: Time


class FulfilmentStopped(Message):
    """An order whose cancellation was started is bought nowhere any more: it has no PO, or all are cancelled."""

    TYPE = "fulfilment.stopped.v1"
    SUBJECT = "order_id"

    order_id: Id
    started_at: Time
    """Of the cancellation that it belongs to: one that was refused may be followed by another."""
    cancelled_po_ids: tuple[Id, ...] = ()
    stopped_at: Time


class InvoiceHandedOver(Message):
    """R (and the label) reached the supplier: it may issue S1 and ship."""

    TYPE = "invoice.handed_over.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    invoice_key: AccessKey
    handed_over_at: Time
