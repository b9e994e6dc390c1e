"""What nf_reconciliation reads from a supplier's NF-e (layout 4.00), as plain frozen data for its decisions.

The layout's own name of each field is in the comments where it is not obvious. Absent amounts are zero.
"""

from datetime import date, datetime
from decimal import Decimal

from schemas.model import Model
from schemas.values import Problem


class Unreadable(Model):
    """The bytes are not an NF-e: why, with stable codes."""

    problems: tuple[Problem, ...]
    sha256: str


class Party(Model):
    """Issuer or receiver. `tax_id` is a CNPJ, a CPF, or empty for a foreigner."""

    tax_id: str
    name: str
    uf: str
    state_registration: str = ""


class Line(Model):
    """A `det`: what was invoiced. Unit prices have up to ten places, quantities four."""

    number: int
    sku: str
    gtin: str | None = None
    description: str
    ncm: str
    cfop: str
    unit: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    discount: Decimal
    freight: Decimal
    insurance: Decimal
    other: Decimal
    counts: bool
    """indTot: whether its total is part of the document's vProd."""
    taxable_unit: str
    taxable_quantity: Decimal
    po_number: str | None = None
    """xPed"""
    po_line: int | None = None
    """nItemPed"""
    origin: str | None = None
    """orig: table A of the ICMS CST."""


class Totals(Model):
    """ICMSTot: everything vNF is made of."""

    products: Decimal
    discount: Decimal
    freight: Decimal
    insurance: Decimal
    other: Decimal
    import_duty: Decimal
    ipi: Decimal
    ipi_returned: Decimal
    st: Decimal
    fcp_st: Decimal
    icms_relieved: Decimal
    document: Decimal
    """vNF"""


class Duplicata(Model):
    """An instalment of the document's bill."""

    number: str
    due: date | None = None
    amount: Decimal


class AuthorityProtocol(Model):
    """infProt: SEFAZ's answer. 100 and 150 authorise."""

    access_key: str
    status: str
    number: str
    at: datetime


class Document(Model):
    """An NF-e. `access_key` is what its Id says; the parts beside it are what `ide` says of them."""

    access_key: str
    uf_code: str
    model: str
    series: int
    number: int
    emission_type: str
    code: str
    check_digit: str
    environment: str
    """tpAmb: 1 production, 2 homologation."""
    purpose: str
    """finNFe: 1 normal, 2 complementary, 3 adjustment, 4 return …"""
    nature: str
    """natOp"""
    issued_at: datetime
    issuer: Party
    receiver: Party
    cites: tuple[str, ...]
    """refNFe of every NFref."""
    text: str
    """infCpl"""
    lines: tuple[Line, ...]
    totals: Totals
    duplicatas: tuple[Duplicata, ...]
    protocol: AuthorityProtocol | None = None
    sha256: str
    """Of the bytes as received: the same XML twice is one NF, other bytes under the same key an alarm."""
