"""PURE. Parcels: dispatched by the supplier, followed by the carrier or the marketplace, delivered."""

from collections.abc import Sequence
from datetime import datetime

from schemas.channel import DeliveryReported
from schemas.decision import Context, Decision, Outcome, Reminder, later, unchanged
from schemas.model import Message
from schemas.purchase_order import ShipmentDelivered, ShipmentDispatched, ShipmentProblemReported
from schemas.supplier import CarrierReported, SupplierShipped
from services.po_dispatch.decide.gate import GATE, GATE_GRACE, irregular, missing, with_shipment
from services.po_dispatch.decide.hand_over import handed_over_what_is_due
from services.po_dispatch.decide.ordering import not_its_po
from services.po_dispatch.decide.voiding import cancel_refused
from services.po_dispatch.purchase_order import PurchaseOrder, Shipment
from services.po_dispatch.state import Fulfilment


def on_shipped(fulfilment: Fulfilment | None, event: SupplierShipped, ctx: Context[None]) -> Outcome[Fulfilment]:
    """A fact, whatever came before it; another tracking code is another parcel. What has left is not cancelled any
    more, whatever its supplier answers."""
    po = fulfilment.po_numbered(event.po_number) if fulfilment else None
    if fulfilment is None or po is None:
        return later("purchase_order.created")
    if event.supplier_id != po.supplier.supplier_id:
        return not_its_po(event.supplier_id, event.po_number)
    if any(shipment.tracking_code == event.tracking_code for shipment in po.shipments):
        return unchanged(fulfilment)
    shipment = Shipment(
        shipment_id=str(ctx.id("shipment")),
        carrier=event.carrier,
        tracking_code=event.tracking_code,
        dispatched_at=event.shipped_at,
        irregular=po.void is not None or not po.handing_over,
    )
    changed = fulfilment.with_po(po.model_copy(update={"shipments": (*po.shipments, shipment)}))
    events: list[Message] = [] if po.void is not None else [_dispatched(fulfilment.order_id, po, shipment, event)]
    if shipment.irregular:
        events.append(irregular(fulfilment.order_id, po, shipment, ctx.now))
    if fulfilment.stop is not None and po.void is None and (po.was_given_up or not po.goes_on):
        events.append(cancel_refused(fulfilment.order_id, po, "its goods have left", ctx))
    waiting = bool(missing(po)) and not shipment.irregular
    due = handed_over_what_is_due(changed)
    reminders = [Reminder(GATE, ctx.now + GATE_GRACE)] if waiting else []
    return Decision(due.state, events=events, calls=due.calls, reminders=reminders)


def on_carrier_reported(
    fulfilment: Fulfilment | None, event: CarrierReported, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """Delivered once; a problem that is not newer than what is known, or follows the delivery, says nothing new."""
    found = _by_tracking_code(fulfilment, event.tracking_code)
    if fulfilment is None or found is None:
        return later("supplier.shipped")
    po, shipment = found
    if shipment.delivered_at is not None or event.status == "in_transit":
        return unchanged(fulfilment)
    if po.void is not None:
        return _noted_of_void(fulfilment, po, shipment, event)
    if event.status == "delivered":
        return _deliver(fulfilment, [(po, shipment)], event.occurred_at, ctx)
    if shipment.problem_at is not None and event.occurred_at <= shipment.problem_at:
        return unchanged(fulfilment)
    problem = ShipmentProblemReported(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=po.number or "",
        shipment_id=shipment.shipment_id,
        detail=event.detail,
        at=event.occurred_at,
    )
    changed = with_shipment(fulfilment, po, shipment.model_copy(update={"problem_at": event.occurred_at}))
    return Decision(changed, events=[problem])


def on_delivery_reported(
    fulfilment: Fulfilment | None, event: DeliveryReported, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """The marketplace speaks of the order, so of every parcel; it waits until each PO has left its supplier."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    pos = fulfilment.living
    if not pos or any(not po.shipments for po in pos):
        return later("supplier.shipped")
    under_way = [(po, shipment) for po in pos for shipment in po.shipments if shipment.delivered_at is None]
    return _deliver(fulfilment, under_way, event.delivered_at, ctx) if under_way else unchanged(fulfilment)


def _deliver(
    fulfilment: Fulfilment, parcels: Sequence[tuple[PurchaseOrder, Shipment]], at: datetime, ctx: Context[None]
) -> Decision[Fulfilment]:
    events: list[Message] = []
    for po, shipment in parcels:
        events.append(
            ShipmentDelivered(
                order_id=fulfilment.order_id,
                po_id=po.po_id,
                po_number=po.number or "",
                shipment_id=shipment.shipment_id,
                delivered_at=at,
            )
        )
        fulfilment = with_shipment(fulfilment, po, shipment.model_copy(update={"delivered_at": at}))
        if fulfilment.stop is not None and po.was_given_up:
            events.append(cancel_refused(fulfilment.order_id, po, "it was delivered after all", ctx))
    return Decision(fulfilment, events=events)


def _noted_of_void(
    fulfilment: Fulfilment, po: PurchaseOrder, shipment: Shipment, event: CarrierReported
) -> Decision[Fulfilment]:
    """Nobody waits for this parcel: what becomes of it is kept, and not told."""
    if event.status != "delivered":
        return unchanged(fulfilment)
    return Decision(with_shipment(fulfilment, po, shipment.model_copy(update={"delivered_at": event.occurred_at})))


def _by_tracking_code(fulfilment: Fulfilment | None, code: str) -> tuple[PurchaseOrder, Shipment] | None:
    """A parcel that is expected first, then an undelivered one, where two POs travel under one code."""
    parcels = [
        (po, shipment)
        for po in (fulfilment.purchase_orders if fulfilment else ())
        for shipment in po.shipments
        if shipment.tracking_code == code
    ]
    return min(parcels, key=lambda one: (one[1].delivered_at is not None, one[0].void is not None), default=None)


def _dispatched(order_id: str, po: PurchaseOrder, shipment: Shipment, event: SupplierShipped) -> ShipmentDispatched:
    return ShipmentDispatched(
        order_id=order_id,
        po_id=po.po_id,
        po_number=event.po_number,
        shipment_id=shipment.shipment_id,
        carrier=event.carrier,
        tracking_code=event.tracking_code,
        tracking_url=event.tracking_url,
        dispatched_at=event.shipped_at,
        estimated_delivery=event.estimated_delivery,
    )
