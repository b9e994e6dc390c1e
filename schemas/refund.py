"""Refunds: asked for by the order book, paid back through the ERP or by the marketplace that took the money."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.model import Message
from schemas.values import Amount, Id, Text, Time

RefundCause = Literal["cancelled", "given_up", "overpaid"]
"""Why money goes back: the order is cancelled as a whole, lines of it do not come, or it was paid twice."""


class RefundRequested(Message):
    """Money of one payment goes back to the customer. Nothing else leads to a refund."""

    TYPE = "refund.requested.v1"
    SUBJECT = "order_id"

    order_id: Id
    store_id: Id
    channel_id: Id
    refund_id: Id
    payment_id: Id
    method: Literal["pix", "boleto", "credit_card", "debit_card", "marketplace", "other"]
    amount: Amount
    reason: Text
    cause: RefundCause = "cancelled"
    erp_order_number: Id | None = None
    """None: the order's store has no ERP, so a person pays it."""
    requested_at: Time


class RefundOrdered(Message):
    """The ERP was told to pay it back, or for marketplace payments the channel is."""

    TYPE = "refund.ordered.v1"
    SUBJECT = "order_id"

    order_id: Id
    refund_id: Id
    payment_id: Id
    amount: Amount
    by: Literal["erp", "channel"]
    cause: RefundCause = "cancelled"
    """The channel is told of a cancelled order as such, and pays back all of it; of any other refund it is told."""
    ordered_at: Time


class RefundReported(Message):
    """The bank's (or the ERP's) word on a refund that was ordered."""

    TYPE = "refund.reported.v1"
    SUBJECT = "refund_id"

    refund_id: Id
    outcome: Literal["settled", "failed"]
    bank_reference: Id
    reported_at: Time
    detail: Annotated[str, Field(max_length=500)] = ""


class RefundSettled(Message):
    TYPE = "refund.settled.v1"
    SUBJECT = "order_id"

    order_id: Id
    refund_id: Id
    payment_id: Id
    amount: Amount
    settled_at: Time


class RefundFailed(Message):
    TYPE = "refund.failed.v1"
    SUBJECT = "order_id"

    order_id: Id
    refund_id: Id
    payment_id: Id
    amount: Amount
    detail: str
    failed_at: Time
