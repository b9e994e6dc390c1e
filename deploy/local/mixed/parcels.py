"""Cases of parcels: several, early, in trouble, lost for a while, lost for good and given up."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from deploy.local.mixed.expected import completed
from deploy.local.mixed.sale import Place, decided, placed
from deploy.local.mixed.script import Cue, Script, late_po, lost_by_carrier, nothing, told
from deploy.local.mixed.stores import PROMPT
from deploy.local.mixed.suppliers import CHOOSY
from deploy.local.world_orders import OWN_SHOP
from schemas.order import OrderCancellationRequested, OrderPlaced

_MOVED: Literal["order.status_changed.v1"] = "order.status_changed.v1"


def several_parcels(case: str, place: Place) -> Script:
    order = placed(place, {"VOL-2": 1})
    more = {"parcel": 2, "parcel delivered": 2, "mail shipped": 2, "delay": 1, "mail delayed": 1}
    return Script(case, order.order_id, completed(1, more), [order])


def leaves_early(case: str, place: Place) -> Script:
    order = placed(place, {"CED-1": 1})
    return Script(case, order.order_id, completed(1, {"irregular": 1}), [order])


def lost(case: str, place: Place) -> Script:
    order = placed(place, {"PER-1": 1})
    through = ("shipped", "delivery_problem", "delivered")
    cue = Cue(_MOVED, nothing, {"status": "delivery_problem"}, visit=told("found"))
    return Script(case, order.order_id, completed(1, {"delivery problem": 1}, through=through), [order], cues=[cue])


def one_of_two_lost(case: str, place: Place) -> Script:
    """It is found and delivered while the other is under way."""
    order = placed(place, {"VOL-PER": 1})
    cues = [
        Cue(_MOVED, nothing, {"status": "delivery_problem"}, visit=told("found")),
        Cue(_MOVED, nothing, {"status": "shipped"}, times=2, visit=told("found")),
    ]
    more = {"parcel": 2, "parcel delivered": 2, "mail shipped": 2, "delivery problem": 1}
    through = ("shipped", "delivery_problem", "shipped", "delivered")
    return Script(case, order.order_id, completed(1, more, through=through), [order], cues=cues)


def in_parts(case: str, place: Place) -> Script:
    """What the first parcel leaves behind is late, though that has arrived, and the order waits for it."""
    order = placed(place, {"VOL-APA": 3}, store=PROMPT)
    late = Cue("purchase_order.late.v1", nothing, {"what": "dispatch"}, visit=late_po("found"))
    more = {"parcel": 2, "parcel delivered": 2, "mail shipped": 2, "S1": 2, "PO late": 1}
    through = ("awaiting_shipment", "shipped", "delivered")
    return Script(case, order.order_id, completed(1, more, through=through), [order], cues=[late])


def second_part_lost(case: str, place: Place) -> Script:
    """When the first parcel has arrived the second one is lost for a while."""
    order = placed(place, {"VOL-2PER": 3})
    cue = Cue(_MOVED, nothing, {"status": "delivery_problem"}, visit=told("found"))
    more = {"parcel": 2, "parcel delivered": 2, "mail shipped": 2, "S1": 2, "delivery problem": 1}
    through = ("awaiting_shipment", "shipped", "delivery_problem", "delivered")
    return Script(case, order.order_id, completed(1, more, through=through), [order], cues=[cue])


def resumed(case: str, place: Place) -> Script:
    """The one parcel goes on after a problem."""
    order = placed(place, {"PER-3": 1})
    cues = [
        Cue(_MOVED, nothing, {"status": "delivery_problem"}, visit=told("found")),
        Cue(_MOVED, nothing, {"status": "shipped"}, times=2, visit=told("found")),
    ]
    through = ("shipped", "delivery_problem", "shipped", "delivered")
    end = completed(1, {"delivery problem": 1, "problem over": 1}, through=through)
    return Script(case, order.order_id, end, [order], cues=cues)


def second_part_given_up(case: str, place: Place) -> Script:
    """When the first parcel has arrived the second one is lost, and the store gives it up. R stays for what arrived; a
    person takes back the rest of it, and the customer gets the money for that."""
    return _given_up(case, placed(place, {"VOL-PDA": 3}, store=OWN_SHOP))


def given_up_at_the_hub(case: str, place: Place) -> Script:
    """The hub took the money: it is told what to pay back."""
    script = _given_up(case, placed(place, {"VOL-PDA": 3}, hub=True))
    counts = {**script.expected.counts, "channel refunded": 1}
    return replace(script, expected=replace(script.expected, counts=counts))


def _given_up(case: str, order: OrderPlaced) -> Script:
    cues = [
        Cue("shipment.delivered.v1", nothing, visit=_rest_leaves),
        Cue("remittance_nf.matched.v1", nothing, times=2, visit=lost_by_carrier),
        Cue(_MOVED, lambda now: [_wish(order, now)], {"status": "delivery_problem"}),
        Cue("invoice.refused.v1", lambda now: [decided(order, "continue", now)]),
    ]
    once = ("delivery problem", "cancellation refused", "lines given up", "PO refused", "R refused", "R reduced")
    back = ("refund requested", "refund ordered", "refund", "mail refunded", "mail given_up")
    more = {"parcel": 2, "mail shipped": 2, "S1": 2, **dict.fromkeys((*once, *back), 1)}
    through = ("shipped", "delivery_problem", "delivered")
    refunded = (order.total * 2 / 3).quantize(Decimal("0.01"))  # of three pieces, with their share of the freight
    end = completed(1, more, through=through, refunded=refunded)
    return Script(case, order.order_id, end, [order], cues=cues)


def _rest_leaves(delivered: Mapping[str, Any]) -> str:
    return f"/suppliers/{CHOOSY}/purchase-orders/{delivered['po_number']}/found"


def _wish(order: OrderPlaced, now: datetime) -> OrderCancellationRequested:
    return OrderCancellationRequested(
        order_id=order.order_id, requested_by="store", reason="extraviado", requested_at=now
    )
