"""order_intake's ERP calls against the sandbox's ERP, over HTTP; and the rest of the ERP's contract."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer

from deploy.local.partners import erp
from deploy.local.partners.sandbox import Sandbox
from schemas.billing import SupplierPaymentReported
from schemas.purchase_order import PoLine
from services.order_intake.partners import Erp
from services.order_intake.requests import MarkCancelled, MarkCompleted, RegisterSalesOrder, UpdateSalesOrder
from services.po_dispatch.partners.erp import revise_purchase_order, void_purchase_order
from services.po_dispatch.state import RevisePurchaseOrder, VoidPurchaseOrder
from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.operation import Attempt
from tests.builders import order_placed
from tests.unit.order_intake.builders import key

SECRET = "s3cret"


@dataclass
class Gateway:
    """Stands where the gateway's door is: keeps what was posted, with its headers."""

    calls: "asyncio.Queue[tuple[str, dict[str, str], bytes]]" = field(default_factory=asyncio.Queue)

    async def take(self, request: web.Request) -> web.Response:
        await self.calls.put((request.path, dict(request.headers), await request.read()))
        return web.Response(status=202)


@dataclass
class Partner:
    sandbox: Sandbox
    url: str
    gateway: Gateway
    session: ClientSession

    @property
    def erp(self) -> Erp:
        return Erp(self.url)

    def attempt(self, call_id: str, number: int = 1) -> Attempt:
        return Attempt(self.session, call_id, number, datetime.now(UTC))

    def effects(self) -> list[tuple[str, str, int]]:
        return [(e.operation, e.key, e.times) for e in self.sandbox.effects.values()]

    async def post(self, path: str, body: Any, call_id: str | None = "call") -> tuple[int, Any]:
        headers = {"Idempotency-Key": call_id} if call_id else {}
        async with self.session.post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    gateway = Gateway()
    door = web.Application()
    door.router.add_post("/v1/erp/events", gateway.take)
    async with TestServer(door) as front, ClientSession(timeout=ClientTimeout(total=5)) as session:
        sandbox = Sandbox(str(front.make_url("")).rstrip("/"), {"erp": SECRET}, pace=0.01)
        app = web.Application()
        app.add_subapp("/erp", erp.create_app(sandbox))
        async with TestServer(app) as server:
            yield Partner(sandbox, str(server.make_url("/erp")), gateway, session)
        await sandbox.close()


def sales_order(**fields: Any) -> RegisterSalesOrder:
    placed = order_placed(freight="10.10", discount="5.00", total="105.00")
    asked = {name: getattr(placed, name) for name in RegisterSalesOrder.model_fields}
    return RegisterSalesOrder.model_validate(asked | fields)


async def test_sales_order_is_registered_once_under_its_idempotency_key(partner: Partner) -> None:
    first = await partner.erp.register(sales_order(), partner.attempt("call-1"))
    again = await partner.erp.register(sales_order(), partner.attempt("call-1", 2))
    assert first == again
    assert first.number.startswith("SO")
    assert partner.effects() == [("pedido-venda", "order-1", 2)]


async def test_other_content_under_a_known_idempotency_key_is_rejected(partner: Partner) -> None:
    await partner.erp.register(sales_order(), partner.attempt("call-1"))
    with pytest.raises(Rejected, match="409"):
        await partner.erp.register(sales_order(order_id="order-2"), partner.attempt("call-1"))


async def test_total_that_does_not_add_up_is_rejected(partner: Partner) -> None:
    with pytest.raises(Rejected, match="400"):
        await partner.erp.register(sales_order(total="1.00"), partner.attempt("call-1"))
    assert partner.effects() == []


async def test_lost_answer_is_uncertain_and_the_query_finds_the_order(partner: Partner) -> None:
    assert await partner.erp.find(sales_order(), partner.attempt("call-1")) is None
    partner.sandbox.faults["erp"].lost_answer = 1.0
    with pytest.raises(Uncertain):
        await partner.erp.register(sales_order(), partner.attempt("call-1"))
    assert partner.sandbox.faults["erp"].injected["lost_answer"] == 1
    partner.sandbox.faults["erp"].lost_answer = 0.0
    found = await partner.erp.find(sales_order(), partner.attempt("call-1", 2))
    assert found == await partner.erp.register(sales_order(), partner.attempt("call-1", 3))


@pytest.mark.parametrize(("fault", "times"), [("silent", 0), ("late", 1)])
async def test_answer_that_does_not_come_in_time_is_a_time_out_with_or_without_the_effect(
    partner: Partner, fault: str, times: int
) -> None:
    faults = partner.sandbox.faults["erp"]
    setattr(faults, fault, 1.0)
    faults.patience = 1.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await partner.erp.register(sales_order(), partner.attempt("call-1"))
    assert faults.injected[fault] == 1
    assert [done for _, _, done in partner.effects()] == [1] * times
    setattr(faults, fault, 0.0)
    assert (await partner.erp.register(sales_order(), partner.attempt("call-1", 2))).number
    assert partner.effects() == [("pedido-venda", "order-1", times + 1)]


async def test_overloaded_erp_is_unavailable_with_its_wait(partner: Partner) -> None:
    partner.sandbox.faults["erp"].too_many = 1.0
    with pytest.raises(Unavailable) as raised:
        await partner.erp.register(sales_order(), partner.attempt("call-1"))
    assert raised.value.retry_after == 1.0
    assert partner.effects() == []


async def test_changed_order_is_the_new_one_in_the_erp_once(partner: Partner) -> None:
    number = (await partner.erp.register(sales_order(), partner.attempt("call-1"))).number
    more = sales_order(discount="0.00", total="110.00")
    update = UpdateSalesOrder(number=number, revision=1, sale=more)
    for attempt in (1, 2):
        assert (await partner.erp.update(update, partner.attempt("call-2", attempt))).number == number
    assert partner.effects() == [("pedido-venda", "order-1", 1), ("alteracao-pedido-venda", "order-1", 2)]
    strange = UpdateSalesOrder(number="SO0", revision=1, sale=more)
    with pytest.raises(Rejected, match="404"):
        await partner.erp.update(strange, partner.attempt("call-3"))
    unknown = UpdateSalesOrder(number=number, revision=1, sale=sales_order(order_id="order-2"))
    with pytest.raises(Rejected, match="404"):
        await partner.erp.update(unknown, partner.attempt("call-4"))


async def test_cancelled_order_shows_so_and_stays_so(partner: Partner) -> None:
    number = (await partner.erp.register(sales_order(), partner.attempt("call-1"))).number
    asked = MarkCancelled(order_id="order-1", number=number)
    assert (await partner.erp.mark_cancelled(asked, partner.attempt("call-2"))).number == number
    _, shown = await partner.post(f"/pedidos-venda/{number}/situacao", {"situacao": "concluido"}, "call-3")
    assert shown["situacao"] == "cancelado"


async def test_completed_order_shows_so_and_a_late_dispatch_does_not_change_it(partner: Partner) -> None:
    number = (await partner.erp.register(sales_order(), partner.attempt("call-1"))).number
    status, shown = await partner.post(
        f"/pedidos-venda/{number}/situacao", {"situacao": "despachado", "chave_nfe": key(1)}, "call-2"
    )
    assert (status, shown) == (200, {"numero": number, "situacao": "despachado"})
    marked = await partner.erp.mark_completed(
        MarkCompleted(order_id="order-1", number=number), partner.attempt("call-3")
    )
    assert marked.number == number
    status, shown = await partner.post(f"/pedidos-venda/{number}/situacao", {"situacao": "despachado"}, "call-4")
    assert (status, shown["situacao"]) == (200, "concluido")


async def test_unknown_order_cannot_be_completed(partner: Partner) -> None:
    with pytest.raises(Rejected, match="404"):
        await partner.erp.mark_completed(MarkCompleted(order_id="order-1", number="SO9"), partner.attempt("call-1"))


async def test_void_purchase_order_is_cancelled_once_and_an_unknown_one_is_rejected(partner: Partner) -> None:
    _, opened = await partner.post("/pedidos-compra", FORMS[0][1], "call-1")
    asked = VoidPurchaseOrder(po_id="po-1", number=opened["numero"])
    for _ in range(2):
        assert (await void_purchase_order(partner.url, asked, partner.attempt("call-2"))).number == opened["numero"]
    assert partner.effects() == [("pedido-compra", "po-1", 1), ("cancelamento-pedido-compra", "po-1", 2)]
    with pytest.raises(Rejected, match="404"):
        await void_purchase_order(partner.url, VoidPurchaseOrder(po_id="po-9", number="PC9"), partner.attempt("call-3"))


async def test_purchase_order_is_revised_once_and_an_unknown_one_is_rejected(partner: Partner) -> None:
    _, opened = await partner.post("/pedidos-compra", FORMS[0][1], "call-1")
    line = PoLine(
        line=1, order_line=1, offer_id="o-1", sku="S-1", supplier_sku="F-1", name="Filtro", ncm="84212300",
        unit="UN", quantity=1, unit_cost=Decimal("30.0000"), total=Decimal("30.00"),
    )  # fmt: skip
    asked = RevisePurchaseOrder(po_id="po-1", number=opened["numero"], lines=(line,), total=Decimal("30.00"))
    for _ in range(2):
        assert (await revise_purchase_order(partner.url, asked, partner.attempt("call-2"))).number == opened["numero"]
    assert partner.effects() == [("pedido-compra", "po-1", 1), ("alteracao-pedido-compra", "po-1", 2)]
    unknown = asked.model_copy(update={"number": "PC9"})
    with pytest.raises(Rejected, match="404"):
        await revise_purchase_order(partner.url, unknown, partner.attempt("call-3"))


FORMS: list[tuple[str, dict[str, Any], str, int]] = [
    (
        "/pedidos-compra",
        {
            "referencia": "po-1",
            "fornecedor_cnpj": "12ABC34501DE35",
            "itens": [{"item": 1, "sku": "S-1", "quantidade": 2, "custo": "30.0000"}],
            "total": "60.00",
        },
        "numero",
        201,
    ),
    (
        "/notas-entrada",
        {"chave": key(1), "pedido_compra": "PC1", "cfop": "1118", "valor": "60.00"},
        "lancamento",
        201,
    ),
    (
        "/pagamentos",
        {"referencia": "pay-1", "favorecido_cnpj": "11222333000181", "valor": "60.00", "vencimento": "2026-12-18"},
        "pagamento",
        202,
    ),
]


@pytest.mark.parametrize(("path", "form", "answer", "status"), FORMS)
async def test_form_is_taken_once_under_its_idempotency_key(
    partner: Partner, path: str, form: dict[str, Any], answer: str, status: int
) -> None:
    first, again = await partner.post(path, form), await partner.post(path, form)
    assert first == again
    assert first[0] == status
    assert 0 < len(first[1][answer]) <= 15
    assert (await partner.post(path, form | {"total" if "total" in form else "valor": "60.01"}))[0] == 409
    assert (await partner.post(path, form, "other"))[1] != first[1], "twice under two keys is done twice"


@pytest.mark.parametrize(("path", "form", "answer", "status"), FORMS)
async def test_form_with_a_field_missing_or_without_a_key_is_a_400(
    partner: Partner, path: str, form: dict[str, Any], answer: str, status: int
) -> None:
    for name in form:
        assert (await partner.post(path, {k: v for k, v in form.items() if k != name}))[0] == 400, name
    assert (await partner.post(path, form | {"desconhecido": 1}))[0] == 400
    assert (await partner.post(path, form, None))[0] == 400
    assert partner.effects() == []


async def test_payment_is_reported_settled_once_and_signed(partner: Partner) -> None:
    _, form, _, _ = FORMS[2]
    _, paid = await partner.post("/pagamentos", form)
    await partner.post("/pagamentos", form)
    path, headers, payload = await asyncio.wait_for(partner.gateway.calls.get(), 5)
    assert path == "/v1/erp/events"
    signed = headers["X-Fleet-Timestamp"].encode() + b"." + payload
    assert headers["X-Fleet-Signature"] == f"v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    body = json.loads(payload)
    assert body["type"] == "supplier_payment.reported"
    assert body["id"] == paid["pagamento"]
    reported = SupplierPaymentReported.model_validate(body["data"])
    assert (reported.payable_id, reported.outcome, reported.bank_reference) == ("pay-1", "settled", paid["pagamento"])
    await partner.post("/pagamentos", form | {"referencia": "pay-2"}, "call-2")
    _, _, second = await asyncio.wait_for(partner.gateway.calls.get(), 5)
    assert json.loads(second)["data"]["payable_id"] == "pay-2", "the first was reported only once"


@pytest.mark.parametrize("answer", [{}, [], {"numero": None}, {"numero": " SO1"}, "SO1"])
async def test_answer_without_a_usable_number_is_rejected(answer: Any) -> None:
    async def created(request: web.Request) -> web.Response:
        return web.json_response(answer, status=201)

    app = web.Application()
    app.router.add_post("/pedidos-venda", created)
    async with TestServer(app) as server, ClientSession() as session:
        asked = Erp(str(server.make_url("")).rstrip("/"))
        with pytest.raises(Rejected, match="number"):
            await asked.register(sales_order(), Attempt(session, "call-1", 1, datetime.now(UTC)))
