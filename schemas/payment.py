"""The customer's payment, as the channel or the payment provider reports it."""

from schemas.model import Message
from schemas.values import Amount, Id, Time


class PaymentApproved(Message):
    """The money for (a part of) an order is there. May arrive before the order."""

    TYPE = "payment.approved.v1"
    SUBJECT = "order_id"

    order_id: Id
    payment_id: Id
    amount: Amount
    approved_at: Time


class PaymentExpired(Message):
    """A slip (boleto) or pix was not paid in time."""

    TYPE = "payment.expired.v1"
    SUBJECT = "order_id"

    order_id: Id
    payment_id: Id
    expired_at: Time
