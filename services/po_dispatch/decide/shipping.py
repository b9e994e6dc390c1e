"""PURE. Parcels: dispatched by the supplier, followed by the carrier or the marketplace, delivered.

Each is told by itself, with the lines of its PO that are still open after it: the PO has left, or is delivered, when
there are none.
"""

from collections.abc import Sequence
from datetime import datetime

from schemas.channel import DeliveryReported
from schemas.decision import Context, Decision, Outcome, Refused, Reminder, later, unchanged
from schemas.model import Message
from schemas.shipment import (
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentFound,
    ShipmentProblemReported,
    ShipmentResumed,
)
from schemas.supplier import CarrierReported, SupplierShipped
from services.po_dispatch import parcels
from services.po_dispatch.decide.gate import GATE, GATE_GRACE, irregular, missing, with_shipment
from services.po_dispatch.decide.hand_over import handed_over_what_is_due
from services.po_dispatch.decide.ordering import not_its_po
from services.po_dispatch.decide.voiding import cancel_refused
from services.po_dispatch.parcels import Shipment
from services.po_dispatch.purchase_order import PurchaseOrder
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
    if (problem := _not_in_it(po, event)) is not None:
        return problem
    shipment = Shipment(
        shipment_id=str(ctx.id("shipment")),
        carrier=event.carrier,
        tracking_code=event.tracking_code,
        lines=event.lines,
        dispatched_at=event.shipped_at,
        irregular=po.void is not None or not po.handing_over,
    )
    left = po.model_copy(update={"shipments": (*po.shipments, shipment)})
    changed = fulfilment.with_po(left)
    events: list[Message] = [] if po.void is not None else [_dispatched(fulfilment.order_id, left, shipment, event)]
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
    """Delivered once. Of the other reports the newest holds: a problem that is older than another one, or than the
    parcel's going on, says nothing new, nor does any that follows the delivery."""
    found = _by_tracking_code(fulfilment, event.tracking_code)
    if fulfilment is None or found is None:
        return later("supplier.shipped")
    po, shipment = found
    if shipment.delivered_at is not None:
        return unchanged(fulfilment)
    if po.void is not None or shipment.lost:
        return _noted_of_void(fulfilment, po, shipment, event)
    if event.status == "delivered":
        return _deliver(fulfilment, [(po, shipment)], event.occurred_at, ctx)
    if event.status == "in_transit":
        return _move(fulfilment, po, shipment, event, ctx)
    if shipment.problem_at is not None and event.occurred_at <= shipment.problem_at:
        return unchanged(fulfilment)
    if shipment.moving_at is not None and event.occurred_at < shipment.moving_at:
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
    """The marketplace speaks of the order, so of every parcel; it waits until all goods of each PO have left."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    pos = fulfilment.living
    if not pos or any(not po.has_left for po in pos):
        return later("supplier.shipped")
    under_way = [(po, shipment) for po in pos for shipment in po.shipments if _is_under_way(shipment)]
    return _deliver(fulfilment, under_way, event.delivered_at, ctx) if under_way else unchanged(fulfilment)


def _deliver(
    fulfilment: Fulfilment, arrived: Sequence[tuple[PurchaseOrder, Shipment]], at: datetime, ctx: Context[None]
) -> Decision[Fulfilment]:
    events: list[Message] = []
    for po, shipment in arrived:
        fulfilment = with_shipment(fulfilment, po, shipment.model_copy(update={"delivered_at": at}))
        now = fulfilment.po(po.po_id) or po
        events.append(
            ShipmentDelivered(
                order_id=fulfilment.order_id,
                po_id=po.po_id,
                po_number=po.number or "",
                shipment_id=shipment.shipment_id,
                open_lines=now.not_arrived,
                delivered_at=at,
            )
        )
        if fulfilment.stop is not None and po.was_given_up:
            events.append(cancel_refused(fulfilment.order_id, po, "it was delivered after all", ctx))
    return Decision(fulfilment, events=events)


def _move(
    fulfilment: Fulfilment, po: PurchaseOrder, shipment: Shipment, event: CarrierReported, ctx: Context[None]
) -> Decision[Fulfilment]:
    """Told where it ends a problem. What the store had given up as lost cannot be cancelled any more then."""
    if shipment.moving_at is not None and event.occurred_at <= shipment.moving_at:
        return unchanged(fulfilment)
    moving = shipment.model_copy(update={"moving_at": event.occurred_at})
    changed = with_shipment(fulfilment, po, moving)
    if not shipment.is_in_trouble or moving.is_in_trouble:
        return Decision(changed)
    events: list[Message] = [
        ShipmentResumed(
            order_id=fulfilment.order_id,
            po_id=po.po_id,
            po_number=po.number or "",
            shipment_id=shipment.shipment_id,
            detail=event.detail,
            at=event.occurred_at,
        )
    ]
    if fulfilment.stop is not None and po.was_given_up:
        events.append(cancel_refused(fulfilment.order_id, po, "it is on its way again", ctx))
    return Decision(changed, events=events)


def _not_in_it(po: PurchaseOrder, event: SupplierShipped) -> Refused | None:
    """What the PO never had cannot be in its parcel. A line that was refused may have been found after all."""
    numbers = {line.line for line in po.lines}
    unknown = sorted({line.line for line in event.lines} - numbers)
    if unknown and po.void is None and not po.refusals:
        return Refused("unknown_line", f"PO {event.po_number} has no line {unknown[0]}")
    return None


def _noted_of_void(
    fulfilment: Fulfilment, po: PurchaseOrder, shipment: Shipment, event: CarrierReported
) -> Decision[Fulfilment]:
    """Nobody waits for this parcel: what becomes of it is kept. Told is the delivery of one that was given up."""
    if event.status != "delivered":
        return unchanged(fulfilment)
    known = with_shipment(fulfilment, po, shipment.model_copy(update={"delivered_at": event.occurred_at}))
    if not shipment.lost and not shipment.is_in_trouble:
        return Decision(known)
    found = ShipmentFound(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=po.number or "",
        shipment_id=shipment.shipment_id,
        carrier=shipment.carrier,
        tracking_code=shipment.tracking_code,
        delivered_at=event.occurred_at,
    )
    return Decision(known, events=[found])


def _is_under_way(shipment: Shipment) -> bool:
    return shipment.delivered_at is None and not shipment.lost


def _by_tracking_code(fulfilment: Fulfilment | None, code: str) -> tuple[PurchaseOrder, Shipment] | None:
    """A parcel that is expected first, then an undelivered one, where two POs travel under one code."""
    found = [
        (po, shipment)
        for po in (fulfilment.purchase_orders if fulfilment else ())
        for shipment in po.shipments
        if shipment.tracking_code == code
    ]
    return min(found, key=lambda one: (one[1].delivered_at is not None, one[0].void is not None), default=None)


def _dispatched(order_id: str, po: PurchaseOrder, shipment: Shipment, event: SupplierShipped) -> ShipmentDispatched:
    return ShipmentDispatched(
        order_id=order_id,
        po_id=po.po_id,
        po_number=event.po_number,
        shipment_id=shipment.shipment_id,
        carrier=event.carrier,
        tracking_code=event.tracking_code,
        tracking_url=event.tracking_url,
        lines=parcels.named(po.lines, parcels.pieces([shipment])),
        open_lines=tuple(parcels.not_left(po.lines, po.shipments)),
        dispatched_at=event.shipped_at,
        estimated_delivery=event.estimated_delivery,
    )
