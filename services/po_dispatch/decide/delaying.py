"""PURE. A supplier says that the goods come later."""

from schemas.decision import Context, Decision, Outcome, later, unchanged
from schemas.shipment import ShipmentDelayed
from schemas.supplier import SupplierDelayReported
from services.po_dispatch.decide.ordering import not_its_po
from services.po_dispatch.machine import PoStatus
from services.po_dispatch.purchase_order import Delay
from services.po_dispatch.state import Fulfilment


def on_delay_reported(
    fulfilment: Fulfilment | None, event: SupplierDelayReported, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """Told where it is newer than what is known and says something else; of the parcel under way, or of the PO."""
    po = fulfilment.po_numbered(event.po_number) if fulfilment else None
    if fulfilment is None or po is None:
        return later("purchase_order.created")
    if event.supplier_id != po.supplier.supplier_id:
        return not_its_po(event.supplier_id, event.po_number)
    said = Delay(
        reported_at=event.reported_at,
        expected_ship_at=event.expected_ship_at,
        estimated_delivery=event.estimated_delivery,
    )
    is_over = po.void is not None or po.status in (PoStatus.AGREED, PoStatus.DELIVERED)
    if is_over or (po.delay is not None and said.reported_at <= po.delay.reported_at):
        return unchanged(fulfilment)
    changed = fulfilment.with_po(po.model_copy(update={"delay": said}))
    if po.delay is not None and said == po.delay.model_copy(update={"reported_at": said.reported_at}):
        return Decision(changed)
    parcel = next((s for s in reversed(po.shipments) if s.delivered_at is None), None)
    delayed = ShipmentDelayed(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=event.po_number,
        shipment_id=parcel.shipment_id if parcel else None,
        expected_ship_at=event.expected_ship_at,
        estimated_delivery=event.estimated_delivery,
        detail=event.detail,
        at=event.reported_at,
    )
    return Decision(changed, events=[delayed])
