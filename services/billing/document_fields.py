"""What R is built from: everything explicit, nothing looked up. Amounts are BRL, rates percent.

The same fields describe any sale or remessa NF-e of layout 4.00, so the sandbox's suppliers use them too.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.model import Model
from schemas.values import AccessKey, Address, Amount, Cfop, Cnpj, Gtin, Measure, Ncm, Percent, TaxId, UnitPrice

ZERO = Decimal("0.00")
StateRegistration = Annotated[str, Field(pattern=r"^([0-9]{2,14}|ISENTO)$")]


class Issuer(Model):
    """`regime` is CRT: 1 Simples, 2 Simples above the sublimit, 3 normal, 4 MEI."""

    cnpj: Cnpj
    name: str
    state_registration: StateRegistration
    address: Address
    regime: Literal["1", "2", "3", "4"]
    phone: str | None = None


class Receiver(Model):
    """A consumer with a CPF has no `state_registration`; a company with one is an ICMS taxpayer."""

    tax_id: TaxId
    name: str
    address: Address
    state_registration: Annotated[str, Field(pattern=r"^[0-9]{2,14}$")] | None = None
    final_consumer: bool = True
    """indFinal"""
    email: str | None = None
    phone: str | None = None


class Shipper(Model):
    """Who ships (venda à ordem): named in the text, and as the place of withdrawal."""

    name: str
    cnpj: Cnpj
    state_registration: StateRegistration
    address: Address


class Carrier(Model):
    name: str
    cnpj: Cnpj | None = None
    state_registration: StateRegistration | None = None
    city: str | None = None
    uf: str | None = None


class Intermediary(Model):
    """infIntermed: the marketplace, and the seller's registration there."""

    cnpj: Cnpj
    seller_id: Annotated[str, Field(min_length=2, max_length=60)]


class TechnicalContact(Model):
    """infRespTec: who answers for the issuing system."""

    cnpj: Cnpj
    name: str
    email: str
    phone: Annotated[str, Field(pattern=r"^[0-9]{6,14}$")]


class ItemTax(Model):
    """A tax profile applied to one item.

    `icms_code` is a CST (two digits: 00, 20, 40, 41, 50, 60, 90) or a CSOSN (three: 101, 102, 103, 300, 400, 500,
    900). `icms_rate` is the rate of this operation: the interstate one between states.
    """

    origin: Annotated[str, Field(pattern=r"^[0-8]$")] = "0"
    icms_code: Literal["00", "20", "40", "41", "50", "60", "90", "101", "102", "103", "300", "400", "500", "900"]
    icms_rate: Percent = Decimal(0)
    icms_reduction: Percent = Decimal(0)
    """pRedBC, for CST 20 and 90."""
    simples_credit_rate: Percent = Decimal(0)
    """pCredSN, for CSOSN 101 and 900."""
    destination_rate: Percent | None = None
    """pICMSUFDest: internal rate where the goods go; asked for by DIFAL."""
    destination_fcp_rate: Percent = Decimal(0)
    pis_code: Annotated[str, Field(pattern=r"^[0-9]{2}$")] = "49"
    pis_rate: Percent = Decimal(0)
    cofins_code: Annotated[str, Field(pattern=r"^[0-9]{2}$")] = "49"
    cofins_rate: Percent = Decimal(0)
    icms_in_contribution_base: bool = False
    """Whether PIS and COFINS are charged on the ICMS too (STF, Tema 69: they are not)."""


class InvoiceItem(Model):
    """A `det`. Its total is quantity × unit price to the cent; discount and surcharges are this item's share."""

    sku: Annotated[str, Field(min_length=1, max_length=60)]
    gtin: Gtin | None = None
    description: Annotated[str, Field(min_length=1)]
    ncm: Ncm
    cest: Annotated[str, Field(pattern=r"^[0-9]{7}$")] | None = None
    cfop: Cfop
    unit: Annotated[str, Field(min_length=1, max_length=6)] = "UN"
    quantity: Measure
    unit_price: UnitPrice
    discount: Amount = ZERO
    freight: Amount = ZERO
    insurance: Amount = ZERO
    other: Amount = ZERO
    po_number: Annotated[str, Field(min_length=1, max_length=15)] | None = None
    """xPed"""
    po_line: Annotated[int, Field(ge=1, le=999_999)] | None = None
    """nItemPed"""
    tax: ItemTax


class Payment(Model):
    """`method` is tPag: 01 cash, 03 credit card, 15 boleto, 17 Pix, 90 none, 99 other (then `description`)."""

    method: Annotated[str, Field(pattern=r"^[0-9]{2}$")]
    amount: Amount
    description: Annotated[str, Field(min_length=2, max_length=60)] | None = None
    deferred: bool = False


class Instalment(Model):
    """A duplicata."""

    number: Annotated[str, Field(min_length=1, max_length=60)]
    due: date
    amount: Amount


class InvoiceDocument(Model):
    """One NF-e to issue. `issued_at` is written with the offset it carries, and its month goes into the key."""

    environment: Literal["1", "2"] = "1"
    series: Annotated[int, Field(ge=0, le=889)]
    number: Annotated[int, Field(ge=1, le=999_999_999)]
    code: Annotated[str, Field(pattern=r"^[0-9]{8}$")]
    """cNF"""
    access_key: AccessKey
    issued_at: AwareDatetime
    nature: Annotated[str, Field(min_length=1)]
    issuer: Issuer
    receiver: Receiver
    items: Annotated[tuple[InvoiceItem, ...], Field(min_length=1, max_length=990)]
    payments: Annotated[tuple[Payment, ...], Field(min_length=1)]
    instalments: tuple[Instalment, ...] = ()
    cites: tuple[AccessKey, ...] = ()
    shipper: Shipper | None = None
    carrier: Carrier | None = None
    freight_mode: Literal["0", "1", "2", "3", "4", "9"] = "0"
    """modFrete: 0 at the issuer's cost, 1 at the receiver's, 2 a third party's, 9 no transport."""
    intermediary: Intermediary | None = None
    presence: Literal["0", "1", "2", "3", "4", "5", "9"] = "2"
    """indPres: 2 sold over the internet, 0 does not apply, 9 other."""
    order_code: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    text: str = ""
    """infCpl, beside what the document adds by itself."""
    technical_contact: TechnicalContact | None = None


class Protocol(Model):
    """SEFAZ's answer to an NF-e, as protNFe carries it. `digest` is the signature's DigestValue."""

    environment: Literal["1", "2"]
    application: Annotated[str, Field(min_length=1, max_length=20)]
    access_key: AccessKey
    received_at: datetime
    number: Annotated[str, Field(pattern=r"^([0-9]{15}|[0-9]{17})$")]
    digest: str
    status: Annotated[str, Field(pattern=r"^[0-9]{3,4}$")]
    reason: Annotated[str, Field(min_length=1, max_length=255)]
