"""What the ERP is asked about an order: to open it, to change it, to cancel it. Pure."""

from schemas.decision import Call
from schemas.order import OrderPlaced
from services.order_intake.requests import MarkCancelled, RegisterSalesOrder, UpdateSalesOrder
from services.order_intake.state import Order

ERP = "erp"


def opened(sale: OrderPlaced) -> RegisterSalesOrder:
    return RegisterSalesOrder(
        order_id=sale.order_id,
        store_id=sale.store_id,
        channel_id=sale.channel_id,
        channel_order_code=sale.channel_order_code,
        customer=sale.customer,
        items=sale.items,
        freight=sale.freight,
        discount=sale.discount,
        total=sale.total,
    )


def due(order: Order) -> tuple[Order, list[Call]]:
    """What the ERP must be told now that it has the order. All calls of an order go one after the other (its lane)."""
    number, sale = order.erp_order_number, order.sale
    if number is None or sale is None:
        return order, []
    if order.cancelled_at is not None:
        return _cancelled(order, sale.order_id, number)
    revision = order.revision
    if revision <= order.erp_revision_asked:
        return order, []
    update = UpdateSalesOrder(number=number, revision=revision, sale=opened(sale))
    return order.model_copy(update={"erp_revision_asked": revision}), [Call(ERP, update)]


def _cancelled(order: Order, order_id: str, number: str) -> tuple[Order, list[Call]]:
    if order.cancelled_in_erp != "no":
        return order, []
    asked = order.model_copy(update={"cancelled_in_erp": "asked"})
    return asked, [Call(ERP, MarkCancelled(order_id=order_id, number=number))]
