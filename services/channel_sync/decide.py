"""What channel_sync decides, message by message: fold it into the order's projection, then see what follows. Pure."""

from typing import Any

from schemas.billing import InvoiceIssued
from schemas.channel import (
    ChannelOrderReported,
    ChannelUpdated,
    ChannelUpdateRefused,
    CustomerNotified,
    DeliveryReported,
    Fact,
    LabelAvailable,
)
from schemas.decision import Answered, Context, Decision, Outcome, Refused, later, unchanged
from schemas.order import OrderAccepted, OrderCompleted, OrderRefused, OrderStatusChanged, Status
from schemas.purchase_order import PurchaseOrderConfirmed, PurchaseOrderCreated, PurchaseOrderRefused, PurchaseOrderSent
from schemas.shipment import (
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentIrregular,
    ShipmentProblemReported,
    ShipmentResumed,
)
from services.channel_sync.endings import changed_sale
from services.channel_sync.follow import follow
from services.channel_sync.requests import (
    ChannelAnswered,
    MailAnswered,
    SendInvoiceXml,
    SendMail,
    TellCancellation,
    TellDelivery,
    TellInvoice,
    TellRefund,
    TellShipment,
)
from services.channel_sync.state import (
    ChannelOrder,
    Delivery,
    Invoice,
    Progress,
    PurchaseOrder,
    Reference,
    Reported,
    Sale,
    Shipment,
    Stage,
    Telling,
)

Order = ChannelOrder
Told = TellInvoice | TellShipment | TellDelivery | TellCancellation | TellRefund | SendInvoiceXml

_UNPAID: tuple[Status, ...] = ("payment_pending", "payment_slip_expired", "cancelled")
_ARRIVED: tuple[Status, ...] = ("delivered", "completed")
_PROGRESS: tuple[Progress, ...] = ("created", "sent", "confirmed")


def on_order_accepted(order: Order | None, event: OrderAccepted, ctx: Context[Reference]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    if known.sale is not None:
        return unchanged(known)
    sale = Sale(
        store_id=event.store_id,
        channel_id=event.channel_id,
        channel_order_code=event.channel_order_code,
        logistics=event.logistics,
        customer_name=event.customer_name,
        customer_email=event.customer_email,
        items=event.items,
        total=event.total,
        placed_at=event.placed_at,
    )
    if known.changed is not None:
        sale = changed_sale(sale, known.changed)
    return follow(_with(known, sale=sale), ctx)


def on_order_refused(order: Order | None, event: OrderRefused, ctx: Context[None]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    return Decision(_with(known, refused=tuple(problem.code for problem in event.reasons)))


def on_order_status_changed(order: Order | None, event: OrderStatusChanged, ctx: Context[Reference]) -> Outcome[Order]:
    """The newest status is shown; that it was paid and that it was delivered stay true whatever comes later or late."""
    known = order or Order(order_id=event.order_id)
    if known.status_at is None or event.changed_at > known.status_at:
        known = _with(known, status=event.status, status_at=event.changed_at)
    if not known.paid and event.status not in _UNPAID:
        known = _with(known, paid=True)
    if event.status in _ARRIVED and known.delivered_po_ids is None:
        known = _with(known, delivered_po_ids=tuple(po.po_id for po in event.purchase_orders))
    return follow(known, ctx)


def on_order_completed(order: Order | None, event: OrderCompleted, ctx: Context[None]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    if known.status_at is not None and event.completed_at < known.status_at:
        return unchanged(known)
    return Decision(_with(known, status="completed", status_at=event.completed_at))


def on_purchase_order(
    order: Order | None,
    event: PurchaseOrderCreated | PurchaseOrderSent | PurchaseOrderConfirmed,
    ctx: Context[None],
) -> Outcome[Order]:
    """What the order is waiting for, as far as it has come."""
    known = order or Order(order_id=event.order_id)
    progress = _progress(event)
    earlier = next((p for p in known.purchase_orders if p.po_id == event.po_id), None)
    if earlier is not None and _PROGRESS.index(earlier.progress) >= _PROGRESS.index(progress):
        return unchanged(known)
    po = PurchaseOrder(po_id=event.po_id, po_number=event.po_number, supplier_id=event.supplier_id, progress=progress)
    others = tuple(p for p in known.purchase_orders if p.po_id != event.po_id)
    return Decision(_with(known, purchase_orders=(*others, po)))


def on_purchase_order_refused(
    order: Order | None, event: PurchaseOrderRefused, ctx: Context[Reference]
) -> Outcome[Order]:
    """The parcels that were heard of may be all there is of the PO now."""
    known = order or Order(order_id=event.order_id)
    left = {*known.rest_left, event.po_id} if event.has_left else {*known.rest_left}
    arrived = {*known.rest_arrived, event.po_id} if event.has_arrived else {*known.rest_arrived}
    if (left, arrived) == ({*known.rest_left}, {*known.rest_arrived}):
        return unchanged(known)
    return follow(_with(known, rest_left=tuple(sorted(left)), rest_arrived=tuple(sorted(arrived))), ctx)


def on_invoice_issued(order: Order | None, event: InvoiceIssued, ctx: Context[Reference]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    if any(i.access_key == event.access_key for i in known.invoices):
        return unchanged(known)
    invoice = Invoice.of_valid(
        access_key=event.access_key,
        series=event.series,
        number=event.number,
        issued_at=event.issued_at,
        po_ids=event.po_ids,
        xml=event.xml,
    )
    return follow(_with(known, invoices=(*known.invoices, invoice)), ctx)


def on_shipment_dispatched(order: Order | None, event: ShipmentDispatched, ctx: Context[Reference]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    if any(s.shipment_id == event.shipment_id for s in known.shipments):
        return unchanged(known)
    shipment = Shipment(
        shipment_id=event.shipment_id,
        po_id=event.po_id,
        carrier=event.carrier,
        tracking_code=event.tracking_code,
        tracking_url=event.tracking_url,
        dispatched_at=event.dispatched_at,
        estimated_delivery=event.estimated_delivery,
        is_last=not event.open_lines,
    )
    return follow(_with(known, shipments=(*known.shipments, shipment)), ctx)


def on_shipment_trouble(
    order: Order | None, event: ShipmentIrregular | ShipmentProblemReported, ctx: Context[None]
) -> Outcome[Order]:
    """What the channel's people see of a parcel: the newest trouble, and that it left too early while nothing else is
    known. Neither channel nor customer is told of it. A parcel of a void PO is no parcel of the order."""
    if isinstance(event, ShipmentIrregular) and "purchase_order" in event.missing:
        return unchanged(order)
    parcel = _parcel(order, event.shipment_id)
    if order is None or parcel is None:
        return later("shipment.dispatched")
    heard = [at for at in (parcel.problem_at, parcel.resumed_at) if at is not None]
    if isinstance(event, ShipmentIrregular):
        problem = f"left before {' and '.join(event.missing)}"
        known = parcel.problem or heard
        return unchanged(order) if known else Decision(_with_parcel(order, parcel, problem=problem))
    if any(event.at <= at for at in heard):
        return unchanged(order)
    return Decision(_with_parcel(order, parcel, problem=event.detail, problem_at=event.at))


def on_shipment_resumed(order: Order | None, event: ShipmentResumed, ctx: Context[None]) -> Outcome[Order]:
    """Its problem is over, and that it left too early is past, unless a newer problem was heard of."""
    parcel = _parcel(order, event.shipment_id)
    if order is None or parcel is None:
        return later("shipment.dispatched")
    if parcel.resumed_at is not None and event.at <= parcel.resumed_at:
        return unchanged(order)
    over = parcel.problem_at is None or parcel.problem_at < event.at
    problem = "" if over else parcel.problem
    return Decision(_with_parcel(order, parcel, problem=problem, resumed_at=event.at))


def _parcel(order: Order | None, shipment_id: str) -> Shipment | None:
    return next((s for s in (order.shipments if order else ()) if s.shipment_id == shipment_id), None)


def _with_parcel(order: Order, parcel: Shipment, **changes: Any) -> Order:
    changed = parcel.model_copy(update=changes)
    return _with(order, shipments=tuple(changed if s is parcel else s for s in order.shipments))


def on_shipment_delivered(order: Order | None, event: ShipmentDelivered, ctx: Context[Reference]) -> Outcome[Order]:
    known = order or Order(order_id=event.order_id)
    if any(d.shipment_id == event.shipment_id for d in known.deliveries):
        return unchanged(known)
    delivery = Delivery(
        shipment_id=event.shipment_id,
        po_id=event.po_id,
        delivered_at=event.delivered_at,
        is_last=not event.open_lines,
    )
    return follow(_with(known, deliveries=(*known.deliveries, delivery)), ctx)


def on_channel_order_reported(
    order: Order | None, event: ChannelOrderReported, ctx: Context[Reference]
) -> Outcome[Order]:
    """What the channel says: its label and its delivery are facts for the fleet, the rest is kept to compare."""
    if order is None:
        return later("order.accepted")
    if order.reported is None or event.occurred_at > order.reported.occurred_at:
        order = _with(order, reported=Reported(status=event.status, occurred_at=event.occurred_at))
    match event.status:
        case "label_ready":
            return _label_ready(order, event, ctx)
        case "delivered":
            return _marketplace_delivered(order, event, ctx)
        case _:
            return Decision(order)


def on_told(order: Order | None, answered: Answered[Told, ChannelAnswered], ctx: Context[Reference]) -> Outcome[Order]:
    """The channel confirmed or refused a fact; the next one may have waited for that."""
    fact, reference = told(answered.request)
    telling = None if order is None else order.telling(fact, reference)
    if order is None or order.sale is None or telling is None or telling.stage is not Stage.SENT:
        return unchanged(order)
    answer, channel_id = answered.answer, order.sale.channel_id
    if answer.confirmed:
        order = order.with_telling(_now(telling, Stage.CONFIRMED, "", ctx))
        updated = ChannelUpdated(
            order_id=order.order_id,
            channel_id=channel_id,
            fact=fact,
            reference=reference,
            confirmed_at=answered.answered_at,
        )
        return follow(order, ctx, (updated,))
    order = order.with_telling(_now(telling, Stage.REFUSED, f"{answer.code}: {answer.detail}", ctx))
    refused = ChannelUpdateRefused(
        order_id=order.order_id,
        channel_id=channel_id,
        fact=fact,
        reference=reference,
        code=answer.code,
        detail=answer.detail[:2000],
    )
    return follow(order, ctx, (refused,))


def on_mailed(order: Order | None, answered: Answered[SendMail, MailAnswered], ctx: Context[None]) -> Outcome[Order]:
    """The mail server took the mail, or the customer's address cannot be mailed."""
    request, answer = answered.request, answered.answer
    notice = None if order is None else order.notice(request.fact, request.reference)
    if order is None or notice is None or notice.stage is not Stage.SENT:
        return unchanged(order)
    stage, why = (Stage.CONFIRMED, "") if answer.taken else (Stage.REFUSED, answer.detail)
    done = notice.model_copy(update={"stage": stage, "why": why})
    order = _with(order, notices=tuple(done if n is notice else n for n in order.notices))
    if not answer.taken:
        return Decision(order)
    notified = CustomerNotified(
        order_id=order.order_id,
        fact=request.fact,
        reference=request.reference,
        notified_at=answered.answered_at,
    )
    return Decision(order, [notified])


def told(request: Told) -> tuple[Fact, str]:
    """Which fact and reference a request tells."""
    match request:
        case TellInvoice() | SendInvoiceXml():
            return "invoice", request.access_key
        case TellShipment():
            return "shipment", request.tracking_code
        case TellDelivery():
            return "delivered", request.shipment_id or request.po_id
        case TellCancellation():
            return "cancelled", ""
        case TellRefund():
            return "refunded", request.refund_id


def _label_ready(order: Order, event: ChannelOrderReported, ctx: Context[Reference]) -> Outcome[Order]:
    """A label counts as tracking that is known, so the NF may follow. A newer label replaces an older one."""
    if event.label is None:
        return Refused(
            "label_missing", f"{event.channel_id} says label_ready of {event.channel_order_code} without one"
        )
    if order.label_at is not None and order.label_at >= event.occurred_at:
        return Decision(order)
    if order.label is not None and order.label.tracking_code == event.label.tracking_code:
        return Decision(order)
    available = LabelAvailable(
        order_id=order.order_id, channel_id=event.channel_id, label=event.label, at=event.occurred_at
    )
    return follow(_with(order, label=event.label, label_at=event.occurred_at), ctx, (available,))


def _marketplace_delivered(order: Order, event: ChannelOrderReported, ctx: Context[Reference]) -> Outcome[Order]:
    if order.marketplace_delivered_at is not None:
        return Decision(order)
    reported = DeliveryReported(order_id=order.order_id, channel_id=event.channel_id, delivered_at=event.occurred_at)
    return follow(_with(order, marketplace_delivered_at=event.occurred_at), ctx, (reported,))


def _progress(event: PurchaseOrderCreated | PurchaseOrderSent | PurchaseOrderConfirmed) -> Progress:
    match event:
        case PurchaseOrderCreated():
            return "created"
        case PurchaseOrderSent():
            return "sent"
        case PurchaseOrderConfirmed():
            return "confirmed"


def _now(telling: Telling, stage: Stage, why: str, ctx: Context[Reference]) -> Telling:
    return telling.model_copy(update={"stage": stage, "why": why, "since": ctx.now})


def _with(order: Order, **changes: Any) -> Order:
    return order.model_copy(update=changes)
