"""What suppliers are owed: opened when S2 matches, paid through the ERP, settled when the bank says so.

A prepaid supplier's PO opens an advance of its total when it is created; its S2 settle against that, and only what they
ask beyond it is owed. An advance that was not ordered yet is dropped with its PO; one that was paid for a PO that
became void is a claim on the supplier.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.billing import (
    PayableOpened,
    SupplierPaymentOrdered,
    SupplierPaymentRefused,
    SupplierPaymentReported,
    SupplierPaymentSettled,
)
from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, unchanged
from schemas.nota_fiscal import Installment, SupplierNfMatched
from schemas.purchase_order import PurchaseOrderCreated
from services.billing import ledger
from services.billing.apportion import ZERO, apportion
from services.billing.decide.claims import claimed
from services.billing.reference import Reference
from services.billing.requests import (
    OrderSupplierPayment,
    SupplierPaymentTaken,
)
from services.billing.state import (
    Bill,
    Payable,
    PayableStatus,
    PurchaseOrder,
)


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


def without_void_advances(bill: Bill) -> Bill:
    """Advances that nobody was asked to pay are dropped with their POs."""
    for payable in bill.payables:
        void = payable.is_advance and bill.purchase_order(payable.po_id).void
        if void and payable.status is PayableStatus.OPEN:
            bill = bill.with_payable(payable.model_copy(update={"status": PayableStatus.DROPPED}))
    return bill


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


def payable_opened(bill: Bill, payable: Payable) -> PayableOpened:
    po = bill.purchase_order(payable.po_id).created
    assert po is not None, "payables are opened for known POs"
    return PayableOpened(
        order_id=bill.order_id,
        po_id=payable.po_id,
        po_number=po.po_number,
        supplier_id=payable.supplier_id,
        payable_id=payable.payable_id,
        access_key=payable.access_key,
        amount=payable.amount - payable.advanced,
        due=payable.due,
    )


def ordered(bill: Bill) -> tuple[Bill, tuple[Call, ...]]:
    """Payments of open payables go to the ERP; on delivery terms once delivered. Without an ERP a person pays.

    None while the order is being cancelled, and none for goods that do not come (see `claims`).
    """
    calls: list[Call] = []
    if bill.order is None or bill.order.erp_order_number is None or bill.stopping.under_way:
        return bill, ()
    for payable in bill.payables:
        due = _payment_due(bill.purchase_order(payable.po_id), payable)
        if payable.status is not PayableStatus.OPEN or due is None or not payable.owed:
            continue
        calls.append(
            Call(
                "erp",
                OrderSupplierPayment(
                    payable_id=payable.payable_id,
                    supplier_cnpj=payable.supplier_cnpj,
                    amount=payable.owed,
                    due=due,
                ),
            )
        )
        bill = bill.with_payable(payable.model_copy(update={"status": PayableStatus.ORDERING}))
    return bill, tuple(calls)


def _payment_due(po: PurchaseOrder, payable: Payable) -> datetime | None:
    """When it is to be paid; None where that is not known yet, or it is not to be paid."""
    if po.void:
        return None
    if payable.is_advance or po.created is None or po.created.terms.kind != "on_delivery":
        return payable.due
    return po.delivered_at and po.delivered_at + timedelta(days=po.created.terms.days)


def on_supplier_payment_taken(
    bill: Bill | None, event: Answered[OrderSupplierPayment, SupplierPaymentTaken], ctx: Context[None]
) -> Outcome[Bill]:
    """The ERP took the payment order; the bank may have reported on it before this answer is seen."""
    payable = _payable(bill, event.request.payable_id)
    if bill is None or payable is None:
        return Refused("unknown_payable", event.request.payable_id)
    if payable.erp_number is not None:
        return unchanged(bill)
    status = PayableStatus.ORDERED if payable.status is PayableStatus.ORDERING else payable.status
    fact = SupplierPaymentOrdered(
        order_id=bill.order_id,
        po_id=payable.po_id,
        supplier_id=payable.supplier_id,
        payable_id=payable.payable_id,
        amount=payable.owed,
        ordered_at=event.answered_at,
    )
    known = payable.model_copy(update={"status": status, "erp_number": event.answer.erp_number})
    return Decision(bill.with_payable(known), events=[fact])


def on_supplier_payment_reported(
    bill: Bill | None, event: SupplierPaymentReported, ctx: Context[None]
) -> Outcome[Bill]:
    """Settled or refused by the bank. A refused payment may be settled later, never the other way round."""
    payable = _payable(bill, event.payable_id)
    if bill is None or payable is None:
        return Refused("unknown_payable", event.payable_id)
    match payable.status, event.outcome:
        case PayableStatus.SETTLED, "settled":
            return unchanged(bill)
        case PayableStatus.SETTLED, "refused":
            return unchanged(bill) if _earlier(event, payable) else Refused("payment_settled_before", event.payable_id)
        case _, "settled":
            return _settled(bill, payable, event)
        case PayableStatus.REFUSED, _:
            return unchanged(bill)
        case _:
            return _payment_refused(bill, payable, event)


def _settled(bill: Bill, payable: Payable, event: SupplierPaymentReported) -> Decision[Bill]:
    """What nobody ordered a person paid, as `payable.opened` told it: whole, also what was withheld of it since."""
    by_person = payable.status is PayableStatus.OPEN or not payable.owed
    withheld = ZERO if by_person else payable.withheld
    paid = {"status": PayableStatus.SETTLED, "settled_at": event.reported_at, "detail": "", "withheld": withheld}
    payable = payable.model_copy(update=paid)
    fact = SupplierPaymentSettled(
        order_id=bill.order_id,
        po_id=payable.po_id,
        supplier_id=payable.supplier_id,
        payable_id=payable.payable_id,
        amount=payable.owed,
        settled_at=event.reported_at,
    )
    pay = ledger.advance_paid if payable.is_advance else ledger.supplier_paid
    rows = [pay(bill.order_id, payable.payable_id, payable.owed, event.reported_at)] if payable.owed else []
    bill, claims = claimed(bill.with_payable(payable), event.reported_at)
    return Decision(bill, events=[fact], rows=[*rows, *claims])


def _payment_refused(bill: Bill, payable: Payable, event: SupplierPaymentReported) -> Decision[Bill]:
    known = payable.model_copy(update={"status": PayableStatus.REFUSED, "detail": event.detail})
    fact = SupplierPaymentRefused(
        order_id=bill.order_id,
        po_id=payable.po_id,
        supplier_id=payable.supplier_id,
        payable_id=payable.payable_id,
        amount=payable.owed,
        detail=event.detail,
        refused_at=event.reported_at,
    )
    return Decision(bill.with_payable(known), events=[fact])


def _payable(bill: Bill | None, payable_id: str) -> Payable | None:
    return next((p for p in bill.payables if p.payable_id == payable_id), None) if bill else None


def _earlier(event: SupplierPaymentReported, payable: Payable) -> bool:
    """Whether this refusal came late: the bank refused first and settled then."""
    return payable.settled_at is not None and event.reported_at <= payable.settled_at
