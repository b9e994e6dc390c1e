"""What the sandbox's suppliers take (a PO, a reminder, a wish to cancel, an invoice), and what they remember of it."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field

from deploy.local.partners.documents import SoldLine
from deploy.local.partners.manners import Manner
from schemas.values import Address, Company

_NFE = {"nfe": "http://www.portalfiscal.inf.br/nfe"}


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class OrderedLine(_Shape):
    line: int
    supplier_sku: str
    gtin: str | None = None
    name: str
    ncm: str
    unit: str = "UN"
    quantity: int
    unit_cost: Decimal

    def sold(self, number: str) -> SoldLine:
        return SoldLine(
            po_number=number,
            po_line=self.line,
            sku=self.supplier_sku,
            name=self.name,
            ncm=self.ncm,
            quantity=Decimal(self.quantity),
            unit_price=self.unit_cost,
            gtin=self.gtin,
            unit=self.unit,
        )


class Recipient(_Shape):
    name: str
    tax_id: str
    phone: str | None = None


class SupplierOrder(_Shape):
    number: str = Field(min_length=1, max_length=15)
    purpose: Literal["sale", "resend"]
    lines: tuple[OrderedLine, ...] = Field(min_length=1)
    ship_to: Address
    recipient: Recipient
    buyer: Company


class Reminder(_Shape):
    number: str
    cancelled_at: datetime


class CancellationWish(_Shape):
    number: str
    reason: str = Field(min_length=1)


class ShippingLabel(_Shape):
    carrier: str
    tracking_code: str
    tracking_url: str | None = None
    content_type: str
    content: str


class HandedOverInvoice(_Shape):
    access_key: str
    xml: str
    label: ShippingLabel | None = None
    replaces: str | None = None


@dataclass(slots=True)
class Deal:
    """A PO with a supplier, and what it did about it."""

    order: SupplierOrder
    manners: Mapping[str, Manner]
    """By the supplier's SKU."""
    lines: list[OrderedLine]
    """What it delivers: ordered less refused."""
    invoice: HandedOverInvoice | None = None
    done: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """It was asked to cancel (or needs not wait for that)."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """It has decided about that."""
    found: asyncio.Event = field(default_factory=asyncio.Event)
    """The parcel, which was lost."""
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    """The parcel, for good."""
    corrected: asyncio.Event = field(default_factory=asyncio.Event)
    """It was told that its NF is wrong."""
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    """It has said that it does not deliver any of it."""
    cancelled: bool = False
    leaves: bool = False
    """S1 is being issued: too late to cancel."""
    shipped: bool = False

    def sold(self) -> list[SoldLine]:
        return [line.sold(self.order.number) for line in self.lines]


def invoice_date(invoice: HandedOverInvoice, buyer: Company) -> date:
    """The day R was issued. ValueError: its XML is not the authorised NF of that key by the PO's buyer."""
    try:
        content = base64.b64decode(invoice.xml, validate=True)
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except (binascii.Error, etree.XMLSyntaxError) as error:
        raise ValueError(f"not XML in base64: {error}") from error
    issuer = root.findtext(".//nfe:emit/nfe:CNPJ", "", _NFE)
    keys = {
        "protNFe/infProt/chNFe": root.findtext("nfe:protNFe/nfe:infProt/nfe:chNFe", "", _NFE),
        "infNFe/@Id": next((inf.get("Id", "")[3:] for inf in root.iterfind(".//nfe:infNFe", _NFE)), ""),
    }
    for place, key in keys.items():
        if key != invoice.access_key:
            raise ValueError(f"{place} is {key!r}, not {invoice.access_key}")
    if issuer != buyer.cnpj:
        raise ValueError(f"issued by {issuer!r}, ordered by {buyer.cnpj}")
    return datetime.fromisoformat(root.findtext(".//nfe:ide/nfe:dhEmi", "", _NFE)).date()
