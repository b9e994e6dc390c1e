"""Builders of what billing hears and looks up: one order of two lines, 300.00 in all, from SP to MG, paid by Pix."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.billing import SupplierPaymentReported, TaxProfileChanged
from schemas.channel import ChannelChanged, ReleaseRule
from schemas.decision import Answered, Cause, Context, Decision, Numbers
from schemas.model import Model
from schemas.nota_fiscal import Installment, NfLine, SupplierNfMatched
from schemas.order import Item, OrderReady, Payment
from schemas.purchase_order import PoLine, PurchaseOrderCreated
from schemas.store import StoreChanged
from schemas.supplier import SupplierChanged, Terms
from schemas.timeline import Timeline
from schemas.values import Customer, Logistics
from services.billing.reference import Reference, series_names
from services.billing.requests import (
    AuthoriseInvoice,
    SefazAnswered,
)
from services.billing.state import (
    Bill,
)
from tests.unit.nf_builders import CUSTOMER_CPF, address, retailer, supplier

NOW = datetime(2026, 7, 20, 15, 0, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
S2_KEYS = {
    "po-a": "35260712ABC34501DE35550010000463211123456785",
    "po-b": "35260712ABC34501DE35550010000463221123456782",
}


def item(line: int = 1, **overrides: Any) -> Item:
    fields: dict[str, Any] = {
        "line": line, "sku": f"SKU-{line}", "name": f"Peça {line}", "quantity": 2, "unit_price": Decimal("70.00"),
    }  # fmt: skip
    return Item(**fields | overrides)


def order_ready(**overrides: Any) -> OrderReady:
    fields: dict[str, Any] = {
        "order_id": "order-1",
        "store_id": "store-1",
        "channel_id": "channel-1",
        "channel_order_code": "MKT-1",
        "erp_order_number": "SO1",
        "placed_at": NOW - timedelta(hours=2),
        "ready_at": NOW - timedelta(hours=1),
        "customer": Customer(name="Joana Pereira", tax_id=CUSTOMER_CPF, email="joana@example.com"),
        "ship_to": address("MG"),
        "items": (item(1), item(2)),
        "freight": Decimal("30.00"),
        "discount": Decimal("10.00"),
        "total": Decimal("300.00"),
        "payments": (
            Payment(payment_id="pay-1", method="pix", amount=Decimal("300.00"), approved_at=NOW - timedelta(hours=2)),
        ),
        "logistics": Logistics(),
    }
    return OrderReady(**fields | overrides)


def po_line(line: int = 1, order_line: int = 1, **overrides: Any) -> PoLine:
    fields: dict[str, Any] = {
        "line": line,
        "order_line": order_line,
        "offer_id": f"offer-{order_line}",
        "sku": f"SKU-{order_line}",
        "supplier_sku": f"FS-{order_line}",
        "name": f"Peça {order_line}",
        "ncm": "87083090",
        "unit": "UN",
        "quantity": 2,
        "unit_cost": Decimal("40.00"),
        "total": Decimal("80.00"),
    }
    return PoLine(**fields | overrides)


def po_created(po_id: str = "po-a", **overrides: Any) -> PurchaseOrderCreated:
    """PO a supplies line 1 of the order, PO b line 2."""
    fields: dict[str, Any] = {
        "order_id": "order-1",
        "store_id": "store-1",
        "po_id": po_id,
        "po_number": f"PC-{po_id[-1]}",
        "order_po_ids": ("po-a", "po-b"),
        "supplier_id": f"supplier-{po_id[-1]}",
        "supplier_cnpj": supplier().cnpj,
        "lines": (po_line(1, 1 if po_id == "po-a" else 2),),
        "total": Decimal("80.00"),
        "terms": Terms(kind="on_s2", days=28),
        "ship_to_uf": "MG",
        "created_at": NOW - timedelta(minutes=50),
    }
    return PurchaseOrderCreated(**fields | overrides)


def only_po(**overrides: Any) -> PurchaseOrderCreated:
    """A PO that supplies the whole order."""
    lines = (po_line(1, 1), po_line(2, 2))
    fields: dict[str, Any] = {"order_po_ids": ("po-a",), "lines": lines, "total": Decimal("160.00")}
    return po_created("po-a", **fields | overrides)


def nf_line(po_line: int = 1, order_line: int = 1, **overrides: Any) -> NfLine:
    fields: dict[str, Any] = {
        "po_line": po_line,
        "order_line": order_line,
        "supplier_sku": f"FS-{order_line}",
        "gtin": "7891234567895",
        "name": f"PECA {order_line}",
        "ncm": "87083090",
        "cfop": "5119",
        "unit": "UN",
        "quantity": Decimal(2),
        "unit_cost": Decimal("40.00"),
        "total": Decimal("80.00"),
    }
    return NfLine(**fields | overrides)


def nf_matched(po_id: str = "po-a", **overrides: Any) -> SupplierNfMatched:
    fields: dict[str, Any] = {
        "order_id": "order-1",
        "po_id": po_id,
        "po_number": f"PC-{po_id[-1]}",
        "supplier_id": f"supplier-{po_id[-1]}",
        "access_key": S2_KEYS[po_id],
        "series": 1,
        "number": 46321,
        "issued_at": NOW - timedelta(minutes=20),
        "total": Decimal("80.00"),
        "payable": Decimal("80.00"),
        "lines": (nf_line(1, 1 if po_id == "po-a" else 2),),
    }
    return SupplierNfMatched(**fields | overrides)


def nf_of_only_po(**overrides: Any) -> SupplierNfMatched:
    fields: dict[str, Any] = {"payable": Decimal("160.00"), "lines": (nf_line(1, 1), nf_line(2, 2))}
    return nf_matched("po-a", **fields | overrides)


def installments(*amounts: str) -> tuple[Installment, ...]:
    return tuple(
        Installment(number=f"{n:03d}", due=NOW + timedelta(days=30 * n), amount=Decimal(amount))
        for n, amount in enumerate(amounts, 1)
    )


def store_changed(**overrides: Any) -> StoreChanged:
    fields: dict[str, Any] = {
        "valid_from": LONG_AGO, "store_id": "store-1", "name": "Loja", "seller": retailer(),
        "mail_sender": "loja@example.com",
    }  # fmt: skip
    return StoreChanged(**fields | overrides)


def channel_changed(**overrides: Any) -> ChannelChanged:
    fields: dict[str, Any] = {
        "valid_from": LONG_AGO, "channel_id": "channel-1", "name": "Canal", "route": "hub", "api": "hub",
        "api_url": "http://localhost/hub", "token_ref": "channel-1", "rules": (ReleaseRule(),),
    }  # fmt: skip
    return ChannelChanged(**fields | overrides)


def tax_profile_changed(**overrides: Any) -> TaxProfileChanged:
    fields: dict[str, Any] = {
        "valid_from": LONG_AGO, "store_id": "store-1", "series": 1, "regime": "3", "icms_code": "00",
        "internal_rates": {"SP": Decimal(18), "MG": Decimal(18)}, "interstate_rates": {"MG": Decimal(12)},
    }  # fmt: skip
    return TaxProfileChanged(**fields | overrides)


def supplier_changed(supplier_id: str, **overrides: Any) -> SupplierChanged:
    fields: dict[str, Any] = {
        "valid_from": LONG_AGO, "supplier_id": supplier_id, "company": supplier(),
        "api_url": f"http://localhost/suppliers/{supplier_id}", "secret_ref": supplier_id,
    }  # fmt: skip
    return SupplierChanged(**fields | overrides)


def reference(**overrides: Any) -> Reference:
    """All that R needs; None leaves something out."""
    suppliers = {id: Timeline[SupplierChanged](versions=(supplier_changed(id),)) for id in ("supplier-a", "supplier-b")}
    fields: dict[str, Any] = {
        "store": Timeline[StoreChanged](versions=(store_changed(),)),
        "channel": Timeline[ChannelChanged](versions=(channel_changed(),)),
        "tax_profile": Timeline[TaxProfileChanged](versions=(tax_profile_changed(),)),
        "suppliers": suppliers,
    }
    return Reference(**fields | overrides)


def context(cause: str = "event-1", known: Reference | None = None, first_number: int = 501) -> Context[Any]:
    looked_up = known or reference()
    return Context(
        now=NOW,
        cause=Cause(cause, "test", "test.v1", "order-1", NOW, uuid5(NAMESPACE_URL, cause)),
        reference=looked_up,
        numbers=Numbers(dict.fromkeys(series_names(looked_up), first_number)),
    )


def authorised(request: AuthoriseInvoice, **overrides: Any) -> Answered[AuthoriseInvoice, SefazAnswered]:
    fields: dict[str, Any] = {
        "outcome": "authorised", "code": "100", "reason": "Autorizado o uso da NF-e", "protocol": "135260000000001",
        "received_at": NOW, "xml": "PG5mZVByb2MvPg==",
    }  # fmt: skip
    return Answered("call-1", request, SefazAnswered(**fields | overrides), NOW)


def rejected(request: AuthoriseInvoice) -> Answered[AuthoriseInvoice, SefazAnswered]:
    answer = SefazAnswered(outcome="rejected", code="610", reason="Total da NF difere do somatorio")
    return Answered("call-1", request, answer, NOW)


def payment_reported(payable_id: str, outcome: str = "settled", **overrides: Any) -> SupplierPaymentReported:
    fields: dict[str, Any] = {
        "payable_id": payable_id, "outcome": outcome, "bank_reference": "PG1", "reported_at": NOW,
    }  # fmt: skip
    return SupplierPaymentReported(**fields | overrides)


def decided(outcome: object) -> Decision[Bill]:
    assert isinstance(outcome, Decision), outcome
    return outcome


def requests(decision: Decision[Bill], kind: type[Model]) -> list[Any]:
    return [call.request for call in decision.calls if isinstance(call.request, kind)]
