"""PURE. What each PO line has of the order's money. What was billed keeps what it was billed at; the rest is divided.

An order line may be supplied by several POs, and by others than at first (refused, cancelled, routed again), also
after a part of it was billed. So the parts that an R bills are remembered in it, and only what no R bills is divided
anew: whatever happens between, the R of an order add up to the order, to the cent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from schemas.order import OrderReady
from schemas.purchase_order import PoLine
from services.billing.apportion import Share, divide, line_shares
from services.billing.state import Bill, BilledPart

Shares = Mapping[tuple[str, int], Share]
"""By PO id and the PO's line. BRL."""


def of_unbilled(bill: Bill, order: OrderReady) -> Shares:
    """Of every PO line that no R bills yet. What no PO supplies (yet) keeps its part too."""
    billed = [part for invoice in bill.billing for part in invoice.parts]
    done = {(part.po_id, part.po_line) for part in billed}
    open_lines = [(po_id, line) for po_id, line in _supplied(bill) if (po_id, line.line) not in done]
    found: dict[tuple[str, int], Share] = {}
    for item, share in zip(order.items, line_shares(order.items, order.freight, order.discount), strict=True):
        parts = [part for part in billed if part.order_line == item.line]
        lines = [(po_id, line) for po_id, line in open_lines if line.order_line == item.line]
        open_quantity = item.quantity - sum(part.quantity for part in parts)
        found.update(_divided(_rest(share, parts), lines, open_quantity))
    return found


def bought_twice(bill: Bill) -> frozenset[int]:
    """Order lines of which R and POs have more than was ordered: that a PO, or an R, is void is still on its way."""
    billed = [part for invoice in bill.billing for part in invoice.parts]
    done = {(part.po_id, part.po_line) for part in billed}
    bought = Counter[int]()
    for part in billed:
        bought[part.order_line] += part.quantity
    for po_id, line in _supplied(bill):
        bought[line.order_line] += 0 if (po_id, line.line) in done else line.quantity
    items = bill.order.items if bill.order else ()
    return frozenset(item.line for item in items if bought[item.line] > item.quantity)


def _supplied(bill: Bill) -> list[tuple[str, PoLine]]:
    return [(po_id, line) for po_id in bill.sale_po_ids for line in bill.purchase_order(po_id).lines]


def _rest(share: Share, parts: Sequence[BilledPart]) -> Share:
    return Share(
        goods=share.goods - sum(part.goods for part in parts),
        discount=share.discount - sum(part.discount for part in parts),
        freight=share.freight - sum(part.freight for part in parts),
    )


def _divided(share: Share, lines: Sequence[tuple[str, PoLine]], quantity: int) -> Shares:
    """`quantity` is how many units the share is of; those beyond the lines are supplied by nobody yet."""
    quantities = [line.quantity for _, line in lines]
    missing = quantity - sum(quantities)
    divided = divide(share, [*quantities, missing] if missing > 0 else quantities) if lines else ()
    return {(po_id, line.line): part for (po_id, line), part in zip(lines, divided, strict=False)}
