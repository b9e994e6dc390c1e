"""Decisions on parcels: each adds one time to a shipment of a PO, and whether all of the PO left or arrived with it."""

from datetime import datetime

from schemas.decision import Context, Decision
from schemas.shipment import ShipmentDelivered, ShipmentDispatched, ShipmentProblemReported, ShipmentResumed
from services.order_intake.decide.follow import follow
from services.order_intake.state import Order

Ctx = Context[None]


def on_shipment_dispatched(order: Order | None, event: ShipmentDispatched, ctx: Ctx) -> Decision[Order]:
    left = not event.open_lines
    return _shipment(order, event.po_id, event.shipment_id, ctx, left=left, dispatched_at=event.dispatched_at)


def on_shipment_problem_reported(order: Order | None, event: ShipmentProblemReported, ctx: Ctx) -> Decision[Order]:
    return _shipment(order, event.po_id, event.shipment_id, ctx, problem_at=event.at)


def on_shipment_resumed(order: Order | None, event: ShipmentResumed, ctx: Ctx) -> Decision[Order]:
    return _shipment(order, event.po_id, event.shipment_id, ctx, resumed_at=event.at)


def on_shipment_delivered(order: Order | None, event: ShipmentDelivered, ctx: Ctx) -> Decision[Order]:
    """A carrier's clock may be ahead: the return window starts no later than when the delivery was heard of."""
    at, arrived = min(event.delivered_at, ctx.now), not event.open_lines
    return _shipment(order, event.po_id, event.shipment_id, ctx, arrived=arrived, delivered_at=at)


def _shipment(
    order: Order | None,
    po_id: str,
    shipment_id: str,
    ctx: Ctx,
    *,
    left: bool = False,
    arrived: bool = False,
    **times: datetime,
) -> Decision[Order]:
    known = order or Order()
    po = known.purchase_order(po_id).with_shipment(shipment_id, left=left, arrived=arrived, **times)
    return follow(order, known.with_purchase_order(po_id, po), ctx)
