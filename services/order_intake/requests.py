"""What order_intake asks of the ERP, and what it answers, in our words."""

from schemas.decision import Request
from schemas.model import Model
from schemas.order import Items
from schemas.values import Amount, Customer, Id


class RegisterSalesOrder(Request):
    """To the ERP: a customer's order."""

    order_id: Id
    store_id: Id
    channel_id: Id
    channel_order_code: Id
    customer: Customer
    items: Items
    freight: Amount
    discount: Amount
    total: Amount


class SalesOrderRegistered(Model):
    """From the ERP: the order's number there."""

    number: Id


class UpdateSalesOrder(Request):
    """To the ERP: the order as it is now, after so many changes."""

    number: Id
    revision: int
    sale: RegisterSalesOrder


class SalesOrderUpdated(Model):
    """From the ERP: it has the change."""

    number: Id


class MarkCompleted(Request):
    """To the ERP: the order is over."""

    order_id: Id
    number: Id


class CompletedMarked(Model):
    """From the ERP: it shows the order as completed."""

    number: Id


class MarkCancelled(Request):
    """To the ERP: the order was cancelled."""

    order_id: Id
    number: Id


class CancelledMarked(Model):
    """From the ERP: it shows the order as cancelled."""

    number: Id
