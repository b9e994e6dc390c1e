"""The sandbox's ERP: sales orders, purchase orders, incoming invoices and payments, in its own Portuguese words.

| request                                  | answer                       | effect `operation`, key                  |
| ---------------------------------------- | ---------------------------- | ---------------------------------------- |
| POST /pedidos-venda                      | 201 {numero}                 | `pedido-venda`, pedido_externo           |
| GET /pedidos-venda?pedido_externo=…      | 200 [{numero, situacao}]     |                                          |
| PUT /pedidos-venda/{numero}              | 200 {numero, situacao}       | `alteracao-pedido-venda`, pedido_externo |
| POST /pedidos-venda/{numero}/situacao    | 200 {numero, situacao}       | the situation, pedido_externo            |
| POST /pedidos-compra                     | 201 {numero}                 | `pedido-compra`, referencia              |
| PUT /pedidos-compra/{numero}             | 200 {numero, total}          | `alteracao-pedido-compra`, referencia    |
| POST /pedidos-compra/{numero}/situacao   | 200 {numero, situacao}       | `cancelamento-pedido-compra`, referencia |
| POST /notas-entrada                      | 201 {lancamento}             | `nota-entrada`, chave                    |
| POST /pagamentos                         | 202 {pagamento}, then a call back | `pagamento`, referencia             |
| POST /estornos                           | 202 {estorno}, then a call back   | `estorno`, referencia               |

A situation is `despachado`, `concluido` or `cancelado`. Every POST and PUT needs an `Idempotency-Key`; other content
under a known key is a 409. What comes twice under two keys is done twice, as a real ERP would.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from aiohttp import web
from pydantic import ValidationError

from deploy.local.mixed.suppliers import BANK
from deploy.local.partners.erp_forms import (
    AlteracaoCompra,
    Cancelamento,
    Estorno,
    NotaEntrada,
    Pagamento,
    PedidoCompra,
    PedidoVenda,
    Situacao,
)
from deploy.local.partners.manners import BankManner
from deploy.local.partners.sandbox import Sandbox
from schemas.model import Model

M = TypeVar("M", bound=Model)


@dataclass(slots=True)
class SalesOrder:
    number: str
    form: PedidoVenda
    status: str = "aberto"
    invoice_key: str | None = None

    def move(self, form: Situacao) -> None:
        """What is concluded or cancelled stays so."""
        self.invoice_key = form.chave_nfe or self.invoice_key
        if self.status not in ("concluido", "cancelado"):
            self.status = form.situacao

    def shown(self) -> dict[str, str]:
        return {"numero": self.number, "situacao": self.status}


@dataclass(slots=True)
class Erp:
    """The ERP's books. Numbers go on from the clock, so that they do not repeat when the sandbox starts again."""

    sandbox: Sandbox
    bank: Mapping[str, BankManner] = field(default_factory=lambda: BANK)
    sales_orders: dict[str, SalesOrder] = field(default_factory=dict)
    purchase_orders: dict[str, str] = field(default_factory=dict)
    """`referencia` by number."""
    contents: dict[tuple[str, str], str] = field(default_factory=dict)
    """Digest of what came first under an idempotency key."""
    numbers: "count[int]" = field(default_factory=lambda: count(int(time.time() * 100)))

    async def open_sales_order(self, request: web.Request) -> web.Response:
        form = await self.read(request, PedidoVenda)

        def do() -> dict[str, str]:
            order = SalesOrder(f"SO{next(self.numbers)}", form)
            self.sales_orders[order.number] = order
            return {"numero": order.number}

        return self.once(request, "pedido-venda", form.pedido_externo, do, status=201)

    async def find_sales_orders(self, request: web.Request) -> web.Response:
        wanted = request.query.get("pedido_externo")
        return web.json_response([o.shown() for o in self.sales_orders.values() if o.form.pedido_externo == wanted])

    async def move_sales_order(self, request: web.Request) -> web.Response:
        form = await self.read(request, Situacao)
        order = self.sales_orders.get(request.match_info["numero"])
        if order is None:
            raise refusal(web.HTTPNotFound, "pedido não encontrado")

        def do() -> dict[str, str]:
            order.move(form)
            return order.shown()

        return self.once(request, form.situacao, order.form.pedido_externo, do)

    async def change_sales_order(self, request: web.Request) -> web.Response:
        form = await self.read(request, PedidoVenda)
        order = self.sales_orders.get(request.match_info["numero"])
        if order is None or order.form.pedido_externo != form.pedido_externo:
            raise refusal(web.HTTPNotFound, "pedido não encontrado")

        def do() -> dict[str, str]:
            order.form = form
            return order.shown()

        return self.once(request, "alteracao-pedido-venda", form.pedido_externo, do)

    async def open_purchase_order(self, request: web.Request) -> web.Response:
        form = await self.read(request, PedidoCompra)

        def do() -> dict[str, str]:
            number = f"PC{next(self.numbers)}"
            self.purchase_orders[number] = form.referencia
            return {"numero": number}

        return self.once(request, "pedido-compra", form.referencia, do, status=201)

    async def change_purchase_order(self, request: web.Request) -> web.Response:
        form = await self.read(request, AlteracaoCompra)
        number = request.match_info["numero"]
        if (reference := self.purchase_orders.get(number)) is None:
            raise refusal(web.HTTPNotFound, "pedido de compra não encontrado")
        shown = {"numero": number, "total": str(form.total)}
        return self.once(request, "alteracao-pedido-compra", reference, lambda: shown)

    async def cancel_purchase_order(self, request: web.Request) -> web.Response:
        await self.read(request, Cancelamento)
        number = request.match_info["numero"]
        if (reference := self.purchase_orders.get(number)) is None:
            raise refusal(web.HTTPNotFound, "pedido de compra não encontrado")
        shown = {"numero": number, "situacao": "cancelado"}
        return self.once(request, "cancelamento-pedido-compra", reference, lambda: shown)

    async def book_invoice(self, request: web.Request) -> web.Response:
        form = await self.read(request, NotaEntrada)
        return self.once(
            request, "nota-entrada", form.chave, lambda: {"lancamento": f"NE{next(self.numbers)}"}, status=201
        )

    async def pay(self, request: web.Request) -> web.Response:
        form = await self.read(request, Pagamento)

        def do() -> dict[str, str]:
            payment = f"PG{next(self.numbers)}"
            self.sandbox.later(self.report_settled(form, payment))
            return {"pagamento": payment}

        return self.once(request, "pagamento", form.referencia, do, status=202)

    async def report_settled(self, form: Pagamento, payment: str) -> None:
        """The bank's word, as it treats payments to this company."""
        manner = self.bank.get(form.favorecido_cnpj, BankManner())
        await asyncio.sleep(max(self.sandbox.pace, manner.after))
        data = {
            "payable_id": form.referencia,
            "outcome": "refused" if manner.refuses else "settled",
            "bank_reference": payment,
            "reported_at": datetime.now(UTC).isoformat(),
        }
        body = {"id": payment, "type": "supplier_payment.reported", "data": data}
        await self.sandbox.call_back("/v1/erp/events", "erp", body)

    async def refund(self, request: web.Request) -> web.Response:
        form = await self.read(request, Estorno)

        def do() -> dict[str, str]:
            number = f"ES{next(self.numbers)}"
            self.sandbox.later(self.report_refunded(form, number))
            return {"estorno": number}

        return self.once(request, "estorno", form.referencia, do, status=202)

    async def report_refunded(self, form: Estorno, number: str) -> None:
        await asyncio.sleep(self.sandbox.pace)
        data = {
            "refund_id": form.referencia,
            "outcome": "settled",
            "bank_reference": number,
            "reported_at": datetime.now(UTC).isoformat(),
        }
        await self.sandbox.call_back("/v1/erp/events", "erp", {"id": number, "type": "refund.reported", "data": data})

    async def read(self, request: web.Request, model: type[M]) -> M:
        """The form. 400: not JSON, a field missing or wrong, or no idempotency key. 409: another form under its key."""
        if not request.headers.get("Idempotency-Key"):
            raise refusal(web.HTTPBadRequest, "cabeçalho Idempotency-Key ausente")
        body = await request.read()
        try:
            form = model.model_validate_json(body)
        except ValidationError as error:
            raise refusal(web.HTTPBadRequest, error.json(include_url=False)) from error
        content = hashlib.sha256(form.model_dump_json().encode()).hexdigest()
        if self.contents.setdefault((request.path, request.headers["Idempotency-Key"]), content) != content:
            raise refusal(web.HTTPConflict, "outra requisição já usou esta Idempotency-Key")
        return form

    def once(
        self, request: web.Request, operation: str, key: str, do: Callable[[], Any], status: int = 200
    ) -> web.Response:
        answer = self.sandbox.once("erp", operation, key, request.headers["Idempotency-Key"], do)
        return web.json_response(answer, status=status)


def refusal(error: type[web.HTTPError], text: str) -> web.HTTPError:
    return error(text=json.dumps({"erro": text}, ensure_ascii=False), content_type="application/json")


def create_app(sandbox: Sandbox) -> web.Application:
    erp = Erp(sandbox)
    app = web.Application(middlewares=[sandbox.middleware("erp")])
    app.add_routes(
        [
            web.post("/pedidos-venda", erp.open_sales_order),
            web.get("/pedidos-venda", erp.find_sales_orders),
            web.put("/pedidos-venda/{numero}", erp.change_sales_order),
            web.post("/pedidos-venda/{numero}/situacao", erp.move_sales_order),
            web.post("/pedidos-compra", erp.open_purchase_order),
            web.put("/pedidos-compra/{numero}", erp.change_purchase_order),
            web.post("/pedidos-compra/{numero}/situacao", erp.cancel_purchase_order),
            web.post("/notas-entrada", erp.book_invoice),
            web.post("/pagamentos", erp.pay),
            web.post("/estornos", erp.refund),
        ]
    )
    return app
