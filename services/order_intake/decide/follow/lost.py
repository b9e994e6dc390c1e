"""What met with trouble on its way and is given up by the store, where the order cannot be cancelled as a whole. Pure.

Other goods of it have left, or arrived: then the lost ones alone go back in money. Where that was not known yet when
the store asked, an attempt to cancel the order was started, and is refused: what was lost is given up as soon as the
other goods are heard of, for the wish that began it.
"""

from collections.abc import Collection, Iterator
from datetime import datetime

from schemas.order import OrderCancellationRequested, OrderLinesGivenUp, OrderPlaced
from services.order_intake.decide.status import of_po
from services.order_intake.purchase import PurchaseOrder
from services.order_intake.state import Order, Wish

BY_STORE = ("store", "engineer")


def pos(order: Order, wish: OrderCancellationRequested) -> Iterator[str]:
    """The POs whose goods met with trouble on their way, where the store itself gives them up."""
    if wish.requested_by in BY_STORE:
        yield from (id for id, po in order.open_purchase_orders.items() if of_po(order, id, po) == "delivery_problem")


def parcels(order: Order, wish: OrderCancellationRequested) -> dict[str, datetime]:
    """Their parcels in trouble, and since when: what is not given up at once is, once it can be."""
    return {
        shipment_id: shipment.problem_at
        for po_id in pos(order, wish)
        for shipment_id, shipment in sorted(order.purchase_order(po_id).shipments.items())
        if shipment.is_in_trouble and shipment.problem_at is not None
    }


def to_give_up(order: Order, wish: OrderCancellationRequested) -> Iterator[str]:
    """The POs whose lost parcels the store gives up where other goods of the order have left, or arrived: it cannot be
    cancelled as a whole. Nothing while another parcel of theirs is on its way."""
    lost = set(pos(order, wish))
    bought = order.open_purchase_orders
    arrived = any(shipment.delivered_at for id in lost for shipment in bought[id].shipments.values())
    if order.completed_at is None and (arrived or any(po.shipments for id, po in bought.items() if id not in lost)):
        yield from (id for id in sorted(lost) if bought[id].waits_for_nothing_else)


def given_up(
    order: Order, placed: OrderPlaced, po_ids: Collection[str], reason: str, now: datetime
) -> tuple[Order, OrderLinesGivenUp]:
    """What was lost goes back in money, once R is settled. No wish waits for it any more."""
    bought = [line.order_line for id in po_ids for line in (order.purchase_order(id).lines or {}).values()]
    event = OrderLinesGivenUp(
        order_id=placed.order_id,
        store_id=placed.store_id,
        channel_id=placed.channel_id,
        order_lines=tuple(sorted({*bought} or {item.line for item in placed.items})),
        lost_po_ids=tuple(sorted(po_ids)),
        reason=reason,
        given_up_at=now,
    )
    gone = {shipment_id for po_id in po_ids for shipment_id in order.purchase_order(po_id).shipments}
    return order.model_copy(update={"wishes": tuple(_without(wish, gone) for wish in order.wishes)}), event


def look_again(order: Order, placed: OrderPlaced, now: datetime) -> tuple[Order, list[OrderLinesGivenUp]]:
    """Whether what was not given up when the store asked can be now."""
    if order.is_being_cancelled or order.cancelled_at is not None:
        return order, []
    told: list[OrderLinesGivenUp] = []
    for wish in [wish for wish in order.wishes if wish.lost]:
        bought = order.open_purchase_orders
        po_ids = [id for id in to_give_up(order, wish.event) if _is_meant(bought[id], wish)]
        if po_ids:
            order, event = given_up(order, placed, po_ids, wish.event.reason, now)
            told.append(event)
    return order, told


def kept(order: Order) -> Order:
    """A person decided that the order goes on: it goes on as it is."""
    return order.model_copy(update={"wishes": tuple(w.model_copy(update={"lost": ()}) for w in order.wishes)})


def _is_meant(po: PurchaseOrder, wish: Wish) -> bool:
    """Whether the wish was for all of its parcels in trouble, and none has moved since it met with that."""
    in_trouble = {id: shipment for id, shipment in po.shipments.items() if shipment.is_in_trouble}
    since = {id: wish.lost_since.get(id, wish.event.requested_at) for id in in_trouble}
    moved = any(parcel.resumed_at and parcel.resumed_at > since[id] for id, parcel in in_trouble.items())
    return not moved and in_trouble.keys() <= {*wish.lost}


def _without(wish: Wish, shipment_ids: Collection[str]) -> Wish:
    left = tuple(shipment_id for shipment_id in wish.lost if shipment_id not in shipment_ids)
    return wish.model_copy(update={"lost": left})
