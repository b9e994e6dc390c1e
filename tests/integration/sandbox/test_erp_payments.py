"""billing's calls to the sandbox's ERP over HTTP: "despachado", and payments that it reports as settled."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.partners import erp
from deploy.local.partners.sandbox import Sandbox
from schemas.billing import SupplierPaymentReported
from schemas.refund import RefundReported
from services.billing.partners import Erp
from services.billing.requests import MarkDispatched, OrderRefund, OrderSupplierPayment
from shared.partner.errors import Rejected
from shared.partner.operation import Attempt

KEY = "35260712ABC34501DE35550010000463211123456785"
PAYMENT = OrderSupplierPayment(
    payable_id="payable-1",
    supplier_cnpj="12ABC34501DE35",
    amount=Decimal("160.00"),
    due=datetime(2026, 8, 17, tzinfo=UTC),
)


@dataclass
class World:
    """The sandbox's ERP, and a gateway that keeps what it is called back with."""

    sandbox: Sandbox
    erp: Erp
    session: aiohttp.ClientSession
    callbacks: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)

    def attempt(self, call_id: str) -> Attempt:
        return Attempt(self.session, call_id, 1, datetime.now(UTC))

    async def sales_order(self) -> str:
        """Number of a sales order that the ERP has."""
        form = {
            "pedido_externo": "order-1", "loja": "store-1", "canal": "channel-1", "codigo_canal": "MKT-1",
            "cliente": {"nome": "Joana Pereira", "documento": "52998224725"},
            "itens": [{"sku": "SKU-1", "quantidade": 1, "preco": "300.00", "desconto": "0.00"}],
            "frete": "0.00", "desconto": "0.00", "total": "300.00",
        }  # fmt: skip
        headers = {"Idempotency-Key": "sales-order"}
        async with self.session.post(f"{self.erp.url}/pedidos-venda", json=form, headers=headers) as response:
            assert response.status == 201, await response.text()
            return str((await response.json())["numero"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    app = web.Application()
    async with aiohttp.ClientSession() as session:
        known = World(Sandbox("", {"erp": "secret"}, pace=0.0), Erp(""), session)

        async def gateway(request: web.Request) -> web.Response:
            await known.callbacks.put(json.loads(await request.read()))
            return web.Response(status=202)

        app.add_subapp("/erp", erp.create_app(known.sandbox))
        app.router.add_post("/v1/erp/events", gateway)
        async with TestServer(app) as server:
            known.sandbox.gateway_url = str(server.make_url("")).rstrip("/")
            known.erp = Erp(str(server.make_url("/erp")))
            yield known
            await known.sandbox.close()


async def test_order_is_shown_as_dispatched_with_its_invoice(world: World) -> None:
    asked = MarkDispatched(order_id="order-1", erp_order_number=await world.sales_order(), access_key=KEY)
    assert (await world.erp.mark_dispatched(asked, world.attempt("call-1"))).status == "despachado"


async def test_order_that_the_erp_does_not_know_is_rejected(world: World) -> None:
    asked = MarkDispatched(order_id="order-1", erp_order_number="SO/0", access_key=None)
    with pytest.raises(Rejected, match="404"):
        await world.erp.mark_dispatched(asked, world.attempt("call-1"))


async def test_payment_is_taken_once_and_reported_as_settled(world: World) -> None:
    first = await world.erp.order_payment(PAYMENT, world.attempt("call-1"))
    again = await world.erp.order_payment(PAYMENT, world.attempt("call-1"))
    assert again == first
    said = await asyncio.wait_for(world.callbacks.get(), 5)
    assert said["type"] == "supplier_payment.reported"
    report = SupplierPaymentReported.model_validate(said["data"])
    assert (report.payable_id, report.outcome) == ("payable-1", "settled")
    assert [e.times for e in world.sandbox.effects.values() if e.operation == "pagamento"] == [2]


async def test_refund_is_taken_once_and_reported_as_settled(world: World) -> None:
    refund = OrderRefund(
        refund_id="refund-1", order_id="order-1", payment_id="pay-1", method="pix", amount=Decimal("300.00")
    )
    first = await world.erp.order_refund(refund, world.attempt("call-1"))
    assert await world.erp.order_refund(refund, world.attempt("call-1")) == first
    said = await asyncio.wait_for(world.callbacks.get(), 5)
    assert said["type"] == "refund.reported"
    report = RefundReported.model_validate(said["data"])
    assert (report.refund_id, report.outcome) == ("refund-1", "settled")
    assert [e.times for e in world.sandbox.effects.values() if e.operation == "estorno"] == [2]
