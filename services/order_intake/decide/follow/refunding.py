"""Which money goes back: what the customer paid beyond what the order costs. Pure.

A cancelled order costs nothing, so every payment goes back, whenever it comes. One that goes on costs its total; of one
of which lines were given up, the sum of its R in force, when nothing else is missing and there is one for each PO: so
what is kept and what was billed are the same, to the cent. What is too much is taken from the payments that came last.

Of an order that goes on a payment goes back as too much only where the others cover the total without it: then it was
paid twice, or again after a slip had expired. What the payments that it takes are more than the total by themselves
stays: hubs report what the customer was charged, and interest on instalments is the card's, not ours to pay back.
The ledger shows it as owed to the customer, and a person who knows better pays it back.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from schemas.envelope import reference
from schemas.model import Message
from schemas.order import OrderPlaced, Payment
from schemas.refund import RefundCause, RefundRequested
from services.order_intake.decide import status
from services.order_intake.state import Order, Refund

_NOTHING = Decimal("0.00")


def refund_id(order_id: str, payment_id: str, number: int = 0) -> str:
    """Of one payment the first refund is 0: the same id, whatever leads to it."""
    name = f"{order_id}\0{payment_id}"
    return str(reference("refund", f"{name}\0{number}" if number else name))


def due(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """It waits for the ERP's number of the order, under which the money is paid back."""
    placed, cost = order.placed, _cost(order)
    if placed is None or cost is None or not order.is_registered:
        return order, []
    too_much = _paid(order) - cost - _back(order)
    events: list[Message] = []
    for payment in _last_first(order) if too_much > 0 else ():
        amount = min(too_much, payment.amount - _back(order, payment.payment_id))
        if amount > 0:
            too_much -= amount
            order, event = _requested(order, placed, payment, amount, now)
            events.append(event)
    return order, events


def _cost(order: Order) -> Decimal | None:
    """What the customer owes for the order, BRL; None while that may still change."""
    if order.cancelled_at is not None:
        return _NOTHING
    if order.ready_at is None or order.sale is None or order.is_being_cancelled:
        return None
    cost = _billed(order) if order.given_up else order.sale.total
    return None if cost is None else cost + _surcharge(order, order.sale.total)


def _surcharge(order: Order, total: Decimal) -> Decimal:
    """By how much the payments that cover the order are more than its total, BRL; 0 where nothing is or they do not."""
    unneeded = _unneeded(order)
    taken = sum((a.amount for name, a in order.approvals.items() if name not in unneeded), _NOTHING)
    return max(taken - total, _NOTHING)


def _unneeded(order: Order) -> frozenset[str]:
    """The payments without which the others cover the total: first those that go back as a whole already, then
    those that came last."""
    left = _paid(order) - order.sale.total if order.sale else _NOTHING
    if left <= 0:
        return frozenset()
    unneeded = set()
    for name, approval in sorted(order.approvals.items(), key=lambda item: _came(order, item[0]), reverse=True):
        if approval.amount <= left:
            left -= approval.amount
            unneeded.add(name)
    return frozenset(unneeded)


def _came(order: Order, payment_id: str) -> tuple[bool, datetime, str]:
    approval = order.approvals[payment_id]
    return _back(order, payment_id) >= approval.amount, approval.approved_at, payment_id


def _billed(order: Order) -> Decimal | None:
    """By the R in force; None while a PO has none, or the sum of one is not known, or while something is still to be
    bought: it will have an R of its own."""
    if status.missing_lines(order):
        return None
    in_force = {key: invoice for key, invoice in order.invoices.items() if not invoice.cancelled}
    invoices = in_force.values()
    totals = [order.reduced.get(key, r.total) for key, r in in_force.items() if r.total is not None]
    billed = {po_id for invoice in invoices for po_id in invoice.po_ids}
    if len(totals) < len(invoices) or not billed >= order.open_purchase_orders.keys():
        return None
    return sum(totals, _NOTHING)


def _paid(order: Order) -> Decimal:
    return sum((approval.amount for approval in order.approvals.values()), _NOTHING)


def _back(order: Order, payment_id: str | None = None) -> Decimal:
    """What was asked to go back, of one payment or of all."""
    refunds = (r for r in order.refunds.values() if r.requested_at and payment_id in (None, r.payment_id))
    return sum((refund.amount for refund in refunds), _NOTHING)


def _last_first(order: Order) -> Sequence[Payment]:
    """The payments that came, those that were paid twice first; of a cancelled order, all of which go back, as the
    order names them."""
    came = [payment for payment in order.payments if payment.payment_id in order.approvals]
    if order.cancelled_at is not None:
        return came
    unneeded = _unneeded(order)
    return sorted(came, key=lambda p: (p.payment_id in unneeded, _came(order, p.payment_id)), reverse=True)


def _requested(
    order: Order, placed: OrderPlaced, payment: Payment, amount: Decimal, now: datetime
) -> tuple[Order, RefundRequested]:
    number = sum(r.payment_id == payment.payment_id for r in order.refunds.values() if r.requested_at)
    name = refund_id(placed.order_id, payment.payment_id, number)
    asked = {"requested_at": now, "payment_id": payment.payment_id, "amount": amount}
    refund = order.refunds.get(name, Refund()).model_copy(update=asked)
    event = RefundRequested(
        order_id=placed.order_id,
        store_id=placed.store_id,
        channel_id=placed.channel_id,
        refund_id=name,
        payment_id=payment.payment_id,
        method=payment.method,
        amount=amount,
        reason=_why(order),
        cause=_cause(order),
        erp_order_number=order.erp_order_number,
        requested_at=now,
    )
    return order.model_copy(update={"refunds": {**order.refunds, name: refund}}), event


def _cause(order: Order) -> RefundCause:
    if order.cancelled_at is not None:
        return "cancelled"
    return "given_up" if order.given_up else "overpaid"


def _why(order: Order) -> str:
    if order.cancelled_at is not None:
        return order.cancellation.reason if order.cancellation else "cancelled"
    if order.given_up:
        return f"line {', '.join(str(line) for line in sorted(order.given_up)[:20])} could not be delivered as a whole"
    return "more was paid than the order costs"
