"""Cancelling an order: asked first, done last. Pure.

A wish is refused at once where the store's settings say so. Else the cancellation is started: nothing more is bought or
invoiced. It ends when po_dispatch and billing have stopped, or is refused when a supplier says that it is too late. An
order that was never ready for fulfilment is cancelled at once: nobody has begun anything. An R whose window is over
cannot be cancelled: the customer and the channel are refused at once and the goods come back instead; where the store
wants it all the same, or the window ends on the way, a person decides (`order.cancellation_decided`).
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from schemas.model import Message
from schemas.order import (
    CancellationCause,
    OrderCancellationRefused,
    OrderCancellationRequested,
    OrderCancellationStarted,
    OrderCancelled,
    OrderPlaced,
    Status,
)
from schemas.values import Problem
from services.order_intake.decide.follow import lost
from services.order_intake.decide.money import is_paid_late
from services.order_intake.decide.moves import RANK
from services.order_intake.decide.status import of_po
from services.order_intake.state import Cancellation, Order, Terms, Wish

LIMITS: dict[str, tuple[Status, str]] = {
    "until_sent": ("po_dispatched", "already_sent"),
    "until_invoiced": ("invoiced", "already_invoiced"),
    "until_shipped": ("shipped", "already_shipped"),
}
"""By the store's setting: from which status of a PO on it is too late, and the reason's code."""

TICK = timedelta(microseconds=1)


def wished(order: Order, event: OrderCancellationRequested) -> Order:
    """With somebody's wish to cancel it, to be answered; said before: as it was."""
    if any(wish.event == event for wish in order.wishes):
        return order
    wishes = sorted([*order.wishes, Wish(event=event)], key=lambda wish: wish.event.requested_at)
    return order.model_copy(update={"wishes": tuple(wishes)})


def settle(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """With every wish answered, and the cancellation as far as the facts are."""
    placed, terms = order.placed, order.terms
    if placed is None or terms is None:
        return order, []
    order, events = _answer(order, placed, terms, now)
    if terms.late_payment == "cancel" and _may_cancel_late(order):
        order, started = start(order, "late_payment", "the payment came after it had expired", now)
        events += started
    order, ended = _end(order, now)
    order, given_up = lost.look_again(order, placed, now)
    return order, [*events, *ended, *given_up]


def start(order: Order, cause: CancellationCause, reason: str, now: datetime) -> tuple[Order, list[Message]]:
    """Its time is after every refusal's: others tell by the times which of two words is the newer one."""
    if order.placed is None:
        return order, []
    refused_at = order.cancellation_refused_at
    at = now if refused_at is None else max(now, refused_at + TICK)
    attempt = Cancellation(cause=cause, reason=reason, started_at=at)
    event = OrderCancellationStarted(**_names(order.placed), cause=cause, reason=reason, started_at=at)
    return order.model_copy(update={"cancellation": attempt}), [event]


def supplier_refusals(order: Order) -> Iterator[Problem]:
    """The suppliers of POs that the order still has who said that it is too late."""
    for po_id, refusal in sorted(order.cancel_refusals.items()):
        if not order.purchase_order(po_id).is_void:
            detail = f"{refusal.supplier_id}: {refusal.detail}" if refusal.detail else refusal.supplier_id
            yield Problem(code="supplier_too_late", where=refusal.po_number, detail=detail)


def _answer(order: Order, placed: OrderPlaced, terms: Terms, now: datetime) -> tuple[Order, list[Message]]:
    """Those who ask while it is being cancelled, or after, have what they want."""
    events: list[Message] = []
    for wish in [wish.event for wish in order.wishes if not wish.answered]:
        order = _answered(order, wish)
        if order.cancelled_at is None and not order.is_being_cancelled:
            given_up = frozenset(lost.to_give_up(order, wish))
            problems = tuple(_problems(order, terms, wish, now))
            if given_up:
                order, told = _give_up_lost(order, placed, given_up, wish.reason, now)
                events += told
            elif problems:
                order, refused = _refusal(order, placed, problems, now)
                events += refused
            else:
                lost_pos = frozenset(lost.pos(order, wish))
                order, started = start(_without_refusals(order, lost_pos), _cause(lost_pos), wish.reason, now)
                events += started
    return order, events


def _answered(order: Order, wish: OrderCancellationRequested) -> Order:
    parcels = lost.parcels(order, wish)
    answer = {"answered": True, "lost": tuple(parcels), "lost_since": parcels}
    wishes = tuple(w.model_copy(update=answer) if w.event == wish else w for w in order.wishes)
    return order.model_copy(update={"wishes": wishes})


def _problems(order: Order, terms: Terms, wish: OrderCancellationRequested, now: datetime) -> Iterator[Problem]:
    """Of the POs the most advanced decides. What is lost on its way the store may cancel."""
    if order.completed_at is not None:
        yield Problem(code="completed", detail=f"the order was completed at {order.completed_at.isoformat()}")
        return
    lost_pos = frozenset(lost.pos(order, wish))
    yield from supplier_refusals(_without_refusals(order, lost_pos))
    if wish.requested_by not in lost.BY_STORE:
        yield from _beyond_their_window(order, now)
    limit, code = LIMITS[terms.cancellation]
    for po_id, po in sorted(order.purchase_orders.items()):
        status: str = of_po(order, po_id, po)
        if po_id in lost_pos or po.is_void:
            continue
        if po.shipments and not po.has_left:
            status = "shipped in part"
        if po.shipments or RANK[of_po(order, po_id, po)] >= RANK[limit]:
            yield Problem(code=code, where=po.po_number or po_id, detail=f"the PO is {status} with {po.supplier_id}")


def _give_up_lost(
    order: Order, placed: OrderPlaced, po_ids: Collection[str], reason: str, now: datetime
) -> tuple[Order, list[Message]]:
    """What was lost goes back in money, once R is settled; who asked hears that the order itself is not cancelled."""
    numbers = ", ".join(order.purchase_order(id).po_number or id for id in sorted(po_ids))
    why = Problem(code="not_all_lost", detail=f"only what was lost of PO {numbers} is given up")
    order, refused = _refusal(order, placed, (why,), now)
    order, event = lost.given_up(order, placed, po_ids, reason, now)
    return order, [*refused, event]


def _without_refusals(order: Order, lost_pos: Collection[str]) -> Order:
    """What their suppliers said before the goods were lost ("too late") says nothing of them any more."""
    said = {po_id: refusal for po_id, refusal in order.cancel_refusals.items() if po_id not in lost_pos}
    return order.model_copy(update={"cancel_refusals": said})


def _cause(lost_pos: Collection[str]) -> CancellationCause:
    return "lost" if lost_pos else "requested"


def _beyond_their_window(order: Order, now: datetime) -> Iterator[Problem]:
    """R's that SEFAZ would not cancel any more, of POs that the order still has."""
    open_pos = order.open_purchase_orders.keys()
    for key, invoice in sorted(order.invoices.items()):
        until = invoice.cancellable_until
        if not invoice.cancelled and until is not None and until <= now and not open_pos.isdisjoint(invoice.po_ids):
            yield Problem(code="window_over", where=key, detail=f"R could be cancelled until {until.isoformat()}")


def _may_cancel_late(order: Order) -> bool:
    """Once; and not where the goods have left because the money was heard of long before the expiry."""
    if order.cancellation is not None or order.cancelled_at is not None or not is_paid_late(order):
        return False
    return order.status is None or RANK[order.status] < RANK["shipped"]


def _end(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    attempt, placed = order.cancellation, order.placed
    if attempt is None or placed is None or not order.is_being_cancelled:
        return order, []
    if order.ready_at is None:
        return _cancelled(order, placed, attempt, now)
    problems = tuple(supplier_refusals(order))
    if problems:
        return _refused(order, placed, attempt, problems, now)
    bought_until, billed = order.fulfilment_stopped_for, order.billing_stopped
    if bought_until is None or bought_until < attempt.started_at:
        return order, []
    if billed is None or billed.started_at < attempt.started_at or billed.invoices_in_force:
        return order, []
    if order.status in ("delivered", "completed"):
        return _refused(order, placed, attempt, (Problem(code="delivered"),), now)
    if billed.decision == "continue":
        decided = Problem(code="decided_to_continue", detail=billed.reason)
        return _refused(lost.kept(order), placed, attempt, (decided,), now)
    return _cancelled(order, placed, attempt, now)


def _cancelled(order: Order, placed: OrderPlaced, attempt: Cancellation, now: datetime) -> tuple[Order, list[Message]]:
    paid = sum((approval.amount for approval in order.approvals.values()), Decimal("0.00"))
    left = paid - sum(refund.amount for refund in order.refunds.values() if refund.requested_at)
    event = OrderCancelled(
        **_names(placed), cause=attempt.cause, reason=attempt.reason, cancelled_at=now, to_refund=left
    )
    return order.model_copy(update={"cancelled_at": now}), [event]


def _refused(
    order: Order, placed: OrderPlaced, attempt: Cancellation, problems: tuple[Problem, ...], now: datetime
) -> tuple[Order, list[Message]]:
    at = max(now, attempt.started_at + TICK)
    order = order.model_copy(update={"cancellation": attempt.model_copy(update={"refused_at": at})})
    return _refusal(order, placed, problems, at)


def _refusal(
    order: Order, placed: OrderPlaced, problems: tuple[Problem, ...], at: datetime
) -> tuple[Order, list[Message]]:
    before = order.cancellation_refused_at
    at = at if before is None else max(at, before + TICK)
    event = OrderCancellationRefused(**_names(placed), reasons=problems, refused_at=at)
    return order.model_copy(update={"cancellation_refused_at": at}), [event]


def _names(placed: OrderPlaced) -> dict[str, str]:
    return {"order_id": placed.order_id, "store_id": placed.store_id, "channel_id": placed.channel_id}
