"""Suppliers, their offers, and what they report about purchase orders."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from schemas.model import Dated, Message, Model
from schemas.values import (
    Amount,
    Base64,
    Company,
    Gtin,
    Id,
    Ncm,
    Percent,
    Text,
    Time,
    Uf,
    UnitPrice,
    Url,
)


class Terms(Model):
    """When the supplier is paid: `on_s2` + days, in advance, or on delivery."""

    kind: Literal["on_s2", "prepaid", "on_delivery"] = "on_s2"
    days: Annotated[int, Field(ge=0, le=180)] = 28


class Tolerance(Model):
    """How far an S2 may be off the PO: both bounds must hold."""

    absolute: Amount = Decimal("0.00")
    percent: Percent = Decimal(0)


class SupplierChanged(Dated):
    """A supplier as it holds from `valid_from` on."""

    TYPE = "supplier.changed.v1"
    SUBJECT = "supplier_id"

    supplier_id: Id
    company: Company
    api_url: Url
    secret_ref: Id
    """Name of the secret that signs its callbacks; the secret itself never travels."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 100
    """Lower is preferred."""
    terms: Terms = Terms()
    tolerance: Tolerance = Tolerance()
    own_make: bool = False
    """Makes the goods itself (CFOP x.118) or resells them (x.119)."""
    active: bool = True


class OfferChanged(Dated):
    """A supplier's offer for a store's SKU. Stock zero: no stock."""

    TYPE = "offer.changed.v1"
    SUBJECT = "offer_id"

    offer_id: Id
    supplier_id: Id
    sku: Id
    supplier_sku: Id
    gtin: Gtin | None = None
    name: Text
    ncm: Ncm
    unit: Annotated[str, Field(min_length=1, max_length=6)] = "UN"
    cost: UnitPrice
    stock: Annotated[int, Field(ge=0)]
    lead_time_days: Annotated[int, Field(ge=0, le=365)] = 1
    ufs: tuple[Uf, ...] = ()
    """States it delivers to; empty: all."""
    active: bool = True


class SupplierPoConfirmed(Message):
    TYPE = "supplier.po_confirmed.v1"
    SUBJECT = "po_number"

    supplier_id: Id
    po_number: Id
    confirmed_at: Time
    expected_ship_at: Time | None = None


class SupplierNfIssued(Message):
    """A supplier's nota fiscal (S2 or S1): the nfeProc XML, byte for byte."""

    TYPE = "supplier.nf_issued.v1"
    SUBJECT = "supplier_id"

    supplier_id: Id
    xml: Base64


class SupplierShipped(Message):
    TYPE = "supplier.shipped.v1"
    SUBJECT = "po_number"

    supplier_id: Id
    po_number: Id
    carrier: Text
    tracking_code: Id
    tracking_url: Url | None = None
    shipped_at: Time
    estimated_delivery: Time | None = None


class CarrierReported(Message):
    """What the carrier says of one parcel."""

    TYPE = "carrier.reported.v1"
    SUBJECT = "tracking_code"

    carrier: Text
    tracking_code: Id
    status: Literal["in_transit", "delivered", "problem"]
    occurred_at: Time
    detail: Annotated[str, Field(max_length=500)] = ""
