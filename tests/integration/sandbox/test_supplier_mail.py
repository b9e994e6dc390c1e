"""Suppliers without an API: their POs as mails, against the sandbox's mailboxes over SMTP."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.decision import Request
from services.po_dispatch.partners import operations
from services.po_dispatch.partners.po_document import as_csv, as_pdf
from services.po_dispatch.settings import Settings
from services.po_dispatch.state import CancelPurchaseOrder, HandOverInvoice, RemindSupplier, SendPurchaseOrder
from shared.partner.errors import Rejected
from tests.integration.sandbox.serving import Partners, partners_at_work
from tests.unit.po_dispatch import builders as b


@pytest.fixture
async def partners() -> AsyncIterator[Partners]:
    async with partners_at_work({}) as running:
        yield running


def by_mail(request: Any) -> Any:
    supplier = request.supplier.model_copy(
        update={"api": "email", "order_email": "vendas@farol.example", "mail_sender": "compras@shop.example"}
    )
    return request.model_copy(update={"supplier": supplier})


def purchase_order() -> SendPurchaseOrder:
    sent: SendPurchaseOrder = by_mail(b.sent(b.created()).request)
    return sent.model_copy(update={"card": "Obrigado, João – €", "shipping_method": "SEDEX"})


async def made(partners: Partners, request: Request, call: str = "call-1") -> Any:
    """Through the service's own table of operations."""
    settings = Settings(erp_url="http://127.0.0.1:1", secrets={}, smtp_url=partners.smtp_url)
    [operation] = [o for o in operations(settings) if isinstance(request, o.request)]
    return await operation.send(request, partners.attempt(call))


async def test_po_arrives_with_its_pdf_and_csv(partners: Partners) -> None:
    assert (await made(partners, purchase_order())).number == "PC1"
    [mail] = await partners.get("/mail")
    assert (mail["to"], mail["sender"]) == ("vendas@farol.example", "compras@shop.example")
    assert mail["subject"] == "Pedido de compra PC1"
    assert mail["attachments"] == ["PC1.pdf", "PC1.csv"]
    assert mail["X-Fleet-Id"] == "call-1"


async def test_po_sent_again_is_the_same_mail(partners: Partners) -> None:
    for _ in range(2):
        await made(partners, purchase_order())
    assert len(await partners.get("/mail")) == 1


async def test_cancellation_reminder_and_invoice_arrive(partners: Partners) -> None:
    known = purchase_order()
    po = {"po_id": known.po_id, "number": known.number, "supplier": known.supplier}
    await made(partners, CancelPurchaseOrder(**po, reason="silent"), "call-1")
    await made(partners, RemindSupplier(**po, sent_at=b.NOW, due=b.NOW), "call-2")
    await made(partners, HandOverInvoice(**po, invoice_key=b.key(), xml="PHg+", label=b.label()), "call-3")
    subjects = {mail["subject"]: mail["attachments"] for mail in await partners.get("/mail")}
    assert subjects == {
        "Cancelamento do pedido de compra PC1": [],
        "Lembrete: pedido de compra PC1": [],
        "Nota fiscal do pedido PC1": [f"{b.key()}.xml", "etiqueta-ML1"],
    }


async def test_supplier_by_mail_without_a_mail_server_is_rejected(partners: Partners) -> None:
    [operation] = [
        o
        for o in operations(Settings(erp_url="http://127.0.0.1:1", secrets={}, smtp_url=None))
        if o.request is SendPurchaseOrder
    ]
    with pytest.raises(Rejected, match="FLEET_SMTP_URL"):
        await operation.send(purchase_order(), partners.attempt())


def test_csv_has_a_row_for_each_line_with_its_number() -> None:
    [row] = csv.DictReader(io.StringIO(as_csv(purchase_order()).decode("utf-8-sig")))
    assert (row["pedido"], row["linha"], row["codigo"], row["quantidade"]) == ("PC1", "1", "S-A", "1")
    assert row["custo_unitario"] == "10.00"


def test_pdf_is_the_same_whenever_it_is_made_again() -> None:
    first = as_pdf(purchase_order(), b.NOW)
    assert first.startswith(b"%PDF-")
    assert first == as_pdf(purchase_order(), b.NOW)
