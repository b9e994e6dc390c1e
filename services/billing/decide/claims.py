"""PURE. Goods that S2 bills and that do not come: their PO became void, or its supplier refused a part of it later.

What was not sent to be paid yet is withheld, and told (`payable.withheld`): it stays open, held, until the supplier
cancels its S2 or credits it, or a person pays. That a carrier lost goods of it may be heard of later: it is told again.
What was paid, in advance or since, is a claim on the supplier, and no cost. A payment that the ERP has goes its way and
is claimed once the bank has settled it. Of several S2 the last one loses its goods first, and of its duplicatas the
last one: what was lost before is never given back, so both only grow.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from schemas.nota_fiscal import SupplierNfMatched
from services.billing import ledger
from services.billing.apportion import ZERO
from services.billing.ledger import Movement
from services.billing.state import Bill, Payable, PayableStatus, PurchaseOrder

CENT = Decimal("0.01")


def claimed(bill: Bill, at: datetime) -> tuple[Bill, list[Movement]]:
    """The bill with what its payables ask for goods that do not come, and the claims that follow from that."""
    rows: list[Movement] = []
    for payable in [found for po in bill.purchase_orders for found in _undelivered(bill, po)]:
        claim = payable.claim
        if claim > payable.claimed:
            what = f"{payable.payable_id}/{claim}"
            rows.append(ledger.claimed(bill.order_id, what, claim - payable.claimed, at))
        lost = bill.purchase_order(payable.po_id).lost_parcels if payable.withheld else ()
        bill = bill.with_payable(payable.model_copy(update={"claimed": claim, "lost_parcels": lost}))
    return bill, rows


def _undelivered(bill: Bill, po: PurchaseOrder) -> Iterator[Payable]:
    """Its payables, each with its part of what is not delivered."""
    for nf, lost in _lost(po):
        mine = [p for p in bill.payables if (p.po_id, p.access_key) == (po.po_id, nf.access_key)]
        for payable in reversed(mine):
            part = min(lost, payable.amount)
            lost -= part
            yield _with_undelivered(payable, part)


def _with_undelivered(payable: Payable, part: Decimal) -> Payable:
    known = payable.model_copy(update={"undelivered": part})
    if payable.status is not PayableStatus.OPEN:
        return known
    return known.model_copy(update={"withheld": min(part, payable.amount - payable.advanced)})


def _lost(po: PurchaseOrder) -> Iterator[tuple[SupplierNfMatched, Decimal]]:
    """S2 of the PO, and what each asks for goods that do not come, BRL: its surcharges in proportion to its goods."""
    if po.created is None or not (po.void or po.remaining is not None):
        return
    left = {line.line: Decimal(0 if po.void else line.quantity) for line in po.lines}
    for nf in sorted(po.supplier_nfs, key=lambda nf: (nf.issued_at, nf.access_key)):
        goods, missing = ZERO, ZERO
        for line in nf.lines:
            comes = min(line.quantity, left.get(line.po_line, Decimal(0)))
            left[line.po_line] = left.get(line.po_line, Decimal(0)) - comes
            goods += line.total
            missing += line.total * (line.quantity - comes) / line.quantity
        share = missing / goods if goods else Decimal(po.void)
        yield nf, (nf.payable * share).quantize(CENT, ROUND_HALF_UP)
