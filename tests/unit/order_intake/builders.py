"""The messages order_intake hears of an order and its POs, and a way to tell it many of them."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.access_key import check_digit
from schemas.billing import BillingStopped, InvoiceCancelled, InvoiceIssued, InvoiceReduced
from schemas.decision import Answered, Call, Decision, Reminder
from schemas.model import Message
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfDiverged, SupplierNfMatched
from schemas.order import OrderCancellationRequested, OrderChangeRequested, OrderPlaced, OrderStatusChanged
from schemas.payment import PaymentApproved, PaymentExpired
from schemas.purchase_order import (
    FulfilmentStopped,
    InvoiceHandedOver,
    PurchaseOrderCancelled,
    PurchaseOrderCancelRefused,
    PurchaseOrderConfirmed,
    PurchaseOrderCreated,
    PurchaseOrderRefused,
    PurchaseOrderSent,
)
from schemas.refund import RefundFailed, RefundOrdered, RefundSettled
from schemas.runtime import ReminderDue
from schemas.shipment import ShipmentDelivered, ShipmentDispatched, ShipmentProblemReported, ShipmentResumed
from schemas.sourcing import OutOfStock, QuoteNeeded, SourcingGivenUp
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.order_intake import decide
from services.order_intake.decide.follow.refunding import refund_id
from services.order_intake.requests import (
    CancelledMarked,
    CompletedMarked,
    MarkCancelled,
    MarkCompleted,
    RegisterSalesOrder,
    SalesOrderRegistered,
    SalesOrderUpdated,
    UpdateSalesOrder,
)
from services.order_intake.state import Order
from tests.builders import HOME, ITEM, NOW, PAYMENT, context, order_placed, store_changed

PO = "po-1"
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Started of whichever attempt to cancel is the newest one."""


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


def two_lines(**fields: Any) -> OrderPlaced:
    """Paid, of two lines with two pieces each."""
    items = [ITEM, ITEM | {"line": 2, "sku": "SKU-2"}]
    payment = PAYMENT | {"amount": "199.80", "approved_at": hours(0)}
    return order_placed(**({"items": items, "total": "199.80", "payments": [payment]} | fields))


def payment_expired(**fields: Any) -> PaymentExpired:
    expired = {"order_id": "order-1", "payment_id": "pay-1", "expired_at": hours(0.5)}
    return PaymentExpired.model_validate(expired | fields)


def change(**fields: Any) -> OrderChangeRequested:
    """To another street, where nothing else is named."""
    wanted = {"order_id": "order-1", "change_id": "change-1", "requested_at": hours(0.1)}
    return OrderChangeRequested.model_validate(wanted | (fields or {"ship_to": HOME | {"street": "Rua Nova"}}))


def wish(**fields: Any) -> OrderCancellationRequested:
    wanted = {
        "order_id": "order-1", "requested_by": "customer", "reason": "bought the wrong one", "requested_at": hours(1),
    }  # fmt: skip
    return OrderCancellationRequested.model_validate(wanted | fields)


def line(number: int = 1, order_line: int = 1, quantity: int = 2) -> dict[str, Any]:
    return {
        "line": number, "order_line": order_line, "offer_id": "o-1", "sku": "SKU-1", "supplier_sku": "S-1",
        "name": "Pastilha", "ncm": "87083090", "unit": "UN", "quantity": quantity, "unit_cost": "30.00",
        "total": f"{30 * quantity}.00",
    }  # fmt: skip


def created(po_id: str = PO, *order_lines: int, **fields: Any) -> PurchaseOrderCreated:
    """A PO for these lines of the order, the first one where none is named, with two pieces each."""
    lines = [line(number, order_line) for number, order_line in enumerate(order_lines or (1,), 1)]
    data = _of_po(
        po_id, store_id="store-1", order_po_ids=[po_id], supplier_id="farol-sul", supplier_cnpj="11222333000181",
        lines=lines, total="60.00", terms={}, ship_to_uf="PR", created_at=hours(2),
    )  # fmt: skip
    return PurchaseOrderCreated.model_validate(data | fields)


PREPAID: dict[str, Any] = {"terms": {"kind": "prepaid"}}


def po_refused(po_id: str = PO, lines: Iterable[dict[str, Any]] = (), **fields: Any) -> PurchaseOrderRefused:
    """`lines` are what remains: nothing, where none is named."""
    data = _of_po(
        po_id, order_po_ids=[], supplier_id="farol-sul", refused=[{"line": 1, "order_line": 1, "quantity": 2}],
        lines=list(lines), total="60.00", refused_at=hours(4),
    )  # fmt: skip
    return PurchaseOrderRefused.model_validate(data | fields)


def po_cancelled(po_id: str = PO, **fields: Any) -> PurchaseOrderCancelled:
    data = _of_po(po_id, order_po_ids=[], supplier_id="farol-sul", cause="silent", cancelled_at=hours(4))
    return PurchaseOrderCancelled.model_validate(data | fields)


def cancel_refused(po_id: str = PO, **fields: Any) -> PurchaseOrderCancelRefused:
    data = _of_po(po_id, supplier_id="farol-sul", detail="already packed", refused_at=hours(12))
    return PurchaseOrderCancelRefused.model_validate(data | fields)


def fulfilment_stopped(*po_ids: str, started_at: datetime = LATEST) -> FulfilmentStopped:
    return FulfilmentStopped(order_id="order-1", started_at=started_at, cancelled_po_ids=po_ids, stopped_at=hours(13))


def billing_stopped(*in_force: str, **fields: Any) -> BillingStopped:
    data = {"order_id": "order-1", "started_at": LATEST, "invoices_in_force": in_force, "stopped_at": hours(14)}
    return BillingStopped.model_validate(data | fields)


def invoice_cancelled(number: int = 2, *po_ids: str) -> InvoiceCancelled:
    data = {
        "order_id": "order-1", "store_id": "store-1", "channel_id": "channel-1", "invoice_id": "r-1",
        "po_ids": po_ids or (PO,), "access_key": key(number), "protocol": "135260000000002", "cancelled_at": hours(11),
    }  # fmt: skip
    return InvoiceCancelled.model_validate(data)


def invoice_taken_back(decision: str, number: int = 2) -> InvoiceCancelled:
    by_entry_nf = {"how": "entry_nf", "decision": decision, "reason": "NF de entrada 12", "protocol": None}
    return InvoiceCancelled.model_validate(invoice_cancelled(number).model_dump() | by_entry_nf)


def invoice_reduced(decision: str, number: int = 2) -> InvoiceReduced:
    data = invoice_taken_back(decision, number).model_dump()
    same = {name: data[name] for name in InvoiceReduced.model_fields if name in data}
    return InvoiceReduced.model_validate(same | {"amount": "9.90", "left": "90.00", "reduced_at": hours(11)})


def _of_refund(**fields: Any) -> dict[str, Any]:
    name = refund_id("order-1", "pay-1")
    return {"order_id": "order-1", "refund_id": name, "payment_id": "pay-1", "amount": "99.90", **fields}


def refund_ordered() -> RefundOrdered:
    return RefundOrdered.model_validate(_of_refund(by="erp", ordered_at=hours(30)))


def refund_settled() -> RefundSettled:
    return RefundSettled.model_validate(_of_refund(settled_at=hours(40)))


def refund_failed() -> RefundFailed:
    return RefundFailed.model_validate(_of_refund(detail="account closed", failed_at=hours(35)))


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


def invoice_issued(*po_ids: str, number: int = 2) -> InvoiceIssued:
    data = {
        "order_id": "order-1", "store_id": "store-1", "channel_id": "channel-1", "invoice_id": "r-1",
        "po_ids": po_ids or (PO,), "series": 1, "number": 1, "access_key": key(number), "protocol": "135260000000001",
        "issued_at": hours(6), "total": "99.90", "xml": "",
    }  # fmt: skip
    return InvoiceIssued.model_validate(data)


def handed_over(po_id: str = PO, number: int = 2) -> InvoiceHandedOver:
    return InvoiceHandedOver.model_validate(_of_po(po_id, invoice_key=key(number), handed_over_at=hours(7)))


def s1_matched(po_id: str = PO, number: int = 2) -> RemittanceNfMatched:
    data = _of_po(po_id, supplier_id="farol-sul", access_key=key(3), invoice_key=key(number), issued_at=hours(8))
    return RemittanceNfMatched.model_validate(data)


def dispatched(po_id: str = PO, shipment: str = "1", **fields: Any) -> ShipmentDispatched:
    data = _of_po(
        po_id, shipment_id=f"{po_id}-{shipment}", carrier="Correios", tracking_code="T1", dispatched_at=hours(9)
    )
    return ShipmentDispatched.model_validate(data | fields)


def problem_reported(po_id: str = PO, shipment: str = "1", **fields: Any) -> ShipmentProblemReported:
    data = _of_po(po_id, shipment_id=f"{po_id}-{shipment}", detail="address not found", at=hours(10))
    return ShipmentProblemReported.model_validate(data | fields)


def resumed(po_id: str = PO, shipment: str = "1", **fields: Any) -> ShipmentResumed:
    return ShipmentResumed.model_validate(_of_po(po_id, shipment_id=f"{po_id}-{shipment}", at=hours(11)) | fields)


def delivered(po_id: str = PO, shipment: str = "1", **fields: Any) -> ShipmentDelivered:
    data = _of_po(po_id, shipment_id=f"{po_id}-{shipment}", delivered_at=hours(20))
    return ShipmentDelivered.model_validate(data | fields)


def quote_needed(**fields: Any) -> QuoteNeeded:
    return QuoteNeeded.model_validate({"order_id": "order-1", "order_lines": [1], "at": hours(2)} | fields)


def out_of_stock(**fields: Any) -> OutOfStock:
    return OutOfStock.model_validate({"order_id": "order-1", "order_lines": [1], "at": hours(2)} | fields)


def given_up(**quantities: int) -> SourcingGivenUp:
    """By line of the order: `line_2=1`."""
    lines = [{"order_line": int(name.removeprefix("line_")), "quantity": q} for name, q in quantities.items()]
    return SourcingGivenUp.model_validate({"order_id": "order-1", "lines": lines, "order_po_ids": [], "at": hours(200)})


def asked_of(placed: OrderPlaced) -> RegisterSalesOrder:
    return RegisterSalesOrder.model_validate({name: getattr(placed, name) for name in RegisterSalesOrder.model_fields})


def registered(number: str = "SO1") -> Answered[RegisterSalesOrder, SalesOrderRegistered]:
    return Answered("call-1", asked_of(order_placed()), SalesOrderRegistered(number=number), hours(1))


def updated(revision: int = 1) -> Answered[UpdateSalesOrder, SalesOrderUpdated]:
    asked = UpdateSalesOrder(number="SO1", revision=revision, sale=asked_of(order_placed()))
    return Answered(f"call-u{revision}", asked, SalesOrderUpdated(number="SO1"), hours(1))


def completed_in_erp() -> Answered[MarkCompleted, CompletedMarked]:
    return Answered("call-2", MarkCompleted(order_id="order-1", number="SO1"), CompletedMarked(number="SO1"), NOW)


def cancelled_in_erp() -> Answered[MarkCancelled, CancelledMarked]:
    return Answered("call-3", MarkCancelled(order_id="order-1", number="SO1"), CancelledMarked(number="SO1"), NOW)


def reminder(name: str, due: datetime) -> ReminderDue:
    return ReminderDue(name=name, key="order-1", due=due)


DECISIONS: dict[type[Any], Callable[..., Any]] = {
    OrderPlaced: decide.on_order_placed,
    OrderChangeRequested: decide.on_change_requested,
    OrderCancellationRequested: decide.on_cancellation_requested,
    PaymentApproved: decide.on_payment_approved,
    PaymentExpired: decide.on_payment_expired,
    RegisterSalesOrder: decide.on_sales_order_registered,
    UpdateSalesOrder: decide.on_sales_order_updated,
    MarkCompleted: decide.on_completed_in_erp,
    MarkCancelled: decide.on_cancelled_in_erp,
    QuoteNeeded: decide.on_quote_needed,
    OutOfStock: decide.on_out_of_stock,
    SourcingGivenUp: decide.on_given_up,
    PurchaseOrderCreated: decide.on_purchase_order_created,
    PurchaseOrderSent: decide.on_purchase_order_sent,
    PurchaseOrderConfirmed: decide.on_purchase_order_confirmed,
    PurchaseOrderRefused: decide.on_purchase_order_refused,
    PurchaseOrderCancelled: decide.on_purchase_order_cancelled,
    PurchaseOrderCancelRefused: decide.on_cancel_refused,
    FulfilmentStopped: decide.on_fulfilment_stopped,
    BillingStopped: decide.on_billing_stopped,
    SupplierNfMatched: decide.on_supplier_nf_matched,
    SupplierNfDiverged: decide.on_supplier_nf_diverged,
    InvoiceIssued: decide.on_invoice_issued,
    InvoiceCancelled: decide.on_invoice_cancelled,
    InvoiceReduced: decide.on_invoice_reduced,
    InvoiceHandedOver: decide.on_invoice_handed_over,
    RemittanceNfMatched: decide.on_remittance_nf_matched,
    ShipmentDispatched: decide.on_shipment_dispatched,
    ShipmentProblemReported: decide.on_shipment_problem_reported,
    ShipmentResumed: decide.on_shipment_resumed,
    ShipmentDelivered: decide.on_shipment_delivered,
    RefundOrdered: decide.on_refund_ordered,
    RefundSettled: decide.on_refund_settled,
    RefundFailed: decide.on_refund_failed,
}
TIMERS = {
    "complete": decide.on_return_window_over,
    "give_up": decide.on_waited_enough,
    "difference": decide.on_difference_due,
}


def decision_on(order: Order | None, event: Any, *, now: datetime = NOW + timedelta(days=2), **store: Any) -> Any:
    """What is decided on `event`, by default when all of the above has happened; `store` overrides its settings."""
    message = event if isinstance(event, Message) else None
    timeline = Timeline[StoreChanged](versions=(store_changed(**store),))
    if isinstance(event, ReminderDue):
        return TIMERS[event.name](order, event, context(event, now=max(now, event.due)))
    kind = type(event.request) if isinstance(event, Answered) else type(event)
    return DECISIONS[kind](order, event, context(message, now=now, reference_data=timeline))


def decided(*events: Any, order: Order | None = None, **store: Any) -> tuple[Order, list[Decision[Order]]]:
    """The order after these events, and every decision. The state goes through JSON, as in the table."""
    decisions: list[Decision[Order]] = []
    for event in events:
        decision = decision_on(order, event, **store)
        assert isinstance(decision, Decision), decision
        order = Order.model_validate_json(decision.state.model_dump_json()) if decision.state else None
        decisions.append(decision)
    assert order is not None
    return order, decisions


def told(*events: Any, order: Order | None = None, **store: Any) -> tuple[Order, list[Message]]:
    """The order after these events, and everything that was published."""
    after, decisions = decided(*events, order=order, **store)
    return after, [event for decision in decisions for event in decision.events]


def asked(*events: Any, order: Order | None = None, **store: Any) -> tuple[Order, list[Call]]:
    """The order after these events, and everything that partners were asked."""
    after, decisions = decided(*events, order=order, **store)
    return after, [call for decision in decisions for call in decision.calls]


def reminders(decisions: Iterable[Decision[Order]]) -> list[Reminder]:
    return [reminder for decision in decisions for reminder in decision.reminders]


def statuses(published: Iterable[Message]) -> list[str]:
    return [event.status for event in published if isinstance(event, OrderStatusChanged)]


def moves(published: Iterable[Message]) -> list[tuple[str | None, str]]:
    return [(event.previous, event.status) for event in published if isinstance(event, OrderStatusChanged)]


def kinds(published: Iterable[Message]) -> list[str]:
    return [event.TYPE.removesuffix(".v1") for event in published]
