"""The canonical status as a pure function of the facts, and the steps between two statuses.

A PO stands where its furthest milestone puts it: an invoice that is heard of before the NF that it rests on means that
this NF matched too. Of several POs the least advanced decides; one that is known of but not created yet counts as none.
"""

from collections.abc import Iterator

from schemas.order import PoStatus, Status
from services.order_intake.state import Order, PurchaseOrder

LINE: tuple[Status, ...] = (
    "payment_pending",
    "payment_slip_expired",
    "payment_confirmed",
    "quote_pending",
    "out_of_stock",
    "ready_to_order",
    "supplier_payment_pending",
    "po_dispatched",
    "po_acknowledged",
    "supplier_invoice_received",
    "invoice_divergent",
    "awaiting_invoice",
    "invoiced",
    "awaiting_shipment",
    "shipped",
    "delivery_problem",
    "delivered",
    "completed",
)
"""From the least to the most advanced."""

MAIN: frozenset[Status] = frozenset(
    {
        "payment_confirmed",
        "ready_to_order",
        "po_dispatched",
        "awaiting_invoice",
        "invoiced",
        "awaiting_shipment",
        "shipped",
        "delivered",
        "completed",
    }
)
"""What every order that completes goes through: published even when a later fact was heard of first.

Not among them: `po_acknowledged` (a supplier may answer a PO with its invoice; it is published where all POs were
confirmed), `supplier_invoice_received` (only while an S2 covers a part) and all that go wrong or wait. Goods that left
too early pass through `awaiting_shipment` too: here lateness of a message looks the same, `shipment.irregular` tells.
"""

RANK: dict[Status, int] = {status: rank for rank, status in enumerate(LINE)}
_SOURCING = frozenset({"quote_pending", "out_of_stock"})


def of_order(order: Order) -> Status | None:
    """Where the order stands; None while it has not been placed."""
    if order.placed is None:
        return None
    if order.completed_at is not None:
        return "completed"
    if not order.paid:
        return "payment_pending"
    statuses = [of_po(order, order.purchase_order(po_id)) for po_id in order.po_ids]
    least: Status = min(statuses, key=lambda status: RANK[status], default="payment_confirmed")
    return _sourcing(order) if least == "payment_confirmed" else least


def _sourcing(order: Order) -> Status:
    """The newer word of sourcing holds."""
    quote, stock = order.quote_needed_at, order.out_of_stock_at
    if quote is not None and (stock is None or stock <= quote):
        return "quote_pending"
    return "payment_confirmed" if stock is None else "out_of_stock"


def of_po(order: Order, po: PurchaseOrder) -> Status:
    """Where one PO stands, in the order's words; `payment_confirmed` while nothing was heard of it."""
    return _shipped(po) or _invoiced(po) or _supplier_invoiced(order, po) or _ordered(po)


def _shipped(po: PurchaseOrder) -> Status | None:
    if po.delivered_at is not None:
        return "delivered"
    if any(s.problem_at is not None and s.delivered_at is None for s in po.shipments.values()):
        return "delivery_problem"
    return "shipped" if po.shipments else None


def _invoiced(po: PurchaseOrder) -> Status | None:
    if {"handed_over", "s1_matched"} <= po.milestones.keys():
        return "awaiting_shipment"
    return "invoiced" if {"invoiced", "handed_over", "s1_matched"} & po.milestones.keys() else None


def _supplier_invoiced(order: Order, po: PurchaseOrder) -> Status | None:
    if "s2_complete" in po.milestones:
        return "awaiting_invoice"
    if any(number == po.po_number and key not in po.s2_keys for key, number in order.divergences.items()):
        return "invoice_divergent"
    return "supplier_invoice_received" if "s2_matched" in po.milestones else None


def _ordered(po: PurchaseOrder) -> Status:
    if "confirmed" in po.milestones:
        return "po_acknowledged"
    if "sent" in po.milestones:
        return "po_dispatched"
    if "created" not in po.milestones:
        return "payment_confirmed"
    return "supplier_payment_pending" if po.prepaid else "ready_to_order"


def is_forward(old: Status | None, new: Status) -> bool:
    """Whether the published status may move so. The two that wait for an offer may follow each other."""
    return old is None or RANK[new] > RANK[old] or (old != new and {old, new} <= _SOURCING)


def steps(order: Order, new: Status) -> Iterator[Status]:
    """The statuses to publish on the way from the order's status to the new one, in order, the new one last."""
    start = -1 if order.status is None else RANK[order.status]
    for status in LINE[start + 1 : RANK[new]]:
        if status in MAIN or (status == "po_acknowledged" and _all_confirmed(order)):
            yield status
    yield new


def _all_confirmed(order: Order) -> bool:
    return all("confirmed" in order.purchase_order(po_id).milestones for po_id in order.po_ids)


def of_purchase_orders(order: Order) -> tuple[PoStatus, ...]:
    """Where each PO of the order stands now."""
    return tuple(
        PoStatus(po_id=po_id, po_number=po.po_number, supplier_id=po.supplier_id, status=of_po(order, po))
        for po_id in order.po_ids
        for po in [order.purchase_order(po_id)]
    )
