"""Messages, reference data and states for po_dispatch's tests; each takes overrides."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid5

from schemas import access_key
from schemas.billing import InvoiceIssued, SupplierPaymentSettled
from schemas.channel import DeliveryReported, Label, LabelAvailable
from schemas.decision import Answered, Cause, Context, Decision, Numbers, Outcome
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfMatched
from schemas.order import Item, OrderLinesGivenUp, OrderReady
from schemas.store import StoreChanged
from schemas.supplier import CarrierReported, OfferChanged, SupplierChanged, SupplierPoConfirmed, SupplierShipped, Terms
from schemas.timeline import Timeline
from schemas.values import Address, Company, Customer, Logistics
from services.po_dispatch.decide import making, ordering
from services.po_dispatch.decide import sourcing as sourcing_decide
from services.po_dispatch.state import (
    Fulfilment,
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    RegisterPurchaseOrder,
    SendPurchaseOrder,
    Sourcing,
)
from tests.sourcing_rows import offers_by_sku, suppliers_by_id

NOW = datetime(2026, 7, 20, 12, tzinfo=UTC)
_SPACE = UUID("6f0a7a5e-3f4e-4f0e-9d5c-1f2f3a4b5c6d")
_events = count(1)


def address(uf: str = "SP") -> Address:
    fields: dict[str, Any] = {"city": "Campinas", "ibge_code": "3509502", "uf": uf, "postal_code": "13010041"}
    return Address(street="Rua A", number="1", district="Centro", **fields)


def company(cnpj: str = "12ABC34501DE35", name: str = "Nova Era") -> Company:
    return Company(name=name, cnpj=cnpj, state_registration="ISENTO", address=address())


def context(reference: Any = None, *, now: datetime = NOW, following: int = 1, event: str = "") -> Context[Any]:
    """Of another event each time, unless `event` names it."""
    event_id = event or f"event-{next(_events)}"
    cause = Cause(event_id, "/test", "test.happened.v1", "O-1", now, uuid5(_SPACE, event_id))
    return Context(now, cause, reference, Numbers({making.PO_SERIES: following}), "O-1")


def store_changed(**overrides: Any) -> StoreChanged:
    fields: dict[str, Any] = {
        "valid_from": NOW - timedelta(days=30),
        "store_id": "shop",
        "name": "Shop",
        "seller": company("11222333000181", "Seller"),
        "mail_sender": "shop@example.com",
    }
    return StoreChanged(**fields | overrides)


def supplier_changed(supplier_id: str = "farol", **overrides: Any) -> SupplierChanged:
    fields: dict[str, Any] = {
        "valid_from": NOW - timedelta(days=30),
        "supplier_id": supplier_id,
        "company": company(),
        "api_url": f"http://127.0.0.1:1/{supplier_id}",
        "secret_ref": supplier_id,
    }
    return SupplierChanged(**fields | overrides)


def offer_changed(supplier_id: str = "farol", sku: str = "A", **overrides: Any) -> OfferChanged:
    fields: dict[str, Any] = {
        "valid_from": NOW - timedelta(days=30),
        "offer_id": f"{supplier_id}:{sku}",
        "supplier_id": supplier_id,
        "sku": sku,
        "supplier_sku": f"S-{sku}",
        "name": f"Part {sku}",
        "ncm": "87083090",
        "cost": Decimal("10.00"),
        "stock": 10,
    }
    return OfferChanged(**fields | overrides)


def sourcing(*offers: OfferChanged, suppliers: Sequence[SupplierChanged] = (), **store: Any) -> Sourcing:
    """Offers, and their suppliers unless given."""
    made_by = {s.supplier_id: s for s in suppliers}
    makers = [made_by.get(id) or supplier_changed(id) for id in sorted({o.supplier_id for o in offers})]
    return Sourcing(
        Timeline[StoreChanged](versions=(store_changed(**store),)),
        offers_by_sku((Timeline[OfferChanged](versions=(offer,)) for offer in offers), {o.sku for o in offers}),
        suppliers_by_id({maker.supplier_id: Timeline[SupplierChanged](versions=(maker,)) for maker in makers}),
    )


def item(line: int = 1, sku: str = "A", quantity: int = 1) -> Item:
    return Item(line=line, sku=sku, name=f"Part {sku}", quantity=quantity, unit_price=Decimal("20.00"))


def order_ready(**overrides: Any) -> OrderReady:
    fields: dict[str, Any] = {
        "order_id": "O-1",
        "store_id": "shop",
        "channel_id": "shop",
        "channel_order_code": "C-1",
        "erp_order_number": "SO1",
        "placed_at": NOW,
        "ready_at": NOW,
        "customer": Customer(name="Ana Souza", tax_id="52998224725", email="ana@example.com"),
        "ship_to": address(),
        "items": (item(1, "A"), item(2, "B", 2)),
        "freight": Decimal("0.00"),
        "discount": Decimal("0.00"),
        "total": Decimal("60.00"),
        "payments": (),
        "logistics": Logistics(),
    }
    return OrderReady(**fields | overrides)


BY_CHANNEL = Logistics(type="me2", shipment_id="S-1", label_by="channel")
TWO_SUPPLIERS = (offer_changed("farol", "A"), offer_changed("norte", "B", cost=Decimal("3.3333")))


def key(number: int = 1) -> str:
    return access_key.compose(
        uf_code="35",
        year_month="2607",
        issuer="11222333000181",
        model="55",
        series=1,
        number=number,
        emission_type="1",
        code="12345678",
    )


def decided(outcome: Outcome[Fulfilment]) -> Decision[Fulfilment]:
    assert isinstance(outcome, Decision), outcome
    return outcome


def state(outcome: Outcome[Fulfilment]) -> Fulfilment:
    found = decided(outcome).state
    assert found is not None
    return found


def purchased(*offers: OfferChanged, order: OrderReady | None = None, **store: Any) -> Fulfilment:
    """POs asked for at the ERP, without a number yet."""
    reference = sourcing(*(offers or TWO_SUPPLIERS), **store)
    return state(sourcing_decide.on_order_ready(None, order or order_ready(), context(reference)))


def created(*offers: OfferChanged, order: OrderReady | None = None) -> Fulfilment:
    """POs numbered PC1, PC2, … and being sent."""
    fulfilment = purchased(*offers, order=order)
    for n, po in enumerate(fulfilment.purchase_orders, 1):
        fulfilment = state(ordering.on_registered(fulfilment, registered(fulfilment, po.po_id, f"PC{n}"), context()))
    return fulfilment


def registered(
    fulfilment: Fulfilment, po_id: str, number: str
) -> Answered[RegisterPurchaseOrder, PurchaseOrderRegistered]:
    po = fulfilment.po(po_id)
    assert po is not None
    request = RegisterPurchaseOrder(po_id=po_id, supplier_cnpj=po.supplier.cnpj, lines=po.lines, total=po.total)
    return Answered("call-1", request, PurchaseOrderRegistered(number=number), NOW)


def sent(fulfilment: Fulfilment, number: str = "PC1") -> Answered[SendPurchaseOrder, PurchaseOrderReceived]:
    po = fulfilment.po_numbered(number)
    assert po is not None
    assert fulfilment.order is not None
    request = SendPurchaseOrder(
        po_id=po.po_id,
        number=number,
        supplier=po.supplier,
        lines=po.lines,
        recipient=fulfilment.order.recipient,
        ship_to=fulfilment.order.ship_to,
        buyer=fulfilment.order.buyer,
    )
    return Answered("call-2", request, PurchaseOrderReceived(number=number), NOW)


def handed_over(
    fulfilment: Fulfilment, number: str = "PC1", invoice_key: str = ""
) -> Answered[HandOverInvoice, InvoiceReceived]:
    po = fulfilment.po_numbered(number)
    assert po is not None
    request = HandOverInvoice(
        po_id=po.po_id, number=number, supplier=po.supplier, invoice_key=invoice_key or key(), xml="PHg+"
    )
    return Answered("call-3", request, InvoiceReceived(number=number), NOW)


def confirmed(number: str = "PC1", supplier_id: str = "farol") -> SupplierPoConfirmed:
    return SupplierPoConfirmed(supplier_id=supplier_id, po_number=number, confirmed_at=NOW)


def shipped(number: str = "PC1", supplier_id: str = "farol", **overrides: Any) -> SupplierShipped:
    fields: dict[str, Any] = {"carrier": "rapido", "tracking_code": f"T-{number}", "shipped_at": NOW}
    return SupplierShipped(supplier_id=supplier_id, po_number=number, **fields | overrides)


def lost(*po_ids: str, at: datetime = NOW) -> OrderLinesGivenUp:
    """The store gives up what of these POs was lost."""
    return OrderLinesGivenUp(
        order_id="O-1", store_id="shop", channel_id="shop", order_lines=(1,), lost_po_ids=po_ids, reason="it is lost",
        given_up_at=at,
    )  # fmt: skip


def carrier_reported(code: str = "T-PC1", status: str = "delivered", at: datetime = NOW) -> CarrierReported:
    fields: dict[str, Any] = {"status": status}
    return CarrierReported(carrier="rapido", tracking_code=code, occurred_at=at, **fields)


def invoice_issued(fulfilment: Fulfilment, *numbers: str, **overrides: Any) -> InvoiceIssued:
    """R for the POs of these numbers; all of them where none is named."""
    pos = [po for po in fulfilment.purchase_orders if not numbers or po.number in numbers]
    fields: dict[str, Any] = {
        "order_id": "O-1",
        "store_id": "shop",
        "channel_id": "shop",
        "invoice_id": f"R-{numbers}"[:60],
        "po_ids": tuple(po.po_id for po in pos),
        "series": 1,
        "number": 1,
        "access_key": key(),
        "protocol": "135260000000001",
        "issued_at": NOW,
        "total": Decimal("60.00"),
        "xml": base64.b64encode(b"<nfeProc/>").decode(),
    }
    return InvoiceIssued(**fields | overrides)


def label(code: str = "ML1") -> Label:
    return Label(carrier="Mercado Envios", tracking_code=code, content_type="application/zpl", content="XlhB")


def label_available(code: str = "ML1") -> LabelAvailable:
    return LabelAvailable(order_id="O-1", channel_id="shop", label=label(code), at=NOW)


def delivery_reported() -> DeliveryReported:
    return DeliveryReported(order_id="O-1", channel_id="shop", delivered_at=NOW)


def sale_nf_matched(fulfilment: Fulfilment, number: str = "PC1") -> SupplierNfMatched:
    po = fulfilment.po_numbered(number)
    assert po is not None
    return SupplierNfMatched(
        order_id="O-1",
        po_id=po.po_id,
        po_number=number,
        supplier_id=po.supplier.supplier_id,
        access_key=key(7),
        series=1,
        number=7,
        issued_at=NOW,
        total=po.total,
        payable=po.total,
        lines=(),
    )


def remittance_nf_matched(fulfilment: Fulfilment, number: str = "PC1") -> RemittanceNfMatched:
    po = fulfilment.po_numbered(number)
    assert po is not None
    return RemittanceNfMatched(
        order_id="O-1",
        po_id=po.po_id,
        po_number=number,
        supplier_id=po.supplier.supplier_id,
        access_key=key(9),
        invoice_key=key(),
        issued_at=NOW,
    )


def payment_settled(fulfilment: Fulfilment, number: str = "PC1") -> SupplierPaymentSettled:
    po = fulfilment.po_numbered(number)
    assert po is not None
    return SupplierPaymentSettled(
        order_id="O-1",
        po_id=po.po_id,
        supplier_id=po.supplier.supplier_id,
        payable_id="P-1",
        amount=po.total,
        settled_at=NOW,
    )


PREPAID = Terms(kind="prepaid")
