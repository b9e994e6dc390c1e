"""Cases of orders that their customer wants otherwise."""

from datetime import datetime

from deploy.local.mixed.expected import completed
from deploy.local.mixed.sale import Place, placed
from deploy.local.mixed.script import Cue, Script
from schemas.order import OrderChangeRequested
from schemas.payment import PaymentApproved


def before(case: str, place: Place) -> Script:
    """Another street and one more of it, then paid as it is now."""
    order = placed(place, {"VEL-1008": 2}, paid="nothing")
    item = order.items[0].model_copy(update={"quantity": 3})
    total = order.total - order.items[0].total + item.total
    ship_to = order.ship_to.model_copy(update={"street": "Rua Nova", "number": "7"})

    def change(now: datetime) -> list[OrderChangeRequested]:
        return [
            OrderChangeRequested(
                order_id=order.order_id,
                change_id=f"{order.order_id}-C1",
                requested_at=now,
                ship_to=ship_to,
                items=(item,),
                total=total,
            )
        ]

    def pay(now: datetime) -> list[PaymentApproved]:
        payment = order.payments[0].payment_id
        return [PaymentApproved(order_id=order.order_id, payment_id=payment, amount=total, approved_at=now)]

    cues = [
        Cue("order.status_changed.v1", change, {"status": "payment_pending"}),
        Cue("order.changed.v1", pay),
    ]
    expected = completed(1, {"changed": 1, "alteracao-pedido-venda": 1})
    return Script(case, order.order_id, expected, [order], cues=cues)


def after(case: str, place: Place) -> Script:
    """Another street, once it is being bought: refused."""
    order = placed(place, {"VEL-1008": 2})
    ship_to = order.ship_to.model_copy(update={"street": "Rua Nova", "number": "7"})

    def change(now: datetime) -> list[OrderChangeRequested]:
        id = f"{order.order_id}-C1"
        return [OrderChangeRequested(order_id=order.order_id, change_id=id, requested_at=now, ship_to=ship_to)]

    expected = completed(1, {"change refused": 1})
    return Script(case, order.order_id, expected, [order], cues=[Cue("purchase_order.sent.v1", change)])
