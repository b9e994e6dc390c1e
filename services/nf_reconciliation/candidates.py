"""PURE. Which PO an S2 is about that cites none: the supplier's open POs whose lines can take all of its lines."""

from collections.abc import Iterable
from decimal import Decimal

from services.nf_reconciliation.document_fields import Document
from services.nf_reconciliation.line_checks import matching_po_line, quantity_in_po_unit
from services.nf_reconciliation.state import PurchaseOrder


def fitting(document: Document, purchase_orders: Iterable[PurchaseOrder]) -> tuple[str, ...]:
    """Numbers of the POs that fit; where some fit exactly (all that is open, no more and no less), only those."""
    rests = [(po, _rest(document, po)) for po in purchase_orders if po.created is not None and not po.void]
    fits = [(po, rest) for po, rest in rests if rest is not None and min(rest.values(), default=Decimal(0)) >= 0]
    exact = [po for po, rest in fits if not any(rest.values())]
    return tuple(po.created.po_number for po in exact or [po for po, _ in fits] if po.created is not None)


def _rest(document: Document, po: PurchaseOrder) -> dict[int, Decimal] | None:
    """What would be left open of each line; None where a line of the document is not the PO's."""
    created = po.current
    assert created is not None
    taken = po.taken("sale")
    rest = {line.line: line.quantity - taken.get(line.line, Decimal(0)) for line in created.lines}
    for line in document.lines:
        po_line = matching_po_line(line, created.lines, created.po_number)
        quantity = None if po_line is None else quantity_in_po_unit(line, po_line.unit)
        if po_line is None or quantity is None:
            return None
        rest[po_line.line] -= quantity
    return rest
