"""Invoices (R), payables and supplier payments, as billing publishes them, and its tax profiles."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from schemas.model import Dated, Message
from schemas.purchase_order import LostParcel
from schemas.values import AccessKey, Amount, Base64, Id, Percent, Problem, Span, Text, Time, Uf


class TaxProfileChanged(Dated):
    """How a store's R is taxed and numbered, from `valid_from` on. Rates are percent."""

    TYPE = "tax_profile.changed.v1"
    SUBJECT = "store_id"

    store_id: Id
    series: Annotated[int, Field(ge=0, le=889)]
    regime: Literal["1", "2", "3"]
    """CRT: 1 Simples, 2 Simples above the sublimit, 3 normal."""
    operation: Text = "VENDA DE MERCADORIA ADQUIRIDA DE TERCEIROS ENTREGUE POR CONTA E ORDEM"
    """natOp; cut to 60 characters in the document."""
    cfop_family: Annotated[str, Field(pattern=r"^[0-9]{3}$")] = "120"
    """The CFOP without its first digit, which is 5 within the state and 6 between states."""
    icms_code: Annotated[str, Field(pattern=r"^[0-9]{2,3}$")]
    """CST (two digits) or, for CRT 1, CSOSN (three)."""
    internal_rates: Mapping[Uf, Percent] = {}
    interstate_rates: Mapping[Uf, Percent] = {}
    fcp_rates: Mapping[Uf, Percent] = {}
    pis_code: Annotated[str, Field(pattern=r"^[0-9]{2}$")] = "07"
    pis_rate: Percent = Decimal(0)
    cofins_code: Annotated[str, Field(pattern=r"^[0-9]{2}$")] = "07"
    cofins_rate: Percent = Decimal(0)
    cancel_within: Span = timedelta(hours=24)
    """How long after its authorisation R may be cancelled."""


class InvoiceIssued(Message):
    """R is authorised: key, protocol and the nfeProc XML."""

    TYPE = "invoice.issued.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    invoice_id: Id
    po_ids: tuple[Id, ...]
    """The POs it bills."""
    series: int
    number: int
    access_key: AccessKey
    protocol: Id
    issued_at: Time
    cancellable_until: Time | None = None
    """When its window ends; None: not said."""
    total: Amount
    xml: Base64


class InvoiceRefused(Message):
    """SEFAZ rejected R: it is corrected under the same number, or the number is voided.

    Said of an R in force too, with the code `bills_void_goods`: it bills goods that do not come (their PO was
    refused or cancelled when it was issued) and cannot be cancelled, so what replaces them is not
    billed. A person settles that (`order.cancellation_decided`).
    """

    TYPE = "invoice.refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    invoice_id: Id
    access_key: AccessKey | None = None
    po_ids: tuple[Id, ...] = ()
    """The POs whose goods do not come, where R is in force; otherwise all that it was to bill."""
    series: int
    number: int
    at_stake: Amount | None = None
    """BRL that an R in force bills for goods that do not come."""
    problems: tuple[Problem, ...]


class PayableOpened(Message):
    """So much is owed to a supplier; said again where it becomes less before anybody was asked to pay it."""

    TYPE = "payable.opened.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    payable_id: Id
    access_key: AccessKey | None = None
    amount: Amount
    due: Time


class PayableWithheld(Message):
    """A supplier's NF asks for goods that do not come: so much of it is not paid. It is to cancel its NF, or to credit
    that; where the carrier lost them, a person says who bears it."""

    TYPE = "payable.withheld.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    po_number: Id
    supplier_id: Id
    payable_id: Id
    access_key: AccessKey
    amount: Amount
    """In all, BRL."""
    lost_parcels: tuple[LostParcel, ...] = ()
    """Of the PO, where goods of it were lost on their way."""
    withheld_at: Time


class SupplierPaymentOrdered(Message):
    TYPE = "supplier_payment.ordered.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    supplier_id: Id
    payable_id: Id
    amount: Amount
    ordered_at: Time


class SupplierPaymentReported(Message):
    """The bank's (or the ERP's) word on a payment that was ordered."""

    TYPE = "supplier_payment.reported.v1"
    SUBJECT = "payable_id"

    payable_id: Id
    outcome: Literal["settled", "refused"]
    bank_reference: Id
    reported_at: Time
    detail: Annotated[str, Field(max_length=500)] = ""


class SupplierPaymentSettled(Message):
    TYPE = "supplier_payment.settled.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    supplier_id: Id
    payable_id: Id
    amount: Amount
    settled_at: Time


class SupplierPaymentRefused(Message):
    TYPE = "supplier_payment.refused.v1"
    SUBJECT = "order_id"

    order_id: Id
    po_id: Id
    supplier_id: Id
    payable_id: Id
    amount: Amount
    detail: str
    refused_at: Time


class InvoiceCancelled(Message):
    """R is not in force any more: cancelled at SEFAZ within its window (event 110111), or taken back as a whole.

    `entry_nf`: a person decided so; an entry NF of the retailer (finNFe 4) that cites R undoes it.
    """

    TYPE = "invoice.cancelled.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    invoice_id: Id
    po_ids: tuple[Id, ...]
    access_key: AccessKey
    how: Literal["event", "entry_nf"] = "event"
    protocol: Id | None = None
    """nProt of the event."""
    entry_nf_keys: tuple[AccessKey, ...] = ()
    """The entry NFs, where they are written already."""
    decision: Literal["continue", "returned"] | None = None
    """What the person wants of an order that was not being cancelled; None where it was, or nobody was asked."""
    reason: str = ""
    cancelled_at: Time


class InvoiceReduced(Message):
    """An entry NF of the retailer (finNFe 4) takes back what R bills of goods that do not come; the rest stays so.

    A person decided so. It is taken back in part where some of its goods have left.
    """

    TYPE = "invoice.reduced.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    invoice_id: Id
    po_ids: tuple[Id, ...]
    """The POs whose goods do not come."""
    access_key: AccessKey
    amount: Amount
    """What was taken back of it, BRL."""
    left: Amount
    """What it still bills, BRL."""
    entry_nf_keys: tuple[AccessKey, ...] = ()
    decision: Literal["continue", "returned"]
    reason: str = ""
    reduced_at: Time


class BillingStopped(Message):
    """An order that is bought nowhere any more has no R in force, but for those that could not be cancelled.

    Those wait for `order.cancellation_decided`.
    """

    TYPE = "billing.stopped.v1"
    SUBJECT = "order_id"

    order_id: Id
    started_at: Time
    """Of the cancellation that it belongs to."""
    invoices_in_force: tuple[AccessKey, ...] = ()
    """Too late to cancel: only an entry NF undoes them, which is a person's to decide."""
    problems: tuple[Problem, ...] = ()
    decision: Literal["continue", "returned"] | None = None
    """What a person decided of those that could not be cancelled; then it is said once more, with none in force."""
    reason: str = ""
    stopped_at: Time
