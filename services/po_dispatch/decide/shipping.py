"""PURE. Parcels: dispatched by the supplier, followed by the carrier or the marketplace, delivered.

The shipping gate: goods may leave once R was handed over and S1 matched. Both are confirmed to us on other ways than
the supplier's word that it shipped, so what is missing then gets `GATE_GRACE` to arrive before it is an irregularity;
where R was not even sent to the supplier there is nothing to wait for.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from schemas.channel import DeliveryReported
from schemas.decision import Context, Decision, Outcome, Reminder, later, unchanged
from schemas.model import Message
from schemas.purchase_order import ShipmentDelivered, ShipmentDispatched, ShipmentIrregular, ShipmentProblemReported
from schemas.runtime import ReminderDue
from schemas.supplier import CarrierReported, SupplierShipped
from services.po_dispatch.decide.ordering import not_its_po
from services.po_dispatch.state import Fulfilment, PurchaseOrder, Shipment

GATE = "shipping_gate"
GATE_GRACE = timedelta(minutes=15)

Missing = tuple[Literal["invoice_handed_over", "remittance_nf_matched"], ...]


def on_shipped(fulfilment: Fulfilment | None, event: SupplierShipped, ctx: Context[None]) -> Outcome[Fulfilment]:
    """A fact, whatever came before it; another tracking code is another parcel."""
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
        irregular=not po.handing_over,
    )
    changed = fulfilment.with_po(po.model_copy(update={"shipments": (*po.shipments, shipment)}))
    events: list[Message] = [_dispatched(fulfilment.order_id, po, shipment, event)]
    if shipment.irregular:
        events.append(_irregular(fulfilment.order_id, po, shipment, ctx.now))
    waiting = bool(_missing(po)) and not shipment.irregular
    return Decision(changed, events=events, reminders=[Reminder(GATE, ctx.now + GATE_GRACE)] if waiting else [])


def on_gate_due(fulfilment: Fulfilment | None, event: ReminderDue, ctx: Context[None]) -> Outcome[Fulfilment]:
    """The grace is over: every parcel that is still without R or S1 left too early. Told once each."""
    if fulfilment is None:
        return unchanged(fulfilment)
    events: list[Message] = []
    for po, shipment in _behind_the_gate(fulfilment):
        events.append(_irregular(fulfilment.order_id, po, shipment, ctx.now))
        fulfilment = _with_shipment(fulfilment, po, shipment.model_copy(update={"irregular": True}))
    return Decision(fulfilment, events=events)


def cleared_gate(before: Fulfilment, after: Fulfilment) -> Sequence[str]:
    """The reminder to forget, when the last parcel that waited behind the gate does so no more."""
    return (GATE,) if _behind_the_gate(before) and not _behind_the_gate(after) else ()


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
    if event.status == "delivered":
        return _deliver(fulfilment, [(po, shipment)], event.occurred_at)
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
    changed = _with_shipment(fulfilment, po, shipment.model_copy(update={"problem_at": event.occurred_at}))
    return Decision(changed, events=[problem])


def on_delivery_reported(
    fulfilment: Fulfilment | None, event: DeliveryReported, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """The marketplace speaks of the order, so of every parcel; it waits until each PO has left its supplier."""
    if fulfilment is None:
        return later("order.ready")
    pos = fulfilment.purchase_orders
    if not pos or any(not po.shipments for po in pos):
        return later("supplier.shipped")
    under_way = [(po, shipment) for po in pos for shipment in po.shipments if shipment.delivered_at is None]
    return _deliver(fulfilment, under_way, event.delivered_at) if under_way else unchanged(fulfilment)


def _deliver(
    fulfilment: Fulfilment, parcels: Sequence[tuple[PurchaseOrder, Shipment]], at: datetime
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
        fulfilment = _with_shipment(fulfilment, po, shipment.model_copy(update={"delivered_at": at}))
    return Decision(fulfilment, events=events)


def _by_tracking_code(fulfilment: Fulfilment | None, code: str) -> tuple[PurchaseOrder, Shipment] | None:
    """An undelivered parcel first, where two POs travel under one code."""
    parcels = [
        (po, shipment)
        for po in (fulfilment.purchase_orders if fulfilment else ())
        for shipment in po.shipments
        if shipment.tracking_code == code
    ]
    return min(parcels, key=lambda parcel: parcel[1].delivered_at is not None, default=None)


def _with_shipment(fulfilment: Fulfilment, po: PurchaseOrder, changed: Shipment) -> Fulfilment:
    current = fulfilment.po(po.po_id) or po
    shipments = tuple(changed if s.shipment_id == changed.shipment_id else s for s in current.shipments)
    return fulfilment.with_po(current.model_copy(update={"shipments": shipments}))


def _missing(po: PurchaseOrder) -> Missing:
    missing: Missing = ()
    if po.handed_over_at is None:
        missing = (*missing, "invoice_handed_over")
    if po.remittance_key is None:
        missing = (*missing, "remittance_nf_matched")
    return missing


def _behind_the_gate(fulfilment: Fulfilment) -> list[tuple[PurchaseOrder, Shipment]]:
    return [
        (po, shipment)
        for po in fulfilment.purchase_orders
        if _missing(po)
        for shipment in po.shipments
        if not shipment.irregular
    ]


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


def _irregular(order_id: str, po: PurchaseOrder, shipment: Shipment, at: datetime) -> ShipmentIrregular:
    return ShipmentIrregular(
        order_id=order_id,
        po_id=po.po_id,
        po_number=po.number or "",
        shipment_id=shipment.shipment_id,
        missing=_missing(po),
        at=at,
    )
