"""What the fleet sends to a supplier's API: the bodies of its requests, and what it wants to be answered.

One generic contract for all suppliers. Every request is signed as callbacks are and carries an `Idempotency-Key`: the
same key again is the same request, to be answered the same and done once. 4xx refuses for good, 5xx, 429 (with
Retry-After) and silence are tried again.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.channel import Label
from schemas.model import Model
from schemas.values import (
    AccessKey,
    Address,
    Base64,
    Company,
    Gtin,
    Id,
    LongText,
    Ncm,
    TaxId,
    Text,
    Time,
    UnitPrice,
    Units,
)

PoNumber = Annotated[str, Field(min_length=1, max_length=15)]


class Line(Model):
    """One line of a PO; `line` is the nItemPed that the supplier's NF cites."""

    line: Annotated[int, Field(ge=1, le=990)]
    supplier_sku: Id
    gtin: Gtin | None = None
    name: Text
    ncm: Ncm
    unit: Annotated[str, Field(min_length=1, max_length=6)]
    quantity: Units
    unit_cost: UnitPrice


class Recipient(Model):
    """Who gets the parcel. The remittance NF (S1) is issued to this tax id."""

    name: Text
    tax_id: TaxId
    phone: str | None = None


class PurchaseOrderBody(Model):
    """Deliver these goods to this customer, and invoice them to the buyer (S2), citing `number` as xPed."""

    number: PoNumber
    purpose: Literal["sale", "resend"] = "sale"
    lines: Annotated[tuple[Line, ...], Field(min_length=1)]
    ship_to: Address
    recipient: Recipient
    buyer: Company
    shipping_method: Text | None = None
    packaging: Text | None = None
    """The store's own packaging to use."""
    card: LongText | None = None
    """A text to print and put into the parcel."""
    estimated_delivery: Time | None = None


class ReminderBody(Model):
    """Nothing was heard of a PO; it is cancelled at `cancelled_at` unless it is confirmed or refused before."""

    number: PoNumber
    sent_at: Time
    cancelled_at: Time


class CancellationBody(Model):
    """Cancel the PO, if that is still possible. The answer comes as `supplier.cancellation_answered`; 404 for a PO that
    never came says that nothing of it will be delivered."""

    number: PoNumber
    reason: Text
    """`order_cancelled`: the customer does not want it; may it be cancelled? `silent`, `refused`: it was not confirmed
    in time, or was refused before it was confirmed; it is cancelled."""


class InvoiceBody(Model):
    """The invoice to the customer (R): print its DANFE, issue the remittance NF (S1) that cites it, and ship."""

    access_key: AccessKey
    xml: Base64
    """The nfeProc, byte for byte."""
    label: Label | None = None
    """The marketplace's label, where its logistics ship."""
    replaces: AccessKey | None = None
    """The R that came before it, which is cancelled: this one takes its place."""


class NumberAnswer(Model):
    """The PO's number, so that both sides speak of the same one."""

    number: PoNumber
