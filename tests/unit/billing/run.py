"""One bill and what its messages make of it, for the tests of billing's decisions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.decision import Call, Context, Decision, Outcome
from schemas.model import Message, Model
from services.billing import decide
from services.billing.balance import OrderBalance, order_balance
from services.billing.ledger import Account, Movement
from services.billing.reference import Reference
from services.billing.requests import AuthoriseInvoice
from services.billing.state import Bill
from tests.unit.billing import builders as b

DECISIONS: dict[str, Callable[..., Outcome[Bill]]] = {
    "order.ready.v1": decide.on_order_ready,
    "order.payment_received.v1": decide.on_payment_received,
    "purchase_order.created.v1": decide.on_purchase_order_created,
    "supplier_nf.matched.v1": decide.on_supplier_nf_matched,
    "remittance_nf.matched.v1": decide.on_remittance_nf_matched,
    "shipment.dispatched.v1": decide.on_shipment_dispatched,
    "shipment.delivered.v1": decide.on_shipment_delivered,
    "purchase_order.refused.v1": decide.on_purchase_order_refused,
    "purchase_order.cancelled.v1": decide.on_purchase_order_cancelled,
    "sourcing.given_up.v1": decide.on_given_up,
    "order.cancellation_started.v1": decide.on_cancellation_started,
    "order.cancellation_refused.v1": decide.on_cancellation_refused,
    "order.cancellation_decided.v1": decide.on_cancellation_decided,
    "fulfilment.stopped.v1": decide.on_fulfilment_stopped,
    "refund.requested.v1": decide.on_refund_requested,
    "refund.reported.v1": decide.on_refund_reported,
    "supplier_payment.reported.v1": decide.on_supplier_payment_reported,
}


@dataclass
class Run:
    """One bill, and everything that came of its messages."""

    known: Reference = field(default_factory=b.reference)
    bill: Bill | None = None
    events: list[Message] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    rows: list[Model] = field(default_factory=list)
    count: int = 0
    numbers: Any = None

    def hear(self, *messages: Message) -> "Run":
        for message in messages:
            self.take(DECISIONS[message.TYPE](self.bill, message, self.context()))
        return self

    def context(self) -> Context[Any]:
        """Another cause each time; the number series goes on."""
        self.count += 1
        ctx = b.context(f"event-{self.count}", self.known)
        self.numbers = self.numbers or ctx.numbers
        return Context(ctx.now, ctx.cause, ctx.reference, self.numbers)

    def take(self, outcome: Outcome[Bill]) -> Decision[Bill]:
        decision = b.decided(outcome)
        self.bill = decision.state
        self.events += decision.events
        self.calls += decision.calls
        self.rows += decision.rows
        return decision

    def authorise_all(self) -> "Run":
        for request in self.asked(AuthoriseInvoice):
            self.take(decide.on_invoice_answered(self.bill, b.authorised(request), self.context()))
        return self

    def balance(self) -> OrderBalance:
        """What the ledger says of the order, compared with its bill."""
        return order_balance(self.now.order_id, {account: self.moved(account) for account in Account}, self.bill)

    def asked(self, kind: type[Model]) -> list[Any]:
        return [call.request for call in self.calls if isinstance(call.request, kind)]

    def said(self, kind: type[Message]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def now(self) -> Bill:
        assert self.bill is not None
        return self.bill

    def statuses(self) -> list[str]:
        """Of its invoices, then of its payables."""
        return [str(i.status) for i in self.now.invoices] + [str(p.status) for p in self.now.payables]

    def moved(self, account: Account) -> Decimal:
        """Debits less credits of an account."""
        rows = [row for row in self.rows if isinstance(row, Movement)]
        debits = sum((row.amount for row in rows if row.debit is account), Decimal(0))
        return debits - sum((row.amount for row in rows if row.credit is account), Decimal(0))
