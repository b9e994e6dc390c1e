"""Does the ledger reconcile? It is compared, order by order, with what the bills say was paid, billed and owed."""

from collections.abc import Mapping
from decimal import Decimal

from asyncpg import Connection

from schemas.model import Model
from schemas.values import Id, Money
from services.billing.apportion import ZERO
from services.billing.ledger import Account
from services.billing.state import Bill, PayableStatus, RefundStatus
from services.billing.store import load_account_balances, load_bills, load_unbalanced_movements


class OrderBalance(Model):
    """One order's money by the ledger. BRL.

    customer paid = revenue + refunded + owed to the customer; cost + claims = payments + open, where cost = payables.
    """

    order_id: Id
    customer_paid: Money = ZERO
    revenue: Money = ZERO
    refunded: Money = ZERO
    owed_to_customer: Money = ZERO
    cost: Money = ZERO
    payments: Money = ZERO
    open_payables: Money = ZERO
    claims: Money = ZERO
    """Paid to suppliers, in advance or for their S2, and nothing came for it (yet)."""
    held: Money = ZERO
    """Of the open payables: what S2 ask for goods that do not come. Not paid; a person settles it."""
    wrong: tuple[str, ...] = ()
    """What the ledger and the bill do not agree on."""


class LedgerBalance(Model):
    """The whole ledger: totals, movements that do not balance, and the orders that do not reconcile."""

    orders: int
    customer_paid: Money
    revenue: Money
    refunded: Money
    owed_to_customer: Money
    cost: Money
    payments: Money
    open_payables: Money
    claims: Money
    held: Money
    unbalanced_movements: tuple[str, ...]
    unreconciled: tuple[OrderBalance, ...]

    @property
    def balanced(self) -> bool:
        """Every movement balances and every order reconciles; money may still be owed or open."""
        return not self.unbalanced_movements and not self.unreconciled

    @property
    def settled(self) -> bool:
        """Balanced, and nobody is owed anything any more, but for what is held."""
        return self.balanced and self.owed_to_customer == ZERO and self.open_payables == self.held


async def ledger_balance(con: Connection) -> LedgerBalance:
    """Reads all bills and all balances in one snapshot; `con` must not be in a transaction."""
    async with con.transaction(isolation="repeatable_read", readonly=True):
        accounts = await load_account_balances(con)
        unbalanced = await load_unbalanced_movements(con)
        bills = {bill.order_id: bill async for bill in load_bills(con)}
    orders = [order_balance(id, accounts.get(id, {}), bills.get(id)) for id in sorted({*accounts, *bills})]
    return LedgerBalance(
        orders=len(orders),
        unbalanced_movements=unbalanced,
        unreconciled=tuple(order for order in orders if order.wrong),
        **{name: sum((getattr(order, name) for order in orders), ZERO) for name in _AMOUNTS},
    )


_AMOUNTS = (
    "customer_paid",
    "revenue",
    "refunded",
    "owed_to_customer",
    "cost",
    "payments",
    "open_payables",
    "claims",
    "held",
)


def order_balance(order_id: str, debits: Mapping[str, Decimal], bill: Bill | None) -> OrderBalance:
    """`debits`: by account, debits less credits."""
    found = OrderBalance(
        order_id=order_id,
        customer_paid=debits.get(Account.CASH_IN_TRANSIT, ZERO),
        refunded=-debits.get(Account.CUSTOMER_REFUND, ZERO),
        revenue=-debits.get(Account.REVENUE, ZERO),
        owed_to_customer=-debits.get(Account.CUSTOMER_ADVANCE, ZERO),
        cost=debits.get(Account.COST_OF_GOODS, ZERO),
        payments=-debits.get(Account.BANK, ZERO),
        open_payables=-debits.get(Account.PAYABLE, ZERO),
        claims=debits.get(Account.SUPPLIER_ADVANCE, ZERO),
        held=_held(bill) if bill else ZERO,
    )
    return found.model_copy(update={"wrong": tuple(_differences(found, bill or Bill(order_id=order_id)))})


def _held(bill: Bill) -> Decimal:
    """What S2 ask for goods that do not come and nobody was told to pay, BRL."""
    return sum((p.withheld for p in bill.payables), ZERO)


def _differences(found: OrderBalance, bill: Bill) -> list[str]:
    advances = [p for p in bill.payables if p.is_advance]
    payables = [p for p in bill.payables if not p.is_advance]
    paid = sum((p.owed for p in bill.payables if p.status is PayableStatus.SETTLED), ZERO)
    advanced = sum((p.amount for p in advances if p.status is PayableStatus.SETTLED), ZERO)
    pairs = {
        "customer paid": (found.customer_paid, bill.paid),
        "customer paid = revenue + refunded + owed": (
            found.customer_paid,
            found.revenue + found.refunded + found.owed_to_customer,
        ),
        "revenue": (found.revenue, sum((i.billed for i in bill.invoices if i.in_force), ZERO)),
        "refunded": (
            found.refunded,
            sum((r.amount for r in bill.refunds if r.status is RefundStatus.SETTLED), ZERO),
        ),
        "cost": (found.cost, sum((p.amount - p.claimed for p in payables), ZERO)),
        "cost + claims = payments + open": (found.cost + found.claims, found.payments + found.open_payables),
        "payments": (found.payments, paid),
        "open payables": (
            found.open_payables,
            sum((p.withheld + (ZERO if p.status is PayableStatus.SETTLED else p.owed) for p in payables), ZERO),
        ),
        "claims": (found.claims, advanced + sum((p.claimed - p.advanced for p in payables), ZERO)),
    }
    return [f"{name}: {left} and {right}" for name, (left, right) in pairs.items() if left != right]
