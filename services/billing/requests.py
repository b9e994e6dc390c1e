"""What billing asks of SEFAZ and the ERP, and what they answer, in our words."""

from typing import Literal

from schemas.decision import Request
from schemas.model import Model
from schemas.values import AccessKey, Amount, Base64, Cnpj, Id, Text, Time
from services.billing.document_fields import InvoiceDocument


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


class CancelInvoice(Request):
    """Have SEFAZ cancel R (event 110111). The time is fixed, so that every try signs the same event."""

    invoice_id: Id
    access_key: AccessKey
    protocol: Id
    """nProt of its authorisation."""
    reason: Text
    at: Time


class CancellationAnswered(Model):
    """What SEFAZ says of the event: registered with its protocol, or rejected with its reason."""

    outcome: Literal["cancelled", "rejected"]
    code: Id
    """cStat"""
    reason: str = ""
    """xMotivo"""
    protocol: Id | None = None
    registered_at: Time | None = None


class OrderRefund(Request):
    """Have the ERP pay money back to the customer, the way it came."""

    refund_id: Id
    order_id: Id
    payment_id: Id
    method: str
    amount: Amount


class RefundTaken(Model):
    """The ERP took the order to refund."""

    erp_number: Id
