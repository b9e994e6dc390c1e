"""The suppliers' notas fiscais: S2 (their sale to us) and S1 (the remessa to the customer)."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from schemas.model import Message, Model
from schemas.supplier import Tolerance
from schemas.values import AccessKey, Amount, Cfop, Gtin, Id, Measure, Ncm, Problem, Text, Time, UnitPrice


class NfLine(Model):
    """A line of an S2 as it was matched with a line of the PO. Carries what R repeats of the goods."""

    po_line: int
    order_line: int
    supplier_sku: Id
    gtin: Gtin | None = None
    name: Text
    ncm: Ncm
    cfop: Cfop
    unit: Annotated[str, Field(min_length=1, max_length=6)]
    quantity: Measure
    unit_cost: UnitPrice
    total: Amount
    origin: Annotated[str, Field(pattern=r"^[0-8]$")] = "0"
    """Origin of the goods, table A of the ICMS CST."""


class Installment(Model):
    """A duplicata: what is owed when."""

    number: Id
    due: Time
    amount: Amount


class SupplierNfMatched(Message):
    """An S2 agrees with the PO. `open_lines` are the PO's lines that no S2 covers yet."""

    TYPE = "supplier_nf.matched.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    access_key: AccessKey
    series: int
    number: int
    issued_at: Time
    total: Amount
    """vNF of the whole document (it may cover other POs too)."""
    payable: Amount
    """What is owed for this PO's part."""
    installments: tuple[Installment, ...] = ()
    lines: tuple[NfLine, ...]
    open_lines: tuple[int, ...] = ()
    warnings: tuple[Problem, ...] = ()


class SupplierNfDiverged(Message):
    """An S2 does not agree with the PO: held until a person decides or a correct one comes."""

    TYPE = "supplier_nf.diverged.v1"
    SUBJECT = "access_key"

    access_key: AccessKey
    supplier_id: Id
    order_id: Id | None = None
    po_number: Id | None = None
    problems: tuple[Problem, ...]


class SupplierNfRefused(Message):
    """What a supplier sent is not a document for us."""

    TYPE = "supplier_nf.refused.v1"
    SUBJECT = "supplier_id"

    supplier_id: Id
    access_key: str | None = None
    problems: tuple[Problem, ...]


class RemittanceNfMatched(Message):
    """An S1 agrees with R and the PO: the goods may leave."""

    TYPE = "remittance_nf.matched.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    access_key: AccessKey
    invoice_key: AccessKey
    issued_at: Time


class RemittanceNfDiverged(Message):
    TYPE = "remittance_nf.diverged.v1"
    SUBJECT = "access_key"

    access_key: AccessKey
    supplier_id: Id
    order_id: Id | None = None
    po_number: Id | None = None
    problems: tuple[Problem, ...]


class Claim(Model):
    """What a nota fiscal says about one PO, and how far it may be off."""

    access_key: AccessKey
    kind: Literal["sale", "remittance"]
    supplier_id: Id
    tolerance: Tolerance = Tolerance()
    own_make: bool | None = None
    """Whether an S2's issuer made the goods itself; None: not known."""
    document: str
    """The document's fields as JSON, as nf_reconciliation read them; of its lines those that may be this PO's."""


class NfMatchRequested(Message):
    """nf_reconciliation to itself: a PO is asked whether it agrees with a nota fiscal."""

    TYPE = "nf.match_requested.v1"
    SUBJECT = "po_number"

    po_number: Id
    claim: Claim


class NfMatchAnswered(Message):
    """nf_reconciliation to itself: what the PO answered. Without problems it has reserved the quantities."""

    TYPE = "nf.match_answered.v1"
    SUBJECT = "access_key"

    access_key: AccessKey
    po_number: Id
    order_id: Id
    po_id: Id
    supplier_id: Id
    problems: tuple[Problem, ...] = ()
    lines: tuple[NfLine, ...] = ()
    """An S2's lines that are this PO's."""
    agreed: Amount = Decimal("0.00")
    """What these lines cost by the PO's prices."""
    has_erp: bool = False
    """Whether the PO's store books its NFs in an ERP."""
    invoice_key: AccessKey | None = None
    """R, where an S1 was asked about."""


class NfMatchSettled(Message):
    """nf_reconciliation to itself: the PO keeps or gives back what it promised. What it keeps it publishes: only
    the PO knows which of its lines are still open then.
    """

    TYPE = "nf.match_settled.v1"
    SUBJECT = "po_number"

    po_number: Id
    access_key: AccessKey
    kept: bool
    sale: SupplierNfMatched | None = None
    remittance: RemittanceNfMatched | None = None


class NfPoNoted(Message):
    """nf_reconciliation to itself: a PO tells its order its number."""

    TYPE = "nf.po_noted.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id


class BilledBy(Model):
    """An R as an S1 must agree with it. `customer_tax_id` is empty for a foreigner."""

    invoice_key: AccessKey
    issued_at: Time
    customer_tax_id: str


class NfInvoiceNoted(Message):
    """nf_reconciliation to itself: an order tells one of its POs which R bills it."""

    TYPE = "nf.invoice_noted.v1"
    SUBJECT = "po_number"

    po_number: Id
    invoice: BilledBy
    cancelled: bool = False
    """It was cancelled: an S1 must cite another one."""
