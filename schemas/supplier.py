"""Suppliers, their offers, and what they report about purchase orders."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.model import Dated, Message, Model
from schemas.values import (
    Amount,
    Base64,
    Company,
    Email,
    Gtin,
    Id,
    LongText,
    Ncm,
    Percent,
    PostalCode,
    Text,
    Time,
    Uf,
    UnitPrice,
    Units,
    Url,
)

Weight = Annotated[int, Field(ge=0, le=10**8)]
"""In grams."""


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
    """Names the secret that signs our requests to it: `FLEET_SECRETS` has it as `supplier:` and this; the secret itself
    never travels. Its callbacks are checked under `supplier:` and its `supplier_id`, whatever this names: the gateway
    keeps no state and knows no suppliers. One secret for both ways stands under both names; a new one for our requests
    gets a new name here, and the old one stays until the POs that were made with it are over."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 100
    """Lower is preferred."""
    terms: Terms = Terms()
    tolerance: Tolerance = Tolerance()
    own_make: bool = False
    """Makes the goods itself or resells them: an S2 must have CFOP x.118 in the one case and x.119 in the other, by
    what holds when it is issued."""
    active: bool = True
    api: Literal["http", "email"] = "http"
    """How POs reach it: its JSON API, or mails with a PDF and a CSV attached (`order_email`)."""
    order_email: Email | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.api == "email" and self.order_email is None:
            raise ValueError("a supplier that takes POs by mail needs an order_email")
        return self


def _payable(cost: Decimal) -> Decimal:
    if cost >= _DEAREST:
        raise ValueError(f"a unit costs less than {_DEAREST} BRL: the most units that a line may have must be payable")
    return cost


_DEAREST = 10**8
Cost = Annotated[UnitPrice, AfterValidator(_payable)]


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
    cost: Cost
    stock: Annotated[int, Field(ge=0)]
    lead_time_days: Annotated[int, Field(ge=0, le=365)] = 1
    ufs: tuple[Uf, ...] = ()
    """States it delivers to; empty: all."""
    weight_g: Weight = 0
    """Of one unit, packed, in grams; 0 where nobody knows."""
    active: bool = True


class SupplierPoConfirmed(Message):
    TYPE = "supplier.po_confirmed.v1"
    SUBJECT = "po_number"

    supplier_id: Id
    po_number: Id
    confirmed_at: Time
    expected_ship_at: Time | None = None


class RefusedPoLine(Model):
    """A line of the PO, by its number there, of which the supplier does not deliver so much (None: all)."""

    line: Annotated[int, Field(ge=1, le=990)]
    quantity: Units | None = None
    reason: Annotated[str, Field(max_length=500)] = ""


class SupplierPoRefused(Message):
    """The supplier does not deliver a PO, or some lines or quantities of it."""

    TYPE = "supplier.po_refused.v1"
    SUBJECT = "po_number"

    supplier_id: Id
    po_number: Id
    lines: tuple[RefusedPoLine, ...] = ()
    """Empty: the whole PO."""
    reason: Annotated[str, Field(max_length=500)] = ""
    refused_at: Time


class SupplierCancellationAnswered(Message):
    """The supplier's word on a PO that it was asked to cancel: yes, or too late."""

    TYPE = "supplier.cancellation_answered.v1"
    SUBJECT = "po_number"

    supplier_id: Id
    po_number: Id
    accepted: bool
    detail: Annotated[str, Field(max_length=500)] = ""
    answered_at: Time


class SupplierDelayReported(Message):
    TYPE = "supplier.delay_reported.v1"
    SUBJECT = "po_number"

    supplier_id: Id
    po_number: Id
    expected_ship_at: Time | None = None
    estimated_delivery: Time | None = None
    detail: Annotated[str, Field(max_length=500)] = ""
    reported_at: Time


class SupplierNfIssued(Message):
    """A supplier's nota fiscal (S2 or S1): the nfeProc XML, byte for byte."""

    TYPE = "supplier.nf_issued.v1"
    SUBJECT = "supplier_id"

    supplier_id: Id
    xml: Base64


class ShippedPoLine(Model):
    """So much of a line of the PO, by its number there (nItemPed), is in the parcel."""

    line: Annotated[int, Field(ge=1, le=990)]
    quantity: Units


class SupplierShipped(Message):
    """A parcel of a PO has left. One tracking code is one parcel; each parcel is said by itself.

    Goods that leave in several parcels: say in `lines` what is in each. A parcel without `lines` holds everything of
    the PO that no other parcel names. The PO has left when its parcels cover it, and is delivered when all of these
    have arrived; until then what is left of it is waited for.
    """

    TYPE = "supplier.shipped.v1"
    SUBJECT = "po_number"

    supplier_id: Id
    po_number: Id
    lines: tuple[ShippedPoLine, ...] = ()
    """What is in the parcel. Empty: everything of the PO that no other parcel names."""
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


class ShippingRuleChanged(Dated):
    """One rule of how goods are shipped, from `valid_from` on. Of those that fit, the lowest position wins."""

    TYPE = "shipping_rule.changed.v1"
    SUBJECT = "rule_id"

    rule_id: Id
    position: Annotated[int, Field(ge=0, le=10_000)]
    method: Text
    """What the supplier is told, e.g. `SEDEX`."""
    store_id: Id | None = None
    """None: all stores."""
    ufs: tuple[Uf, ...] = ()
    postal_codes: tuple[tuple[PostalCode, PostalCode], ...] = ()
    """Ranges, both ends within."""
    skus: tuple[Id, ...] = ()
    """Fits where one of the PO's lines is among them."""
    weight_g: tuple[Weight, Weight | None] = (0, None)
    """From, and below. Goods of unknown weight fit only where neither is bounded."""
    value: tuple[Amount, Amount | None] = (Decimal("0.00"), None)
    """The goods' price to the customer, BRL: from, and below."""
    active: bool = True

    @model_validator(mode="after")
    def _fits_something(self) -> Self:
        for name, (least, below) in (("weight_g", self.weight_g), ("value", self.value)):
            if below is not None and below <= least:
                raise ValueError(f"{name} fits nothing: from {least} and below {below}")
        for first, last in self.postal_codes:
            if first > last:
                raise ValueError(f"postal_codes fits nothing: {first} to {last}")
        return self


class PackagingChanged(Dated):
    """A store's own packaging and printed card, put on every PO, from `valid_from` on."""

    TYPE = "packaging.changed.v1"
    SUBJECT = "store_id"

    store_id: Id
    packaging: Text | None = None
    card: LongText | None = None
