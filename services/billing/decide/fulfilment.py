"""What follows from the order, its POs, the suppliers' notas fiscais and the shipments.

Messages only add to what the bill knows; `_advance` then does whatever has become possible. So it does not matter
in which order they come, and what was done is seen in the bill and not done again.
"""

from collections.abc import Callable, Sequence

from schemas.decision import Call, Context, Decision, Outcome, unchanged
from schemas.model import Model
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfMatched
from schemas.order import OrderReady
from schemas.purchase_order import PurchaseOrderCreated, ShipmentDelivered, ShipmentDispatched
from services.billing import ledger
from services.billing.decide.invoices import numbered
from services.billing.decide.payables import opened, ordered, payable_opened
from services.billing.draft import drafts
from services.billing.reference import Reference
from services.billing.state import Bill, PurchaseOrder

Ctx = Context[Reference]


def on_order_ready(bill: Bill | None, event: OrderReady, ctx: Ctx) -> Outcome[Bill]:
    known = bill or Bill(order_id=event.order_id)
    if known.order is not None:
        return unchanged(known)
    paid = [
        ledger.customer_paid(event.order_id, p.payment_id, p.amount, p.approved_at)
        for p in event.payments
        if p.approved_at is not None and p.amount
    ]
    return _advance(known.model_copy(update={"order": event}), ctx, paid)


def on_purchase_order_created(bill: Bill | None, event: PurchaseOrderCreated, ctx: Ctx) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        said = event.model_copy(update={"candidates": ()})
        return po if po.created is not None else po.model_copy(update={"created": said})

    return _learnt(bill, event.order_id, event.po_id, learn, lambda known: _advance(known, ctx))


def on_supplier_nf_matched(bill: Bill | None, event: SupplierNfMatched, ctx: Ctx) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        if any(nf.access_key == event.access_key for nf in po.supplier_nfs):
            return po
        nfs = sorted([*po.supplier_nfs, event], key=lambda nf: nf.access_key)
        return po.model_copy(update={"supplier_nfs": tuple(nfs)})

    return _learnt(bill, event.order_id, event.po_id, learn, lambda known: _advance(known, ctx))


def on_remittance_nf_matched(bill: Bill | None, event: RemittanceNfMatched, ctx: Context[None]) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        return po.model_copy(update={"remittance_key": po.remittance_key or event.access_key})

    return _learnt(bill, event.order_id, event.po_id, learn, _noted)


def on_shipment_dispatched(bill: Bill | None, event: ShipmentDispatched, ctx: Context[None]) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        return po.model_copy(update={"dispatched_at": po.dispatched_at or event.dispatched_at})

    return _learnt(bill, event.order_id, event.po_id, learn, _noted)


def on_shipment_delivered(bill: Bill | None, event: ShipmentDelivered, ctx: Context[None]) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        return po.model_copy(update={"delivered_at": po.delivered_at or event.delivered_at})

    return _learnt(bill, event.order_id, event.po_id, learn, _noted)


def _learnt(
    bill: Bill | None,
    order_id: str,
    po_id: str,
    learn: Callable[[PurchaseOrder], PurchaseOrder],
    follow: Callable[[Bill], Outcome[Bill]],
) -> Outcome[Bill]:
    """The bill with what was learnt of a PO, and what follows; said twice: nothing."""
    known = bill or Bill(order_id=order_id)
    before = known.purchase_order(po_id)
    after = learn(before)
    return unchanged(bill) if after == before else follow(known.with_purchase_order(after))


def _noted(bill: Bill) -> Outcome[Bill]:
    """What happens to the goods writes no R, but may make a payment due."""
    bill, payments = ordered(bill)
    return Decision(bill, calls=payments)


def _advance(bill: Bill, ctx: Ctx, rows: Sequence[Model] = ()) -> Outcome[Bill]:
    """Whatever the bill now allows: R numbered and sent to SEFAZ, payables opened, payments ordered.

    Nothing before the order is known. What R lacks is looked at first: a number that was taken is used.
    """
    if bill.order is None:
        return Decision(bill)
    written = drafts(bill, ctx.reference, ctx.now)
    if not isinstance(written, tuple):
        return written
    requests = [numbered(draft, ctx) for draft in written]
    owed = opened(bill, ctx)
    bill = bill.model_copy(
        update={
            "invoices": (*bill.invoices, *(invoice for invoice, _ in requests)),
            "payables": (*bill.payables, *owed),
        }
    )
    bill, payments = ordered(bill)
    return Decision(
        bill,
        events=[payable_opened(bill, payable) for payable in owed],
        calls=[*(Call("sefaz", request) for _, request in requests), *payments],
        rows=[*rows, *(ledger.bought(bill.order_id, p.payable_id, p.amount, ctx.now) for p in owed)],
    )
