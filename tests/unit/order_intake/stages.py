"""How an order gets to each status: what is heard of it until then, in the order in which it happens."""

from datetime import timedelta
from typing import Any

from schemas.order import Status
from tests.builders import PAYMENT, order_placed
from tests.unit.order_intake import builders as b

PAID = order_placed(payments=[PAYMENT | {"approved_at": b.hours(0)}])
READY = [PAID, b.registered()]
ORDERED = [*READY, b.created()]
PREPAYING = [*READY, b.created(**b.PREPAID)]
DISPATCHED = [*ORDERED, b.sent()]
ACKNOWLEDGED = [*DISPATCHED, b.confirmed()]
PARTLY_SUPPLIED = [*ACKNOWLEDGED, b.s2_matched(open_lines=[1])]
DIVERGENT = [*ACKNOWLEDGED, b.s2_diverged()]
AWAITING_INVOICE = [*ACKNOWLEDGED, b.s2_matched()]
INVOICED = [*AWAITING_INVOICE, b.invoice_issued()]
AWAITING_SHIPMENT = [*INVOICED, b.handed_over(), b.s1_matched()]
SHIPPED = [*AWAITING_SHIPMENT, b.dispatched()]
IN_TROUBLE = [*SHIPPED, b.problem_reported()]
DELIVERED = [*SHIPPED, b.delivered()]
OVER = b.reminder("complete", b.hours(20) + timedelta(days=7))
CANCELLED = [order_placed(), b.wish()]

STAGES: dict[Status, list[Any]] = {
    "payment_pending": [order_placed()],
    "payment_slip_expired": [order_placed(), b.payment_expired()],
    "payment_confirmed": READY,
    "quote_pending": [*READY, b.quote_needed()],
    "out_of_stock": [*READY, b.out_of_stock()],
    "ready_to_order": ORDERED,
    "supplier_payment_pending": PREPAYING,
    "po_dispatched": DISPATCHED,
    "po_acknowledged": ACKNOWLEDGED,
    "supplier_invoice_received": PARTLY_SUPPLIED,
    "invoice_divergent": DIVERGENT,
    "awaiting_invoice": AWAITING_INVOICE,
    "invoiced": INVOICED,
    "awaiting_shipment": AWAITING_SHIPMENT,
    "shipped": SHIPPED,
    "delivery_problem": IN_TROUBLE,
    "delivered": DELIVERED,
    "completed": [*DELIVERED, OVER],
    "cancelled": CANCELLED,
}

HISTORY = [
    "payment_confirmed", "ready_to_order", "po_dispatched", "po_acknowledged", "supplier_invoice_received",
    "awaiting_invoice", "invoiced", "awaiting_shipment", "shipped", "delivered",
]  # fmt: skip


def of_pos(**order_lines: int) -> list[Any]:
    """All that is heard of an order of two lines whose POs, by name, buy one line each, in the order of time."""
    created = [b.created(po, line) for po, line in order_lines.items()]
    return [b.two_lines(), b.registered(), *created, *after_creation(*order_lines)]


def after_creation(*pos: str) -> list[Any]:
    """From sent to delivered, step by step for all of these POs. Each has its own R."""
    numbers = {po: 20 + ord(po[-1]) for po in pos}
    return [
        *(b.sent(po) for po in pos),
        *(b.confirmed(po) for po in pos),
        *(b.s2_matched(po) for po in pos),
        *(b.invoice_issued(po, number=number) for po, number in numbers.items()),
        *(b.handed_over(po, number) for po, number in numbers.items()),
        *(b.s1_matched(po, number) for po, number in numbers.items()),
        *(b.dispatched(po) for po in pos),
        *(b.delivered(po) for po in pos),
    ]
