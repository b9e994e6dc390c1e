"""What follows from the order, its POs, the suppliers' notas fiscais and the shipments.

Messages only add to what the bill knows; `advanced` then does whatever has become possible. So it does not matter
in which order they come, and what was done is seen in the bill and not done again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from schemas.decision import Call, Context, Decision, Outcome, unchanged
from schemas.model import Message, Model
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfMatched
from schemas.order import OrderCancellationRefused, OrderReady
from schemas.purchase_order import PurchaseOrderCancelled, PurchaseOrderCreated, PurchaseOrderRefused
from schemas.shipment import ShipmentDelivered, ShipmentDispatched
from schemas.sourcing import SourcingGivenUp
from services.billing import ledger
from services.billing.decide.claims import claimed
from services.billing.decide.invoices import numbered
from services.billing.decide.payables import advances, opened, told_of_payables, with_advances_as_they_remain
from services.billing.decide.stopping import cancel_window, withdrawn
from services.billing.decide.supplier_payments import ordered
from services.billing.draft import drafts
from services.billing.reference import Reference
from services.billing.state import Bill, Payable, PurchaseOrder

Ctx = Context[Reference]


def on_order_ready(bill: Bill | None, event: OrderReady, ctx: Ctx) -> Outcome[Bill]:
    known = bill or Bill(order_id=event.order_id)
    if known.order is not None:
        return unchanged(known)
    paid = [
        ledger.customer_paid(event.order_id, p.payment_id, rest, p.approved_at)
        for p in event.payments
        if p.approved_at is not None and not known.knows_payment(p.payment_id)
        if (rest := p.amount - known.refunded_of(p.payment_id)) > 0
    ]
    return advanced(known.model_copy(update={"order": event}), ctx, paid)


def on_purchase_order_created(bill: Bill | None, event: PurchaseOrderCreated, ctx: Ctx) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        said = event.model_copy(update={"candidates": ()})
        return po if po.created is not None else po.model_copy(update={"created": said})

    return _learnt(bill, event.order_id, event.po_id, learn, lambda known: advanced(known, ctx))


def on_purchase_order_refused(bill: Bill | None, event: PurchaseOrderRefused, ctx: Ctx) -> Outcome[Bill]:
    """What remains of the PO is billed; of several refusals the newest holds. That a part had left by then may be heard
    of here first: R is not cancelled then."""

    def learn(po: PurchaseOrder) -> PurchaseOrder:
        left = {"dispatched_at": po.dispatched_at or event.dispatched_at}
        po = po.model_copy(update=left | {"has_arrived": po.has_arrived or event.has_arrived})
        po = po.with_lost(event.lost_parcels)
        if po.refused_at is not None and event.refused_at <= po.refused_at:
            return po
        return _with_word(
            po.model_copy(update={"remaining": event.lines, "refused_at": event.refused_at}),
            event.order_po_ids,
            event.refused_at,
        )

    return _learnt(bill, event.order_id, event.po_id, learn, lambda known: advanced(known, ctx))


def on_purchase_order_cancelled(bill: Bill | None, event: PurchaseOrderCancelled, ctx: Ctx) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        cancelled = po.model_copy(update={"cancelled_at": po.cancelled_at or event.cancelled_at})
        return _with_word(cancelled.with_lost(event.lost_parcels), event.order_po_ids, event.cancelled_at)

    return _learnt(bill, event.order_id, event.po_id, learn, lambda known: advanced(known, ctx))


def on_given_up(bill: Bill | None, event: SourcingGivenUp, ctx: Ctx) -> Outcome[Bill]:
    """One R for the whole order waits for these lines no longer. Of two words the larger one is the newer."""
    known = bill or Bill(order_id=event.order_id)
    said = {line.order_line: line.quantity for line in event.lines}
    lines = sorted({*known.given_up, *said})
    given_up = {line: max(known.given_up.get(line, 0), said.get(line, 0)) for line in lines}
    if given_up == known.given_up:
        return unchanged(bill)
    return advanced(known.model_copy(update={"given_up": given_up, **_with_given_up_pos(known, event)}), ctx)


def _with_given_up_pos(bill: Bill, event: SourcingGivenUp) -> dict[str, Any]:
    if bill.given_up_at is not None and event.at <= bill.given_up_at:
        return {}
    return {"given_up_at": event.at, "given_up_po_ids": event.order_po_ids}


def on_cancellation_refused(bill: Bill | None, event: OrderCancellationRefused, ctx: Ctx) -> Outcome[Bill]:
    """The order goes on: what could not be billed meanwhile is billed now."""
    known = bill or Bill(order_id=event.order_id)
    before = known.stopping.refused_at
    if before is not None and event.refused_at <= before:
        return unchanged(bill)
    stopping = known.stopping.model_copy(update={"refused_at": event.refused_at, "wished": False})
    return advanced(known.model_copy(update={"stopping": stopping}), ctx)


def _with_word(po: PurchaseOrder, order_po_ids: tuple[str, ...], at: datetime) -> PurchaseOrder:
    if po.order_po_ids_at is not None and at < po.order_po_ids_at:
        return po
    return po.model_copy(update={"order_po_ids": order_po_ids, "order_po_ids_at": at})


def on_supplier_nf_matched(bill: Bill | None, event: SupplierNfMatched, ctx: Ctx) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        if any(nf.access_key == event.access_key for nf in po.supplier_nfs):
            return po
        nfs = sorted([*po.supplier_nfs, event], key=lambda nf: nf.access_key)
        return po.model_copy(update={"supplier_nfs": tuple(nfs)})

    return _learnt(bill, event.order_id, event.po_id, learn, lambda known: advanced(known, ctx))


def on_remittance_nf_matched(bill: Bill | None, event: RemittanceNfMatched, ctx: Context[None]) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        return po.model_copy(update={"remittance_key": po.remittance_key or event.access_key})

    return _learnt(bill, event.order_id, event.po_id, learn, _noted)


def on_shipment_dispatched(bill: Bill | None, event: ShipmentDispatched, ctx: Context[None]) -> Outcome[Bill]:
    def learn(po: PurchaseOrder) -> PurchaseOrder:
        return po.model_copy(update={"dispatched_at": po.dispatched_at or event.dispatched_at})

    return _learnt(bill, event.order_id, event.po_id, learn, _noted)


def on_shipment_delivered(bill: Bill | None, event: ShipmentDelivered, ctx: Context[None]) -> Outcome[Bill]:
    """What is paid on delivery is due from the last parcel on: a payable is for all that its S2 sells, in whichever
    parcels that travels, and what has not arrived is not paid yet."""

    def learn(po: PurchaseOrder) -> PurchaseOrder:
        last = max(po.delivered_at or event.delivered_at, event.delivered_at)
        whole = po.has_arrived or not event.open_lines
        return po.model_copy(update={"delivered_at": last, "has_arrived": whole})

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


def advanced(
    bill: Bill, ctx: Ctx, rows: Sequence[Model] = (), events: Sequence[Message] = (), calls: Sequence[Call] = ()
) -> Outcome[Bill]:
    """Whatever the bill now allows: R numbered and sent to SEFAZ, payables opened, payments ordered.

    Nothing before the order is known. What R lacks is looked at first: a number that was taken is used.
    """
    if bill.order is None:
        return Decision(bill, events=events, calls=calls, rows=rows)
    bill, told, withdrawals = withdrawn(bill, cancel_window(ctx.reference, ctx.now), ctx)
    written = drafts(bill, ctx.reference, ctx.now)
    if not isinstance(written, tuple):
        return written
    requests = [numbered(draft, ctx) for draft in written]
    bill = bill.model_copy(update={"invoices": (*bill.invoices, *(invoice for invoice, _ in requests))})
    before, paid_first = bill, advances(bill, ctx)
    bill = bill.model_copy(update={"payables": (*bill.payables, *paid_first)})
    owed = opened(bill, ctx)
    bill = with_advances_as_they_remain(bill.model_copy(update={"payables": (*bill.payables, *owed)}))
    bill, claims = claimed(bill, ctx.now)
    payables = told_of_payables(before, bill, ctx.now)
    bill, payments = ordered(bill)
    return Decision(
        bill,
        events=[*events, *told, *payables],
        calls=[*calls, *withdrawals, *(Call("sefaz", request) for _, request in requests), *payments],
        rows=[*rows, *(movement for payable in owed for movement in _bought(bill.order_id, payable, ctx.now)), *claims],
    )


def _bought(order_id: str, payable: Payable, at: datetime) -> list[Model]:
    rows: list[Model] = [ledger.bought(order_id, payable.payable_id, payable.amount, at)]
    if payable.advanced:
        rows.append(ledger.advance_used(order_id, payable.payable_id, payable.advanced, at))
    return rows
