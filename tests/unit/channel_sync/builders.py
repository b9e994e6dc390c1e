"""Messages, states and contexts of channel_sync's tests: valid as they are, any field overridden by name."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid5

from schemas.access_key import check_digit
from schemas.billing import InvoiceCancelled, InvoiceIssued
from schemas.channel import ChannelChanged, ChannelOrderReported, ReleaseRule
from schemas.decision import Answered, Cause, Context, Decision, Numbers, Outcome, Request
from schemas.envelope import reference
from schemas.model import Model
from schemas.order import (
    OrderAccepted,
    OrderCancellationStarted,
    OrderCancelled,
    OrderChanged,
    OrderStatusChanged,
)
from schemas.purchase_order import PurchaseOrderCreated, PurchaseOrderRefused, PurchaseOrderSent
from schemas.refund import RefundOrdered, RefundSettled
from schemas.shipment import (
    ShipmentDelayed,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentIrregular,
    ShipmentProblemReported,
    ShipmentResumed,
)
from schemas.sourcing import SourcingGivenUp
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.channel_sync import decide, endings
from services.channel_sync.requests import ChannelAnswered, MailAnswered, SendMail
from services.channel_sync.state import ChannelOrder, Reference

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
M = TypeVar("M", bound=Model)
XML = b64encode(b"<nfeProc/>").decode()

ADDRESS = {
    "street": "Rua Vergueiro",
    "number": "1000",
    "district": "Liberdade",
    "city": "São Paulo",
    "ibge_code": "3550308",
    "uf": "SP",
    "postal_code": "01504000",
}
SELLER = {
    "name": "Loja Exemplo Autopeças Ltda",
    "cnpj": "11222333000181",
    "state_registration": "110042490114",
    "address": ADDRESS,
}


def _build(model: type[M], defaults: dict[str, Any], overrides: dict[str, Any]) -> M:
    return model.model_validate(defaults | overrides)


def access_key(number: int = 1) -> str:
    first = f"352611112223330001815500100000{number:04d}1000000{number:02d}0"[:43].ljust(43, "0")
    return first + check_digit(first)


def channel_changed(**fields: Any) -> ChannelChanged:
    return _build(
        ChannelChanged,
        {
            "valid_from": NOW - timedelta(days=30),
            "channel_id": "magalu",
            "name": "Magalu",
            "route": "hub",
            "api": "hub",
            "api_url": "http://hub.example.com",
            "token_ref": "magalu",
            "rules": [ReleaseRule()],
        },
        fields,
    )


def store_changed(**fields: Any) -> StoreChanged:
    return _build(
        StoreChanged,
        {
            "valid_from": NOW - timedelta(days=30),
            "store_id": "store-1",
            "name": "Estrada Boa",
            "seller": SELLER,
            "mail_sender": "pedidos@example.com",
        },
        fields,
    )


def references(channel: ChannelChanged | None = None, store: StoreChanged | None = None) -> Reference:
    return Reference(Timeline(versions=(channel or channel_changed(),)), Timeline(versions=(store or store_changed(),)))


def context(what: Any = "", *, ref: Reference | None = None, now: datetime = NOW) -> Context[Any]:
    id_ = str(uuid5(reference("test", "test"), repr(what)))
    cause = Cause(
        id=id_, source="test", type="test.happened.v1", subject="order-1", time=now, ref=reference("test", id_)
    )
    return Context(now=now, cause=cause, reference=ref or references(), numbers=Numbers({}), key="order-1")


def accepted(**fields: Any) -> OrderAccepted:
    return _build(
        OrderAccepted,
        {
            "order_id": "order-1",
            "store_id": "store-1",
            "channel_id": "magalu",
            "channel_order_code": "MAG-1",
            "logistics": {"type": "own"},
            "customer_name": "Maria da Conceição",
            "customer_email": "maria@example.org",
            "items": [{"line": 1, "sku": "S1", "name": "Pastilha de freio", "quantity": 2, "unit_price": "617.25"}],
            "total": "1234.50",
            "accepted_at": NOW,
        },
        fields,
    )


def status_changed(status: str = "payment_confirmed", **fields: Any) -> OrderStatusChanged:
    return _build(
        OrderStatusChanged,
        {
            "order_id": "order-1",
            "store_id": "store-1",
            "channel_id": "magalu",
            "status": status,
            "previous": None,
            "changed_at": NOW,
        },
        fields,
    )


def invoiced(number: int = 1, **fields: Any) -> InvoiceIssued:
    return _build(
        InvoiceIssued,
        {
            "order_id": "order-1",
            "store_id": "store-1",
            "channel_id": "magalu",
            "invoice_id": f"inv-{number}",
            "po_ids": [f"po-{number}"],
            "series": 1,
            "number": number,
            "access_key": access_key(number),
            "protocol": "135260000000001",
            "issued_at": NOW,
            "total": "1234.50",
            "xml": XML,
        },
        fields,
    )


def dispatched(number: int = 1, **fields: Any) -> ShipmentDispatched:
    return _build(
        ShipmentDispatched,
        {
            "order_id": "order-1",
            "po_id": f"po-{number}",
            "po_number": f"PC{number}",
            "shipment_id": f"ship-{number}",
            "carrier": "Transportes Sul",
            "tracking_code": f"TRK{number}",
            "tracking_url": f"https://rastreio.example.com/TRK{number}",
            "dispatched_at": NOW,
            "estimated_delivery": NOW + timedelta(days=3),
        },
        fields,
    )


def delivered(number: int = 1, **fields: Any) -> ShipmentDelivered:
    return _build(
        ShipmentDelivered,
        {
            "order_id": "order-1",
            "po_id": f"po-{number}",
            "po_number": f"PC{number}",
            "shipment_id": f"ship-{number}",
            "delivered_at": NOW + timedelta(days=2),
        },
        fields,
    )


def reported(status: str, **fields: Any) -> ChannelOrderReported:
    return _build(
        ChannelOrderReported,
        {"channel_id": "magalu", "channel_order_code": "MAG-1", "status": status, "occurred_at": NOW},
        fields,
    )


LABEL = {"carrier": "Mercado Envios", "tracking_code": "MEL1", "content_type": "application/zpl", "content": "XkFB"}


def po_sent(**fields: Any) -> PurchaseOrderSent:
    return _build(
        PurchaseOrderSent,
        {"order_id": "order-1", "po_id": "po-1", "po_number": "PC1", "supplier_id": "farol-sul", "sent_at": NOW},
        fields,
    )


def po_refused(**fields: Any) -> PurchaseOrderRefused:
    return _build(
        PurchaseOrderRefused,
        {
            "order_id": "order-1",
            "po_id": "po-1",
            "po_number": "PC1",
            "order_po_ids": ["po-1"],
            "supplier_id": "farol-sul",
            "refused": [{"line": 2, "order_line": 2, "quantity": 1}],
            "lines": [],
            "total": "10.00",
            "refused_at": NOW,
        },
        fields,
    )


def po_created(**fields: Any) -> PurchaseOrderCreated:
    return _build(
        PurchaseOrderCreated,
        {
            "order_id": "order-1",
            "store_id": "store-1",
            "po_id": "po-1",
            "po_number": "PC1",
            "order_po_ids": ["po-1"],
            "supplier_id": "farol-sul",
            "supplier_cnpj": "11222333000181",
            "lines": [],
            "total": "10.00",
            "terms": {},
            "ship_to_uf": "SP",
            "created_at": NOW,
        },
        fields,
    )


def refund_ordered(number: int = 1, **fields: Any) -> RefundOrdered:
    return _build(
        RefundOrdered,
        {
            "order_id": "order-1",
            "refund_id": f"r-{number}",
            "payment_id": "pay-1",
            "amount": "49.95",
            "by": "channel",
            "cause": "given_up",
            "ordered_at": NOW,
        },
        fields,
    )


def given_up(quantities: dict[int, int], minutes: int = 0) -> SourcingGivenUp:
    """Pieces by line of the order."""
    lines = [{"order_line": line, "quantity": quantity} for line, quantity in quantities.items()]
    at = NOW + timedelta(minutes=minutes)
    return SourcingGivenUp.model_validate({"order_id": "order-1", "lines": lines, "order_po_ids": ["po-1"], "at": at})


def decided(outcome: Outcome[ChannelOrder]) -> tuple[ChannelOrder, list[Any], list[Any]]:
    """State, events and requests of a decision; fails where it is none."""
    assert isinstance(outcome, Decision), outcome
    assert outcome.state is not None
    return outcome.state, list(outcome.events), [call.request for call in outcome.calls]


DECISIONS: dict[type[Model], Any] = {
    OrderAccepted: decide.on_order_accepted,
    OrderStatusChanged: decide.on_order_status_changed,
    PurchaseOrderCreated: decide.on_purchase_order,
    PurchaseOrderRefused: decide.on_purchase_order_refused,
    PurchaseOrderSent: decide.on_purchase_order,
    InvoiceIssued: decide.on_invoice_issued,
    ShipmentDispatched: decide.on_shipment_dispatched,
    ShipmentIrregular: decide.on_shipment_trouble,
    ShipmentProblemReported: decide.on_shipment_trouble,
    ShipmentResumed: decide.on_shipment_resumed,
    ShipmentDelivered: decide.on_shipment_delivered,
    ChannelOrderReported: decide.on_channel_order_reported,
    OrderChanged: endings.on_order_changed,
    OrderCancellationStarted: endings.on_cancellation,
    OrderCancelled: endings.on_order_cancelled,
    InvoiceCancelled: endings.on_invoice_cancelled,
    ShipmentDelayed: endings.on_shipment_delayed,
    RefundSettled: endings.on_refund_settled,
    RefundOrdered: endings.on_refund_ordered,
    SourcingGivenUp: endings.on_given_up,
}


def answer(request: Request, **fields: Any) -> Answered[Any, Any]:
    """The good answer to a request, or another one."""
    good = MailAnswered(taken=True) if isinstance(request, SendMail) else ChannelAnswered(confirmed=True)
    return Answered("call-1", request, good.model_copy(update=fields), NOW)


class Order:
    """An order that messages are told to: what was called and published so far."""

    def __init__(self, channel: ChannelChanged | None = None, store: StoreChanged | None = None) -> None:
        self.ref = references(channel, store)
        self.state: ChannelOrder | None = None
        self.events: list[Any] = []
        self.requests: list[Any] = []

    def hear(self, *messages: Model) -> "Order":
        for message in messages:
            outcome = DECISIONS[type(message)](self.state, message, context(message, ref=self.ref))
            self._take(outcome)
        return self

    def answered(self, request: Request, **fields: Any) -> "Order":
        decision: Any = decide.on_mailed if isinstance(request, SendMail) else decide.on_told
        self._take(decision(self.state, answer(request, **fields), context(request, ref=self.ref)))
        return self

    def settle(self) -> "Order":
        """Answers all calls, also those that follow, with yes."""
        done = 0
        while done < len(self.requests):
            self.answered(self.requests[done])
            done += 1
        return self

    def told(self) -> list[Any]:
        return [r for r in self.requests if not isinstance(r, SendMail)]

    def mailed(self) -> list[tuple[str, str]]:
        return [(r.fact, r.reference) for r in self.requests if isinstance(r, SendMail)]

    def why(self, fact: Any, reference: str) -> str:
        assert self.state is not None
        telling = self.state.telling(fact, reference)
        assert telling is not None
        return telling.why

    def _take(self, outcome: Outcome[ChannelOrder]) -> None:
        self.state, events, requests = decided(outcome)
        self.events += events
        self.requests += requests
