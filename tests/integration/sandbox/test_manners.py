"""Suppliers that do otherwise than they were asked, in the manner that the mixed world gives their products."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.local.mixed.suppliers import CHOOSY, MIXED, PRODUCTS, SECOND, SILENT, SLOW, supplier_sku
from deploy.local.world_data import SELLER
from schemas.purchase_order import PoLine
from services.po_dispatch.partners.supplier_api import (
    cancel_purchase_order,
    hand_over_invoice,
    remind_supplier,
    send_purchase_order,
)
from services.po_dispatch.state import (
    CancelPurchaseOrder,
    HandOverInvoice,
    RemindSupplier,
    SendPurchaseOrder,
    SupplierAccess,
)
from tests.integration.po_dispatch.parties import SECRETS, Parties, parties, seller_nf
from tests.integration.worker.bench import until
from tests.unit.po_dispatch import builders as b

KNOWN = {name: SecretStr(secret) for name, secret in SECRETS.items()}
NUMBER = "PC00000001"


@pytest.fixture
async def them() -> AsyncIterator[Parties]:
    async with parties() as running:
        yield running


def access(them: Parties, supplier_id: str) -> SupplierAccess:
    cnpj = next((m.facts.company.cnpj for m in MIXED if m.facts.supplier_id == supplier_id), "60481937000158")
    url = f"{them.base_url}/suppliers/{supplier_id}"
    return SupplierAccess(supplier_id=supplier_id, cnpj=cnpj, api_url=url, secret_ref=supplier_id)


def order(them: Parties, supplier_id: str, goods: dict[str, int], number: str = NUMBER) -> SendPurchaseOrder:
    ready = b.order_ready()
    lines = []
    for line, (sku, quantity) in enumerate(goods.items(), 1):
        part = PRODUCTS[sku].part
        lines.append(
            PoLine(
                line=line,
                order_line=line,
                offer_id="x",
                sku=sku,
                supplier_sku=supplier_sku(supplier_id, part),
                name=part.name,
                ncm=part.ncm,
                unit="UN",
                quantity=quantity,
                unit_cost=part.cost,
                total=(quantity * part.cost).quantize(Decimal("0.01")),
            )
        )
    return SendPurchaseOrder(
        po_id="po-1",
        number=number,
        supplier=access(them, supplier_id),
        lines=tuple(lines),
        recipient=ready.customer,
        ship_to=ready.ship_to,
        buyer=SELLER,
    )


async def ordered(them: Parties, supplier_id: str, goods: dict[str, int], number: str = NUMBER) -> None:
    await send_purchase_order(KNOWN, order(them, supplier_id, goods, number), them.attempt(f"order-{number}"))


async def asked_to_cancel(them: Parties, supplier_id: str) -> None:
    request = CancelPurchaseOrder(
        po_id="po-1", number=NUMBER, supplier=access(them, supplier_id), reason="order_cancelled"
    )
    assert (await cancel_purchase_order(KNOWN, request, them.attempt("cancel"))).known


async def invoiced(them: Parties, supplier_id: str) -> None:
    key, xml = seller_nf()
    request = HandOverInvoice(po_id="po-1", number=NUMBER, supplier=access(them, supplier_id), invoice_key=key, xml=xml)
    await hand_over_invoice(KNOWN, request, them.attempt("invoice"))


def said(them: Parties, type: str) -> list[dict[str, Any]]:
    return [body["data"] for _, body in them.heard if body["type"] == type]


async def test_refused_po_is_said_to_be_refused_and_nothing_follows(them: Parties) -> None:
    await ordered(them, CHOOSY, {"REC-ALL": 2})
    await until(lambda: them.types() == ["supplier.po_refused"])
    assert said(them, "supplier.po_refused")[0]["lines"] == []


async def test_refused_line_is_missing_in_the_nf(them: Parties) -> None:
    await ordered(them, CHOOSY, {"VIDRO-1": 1, "REC-LINE": 2})
    await until(lambda: len(them.heard) == 3)
    [line] = said(them, "supplier.po_refused")[0]["lines"]
    assert (line["line"], line["quantity"]) == (2, 2)
    assert [nf_line.quantity for nf_line in them.documents()[0].lines] == [1]


async def test_refused_unit_is_missing_in_the_nf(them: Parties) -> None:
    await ordered(them, CHOOSY, {"REC-UNIT": 3})
    await until(lambda: len(them.heard) == 3)
    assert them.documents()[0].lines[0].quantity == 2


async def test_second_choice_delivers_what_the_first_refuses(them: Parties) -> None:
    await ordered(them, SECOND, {"REC-ALL": 2})
    await until(lambda: them.types() == ["supplier.po_confirmed", "supplier.nf_issued"])


async def test_silent_supplier_takes_everything_and_says_nothing(them: Parties) -> None:
    await ordered(them, SILENT, {"MUDO-1": 1})
    reminder = RemindSupplier(po_id="po-1", number=NUMBER, supplier=access(them, SILENT), sent_at=b.NOW, due=b.NOW)
    await remind_supplier(KNOWN, reminder, them.attempt("remind"))
    await asked_to_cancel(them, SILENT)
    await ordered(them, SECOND, {"MUDO-1": 1})
    await until(lambda: len(them.types(f"/v1/suppliers/{SECOND}/")) == 2)
    assert them.types(f"/v1/suppliers/{SILENT}/") == []
    assert [e.operation for e in them.sandbox.effects.values()][:3] == ["purchase_order", "reminder", "cancellation"]


async def test_paused_po_is_cancelled_with_a_yes(them: Parties) -> None:
    await ordered(them, CHOOSY, {"CAN-SENT": 1})
    await asked_to_cancel(them, CHOOSY)
    await until(lambda: len(them.heard) == 1)
    assert said(them, "supplier.cancellation_answered")[0]["accepted"] is True


async def test_too_late_is_said_and_the_po_goes_on(them: Parties) -> None:
    await ordered(them, SLOW, {"CAN-LATE": 1})
    await until(lambda: them.types() == ["supplier.po_confirmed"])
    await asked_to_cancel(them, SLOW)
    await until(lambda: len(them.heard) == 3)
    assert said(them, "supplier.cancellation_answered")[0]["accepted"] is False
    assert them.types()[2] == "supplier.nf_issued"


async def test_goods_that_leave_when_asked_to_cancel_are_shipped_before_the_no(them: Parties) -> None:
    await ordered(them, SLOW, {"CAN-SHIP": 1})
    await until(lambda: len(them.heard) == 2)
    await invoiced(them, SLOW)
    await asked_to_cancel(them, SLOW)
    await until(lambda: len(them.heard) == 6)
    assert them.types()[2:5] == ["supplier.nf_issued", "supplier.shipped", "supplier.cancellation_answered"]


async def test_several_parcels_have_a_tracking_code_each(them: Parties) -> None:
    await ordered(them, CHOOSY, {"VOL-2": 1})
    await until(lambda: len(them.heard) == 3)
    assert them.types()[1] == "supplier.delay_reported"
    await invoiced(them, CHOOSY)
    await until(lambda: len(them.heard) == 8)
    assert len({shipped["tracking_code"] for shipped in said(them, "supplier.shipped")}) == 2


async def test_what_is_bought_again_after_a_refused_cancellation_is_not_paused_again(them: Parties) -> None:
    await ordered(them, CHOOSY, {"CAN-SENT": 1})
    await asked_to_cancel(them, CHOOSY)
    await ordered(them, CHOOSY, {"CAN-SENT": 1}, "PC00000002")
    await until(lambda: len(said(them, "supplier.nf_issued")) == 1)
    assert [c["po_number"] for c in said(them, "supplier.po_confirmed")] == ["PC00000002"]
