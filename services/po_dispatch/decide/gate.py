"""PURE. The shipping gate: goods may leave once R was handed over and S1 matched.

Both are confirmed to us on other ways than the supplier's word that it shipped, so what is missing then gets
`GATE_GRACE` to arrive before it is an irregularity; where R was not even sent to the supplier there is nothing to wait
for. What leaves for a PO that is void is irregular at once, and no shipment of the order: nobody is told to expect it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from schemas.decision import Context, Decision, unchanged
from schemas.model import Message
from schemas.runtime import ReminderDue
from schemas.shipment import ShipmentIrregular
from services.po_dispatch.parcels import Shipment
from services.po_dispatch.purchase_order import PurchaseOrder
from services.po_dispatch.state import Fulfilment

GATE = "shipping_gate"
GATE_GRACE = timedelta(minutes=15)

Missing = tuple[Literal["invoice_handed_over", "remittance_nf_matched", "purchase_order"], ...]


def on_gate_due(fulfilment: Fulfilment | None, event: ReminderDue, ctx: Context[None]) -> Decision[Fulfilment]:
    """The grace is over: every parcel that is still without R or S1 left too early. Told once each."""
    if fulfilment is None:
        return unchanged(fulfilment)
    events: list[Message] = []
    for po, shipment in _behind_the_gate(fulfilment):
        events.append(irregular(fulfilment.order_id, po, shipment, ctx.now))
        fulfilment = with_shipment(fulfilment, po, shipment.model_copy(update={"irregular": True}))
    return Decision(fulfilment, events=events)


def cleared_gate(before: Fulfilment, after: Fulfilment) -> Sequence[str]:
    """The reminder to forget, when the last parcel that waited behind the gate does so no more."""
    return (GATE,) if _behind_the_gate(before) and not _behind_the_gate(after) else ()


def missing(po: PurchaseOrder) -> Missing:
    found: Missing = () if po.void is None else ("purchase_order",)
    if po.handed_over_at is None:
        found = (*found, "invoice_handed_over")
    if po.remittance_key is None:
        found = (*found, "remittance_nf_matched")
    return found


def irregular(order_id: str, po: PurchaseOrder, shipment: Shipment, at: datetime) -> ShipmentIrregular:
    return ShipmentIrregular(
        order_id=order_id,
        po_id=po.po_id,
        po_number=po.number or "",
        shipment_id=shipment.shipment_id,
        missing=missing(po),
        at=at,
    )


def with_shipment(fulfilment: Fulfilment, po: PurchaseOrder, changed: Shipment) -> Fulfilment:
    current = fulfilment.po(po.po_id) or po
    shipments = tuple(changed if s.shipment_id == changed.shipment_id else s for s in current.shipments)
    return fulfilment.with_po(current.model_copy(update={"shipments": shipments}))


def _behind_the_gate(fulfilment: Fulfilment) -> list[tuple[PurchaseOrder, Shipment]]:
    return [
        (po, shipment) for po in fulfilment.living if missing(po) for shipment in po.shipments if not shipment.irregular
    ]
