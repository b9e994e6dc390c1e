"""The messages order_intake hears of a PO, and a way to tell it many of them."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from schemas.access_key import check_digit
from schemas.billing import InvoiceIssued
from schemas.decision import Answered, Decision
from schemas.model import Message
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfDiverged, SupplierNfMatched
from schemas.order import OrderStatusChanged
from schemas.payment import PaymentApproved
from schemas.purchase_order import (
    InvoiceHandedOver,
    OutOfStock,
    PurchaseOrderConfirmed,
    PurchaseOrderCreated,
    PurchaseOrderSent,
    QuoteNeeded,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentProblemReported,
)
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.order_intake import decide
from services.order_intake.state import Order, RegisterSalesOrder, SalesOrderRegistered
from tests.builders import NOW, context, order_placed, store_changed

PO = "po-1"


def hours(number: float) -> datetime:
    return NOW + timedelta(hours=number)


def key(number: int) -> str:
    first = f"3526111122233300018155001{number:09d}112345678"
    return first + check_digit(first)


def payment_approved(**fields: Any) -> PaymentApproved:
    approved = {"order_id": "order-1", "payment_id": "pay-1", "amount": "99.90", "approved_at": hours(1)}
    return PaymentApproved.model_validate(approved | fields)


def _of_po(po_id: str, **fields: Any) -> dict[str, Any]:
    return {"order_id": "order-1", "po_id": po_id, "po_number": f"PC-{po_id}", **fields}


def created(po_id: str = PO, **fields: Any) -> PurchaseOrderCreated:
    line = {
        "line": 1, "order_line": 1, "offer_id": "o-1", "sku": "SKU-1", "supplier_sku": "S-1", "name": "Pastilha",
        "ncm": "87083090", "unit": "UN", "quantity": 2, "unit_cost": "30.00", "total": "60.00",
    }  # fmt: skip
    data = _of_po(
        po_id, store_id="store-1", order_po_ids=[po_id], supplier_id="farol-sul", supplier_cnpj="11222333000181",
        lines=[line], total="60.00", terms={}, ship_to_uf="PR", created_at=hours(2),
    )  # fmt: skip
    return PurchaseOrderCreated.model_validate(data | fields)


def sent(po_id: str = PO) -> PurchaseOrderSent:
    return PurchaseOrderSent.model_validate(_of_po(po_id, supplier_id="farol-sul", sent_at=hours(3)))


def confirmed(po_id: str = PO) -> PurchaseOrderConfirmed:
    return PurchaseOrderConfirmed.model_validate(_of_po(po_id, supplier_id="farol-sul", confirmed_at=hours(4)))


def s2_matched(po_id: str = PO, **fields: Any) -> SupplierNfMatched:
    data = _of_po(
        po_id, supplier_id="farol-sul", access_key=key(1), series=1, number=1, issued_at=hours(5),
        total="60.00", payable="60.00", lines=[],
    )  # fmt: skip
    return SupplierNfMatched.model_validate(data | fields)


def s2_diverged(po_id: str = PO, **fields: Any) -> SupplierNfDiverged:
    data = {
        "access_key": key(1), "supplier_id": "farol-sul", "order_id": "order-1", "po_number": f"PC-{po_id}",
        "problems": [{"code": "price"}],
    }  # fmt: skip
    return SupplierNfDiverged.model_validate(data | fields)


def invoice_issued(*po_ids: str) -> InvoiceIssued:
    data = {
        "order_id": "order-1", "store_id": "store-1", "channel_id": "channel-1", "invoice_id": "r-1",
        "po_ids": po_ids or (PO,), "series": 1, "number": 1, "access_key": key(2), "protocol": "135260000000001",
        "issued_at": hours(6), "total": "99.90", "xml": "",
    }  # fmt: skip
    return InvoiceIssued.model_validate(data)


def handed_over(po_id: str = PO) -> InvoiceHandedOver:
    return InvoiceHandedOver.model_validate(_of_po(po_id, invoice_key=key(2), handed_over_at=hours(7)))


def s1_matched(po_id: str = PO) -> RemittanceNfMatched:
    data = _of_po(po_id, supplier_id="farol-sul", access_key=key(3), invoice_key=key(2), issued_at=hours(8))
    return RemittanceNfMatched.model_validate(data)


def dispatched(po_id: str = PO, shipment: str = "1") -> ShipmentDispatched:
    data = _of_po(
        po_id, shipment_id=f"{po_id}-{shipment}", carrier="Correios", tracking_code="T1", dispatched_at=hours(9)
    )
    return ShipmentDispatched.model_validate(data)


def problem_reported(po_id: str = PO, shipment: str = "1") -> ShipmentProblemReported:
    data = _of_po(po_id, shipment_id=f"{po_id}-{shipment}", detail="address not found", at=hours(10))
    return ShipmentProblemReported.model_validate(data)


def delivered(po_id: str = PO, shipment: str = "1", **fields: Any) -> ShipmentDelivered:
    data = _of_po(po_id, shipment_id=f"{po_id}-{shipment}", delivered_at=hours(20))
    return ShipmentDelivered.model_validate(data | fields)


def quote_needed(**fields: Any) -> QuoteNeeded:
    return QuoteNeeded.model_validate({"order_id": "order-1", "order_lines": [1], "at": hours(2)} | fields)


def out_of_stock(**fields: Any) -> OutOfStock:
    return OutOfStock.model_validate({"order_id": "order-1", "order_lines": [1], "at": hours(2)} | fields)


Registered = Answered[RegisterSalesOrder, SalesOrderRegistered]


def registered(number: str = "SO1") -> Registered:
    placed = order_placed()
    asked = RegisterSalesOrder.model_validate({name: getattr(placed, name) for name in RegisterSalesOrder.model_fields})
    return Answered("call-1", asked, SalesOrderRegistered(number=number), hours(1))


DECISIONS: dict[type[Any], Callable[..., Any]] = {
    type(order_placed()): decide.on_order_placed,
    PaymentApproved: decide.on_payment_approved,
    Answered: decide.on_sales_order_registered,
    QuoteNeeded: decide.on_quote_needed,
    OutOfStock: decide.on_out_of_stock,
    PurchaseOrderCreated: decide.on_purchase_order_created,
    PurchaseOrderSent: decide.on_purchase_order_sent,
    PurchaseOrderConfirmed: decide.on_purchase_order_confirmed,
    SupplierNfMatched: decide.on_supplier_nf_matched,
    SupplierNfDiverged: decide.on_supplier_nf_diverged,
    InvoiceIssued: decide.on_invoice_issued,
    InvoiceHandedOver: decide.on_invoice_handed_over,
    RemittanceNfMatched: decide.on_remittance_nf_matched,
    ShipmentDispatched: decide.on_shipment_dispatched,
    ShipmentProblemReported: decide.on_shipment_problem_reported,
    ShipmentDelivered: decide.on_shipment_delivered,
}


def decision_on(order: Order | None, event: Any, *, now: datetime = NOW + timedelta(days=2), **store: Any) -> Any:
    """What is decided on `event`, by default when all of the above has happened; `store` overrides its settings."""
    message = event if isinstance(event, Message) else None
    timeline = Timeline[StoreChanged](versions=(store_changed(**store),))
    return DECISIONS[type(event)](order, event, context(message, now=now, reference_data=timeline))


def told(*events: Any, order: Order | None = None, **store: Any) -> tuple[Order, list[Message]]:
    """The order after these events, and everything that was published. The state goes through JSON, as in the table."""
    published: list[Message] = []
    for event in events:
        decision = decision_on(order, event, **store)
        assert isinstance(decision, Decision), decision
        order = Order.model_validate_json(decision.state.model_dump_json()) if decision.state else None
        published += decision.events
    assert order is not None
    return order, published


def statuses(published: Iterable[Message]) -> list[str]:
    return [event.status for event in published if isinstance(event, OrderStatusChanged)]
