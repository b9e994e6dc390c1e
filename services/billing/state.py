"""What a bill remembers of an order, and what billing asks of SEFAZ and the ERP."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal, Self

from schemas.decision import Request
from schemas.model import Model
from schemas.nota_fiscal import SupplierNfMatched
from schemas.order import OrderReady
from schemas.purchase_order import PurchaseOrderCreated
from schemas.values import AccessKey, Amount, Base64, Cnpj, Id, Problem, Time
from services.billing.document_fields import InvoiceDocument


class PurchaseOrder(Model):
    """A PO as billing sees it. Anything may be heard of it before `purchase_order.created`."""

    po_id: Id
    created: PurchaseOrderCreated | None = None
    supplier_nfs: tuple[SupplierNfMatched, ...] = ()
    """S2, by access key."""
    remittance_key: AccessKey | None = None
    """S1."""
    dispatched_at: Time | None = None
    delivered_at: Time | None = None

    @property
    def supplied(self) -> bool:
        """Every line is covered by S2, and an S2 said that none is open any more."""
        if self.created is None:
            return False
        covered = {line.po_line for nf in self.supplier_nfs for line in nf.lines}
        wanted = {line.line for line in self.created.lines}
        return any(not nf.open_lines for nf in self.supplier_nfs) and covered >= wanted


class InvoiceStatus(StrEnum):
    REQUESTED = "requested"
    """Numbered, and on its way to SEFAZ."""
    ISSUED = "issued"
    REFUSED = "refused"
    """Rejected by SEFAZ; it keeps its number until it is corrected or the number is voided."""


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
    """Why SEFAZ rejected it."""


class PayableStatus(StrEnum):
    OPEN = "open"
    ORDERING = "ordering"
    """The ERP was asked to pay it."""
    ORDERED = "ordered"
    SETTLED = "settled"
    REFUSED = "refused"
    """The bank refused; a later report may still settle it."""


class Payable(Model):
    """What is owed to a supplier for one duplicata of one S2."""

    payable_id: Id
    po_id: Id
    supplier_id: Id
    supplier_cnpj: Cnpj
    access_key: AccessKey
    amount: Amount
    due: Time
    status: PayableStatus = PayableStatus.OPEN
    erp_number: Id | None = None
    settled_at: Time | None = None
    detail: str = ""
    """Why the payment was refused."""


class Bill(Model):
    """Everything about the money of one order."""

    order_id: Id
    order: OrderReady | None = None
    purchase_orders: tuple[PurchaseOrder, ...] = ()
    """By id."""
    invoices: tuple[Invoice, ...] = ()
    payables: tuple[Payable, ...] = ()
    dispatch_marked: bool = False
    """The ERP was asked to show the order as "despachado"."""

    @property
    def sale_po_ids(self) -> tuple[str, ...]:
        """The POs that R has to bill: those of the newest word on it, without resends."""
        created = [po.created for po in self.purchase_orders if po.created is not None]
        if not created:
            return ()
        resent = {c.po_id for c in created if c.purpose == "resend"}
        newest = max(created, key=lambda c: (c.created_at, len(c.order_po_ids), c.po_id))
        return tuple(sorted(set(newest.order_po_ids) - resent))

    @property
    def invoiced(self) -> bool:
        """Every PO has an R that is authorised."""
        billed = {po for i in self.invoices if i.status is InvoiceStatus.ISSUED for po in i.po_ids}
        return bool(self.sale_po_ids) and billed >= set(self.sale_po_ids)

    @property
    def paid(self) -> Decimal:
        """What the customer has paid."""
        payments = self.order.payments if self.order else ()
        return sum((p.amount for p in payments if p.approved_at is not None), Decimal("0.00"))

    def purchase_order(self, po_id: str) -> PurchaseOrder:
        return next((po for po in self.purchase_orders if po.po_id == po_id), None) or PurchaseOrder(po_id=po_id)

    def with_purchase_order(self, po: PurchaseOrder) -> Self:
        others = [other for other in self.purchase_orders if other.po_id != po.po_id]
        return self.model_copy(update={"purchase_orders": tuple(sorted([*others, po], key=lambda p: p.po_id))})

    def with_invoice(self, invoice: Invoice) -> Self:
        invoices = [invoice if known.invoice_id == invoice.invoice_id else known for known in self.invoices]
        return self.model_copy(update={"invoices": tuple(invoices)})

    def with_payable(self, payable: Payable) -> Self:
        payables = [payable if known.payable_id == payable.payable_id else known for known in self.payables]
        return self.model_copy(update={"payables": tuple(payables)})


class AuthoriseInvoice(Request):
    """Have SEFAZ authorise R. The document is whole: the same one is built and signed at every try."""

    invoice_id: Id
    document: InvoiceDocument


class SefazAnswered(Model):
    """What SEFAZ says of R: authorised with its protocol and the nfeProc XML, or rejected with its reason."""

    outcome: Literal["authorised", "rejected"]
    code: Id
    """cStat"""
    reason: str = ""
    """xMotivo"""
    protocol: Id | None = None
    received_at: Time | None = None
    xml: Base64 | None = None


class MarkDispatched(Request):
    """Show the order as "despachado" in the ERP, which one does as soon as it is invoiced."""

    order_id: Id
    erp_order_number: Id
    access_key: AccessKey | None
    """R's, where there is only one."""


class DispatchMarked(Model):
    status: str
    """What the ERP shows now."""


class OrderSupplierPayment(Request):
    """Have the bank pay a supplier, through the ERP; scheduling it for the due date is the ERP's."""

    payable_id: Id
    supplier_cnpj: Cnpj
    amount: Amount
    due: Time


class SupplierPaymentTaken(Model):
    """The ERP took the payment order."""

    erp_number: Id


class InvoiceXml(Model):
    """The nfeProc of an authorised R, to be kept as it is."""

    access_key: AccessKey
    order_id: Id
    invoice_id: Id
    xml: Base64
    issued_at: Time
