"""po_dispatch's requests against the sandbox's suppliers over real HTTP, and what these then do by themselves."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.local.world_data import SELLER, SUPPLIERS
from schemas.channel import Label
from schemas.purchase_order import PoLine
from schemas.supplier import Tolerance
from services.nf_reconciliation.checks import document_problems, remittance_problems
from services.nf_reconciliation.line_checks import line_problems
from services.po_dispatch.partners import hand_over_invoice, send_purchase_order
from services.po_dispatch.state import (
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    SendPurchaseOrder,
    SupplierAccess,
)
from shared.partner.errors import Rejected
from tests.integration.po_dispatch.parties import SECRETS, Parties, parties, seller_nf
from tests.integration.worker.bench import until
from tests.unit.po_dispatch import builders as b

KNOWN = {name: SecretStr(secret) for name, secret in SECRETS.items()}
CPF = b.order_ready().customer.tax_id


@pytest.fixture
async def them() -> AsyncIterator[Parties]:
    async with parties() as running:
        yield running


def access(them: Parties, supplier_id: str) -> SupplierAccess:
    facts = next(s for s in SUPPLIERS if s.supplier_id == supplier_id)
    url = f"{them.base_url}/suppliers/{supplier_id}"
    return SupplierAccess(supplier_id=supplier_id, cnpj=facts.company.cnpj, api_url=url, secret_ref=supplier_id)


def po_line(**overrides: Any) -> PoLine:
    fields: dict[str, Any] = {
        "line": 1,
        "order_line": 1,
        "offer_id": "x",
        "sku": "VEL-1008",
        "supplier_sku": "FA100108",
        "gtin": "7891001001087",
        "name": "Vela de ignição iridium",
        "ncm": "85111000",
        "unit": "UN",
        "quantity": 4,
        "unit_cost": Decimal("23.3333"),
        "total": Decimal("93.33"),
    }
    return PoLine(**fields | overrides)


def order(them: Parties, supplier_id: str = "nova-era", **overrides: Any) -> SendPurchaseOrder:
    ready = b.order_ready()
    fields: dict[str, Any] = {
        "po_id": "po-1",
        "number": "PC00000001",
        "supplier": access(them, supplier_id),
        "lines": (po_line(),),
        "recipient": ready.customer,
        "ship_to": ready.ship_to,
        "buyer": SELLER,
    }
    return SendPurchaseOrder(**fields | overrides)


def invoice(them: Parties, supplier_id: str = "nova-era", **overrides: Any) -> HandOverInvoice:
    key, xml = seller_nf()
    fields: dict[str, Any] = {"po_id": "po-1", "number": "PC00000001", "invoice_key": key, "xml": xml}
    return HandOverInvoice(**{"supplier": access(them, supplier_id), **fields, **overrides})


def effects(them: Parties) -> dict[str, int]:
    """How often each thing was done; what was asked for again counts in `times` only."""
    done: dict[str, int] = {}
    for effect in them.sandbox.effects.values():
        done[effect.operation] = done.get(effect.operation, 0) + 1
    return done


@pytest.mark.parametrize("supplier_id", [facts.supplier_id for facts in SUPPLIERS])
async def test_sent_po_is_confirmed_then_sold_by_a_matching_nf(them: Parties, supplier_id: str) -> None:
    request = order(them, supplier_id)
    answer = await send_purchase_order(KNOWN, request, them.attempt("call-1"))
    assert answer == PurchaseOrderReceived(number="PC00000001")
    await until(lambda: len(them.heard) == 2)
    assert them.types(f"/v1/suppliers/{supplier_id}/events") == ["supplier.po_confirmed", "supplier.nf_issued"]
    [sale] = them.documents()
    assert (
        document_problems(
            sale,
            receiver_cnpj=SELLER.cnpj,
            supplier_cnpj=request.supplier.cnpj,
            po_created_at=them.attempt("x").created_at,
            environment="1",
            delivery_uf="SP",
        )
        == []
    )
    assert line_problems(sale.lines, request.lines, Tolerance(), po_number=request.number) == []
    assert sale.totals.document == Decimal("93.33")


async def test_handed_over_invoice_is_remitted_shipped_and_delivered(them: Parties) -> None:
    await send_purchase_order(KNOWN, order(them), them.attempt("call-1"))
    await until(lambda: len(them.heard) == 2)
    request = invoice(them)
    answer = await hand_over_invoice(KNOWN, request, them.attempt("call-2"))
    assert answer == InvoiceReceived(number="PC00000001")
    await until(lambda: len(them.heard) == 5)
    assert them.types()[2:] == ["supplier.nf_issued", "supplier.shipped", "carrier.reported"]
    remittance = them.documents()[1]
    assert (
        remittance_problems(
            remittance,
            customer_tax_id=CPF,
            supplier_cnpj="12ABC34501DE35",
            invoice_key=request.invoice_key,
            invoice_issued_at=them.documents()[0].issued_at,
            environment="1",
        )
        == []
    )
    shipped, delivered = them.heard[3][1]["data"], them.heard[4][1]["data"]
    assert shipped["tracking_code"] == delivered["tracking_code"] == "NOPC00000001BR"
    assert delivered["status"] == "delivered"
    assert them.heard[4][0] == "/v1/carriers/rapido-brasil/events"


async def test_parcel_with_the_marketplaces_label_is_reported_by_the_marketplace(them: Parties) -> None:
    carried: list[str] = []

    async def carry() -> None:
        carried.append("MEL1")

    them.sandbox.labelled("MEL1", carry)
    await send_purchase_order(KNOWN, order(them), them.attempt("call-1"))
    label = Label(carrier="Mercado Envios", tracking_code="MEL1", content_type="application/zpl", content="XlhB")
    await hand_over_invoice(KNOWN, invoice(them, label=label), them.attempt("call-2"))
    await until(lambda: carried)
    assert "carrier.reported" not in them.types()
    [shipped] = [body["data"] for _, body in them.heard if body["type"] == "supplier.shipped"]
    assert (shipped["carrier"], shipped["tracking_code"]) == ("Mercado Envios", "MEL1")


async def test_everything_sent_twice_happens_once(them: Parties) -> None:
    for call_id in ("call-1", "call-1", "another call"):
        await send_purchase_order(KNOWN, order(them), them.attempt(call_id))
    await until(lambda: len(them.heard) == 2)
    request = invoice(them)
    for call_id in ("call-2", "call-2"):
        await hand_over_invoice(KNOWN, request, them.attempt(call_id))
    await until(lambda: len(them.heard) == 5)
    done = effects(them)
    assert (done["sale_nf"], done["remittance_nf"], done["shipment"], done["invoice"]) == (1, 1, 1, 1)
    assert them.sandbox.effects["nova-era", "purchase_order", "call-1"].times == 2
    assert len(them.heard) == 5


async def test_another_po_under_the_same_number_or_key_is_rejected(them: Parties) -> None:
    await send_purchase_order(KNOWN, order(them), them.attempt("call-1"))
    with pytest.raises(Rejected, match="409"):
        await send_purchase_order(KNOWN, order(them, lines=(po_line(quantity=5),)), them.attempt("call-2"))
    with pytest.raises(Rejected, match="409"):
        await send_purchase_order(KNOWN, order(them, number="PC00000002"), them.attempt("call-1"))


async def test_invoice_that_is_not_for_this_po_is_rejected(them: Parties) -> None:
    with pytest.raises(Rejected, match="404"):
        await hand_over_invoice(KNOWN, invoice(them), them.attempt("call-2"))
    await send_purchase_order(KNOWN, order(them), them.attempt("call-1"))
    with pytest.raises(Rejected, match="422"):
        await hand_over_invoice(KNOWN, invoice(them, invoice_key=b.key()), them.attempt("call-3"))
    await hand_over_invoice(KNOWN, invoice(them), them.attempt("call-4"))
    key, xml = seller_nf(2)
    with pytest.raises(Rejected, match="409"):
        await hand_over_invoice(KNOWN, invoice(them, invoice_key=key, xml=xml), them.attempt("call-5"))


async def test_request_with_a_wrong_or_unknown_secret_is_rejected(them: Parties) -> None:
    with pytest.raises(Rejected, match="401"):
        await send_purchase_order({"supplier:nova-era": SecretStr("wrong")}, order(them), them.attempt("call-1"))
    with pytest.raises(Rejected, match="FLEET_SECRETS"):
        await send_purchase_order({}, order(them), them.attempt("call-1"))
    assert them.sandbox.effects == {}
