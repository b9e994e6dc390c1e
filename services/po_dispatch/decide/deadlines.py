"""PURE. What a PO waits for, until when, and what follows when it does not come.

    confirmation  half over: the supplier is reminded; over: the PO is void, its lines routed again, the supplier told
    prepayment    over: the PO, which was never sent, is void, its lines routed again
    cancellation  the supplier's answer, as long as a confirmation; over: an alert, once
    supplier_nf, dispatch   over: an alert, once; a dispatch is late until all goods have left, and says which have not

All are read off the state, so one reminder for the next of them is enough (see `reminders`). A supplier that has said
anything else that shows that it works on the PO, e.g. issued S2, is not silent. Any silence before the confirmation
counts from when the PO was asked to be sent: one that cannot be reached for so long does not deliver either.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from schemas.decision import Call, Context, Decision
from schemas.model import Message
from schemas.purchase_order import PurchaseOrderLate
from schemas.runtime import ReminderDue
from schemas.store import Deadlines
from services.po_dispatch import parcels
from services.po_dispatch.decide.ordering import told_to_cancel
from services.po_dispatch.decide.voiding import cancelled, stopped
from services.po_dispatch.machine import PoStatus
from services.po_dispatch.purchase_order import Late, PurchaseOrder
from services.po_dispatch.state import Fulfilment, RemindSupplier


class Deadline(NamedTuple):
    """`since`: from when it is waited for."""

    po_id: str
    what: Late | Literal["reminder"]
    since: datetime
    due: datetime


def pending(fulfilment: Fulfilment) -> list[Deadline]:
    """What is waited for, the next one first."""
    if fulfilment.order is None:
        return []
    spans = fulfilment.order.deadlines
    found = (deadline for po in fulfilment.living for deadline in _of(po, spans))
    return sorted(found, key=lambda deadline: (deadline.due, deadline.po_id))


def on_deadline_due(fulfilment: Fulfilment | None, event: ReminderDue, ctx: Context[None]) -> Decision[Fulfilment]:
    """Everything that is over by now, one after the other: each may end others."""
    if fulfilment is None:
        return Decision(None)
    events: list[Message] = []
    calls: list[Call] = []
    while over := [d for d in pending(fulfilment) if d.due <= max(ctx.now, event.due)]:
        fulfilment, said, asked = _missed(fulfilment, over[0], ctx)
        events += said
        calls += asked
    fulfilment, ended = stopped(fulfilment, ctx)
    return Decision(fulfilment, events=[*events, *ended], calls=calls)


def _of(po: PurchaseOrder, spans: Deadlines) -> Iterator[Deadline]:
    status = po.status
    if po.ordered_at is not None and not po.was_heard_of and status is not PoStatus.AGREED:
        if po.reminded_at is None and po.sent_at is not None and po.goes_on:
            yield Deadline(po.po_id, "reminder", po.ordered_at, po.ordered_at + spans.confirmation / 2)
        yield Deadline(po.po_id, "confirmation", po.ordered_at, po.ordered_at + spans.confirmation)
    for what, since, span in _alerts(po, status, spans):
        if not po.is_late(what):
            yield Deadline(po.po_id, what, since, since + span)


def _alerts(po: PurchaseOrder, status: PoStatus, spans: Deadlines) -> Iterator[tuple[Late, datetime, timedelta]]:
    """What is waited for, since when, and how long. A cancellation's answer only of a supplier that was heard of: the
    silence of the others ends sooner."""
    if status is PoStatus.CREATED and po.created_at is not None:
        yield "prepayment", po.created_at, spans.prepayment
    if po.sent_at is not None and _awaits_nf(po, status):
        yield "supplier_nf", po.sent_at, spans.supplier_nf
    if po.invoiced_at is not None and po.goes_on and not po.has_left:
        yield "dispatch", po.invoiced_at, spans.dispatch
    if status is PoStatus.CANCELLING and po.cancellation is not None and po.was_heard_of:
        yield "cancellation", po.cancellation.asked_at, spans.confirmation


def _awaits_nf(po: PurchaseOrder, status: PoStatus) -> bool:
    return status in (PoStatus.SENT, PoStatus.CONFIRMED) and not po.sale_nf_keys and po.invoice_key is None


def _missed(
    fulfilment: Fulfilment, deadline: Deadline, ctx: Context[None]
) -> tuple[Fulfilment, list[Message], list[Call]]:
    po = fulfilment.po(deadline.po_id)
    assert po is not None
    assert po.number is not None  # nothing is waited for of a PO without one
    if deadline.what == "reminder":
        due = deadline.due + (deadline.due - deadline.since)
        request = RemindSupplier(
            po_id=po.po_id, number=po.number, supplier=po.supplier, sent_at=po.sent_at or deadline.since, due=due
        )
        reminded = po.model_copy(update={"reminded_at": ctx.now})
        return fulfilment.with_po(reminded), [], [Call(po.supplier.partner, request)]
    late = _late(fulfilment.order_id, po, deadline, deadline.what, ctx)
    po = po.model_copy(update={"late": (*po.late, deadline.what)})
    calls: list[Call] = []
    if deadline.what == "confirmation":
        if po.cancellation is None:
            po, call = told_to_cancel(po, "silent", ctx)
            calls.append(call)
        fulfilment, events = cancelled(fulfilment, po, "silent", ctx)
        return fulfilment, [late, *events], calls
    if deadline.what == "prepayment":
        fulfilment, events = cancelled(fulfilment, po, "prepayment_late", ctx)
        return fulfilment, [late, *events], calls
    return fulfilment.with_po(po), [late], calls


def _late(order_id: str, po: PurchaseOrder, deadline: Deadline, what: Late, ctx: Context[None]) -> PurchaseOrderLate:
    return PurchaseOrderLate(
        order_id=order_id,
        po_id=po.po_id,
        po_number=po.number or "",
        supplier_id=po.supplier.supplier_id,
        what=what,
        lines=parcels.named(po.lines, parcels.not_left(po.lines, po.shipments)) if po.shipments else (),
        since=deadline.since,
        due=deadline.due,
        at=ctx.now,
    )
