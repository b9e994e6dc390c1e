"""PURE. The order's cancellation: asked first, done last.

POs that were not sent are void at once. The suppliers of the others are asked, in the lane of their PO. When all agree,
every PO is void and the fulfilment is stopped. Where one says "too late", or has shipped, the order cannot be
cancelled: order_intake says so (`order.cancellation_refused`), and what was cancelled already is bought again. Goods
that were lost on their way and that the store gives up are nobody's to be asked for.
"""

from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, later, unchanged
from schemas.model import Message
from schemas.order import OrderCancellationRefused, OrderCancellationStarted
from schemas.supplier import SupplierCancellationAnswered
from services.po_dispatch.decide.hand_over import handed_over_what_is_due
from services.po_dispatch.decide.ordering import not_its_po, told_to_cancel
from services.po_dispatch.decide.voiding import cancel_refused, cancelled, resumed, stopped
from services.po_dispatch.machine import PoStatus
from services.po_dispatch.purchase_order import CancellationAsked, PurchaseOrder
from services.po_dispatch.state import CancellationReceived, CancelPurchaseOrder, Fulfilment, Stop


def on_cancellation_started(
    fulfilment: Fulfilment | None, event: OrderCancellationStarted, ctx: Context[None]
) -> Decision[Fulfilment]:
    """May come before the order itself, which then is not bought."""
    known = fulfilment or Fulfilment(order_id=event.order_id)
    heard = [at for at in (known.resumed_at, known.stop.started_at if known.stop else None) if at is not None]
    if any(event.started_at <= at for at in heard):
        return unchanged(known)
    known = known.model_copy(update={"stop": Stop(started_at=event.started_at), "waiting": ()})
    events: list[Message] = []
    calls: list[Call] = []
    for po in known.living:
        if po.is_lost and (event.cause == "lost" or po.was_given_up):
            given_up = CancellationAsked(asked_at=ctx.now, agreed_at=ctx.now)
            known = known.with_po(po.model_copy(update={"cancellation": given_up}))
        elif po.shipments:
            events.append(cancel_refused(known.order_id, po, "its goods have left", ctx))
        elif po.ordered_at is None:
            known, told = cancelled(known, po, "order_cancelled", ctx)
            events += told
        elif po.goes_on:
            asked, call = told_to_cancel(po, "order_cancelled", ctx)
            known = known.with_po(asked)
            calls.append(call)
    known, ended = stopped(known, ctx)
    return Decision(known, events=[*events, *ended], calls=calls)


def on_cancellation_asked(
    fulfilment: Fulfilment | None, event: Answered[CancelPurchaseOrder, CancellationReceived], ctx: Context[None]
) -> Outcome[Fulfilment]:
    """A supplier that does not know the PO will not deliver it."""
    po = fulfilment.po(event.request.po_id) if fulfilment else None
    if fulfilment is None or po is None:
        return Refused("unknown_po", f"no PO {event.request.po_id} was to be cancelled here")
    if event.answer.known or po.status is not PoStatus.CANCELLING:
        return unchanged(fulfilment)
    return _agree(fulfilment, po, ctx)


def on_cancellation_answered(
    fulfilment: Fulfilment | None, event: SupplierCancellationAnswered, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """Yes or too late. "Too late" after yes says nothing new; yes after "too late" counts: it will not deliver."""
    po = fulfilment.po_numbered(event.po_number) if fulfilment else None
    if fulfilment is None or po is None:
        return later("purchase_order.created")
    if event.supplier_id != po.supplier.supplier_id:
        return not_its_po(event.supplier_id, event.po_number)
    if po.cancellation is None:
        return Refused("not_asked", f"PO {event.po_number} was not to be cancelled")
    if po.void is not None:
        return _said_of_void(fulfilment, po, event)
    if po.shipments or po.status is PoStatus.AGREED:
        return unchanged(fulfilment)
    if event.accepted:
        return _agree(fulfilment, po, ctx)
    if po.status is not PoStatus.CANCELLING:
        return unchanged(fulfilment)
    return _too_late(fulfilment, po, event, ctx)


def on_cancellation_refused(
    fulfilment: Fulfilment | None, event: OrderCancellationRefused, ctx: Context[None]
) -> Decision[Fulfilment]:
    """The order goes on. A supplier that has not answered may still agree; then its PO is bought again too."""
    known = fulfilment or Fulfilment(order_id=event.order_id)
    if known.resumed_at is not None and event.refused_at <= known.resumed_at:
        return unchanged(known)
    known = known.model_copy(update={"resumed_at": event.refused_at})
    if known.stop is None or event.refused_at < known.stop.started_at:
        return Decision(known)
    events: list[Message] = []
    for po in known.living:
        if po.status is PoStatus.AGREED:
            known, told = cancelled(known, po, "order_cancelled", ctx)
            events += told
    known, rerouted = resumed(known, ctx)
    due = handed_over_what_is_due(known)
    return Decision(due.state, events=[*events, *rerouted], calls=due.calls)


def _agree(fulfilment: Fulfilment, po: PurchaseOrder, ctx: Context[None]) -> Decision[Fulfilment]:
    """Void when all agree; at once where the order goes on without this PO."""
    assert po.cancellation is not None
    agreed = po.model_copy(update={"cancellation": po.cancellation.model_copy(update={"agreed_at": ctx.now})})
    changed = fulfilment.with_po(agreed)
    if fulfilment.stop is None:
        changed, events = cancelled(changed, agreed, "order_cancelled", ctx)
    else:
        changed, events = stopped(changed, ctx)
    return Decision(changed, events=events)


def _too_late(
    fulfilment: Fulfilment, po: PurchaseOrder, event: SupplierCancellationAnswered, ctx: Context[None]
) -> Decision[Fulfilment]:
    assert po.cancellation is not None
    refused = po.cancellation.model_copy(update={"refused_at": event.answered_at})
    changed = fulfilment.with_po(po.model_copy(update={"cancellation": refused}))
    events = [cancel_refused(fulfilment.order_id, po, event.detail, ctx)] if fulfilment.stop is not None else []
    due = handed_over_what_is_due(changed)
    return Decision(due.state, events=events, calls=due.calls)


def _said_of_void(
    fulfilment: Fulfilment, po: PurchaseOrder, event: SupplierCancellationAnswered
) -> Outcome[Fulfilment]:
    """It was cancelled as silent and is bought elsewhere by now: what comes of it all the same is a person's."""
    if event.accepted or po.void is None or po.void.cause == "order_cancelled":
        return unchanged(fulfilment)
    return Refused("po_is_void", f"PO {event.po_number} is void ({po.void.cause}), its supplier says that it delivers")
