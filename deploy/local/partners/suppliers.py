"""The API of the sandbox's suppliers: what they answer. What they do then, `supplier.py` says.

| request                                                | answer                       | effect `operation` |
| ------------------------------------------------------ | ---------------------------- | ------------------ |
| POST /{supplier}/purchase-orders                       | 202, 400, 401, 409           | `purchase_order`   |
| POST /{supplier}/purchase-orders/{number}/reminder     | 202, 400, 401, 404           | `reminder`         |
| POST /{supplier}/purchase-orders/{number}/cancellation | 202, 400, 401, 404           | `cancellation`     |
| POST /{supplier}/purchase-orders/{number}/invoice      | 202, 400, 401, 404, 409, 422 | `invoice`          |
| GET  /{supplier}/purchase-orders/{number}              | 200, 404                     |                    |
| POST /{supplier}/purchase-orders/{number}/found        | 200, 404; sandbox only       |                    |
| POST /{supplier}/purchase-orders/{number}/loss         | 200, 404; sandbox only       |                    |
| POST /{supplier}/purchase-orders/{number}/refusal      | 200, 404; sandbox only       |                    |
| POST /{supplier}/purchase-orders/{number}/correction   | 200, 404; sandbox only       |                    |

The partner of an effect is the supplier's id, its key the PO number. The POSTs that are not the sandbox's own must be
signed like a callback, under the supplier's own secret. What comes again does nothing twice; another PO under a known
number, or another R for a PO than the one that it replaces, is answered 409. After a restart of the process a supplier
knows no PO (404 for an invoice).
"""

import hmac
import json
from functools import partial
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from deploy.local.mixed.suppliers import by_mail, every_supplier, manners
from deploy.local.partners import supplier_mail
from deploy.local.partners.sandbox import Sandbox, signature
from deploy.local.partners.supplier import Supplier, received
from deploy.local.partners.supplier_orders import (
    CancellationWish,
    Deal,
    HandedOverInvoice,
    Reminder,
    SupplierOrder,
    invoice_date,
)

_M = TypeVar("_M", bound=BaseModel)


class Api:
    """One supplier's."""

    def __init__(self, supplier: Supplier) -> None:
        self.supplier = supplier

    async def take_order(self, request: web.Request) -> web.Response:
        order = await self._signed(request, SupplierOrder)
        known = self.supplier.deals.get(order.number)
        if known is not None and known.order != order:
            return _problem(409, f"PO {order.number} is known with other content")
        answer = self._accept(request, "purchase_order", order.number, partial(self.supplier.begin, order))
        await self.supplier.may_answer(order.number)
        return answer

    async def take_reminder(self, request: web.Request) -> web.Response:
        """Noted; a supplier that is not silent answers by itself."""
        await self._signed(request, Reminder)
        deal = self._deal(request)
        return self._accept(request, "reminder", deal.order.number, lambda: received(deal))

    async def take_cancellation(self, request: web.Request) -> web.Response:
        await self._signed(request, CancellationWish)
        deal = self._deal(request)
        return self._accept(request, "cancellation", deal.order.number, partial(self.supplier.consider, deal))

    async def take_invoice(self, request: web.Request) -> web.Response:
        invoice = await self._signed(request, HandedOverInvoice)
        deal = self._deal(request)
        if deal.invoice is not None and deal.invoice.access_key not in (invoice.access_key, invoice.replaces):
            return _problem(409, f"PO {deal.order.number} has invoice {deal.invoice.access_key}")
        try:
            invoice_date(invoice, deal.order.buyer)
        except ValueError as error:
            return _problem(422, str(error))
        return self._accept(request, "invoice", deal.order.number, partial(self.supplier.go_on, deal, invoice))

    async def find(self, request: web.Request) -> web.Response:
        """The carrier finds the parcel again, and delivers it."""
        deal = self._deal(request)
        deal.found.set()
        return web.json_response(received(deal))

    async def lose(self, request: web.Request) -> web.Response:
        """The carrier loses the parcel."""
        deal = self._deal(request)
        deal.lost.set()
        return web.json_response(received(deal))

    async def refuse(self, request: web.Request) -> web.Response:
        """It finds, wherever it pauses, that it cannot deliver; `?sku=`: not that product, by its own SKU."""
        deal = self._deal(request)
        return web.json_response(self.supplier.withdraw(deal, request.query.get("sku")))

    async def correct(self, request: web.Request) -> web.Response:
        """It is told that its NF is wrong."""
        deal = self._deal(request)
        deal.corrected.set()
        return web.json_response(received(deal))

    async def show(self, request: web.Request) -> web.Response:
        deal = self._deal(request)
        return web.json_response({"number": deal.order.number, "done": deal.done})

    def _deal(self, request: web.Request) -> Deal:
        number = request.match_info["number"]
        if (deal := self.supplier.deals.get(number)) is None:
            raise web.HTTPNotFound(text=json.dumps({"detail": f"no PO {number}"}), content_type="application/json")
        return deal

    def _accept(self, request: web.Request, operation: str, number: str, do: Any) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if not key:
            return _problem(400, "Idempotency-Key is missing")
        answer = self.supplier.sandbox.once(self.supplier.id, operation, number, key, do)
        if answer["number"] != number:
            return _problem(409, f"this Idempotency-Key was used for PO {answer['number']}")
        return web.json_response(answer, status=202)

    async def _signed(self, request: web.Request, shape: type[_M]) -> _M:
        """The body, when its signature is right. 401 or 400 otherwise."""
        payload = await request.read()
        stamp = request.headers.get("X-Fleet-Timestamp", "")
        given = request.headers.get("X-Fleet-Signature", "").encode()
        if not stamp.isascii() or not stamp.isdigit():
            raise web.HTTPUnauthorized(text="X-Fleet-Timestamp is missing")
        secret = self.supplier.sandbox.secrets[f"supplier:{self.supplier.id}"]
        expected = signature(secret, payload, int(stamp))["X-Fleet-Signature"].encode()
        if not hmac.compare_digest(expected, given):
            raise web.HTTPUnauthorized(text="X-Fleet-Signature is wrong")
        try:
            return shape.model_validate_json(payload)
        except ValidationError as error:
            raise web.HTTPBadRequest(text=error.json(include_url=False), content_type="application/json") from error


def create_app(sandbox: Sandbox) -> web.Application:
    app = web.Application()
    addresses = {supplier_id: address for address, supplier_id in by_mail().items()}
    for facts in every_supplier():
        supplier = Supplier(sandbox, facts, manners(facts.supplier_id))
        app.add_subapp(f"/{facts.supplier_id}", _routes(Api(supplier)))
        if (address := addresses.get(facts.supplier_id)) is not None:
            sandbox.readers[address] = partial(supplier_mail.read, supplier)
    return app


def _routes(api: Api) -> web.Application:
    app = web.Application(
        middlewares=[api.supplier.sandbox.middleware(api.supplier.id)], client_max_size=8 * 1024 * 1024
    )
    app.add_routes(
        [
            web.post("/purchase-orders", api.take_order),
            web.post("/purchase-orders/{number}/reminder", api.take_reminder),
            web.post("/purchase-orders/{number}/cancellation", api.take_cancellation),
            web.post("/purchase-orders/{number}/invoice", api.take_invoice),
            web.get("/purchase-orders/{number}", api.show),
            web.post("/purchase-orders/{number}/found", api.find),
            web.post("/purchase-orders/{number}/loss", api.lose),
            web.post("/purchase-orders/{number}/refusal", api.refuse),
            web.post("/purchase-orders/{number}/correction", api.correct),
        ]
    )
    return app


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)
