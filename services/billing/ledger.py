"""Movements of money as balanced double entries. Ids derive from what moved, so the same movement is written once."""

from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from schemas.model import Model
from schemas.values import Amount, Id, Time

_MOVEMENTS = UUID("5b0f3c6e-2f0f-5d9a-9c55-1f6d2f0f7a11")


class Account(StrEnum):
    CASH_IN_TRANSIT = "cash_in_transit"
    """The customer's money, on its way from the payment provider or the marketplace."""
    CUSTOMER_ADVANCE = "customer_advance"
    """What the customer has paid and is still owed: goods or money."""
    REVENUE = "revenue"
    COST_OF_GOODS = "cost_of_goods"
    PAYABLE = "payable"
    BANK = "bank"
    SUPPLIER_ADVANCE = "supplier_advance"
    """What suppliers have of us and owe: goods where they are prepaid, money where the goods do not come."""
    CUSTOMER_REFUND = "customer_refund"
    """The customer's money that went back."""


class Movement(Model):
    """`amount` from the account credited to the account debited."""

    movement_id: UUID
    order_id: Id
    debit: Account
    credit: Account
    amount: Amount
    at: Time


def customer_paid(order_id: str, what: str, amount: Decimal, at: Time) -> Movement:
    """`what`: the payment; with a refund of it, where that was heard of first and so much of it is known."""
    return _movement("customer_paid", order_id, what, Account.CASH_IN_TRANSIT, Account.CUSTOMER_ADVANCE, amount, at)


def invoiced(order_id: str, invoice_id: str, amount: Decimal, at: Time) -> Movement:
    """Revenue, when R is authorised."""
    return _movement("invoiced", order_id, invoice_id, Account.CUSTOMER_ADVANCE, Account.REVENUE, amount, at)


def bought(order_id: str, payable_id: str, amount: Decimal, at: Time) -> Movement:
    """Cost, when S2 has matched."""
    return _movement("bought", order_id, payable_id, Account.COST_OF_GOODS, Account.PAYABLE, amount, at)


def uninvoiced(order_id: str, what: str, amount: Decimal, at: Time) -> Movement:
    """Revenue taken back, when R is cancelled: the customer is owed again. `what`: the R, and how much was taken back
    of it with this one, where the rest stays."""
    return _movement("uninvoiced", order_id, what, Account.REVENUE, Account.CUSTOMER_ADVANCE, amount, at)


def refunded(order_id: str, refund_id: str, amount: Decimal, at: Time) -> Movement:
    return _movement("refunded", order_id, refund_id, Account.CUSTOMER_ADVANCE, Account.CUSTOMER_REFUND, amount, at)


def advance_paid(order_id: str, payable_id: str, amount: Decimal, at: Time) -> Movement:
    return _movement("advance_paid", order_id, payable_id, Account.SUPPLIER_ADVANCE, Account.BANK, amount, at)


def advance_used(order_id: str, payable_id: str, amount: Decimal, at: Time) -> Movement:
    """S2 came for what was paid in advance."""
    return _movement("advance_used", order_id, payable_id, Account.PAYABLE, Account.SUPPLIER_ADVANCE, amount, at)


def claimed(order_id: str, what: str, amount: Decimal, at: Time) -> Movement:
    """What was paid for goods that do not come is no cost. `what`: the payable, and its claims with this one."""
    return _movement("claimed", order_id, what, Account.SUPPLIER_ADVANCE, Account.COST_OF_GOODS, amount, at)


def supplier_paid(order_id: str, payable_id: str, amount: Decimal, at: Time) -> Movement:
    return _movement("supplier_paid", order_id, payable_id, Account.PAYABLE, Account.BANK, amount, at)


def _movement(
    kind: str, order_id: str, what: str, debit: Account, credit: Account, amount: Decimal, at: Time
) -> Movement:
    movement_id = uuid5(_MOVEMENTS, f"{kind}\n{order_id}\n{what}")
    return Movement(movement_id=movement_id, order_id=order_id, debit=debit, credit=credit, amount=amount, at=at)
