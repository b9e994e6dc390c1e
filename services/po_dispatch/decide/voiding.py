"""PURE. A PO is void: what it held is open again. Bought elsewhere at once, or, while the order is being cancelled,
if it goes on after all.
"""

from collections.abc import Sequence

from schemas.decision import Context
from schemas.model import Message
from schemas.purchase_order import (
    FulfilmentStopped,
    OrderLineQuantity,
    PurchaseOrderCancelled,
    PurchaseOrderCancelRefused,
    PurchaseOrderRerouted,
)
from schemas.sourcing import SourcingRetryDue
from services.po_dispatch import parcels
from services.po_dispatch.purchase_order import CancelCause, PurchaseOrder
from services.po_dispatch.state import Bar, Fulfilment, Reroute, RerouteCause

Outcome = tuple[Fulfilment, list[Message]]


def cancelled(fulfilment: Fulfilment, po: PurchaseOrder, cause: CancelCause, ctx: Context[None]) -> Outcome:
    """The PO, and what becomes of its lines. Of a PO that has no number nobody else knows, so nothing is told."""
    changed = fulfilment.with_po(po.with_void(cause, ctx.now))
    events: list[Message] = []
    if po.number is not None and po.created_at is not None:
        events.append(
            PurchaseOrderCancelled(
                order_id=changed.order_id,
                po_id=po.po_id,
                po_number=po.number,
                order_po_ids=changed.po_ids,
                supplier_id=po.supplier.supplier_id,
                cause=cause,
                lost_parcels=parcels.known_as_lost(po.shipments) if po.is_lost else (),
                cancelled_at=ctx.now,
            )
        )
    lines = tuple(OrderLineQuantity(order_line=line.order_line, quantity=line.quantity) for line in po.lines)
    why: RerouteCause = "cancellation_refused" if cause == "order_cancelled" else cause
    changed, more = reopened(changed, Reroute(po_id=po.po_id, lines=lines, cause=why), ctx)
    return changed, [*events, *more]


def reopened(fulfilment: Fulfilment, reroute: Reroute, ctx: Context[None]) -> Outcome:
    """These lines are open: bought elsewhere, unless the order is being cancelled."""
    fulfilment = _barred(fulfilment, reroute, ctx)
    if fulfilment.stop is not None:
        return fulfilment.model_copy(update={"reroutes": (*fulfilment.reroutes, reroute)}), []
    return fulfilment, [*_told(fulfilment, [reroute], ctx), SourcingRetryDue(order_id=fulfilment.order_id)]


def resumed(fulfilment: Fulfilment, ctx: Context[None]) -> Outcome:
    """The order goes on: what was put off while it was being cancelled is bought elsewhere now."""
    events = _told(fulfilment, fulfilment.reroutes, ctx)
    again = fulfilment.model_copy(update={"reroutes": (), "stop": None})
    return again, [*events, SourcingRetryDue(order_id=again.order_id)] if again.open_lines else events


def stopped(fulfilment: Fulfilment, ctx: Context[None]) -> Outcome:
    """Once every supplier has agreed: all POs are void, and the order is bought nowhere any more."""
    stop = fulfilment.stop
    if stop is None or stop.stopped_at is not None or any(not po.is_agreed for po in fulfilment.living):
        return fulfilment, []
    events: list[Message] = []
    for po in fulfilment.living:
        fulfilment, told = cancelled(fulfilment, po, "order_cancelled", ctx)
        events += told
    void = tuple(po.po_id for po in fulfilment.purchase_orders if po.created_at is not None)
    events.append(
        FulfilmentStopped(
            order_id=fulfilment.order_id, started_at=stop.started_at, cancelled_po_ids=void, stopped_at=ctx.now
        )
    )
    return fulfilment.model_copy(update={"stop": stop.model_copy(update={"stopped_at": ctx.now})}), events


def cancel_refused(order_id: str, po: PurchaseOrder, detail: str, ctx: Context[None]) -> PurchaseOrderCancelRefused:
    return PurchaseOrderCancelRefused(
        order_id=order_id,
        po_id=po.po_id,
        po_number=po.number or "",
        supplier_id=po.supplier.supplier_id,
        detail=detail,
        refused_at=ctx.now,
    )


def _barred(fulfilment: Fulfilment, reroute: Reroute, ctx: Context[None]) -> Fulfilment:
    """Its supplier does not get these lines again, unless it cancelled them because we asked."""
    po = fulfilment.po(reroute.po_id)
    if po is None or reroute.cause == "cancellation_refused":
        return fulfilment
    supplier = po.supplier.supplier_id
    lines = {line.order_line for line in reroute.lines}
    others = tuple(b for b in fulfilment.bars if b.supplier_id != supplier or b.order_line not in lines)
    new = tuple(Bar(order_line=line, supplier_id=supplier, since=ctx.now) for line in sorted(lines))
    return fulfilment.model_copy(update={"bars": (*others, *new)})


def _told(fulfilment: Fulfilment, reroutes: Sequence[Reroute], ctx: Context[None]) -> list[Message]:
    return [
        PurchaseOrderRerouted(
            order_id=fulfilment.order_id,
            po_id=po.po_id,
            po_number=po.number,
            supplier_id=po.supplier.supplier_id,
            lines=reroute.lines,
            cause=reroute.cause,
            at=ctx.now,
        )
        for reroute in reroutes
        if (po := fulfilment.po(reroute.po_id)) is not None and po.number is not None and po.created_at is not None
    ]
