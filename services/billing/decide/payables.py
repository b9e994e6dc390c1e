"""What suppliers are owed: opened when S2 matches; how it is paid is in `supplier_payments`.

A prepaid supplier's PO opens an advance of its total when it is created; its S2 settle against that, and only what they
ask beyond it is owed. An advance that was not ordered yet is dropped with its PO; one that was paid for a PO that
became void is a claim on the supplier.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.billing import PayableOpened, PayableWithheld
from schemas.decision import Context
from schemas.model import Message
from schemas.nota_fiscal import Installment, SupplierNfMatched
from schemas.purchase_order import PurchaseOrderCreated
from services.billing.apportion import ZERO, apportion
from services.billing.reference import Reference
from services.billing.state import Bill, Payable, PayableStatus


def opened(bill: Bill, ctx: Context[Reference]) -> tuple[Payable, ...]:
    """A payable for each duplicata of each S2 that has none yet; a PO that is not known yet has none."""
    known = {(payable.po_id, payable.access_key) for payable in bill.payables}
    found: list[Payable] = []
    for po in bill.purchase_orders:
        if po.created is None:
            continue
        left = _advance_left(bill, po.po_id)
        for nf in po.supplier_nfs:
            if (po.po_id, nf.access_key) not in known:
                owed = _covered(_payables(po.created, nf, ctx), left)
                left -= sum((payable.advanced for payable in owed), ZERO)
                found += owed
    return tuple(found)


def advances(bill: Bill, ctx: Context[Any]) -> tuple[Payable, ...]:
    """One for each PO of a prepaid supplier that has none yet."""
    known = {payable.po_id for payable in bill.payables if payable.is_advance}
    return tuple(
        Payable(
            payable_id=str(ctx.id(f"advance/{po.po_id}")),
            po_id=po.po_id,
            supplier_id=po.created.supplier_id,
            supplier_cnpj=po.created.supplier_cnpj,
            amount=po.created.total,
            due=ctx.now,
        )
        for po in bill.purchase_orders
        if po.created is not None and po.created.terms.kind == "prepaid"
        if not po.void and po.po_id not in known and po.created.total
    )


def with_advances_as_they_remain(bill: Bill) -> Bill:
    """Advances that nobody was asked to pay are dropped with their POs, and pay no more than what remains of them. What
    was ordered goes its way: what is paid beyond what comes is a claim on the supplier."""
    for payable in bill.payables:
        if not payable.is_advance or payable.status is not PayableStatus.OPEN:
            continue
        po = bill.purchase_order(payable.po_id)
        left = sum((line.total for line in po.lines), ZERO)
        if po.void:
            bill = bill.with_payable(payable.model_copy(update={"status": PayableStatus.DROPPED}))
        elif po.remaining is not None and left < payable.amount:
            bill = bill.with_payable(payable.model_copy(update={"amount": left}))
    return bill


def told_of_payables(before: Bill, bill: Bill, at: datetime) -> list[Message]:
    """What is owed and was not, or less than was told; and what is withheld."""
    known = {payable.payable_id: payable for payable in before.payables}
    told: list[Message] = []
    for payable in bill.payables:
        earlier = known.get(payable.payable_id)
        if payable.owed and (earlier is None or payable.amount < earlier.amount):
            told.append(_opened(bill, payable))
        if _newly_withheld(earlier, payable):
            told.append(_withheld(bill, payable, at))
    return told


def _advance_left(bill: Bill, po_id: str) -> Decimal:
    """What is left of the PO's advance, BRL; what the bank refused, or was dropped, pays nothing."""
    mine = [payable for payable in bill.payables if payable.po_id == po_id]
    given = [p.amount for p in mine if p.is_advance and p.status not in (PayableStatus.REFUSED, PayableStatus.DROPPED)]
    return sum(given, ZERO) - sum((p.advanced for p in mine), ZERO)


def _covered(payables: tuple[Payable, ...], left: Decimal) -> list[Payable]:
    """The payables, as far as `left` goes paid in advance, the first one first."""
    found: list[Payable] = []
    for payable in payables:
        advanced = min(left, payable.amount)
        left -= advanced
        status = PayableStatus.COVERED if advanced == payable.amount else payable.status
        found.append(payable.model_copy(update={"advanced": advanced, "status": status}))
    return found


def _payables(po: PurchaseOrderCreated, nf: SupplierNfMatched, ctx: Context[Reference]) -> tuple[Payable, ...]:
    """What is owed for this PO's part, in the parts that the duplicatas have; without them by the supplier's terms."""
    due = nf.issued_at + timedelta(days=0 if po.terms.kind == "prepaid" else po.terms.days)
    duplicatas = nf.installments or (Installment(number="1", due=due, amount=nf.payable),)
    amounts = apportion(nf.payable, [duplicata.amount for duplicata in duplicatas])
    return tuple(
        Payable(
            payable_id=str(ctx.id(f"payable/{po.po_id}/{nf.access_key}/{position}")),
            po_id=po.po_id,
            supplier_id=po.supplier_id,
            supplier_cnpj=po.supplier_cnpj,
            access_key=nf.access_key,
            amount=amount,
            due=duplicata.due,
        )
        for position, (duplicata, amount) in enumerate(zip(duplicatas, amounts, strict=True), 1)
        if amount
    )


def _opened(bill: Bill, payable: Payable) -> PayableOpened:
    return PayableOpened.model_validate(_names(bill, payable) | {"amount": payable.owed, "due": payable.due})


def _newly_withheld(earlier: Payable | None, payable: Payable) -> bool:
    """More than was told, or for parcels that were not known to be lost then."""
    if earlier is None:
        return payable.withheld > ZERO
    return payable.withheld > earlier.withheld or payable.lost_parcels != earlier.lost_parcels


def _withheld(bill: Bill, payable: Payable, at: datetime) -> PayableWithheld:
    said = {"amount": payable.withheld, "lost_parcels": payable.lost_parcels, "withheld_at": at}
    return PayableWithheld.model_validate(_names(bill, payable) | said)


def _names(bill: Bill, payable: Payable) -> dict[str, Any]:
    po = bill.purchase_order(payable.po_id).created
    assert po is not None, "payables are opened for known POs"
    return {
        "order_id": bill.order_id,
        "po_id": payable.po_id,
        "po_number": po.po_number,
        "supplier_id": payable.supplier_id,
        "payable_id": payable.payable_id,
        "access_key": payable.access_key,
    }
