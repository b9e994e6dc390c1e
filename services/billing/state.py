"""What a bill remembers of an order: its POs, R, payables and refunds. Its requests are in `requests`."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from schemas.model import Model
from schemas.nota_fiscal import SupplierNfMatched
from schemas.order import OrderCancellationDecided, OrderReady
from schemas.purchase_order import LostParcel, PoLine, PurchaseOrderCreated
from schemas.refund import RefundCause
from schemas.values import AccessKey, Amount, Base64, Cnpj, Id, Problem, Time, Units
from services.billing.apportion import ZERO


class PurchaseOrder(Model):
    """A PO as billing sees it. Anything may be heard of it before `purchase_order.created`."""

    po_id: Id
    created: PurchaseOrderCreated | None = None
    remaining: tuple[PoLine, ...] | None = None
    """What the supplier left of it when it refused a part; None while it refused nothing."""
    refused_at: Time | None = None
    cancelled_at: Time | None = None
    order_po_ids: tuple[Id, ...] = ()
    """The order's POs by the newest refusal or cancellation of this one, and when that was said."""
    order_po_ids_at: Time | None = None
    supplier_nfs: tuple[SupplierNfMatched, ...] = ()
    """S2, by access key."""
    remittance_key: AccessKey | None = None
    """S1."""
    dispatched_at: Time | None = None
    """When its first parcel left."""
    delivered_at: Time | None = None
    """When the last of the parcels arrived that were heard of."""
    has_arrived: bool = False
    """Nothing of it was left to arrive then."""
    lost_parcels: tuple[LostParcel, ...] = ()
    """Those that its carriers lost, and the store gave up."""

    def with_lost(self, parcels: tuple[LostParcel, ...]) -> Self:
        known = {parcel.shipment_id for parcel in self.lost_parcels}
        more = tuple(parcel for parcel in parcels if parcel.shipment_id not in known)
        return self.model_copy(update={"lost_parcels": (*self.lost_parcels, *more)}) if more else self

    @property
    def lines(self) -> tuple[PoLine, ...]:
        """What it consists of now; nothing while it is not known."""
        if self.remaining is not None:
            return self.remaining
        return self.created.lines if self.created else ()

    @property
    def void(self) -> bool:
        """Nothing of it will come: it was cancelled, or refused as a whole."""
        return self.cancelled_at is not None or self.remaining == ()

    @property
    def supplied(self) -> bool:
        """Every unit of every line is covered by S2."""
        if self.created is None or self.void:
            return False
        covered: dict[int, Decimal] = {}
        for line in (line for nf in self.supplier_nfs for line in nf.lines):
            covered[line.po_line] = covered.get(line.po_line, Decimal(0)) + line.quantity
        return all(covered.get(line.line, Decimal(0)) >= line.quantity for line in self.lines)


class InvoiceStatus(StrEnum):
    REQUESTED = "requested"
    """Numbered, and on its way to SEFAZ."""
    ISSUED = "issued"
    REFUSED = "refused"
    """Rejected by SEFAZ; it keeps its number until it is corrected or the number is voided."""
    CANCELLING = "cancelling"
    """SEFAZ was asked to cancel it; in force until it says so."""
    CANCELLED = "cancelled"
    UNDONE = "undone"
    """Authorised for good, and taken back as a whole by an entry NF: a person's decision."""


_REJECTED = InvoiceStatus.REFUSED


class BilledPart(Model):
    """What an R bills of an order line: so many units of one PO line, and what these have of the order. BRL."""

    order_line: int
    po_id: Id
    po_line: int
    quantity: Units
    goods: Amount
    discount: Amount
    freight: Amount


class Invoice(Model):
    """One R."""

    invoice_id: Id
    po_ids: tuple[Id, ...]
    series: int
    number: int
    access_key: AccessKey
    total: Amount
    status: InvoiceStatus = InvoiceStatus.REQUESTED
    protocol: Id | None = None
    issued_at: Time | None = None
    problems: tuple[Problem, ...] = ()
    """Why SEFAZ rejected it, or does not cancel it."""
    shown: bool = False
    """That it stays in force and bills goods that do not come was told."""
    parts: tuple[BilledPart, ...] = ()
    """Without what was taken back."""
    taken_back: Amount = ZERO
    """What entry NFs took back of it while the rest stays in force, BRL."""
    cancel_within: timedelta = timedelta(hours=24)
    """By the tax profile when it was numbered."""
    cancelled_at: Time | None = None

    @property
    def in_force(self) -> bool:
        return self.status in (InvoiceStatus.ISSUED, InvoiceStatus.CANCELLING)

    @property
    def billed(self) -> Decimal:
        """What it bills now, BRL: its total less what was taken back."""
        return self.total - self.taken_back

    @property
    def bills(self) -> bool:
        """Whether what it bills may not be billed again: always, until it is cancelled or undone."""
        return self.status not in (InvoiceStatus.CANCELLED, InvoiceStatus.UNDONE)


class PayableStatus(StrEnum):
    OPEN = "open"
    ORDERING = "ordering"
    """The ERP was asked to pay it."""
    ORDERED = "ordered"
    SETTLED = "settled"
    REFUSED = "refused"
    """The bank refused; a later report may still settle it."""
    COVERED = "covered"
    """Paid in advance, as a whole."""
    DROPPED = "dropped"
    """An advance that was not ordered yet when its PO became void."""


class Payable(Model):
    """What is owed to a supplier for one duplicata of one S2; without a key, the advance for a prepaid PO."""

    payable_id: Id
    po_id: Id
    supplier_id: Id
    supplier_cnpj: Cnpj
    access_key: AccessKey | None = None
    amount: Amount
    advanced: Amount = ZERO
    """How much of it the PO's advance pays."""
    undelivered: Amount = ZERO
    """How much of it is for goods that do not come."""
    withheld: Amount = ZERO
    """How much of that was not sent to be paid."""
    lost_parcels: tuple[LostParcel, ...] = ()
    """Of its PO, as was told with what is withheld."""
    claimed: Amount = ZERO
    """How much of it was paid and is a claim on the supplier."""
    due: Time
    status: PayableStatus = PayableStatus.OPEN
    erp_number: Id | None = None
    settled_at: Time | None = None
    detail: str = ""
    """Why the payment was refused."""

    @property
    def is_advance(self) -> bool:
        return self.access_key is None

    @property
    def owed(self) -> Decimal:
        """What is to be paid for it, BRL."""
        return self.amount - self.advanced - self.withheld

    @property
    def claim(self) -> Decimal:
        """What was paid for goods that do not come, BRL: what is not paid yet is none."""
        lost = self.undelivered - self.withheld
        return lost if self.status is PayableStatus.SETTLED else max(lost - self.owed, ZERO)


class RefundStatus(StrEnum):
    REQUESTED = "requested"
    """Nobody was told: without an ERP a person pays it."""
    ORDERING = "ordering"
    ORDERED = "ordered"
    SETTLED = "settled"
    FAILED = "failed"
    """A later report may still settle it."""


class Refund(Model):
    """Money of one payment that goes back to the customer."""

    refund_id: Id
    payment_id: Id
    amount: Amount
    cause: RefundCause = "cancelled"
    status: RefundStatus = RefundStatus.REQUESTED
    erp_number: Id | None = None
    """The ERP has taken the order to pay it; that it was ordered is told then, once."""
    settled_at: Time | None = None
    detail: str = ""


class ReceivedPayment(Model):
    """What the customer paid after the order was ready."""

    payment_id: Id
    amount: Amount


class Stopping(Model):
    """How far the cancellation of an order has come here."""

    started_at: Time | None = None
    refused_at: Time | None = None
    fulfilment_stopped_for: Time | None = None
    """When the newest attempt was started for which nothing is bought any more."""
    cancel_within: timedelta = timedelta(hours=24)
    stopped_for: Time | None = None
    """When the newest attempt was started for which `billing.stopped` was said."""
    stopped_at: Time | None = None
    """When it was said last."""
    decided: OrderCancellationDecided | None = None
    """The newest word of a person on R's that could not be cancelled."""
    decided_for: Time | None = None
    """When the attempt was started that this word belongs to; None: to none."""
    waiting: OrderCancellationDecided | None = None
    """The newest word of a person that waits for what SEFAZ says of an R."""
    waiting_for: Time | None = None
    """When the attempt was started that this one belongs to."""
    wished: bool = False
    """What was `decided` wants the order cancelled, which was not being so, and order_intake has not answered yet."""

    @property
    def under_way(self) -> bool:
        """A cancellation that was started after the last one was refused."""
        return self.started_at is not None and (self.refused_at is None or self.refused_at < self.started_at)

    @property
    def holds(self) -> bool:
        """Whether nothing more is billed or paid: it is being cancelled, or is about to be."""
        return self.under_way or self.wished


class Bill(Model):
    """Everything about the money of one order."""

    order_id: Id
    order: OrderReady | None = None
    purchase_orders: tuple[PurchaseOrder, ...] = ()
    """By id."""
    given_up: Mapping[int, int] = {}
    """Pieces that nobody will buy any more, by order line."""
    given_up_at: Time | None = None
    given_up_po_ids: tuple[Id, ...] = ()
    """The order's POs when that was said last: one of before that was never heard of will not come."""
    invoices: tuple[Invoice, ...] = ()
    payables: tuple[Payable, ...] = ()
    refunds: tuple[Refund, ...] = ()
    received: tuple[ReceivedPayment, ...] = ()
    stopping: Stopping = Stopping()
    dispatch_marked: bool = False
    """The ERP was asked to show the order as "despachado"."""

    @property
    def sale_po_ids(self) -> tuple[str, ...]:
        """The POs that R has to bill: those of the newest word on it and all that were created, without resends and
        void ones. A PO leaves an order only by being void."""
        words = [(po.created.created_at, po.created.order_po_ids) for po in self.purchase_orders if po.created]
        words += [(po.order_po_ids_at, po.order_po_ids) for po in self.purchase_orders if po.order_po_ids_at]
        words += [(self.given_up_at, self.given_up_po_ids)] if self.given_up_at else []
        if not words:
            return ()
        newest = max(at for at, _ in words)
        named = {po_id for at, po_ids in words for po_id in po_ids if at == newest}
        named |= {po.po_id for po in self.purchase_orders if po.created}
        resent = {po.po_id for po in self.purchase_orders if po.created and po.created.purpose == "resend"}
        return tuple(sorted(named - resent - {po.po_id for po in self.purchase_orders if po.void}))

    @property
    def covered(self) -> bool:
        """Whether the POs have every unit of every line that was ordered and not given up: nothing is being sourced."""
        if self.order is None:
            return False
        bought: dict[int, int] = {}
        for po_id in self.sale_po_ids:
            for line in self.purchase_order(po_id).lines:
                bought[line.order_line] = bought.get(line.order_line, 0) + line.quantity
        for order_line, quantity in self.given_up.items():
            bought[order_line] = bought.get(order_line, 0) + quantity
        return all(bought.get(item.line, 0) >= item.quantity for item in self.order.items)

    def is_outdated(self, invoice: Invoice) -> bool:
        """Whether it bills units that its POs do not bring any more."""
        left = {(po.po_id, line.line): line.quantity for po in self.purchase_orders if not po.void for line in po.lines}
        return any(part.quantity > left.get((part.po_id, part.po_line), 0) for part in invoice.parts)

    @property
    def unsettled(self) -> tuple[Invoice, ...]:
        """R in force of which it was told that they bill goods that do not come: a person's to settle."""
        issued = (i for i in self.invoices if i.status is InvoiceStatus.ISSUED)
        return tuple(i for i in issued if i.shown and self.is_outdated(i))

    @property
    def billing(self) -> tuple[Invoice, ...]:
        """The R whose content may not be billed again. One that SEFAZ rejected and that is outdated bills nothing: it
        will not be corrected, its number is voided."""
        return tuple(i for i in self.invoices if i.bills and (i.status is not _REJECTED or not self.is_outdated(i)))

    @property
    def invoiced(self) -> bool:
        """All that was ordered has an R that is authorised."""
        billed = {po for i in self.invoices if i.in_force for po in i.po_ids}
        return self.covered and billed >= set(self.sale_po_ids)

    @property
    def paid(self) -> Decimal:
        """What the customer has paid, BRL: before the order was ready, after it, and what is only known to go back."""
        payments = self.order.payments if self.order else ()
        approved = {p.payment_id: p.amount for p in payments if p.approved_at is not None}
        known = {p.payment_id: p.amount for p in self.received} | approved
        beside = [r.amount for r in self.refunds if r.payment_id not in known]
        return sum((*known.values(), *beside), Decimal("0.00"))

    def knows_payment(self, payment_id: str) -> bool:
        """Whether the order was ready with it, or it came after that: then the ledger has it whole."""
        payments = self.order.payments if self.order else ()
        approved = {p.payment_id for p in payments if p.approved_at is not None}
        return payment_id in approved | {p.payment_id for p in self.received}

    def refunded_of(self, payment_id: str) -> Decimal:
        """What of a payment goes back, BRL: of one that is not known yet the ledger has so much."""
        return sum((r.amount for r in self.refunds if r.payment_id == payment_id), Decimal("0.00"))

    def purchase_order(self, po_id: str) -> PurchaseOrder:
        return next((po for po in self.purchase_orders if po.po_id == po_id), None) or PurchaseOrder(po_id=po_id)

    def with_purchase_order(self, po: PurchaseOrder) -> Self:
        others = [other for other in self.purchase_orders if other.po_id != po.po_id]
        return self.model_copy(update={"purchase_orders": tuple(sorted([*others, po], key=lambda p: p.po_id))})

    def with_invoice(self, invoice: Invoice) -> Self:
        invoices = [invoice if known.invoice_id == invoice.invoice_id else known for known in self.invoices]
        return self.model_copy(update={"invoices": tuple(invoices)})

    def with_refund(self, refund: Refund) -> Self:
        others = [other for other in self.refunds if other.refund_id != refund.refund_id]
        return self.model_copy(update={"refunds": tuple(sorted([*others, refund], key=lambda r: r.refund_id))})

    def with_payable(self, payable: Payable) -> Self:
        payables = [payable if known.payable_id == payable.payable_id else known for known in self.payables]
        return self.model_copy(update={"payables": tuple(payables)})


class InvoiceXml(Model):
    """The nfeProc of an authorised R, to be kept as it is."""

    access_key: AccessKey
    order_id: Id
    invoice_id: Id
    xml: Base64
    issued_at: Time
