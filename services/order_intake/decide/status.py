"""The canonical status as a pure function of the facts.

A PO stands where its furthest milestone puts it: an invoice that is heard of before the NF that it rests on means that
this NF matched too. Of several POs the least advanced decides, and what is not bought yet, or not any more, is less
advanced than any PO.
"""

from collections.abc import Iterable, Iterator

from schemas.order import PoStatus, Status
from services.order_intake.decide.money import has_expired
from services.order_intake.decide.moves import LINE, RANK
from services.order_intake.purchase import PurchaseOrder
from services.order_intake.state import Order, Shortage

__all__ = ["LINE", "RANK", "is_acknowledged", "missing_lines", "of_order", "of_po", "of_purchase_orders"]


def of_order(order: Order) -> Status | None:
    """Where the order stands; None while it has not been placed."""
    if order.placed is None:
        return None
    if order.cancelled_at is not None:
        return "cancelled"
    if order.completed_at is not None:
        return "completed"
    if not order.paid:
        return "payment_slip_expired" if has_expired(order) else "payment_pending"
    least: Status = min(_parts(order), key=lambda status: RANK[status], default="payment_confirmed")
    return least


def _parts(order: Order) -> Iterator[Status]:
    pos = order.open_purchase_orders
    if missing := _missing(order, pos.values()):
        yield _sourcing(order, missing)
    yield from (of_po(order, po_id, po) for po_id, po in pos.items())


def missing_lines(order: Order) -> dict[int, int]:
    """How many pieces of which of the order's lines are bought by no PO that it has now, and not given up."""
    return _missing(order, order.open_purchase_orders.values())


def _missing(order: Order, pos: Iterable[PurchaseOrder]) -> dict[int, int]:
    left = {i.line: i.quantity - order.given_up.get(i.line, 0) for i in order.sale.items} if order.sale else {}
    for bought in (bought for po in pos for bought in (po.lines or {}).values()):
        left[bought.order_line] = left.get(bought.order_line, 0) - bought.quantity
    return {line: pieces for line, pieces in left.items() if pieces > 0}


def _sourcing(order: Order, missing: dict[int, int]) -> Status:
    """The newest word of sourcing on these lines that no PO has overtaken; `payment_confirmed` where there is none."""
    said = [(order.shortages[line], line) for line in sorted(missing) if line in order.shortages]
    words = [word for word, line in said if not _is_overtaken(order, line, word, missing[line])]
    if not words:
        return "payment_confirmed"
    newest = max(word.at for word in words)
    return min((word.status for word in words if word.at == newest), key=lambda status: RANK[status])


def _is_overtaken(order: Order, line: int, word: Shortage, missing: int) -> bool:
    """Whether all that is missing was bought after this word: then it is missing because that PO does not bring it.

    What follows from that, another PO or another word, is still on its way.
    """
    later = (po for po in order.purchase_orders.values() if po.milestones.get("created", word.at) > word.at)
    return sum(po.lost(line) for po in later) >= missing


def of_po(order: Order, po_id: str, po: PurchaseOrder) -> Status:
    """Where one PO stands, in the order's words; `payment_confirmed` while nothing was heard of it."""
    return _shipped(po) or _invoiced(order, po_id, po) or _supplier_invoiced(order, po) or _ordered(po)


def _shipped(po: PurchaseOrder) -> Status | None:
    """A PO of which something has not left waits for that, whatever becomes of the parcels that have."""
    if po.delivered_at is not None:
        return "delivered"
    if not po.has_left:
        return None
    return "delivery_problem" if po.is_in_trouble else "shipped"


def _invoiced(order: Order, po_id: str, po: PurchaseOrder) -> Status | None:
    """By the R's that were not cancelled. One that was handed over, or that an S1 cites, was issued."""
    known = {key for key, invoice in order.invoices.items() if po_id in invoice.po_ids}
    cancelled = {key for key, invoice in order.invoices.items() if invoice.cancelled}
    if {*po.handed_over} & {*po.remitted} - cancelled:
        return "awaiting_shipment"
    return "invoiced" if {*known, *po.handed_over, *po.remitted} - cancelled else None


def _supplier_invoiced(order: Order, po: PurchaseOrder) -> Status | None:
    if po.is_supplied:
        return "awaiting_invoice"
    if any(number == po.po_number and key not in po.supplier_nfs for key, number in order.divergences.items()):
        return "invoice_divergent"
    return "supplier_invoice_received" if po.supplier_nfs else None


def _ordered(po: PurchaseOrder) -> Status:
    if "confirmed" in po.milestones:
        return "po_acknowledged"
    if "sent" in po.milestones:
        return "po_dispatched"
    if "created" not in po.milestones:
        return "payment_confirmed"
    return "supplier_payment_pending" if po.prepaid else "ready_to_order"


def is_acknowledged(order: Order) -> bool:
    """Whether the suppliers confirmed every PO that the order has now."""
    return all("confirmed" in po.milestones for po in order.open_purchase_orders.values())


def of_purchase_orders(order: Order) -> tuple[PoStatus, ...]:
    """Where each PO of the order stands now."""
    return tuple(
        PoStatus(po_id=po_id, po_number=po.po_number, supplier_id=po.supplier_id, status=of_po(order, po_id, po))
        for po_id, po in order.open_purchase_orders.items()
    )
