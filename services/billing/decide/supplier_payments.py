"""Payments to suppliers: ordered through the ERP, settled or refused when the bank says so."""

from datetime import datetime, timedelta

from schemas.billing import (
    SupplierPaymentOrdered,
    SupplierPaymentRefused,
    SupplierPaymentReported,
    SupplierPaymentSettled,
)
from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, unchanged
from services.billing import ledger
from services.billing.apportion import ZERO
from services.billing.decide.claims import claimed
from services.billing.requests import OrderSupplierPayment, SupplierPaymentTaken
from services.billing.state import Bill, Payable, PayableStatus, PurchaseOrder


def ordered(bill: Bill) -> tuple[Bill, tuple[Call, ...]]:
    """Payments of open payables go to the ERP; on delivery terms once delivered. Without an ERP a person pays.

    None while the order is being cancelled, and none for goods that do not come (see `claims`).
    """
    calls: list[Call] = []
    if bill.order is None or bill.order.erp_order_number is None or bill.stopping.holds:
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
    if po.delivered_at is None or not po.has_arrived:
        return None
    return po.delivered_at + timedelta(days=po.created.terms.days)


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
    """Settled or refused by the bank. A refused payment may be settled later, never the other way round. A dropped
    advance that a person had paid is settled; that it was refused changes nothing."""
    payable = _payable(bill, event.payable_id)
    if bill is None or payable is None:
        return Refused("unknown_payable", event.payable_id)
    match payable.status, event.outcome:
        case PayableStatus.COVERED, _:
            return Refused("paid_in_advance", event.payable_id)
        case PayableStatus.SETTLED, "settled":
            return unchanged(bill)
        case PayableStatus.SETTLED, "refused":
            return unchanged(bill) if _earlier(event, payable) else Refused("payment_settled_before", event.payable_id)
        case _, "settled":
            return _settled(bill, payable, event)
        case PayableStatus.REFUSED | PayableStatus.DROPPED, _:
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
