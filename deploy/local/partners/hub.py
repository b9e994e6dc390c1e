"""The sandbox's hub: a queue of orders, and what sellers tell it about each.

| request                       | answer                                     | effect `operation`, key          |
| ----------------------------- | ------------------------------------------ | -------------------------------- |
| GET /queue/orders             | 200 one order until it is confirmed; or 204 |                                  |
| DELETE /queue/orders/{code}   | 204; 404 when it was not given             |                                  |
| POST /orders/{code}/invoice   | 201, 422                                   | `invoice`, `<code>/<NF key>`     |
| POST /orders/{code}/shipments | 201, 422                                   | `shipments`, `<code>/<tracking>` |
| POST /orders/{code}/delivery  | 201, 422                                   | `delivery`, `<code>/<trackings>` |
| POST /orders/{code}/cancel    | 201                                        | `cancel`, `<code>/`              |
| POST /orders/{code}/refund    | 201, 422                                   | `refund`, `<code>/<refund>`      |
| POST …/shipment_exception     | 201                                        | `shipment_exception`, `<code>/`  |
| GET /orders/{code}            | 200                                        |                                  |
| POST /queue/orders            | 201; a customer buys (sandbox only)        |                                  |

`X-User-Token` must be one of the secrets. Orders that the hub did not sell through its queue it knows too: the demo's
upstream publishes them directly. What comes twice under two idempotency keys is done twice, as a real hub would.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from deploy.local.partners.sandbox import Sandbox

NAME = "hub"
CONFIRM_WITHIN = 300.0
"""Seconds in which an order taken from the queue must be confirmed."""
_AMOUNT = re.compile(r"[0-9]{1,13}\.[0-9]{2}")
_KEY = re.compile(r"[0-9]{6}[0-9A-Z]{12}[0-9]{26}")

Record = dict[str, Any]


class Unprocessable(Exception):
    """422: what was said makes no sense to the hub."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


@dataclass(slots=True)
class Hub:
    """The hub's orders, and those waiting in its queue with the time until which each is out."""

    sandbox: Sandbox
    confirm_within: float
    orders: dict[str, Record] = field(default_factory=dict)
    queue: dict[str, float] = field(default_factory=dict)

    def order(self, code: str) -> Record:
        return self.orders.setdefault(
            code,
            {"code": code, "status": "approved", "invoices": [], "shipments": [], "refunds": [], "deliveredAt": None},
        )

    async def sell(self, request: web.Request) -> web.Response:
        body = await _body(request)
        code = str(body["code"])
        self.order(code).update(body)
        self.queue.setdefault(code, 0.0)
        return web.json_response({"code": code}, status=201)

    async def next_order(self, request: web.Request) -> web.Response:
        _authorise(self.sandbox, request)
        now = time.monotonic()
        code = next((code for code, out_until in self.queue.items() if out_until <= now), None)
        if code is None:
            return web.Response(status=204)
        self.queue[code] = now + self.confirm_within
        return web.json_response(self.orders[code])

    async def confirm(self, request: web.Request) -> web.Response:
        _authorise(self.sandbox, request)
        if self.queue.get(request.match_info["code"], 0.0) == 0.0:
            return web.json_response({"error": "order_not_given"}, status=404)
        del self.queue[request.match_info["code"]]
        return web.Response(status=204)

    async def show(self, request: web.Request) -> web.Response:
        _authorise(self.sandbox, request)
        return web.json_response(self.order(request.match_info["code"]))

    async def invoice(self, request: web.Request) -> web.Response:
        return await self._take(request, "invoice", lambda body: str(body.get("key")), self._invoice)

    async def shipments(self, request: web.Request) -> web.Response:
        return await self._take(request, "shipments", lambda body: str(body.get("trackingCode")), self._ship)

    async def delivery(self, request: web.Request) -> web.Response:
        return await self._take(
            request, "delivery", lambda body: ",".join(body.get("trackingCodes", [])), self._deliver
        )

    async def shipment_exception(self, request: web.Request) -> web.Response:
        return await self._take(request, "shipment_exception", lambda body: "", _status("shipment_exception"))

    async def cancel(self, request: web.Request) -> web.Response:
        return await self._take(request, "cancel", lambda body: "", _status("cancelled"))

    async def refund(self, request: web.Request) -> web.Response:
        return await self._take(request, "refund", lambda body: str(body.get("refundId")), self._refund)

    async def _take(
        self,
        request: web.Request,
        operation: str,
        reference: Callable[[Record], str],
        do: Callable[[Record, Record], None],
    ) -> web.Response:
        _authorise(self.sandbox, request)
        body, code = await _body(request), request.match_info["code"]
        if not (idempotency_key := request.headers.get("Idempotency-Key")):
            return web.json_response({"error": "no_idempotency_key"}, status=400)

        def effect() -> Record:
            do(self.order(code), body)
            return {"code": code, "operation": operation}

        try:
            answer = self.sandbox.once(NAME, operation, f"{code}/{reference(body)}", idempotency_key, effect)
        except Unprocessable as refused:
            return web.json_response({"error": refused.error, "message": str(refused)}, status=422)
        return web.json_response(answer, status=201)

    def _invoice(self, order: Record, body: Record) -> None:
        key = body.get("key")
        if not isinstance(key, str) or _KEY.fullmatch(key) is None:
            raise Unprocessable("invalid_key", "the NF key must have 44 characters, no spaces, no special ones")
        if not body.get("issueDate") or not isinstance(body.get("number"), int):
            raise Unprocessable("invalid_invoice", "number and issueDate are needed")
        order["invoices"].append(body)
        order["status"] = "invoiced"

    def _ship(self, order: Record, body: Record) -> None:
        if not body.get("trackingCode") or not body.get("carrier"):
            raise Unprocessable("invalid_tracking", "carrier and trackingCode are needed")
        if body.get("invoiceKey") not in {invoice["key"] for invoice in order["invoices"]}:
            raise Unprocessable("unknown_invoice", f"order {order['code']} has no NF {body.get('invoiceKey')}")
        order["shipments"].append({**body, "deliveredAt": None})
        order["status"] = "shipped"

    def _refund(self, order: Record, body: Record) -> None:
        if not body.get("refundId") or not body.get("paymentId"):
            raise Unprocessable("invalid_refund", "refundId and paymentId are needed")
        if _AMOUNT.fullmatch(str(body.get("amount"))) is None or Decimal(body["amount"]) <= 0:
            raise Unprocessable("invalid_amount", "the amount must be more than 0.00, with two decimals")
        if order["status"] == "cancelled":
            raise Unprocessable("order_cancelled", f"order {order['code']} is cancelled: all of it goes back")
        order["refunds"].append(body)

    def _deliver(self, order: Record, body: Record) -> None:
        codes = set(body.get("trackingCodes", []))
        if not body.get("deliveredAt"):
            raise Unprocessable("invalid_delivery", "deliveredAt is needed")
        if unknown := codes - {shipment["trackingCode"] for shipment in order["shipments"]}:
            raise Unprocessable("unknown_tracking", f"order {order['code']} has no parcel {sorted(unknown)}")
        for shipment in order["shipments"]:
            if not codes or shipment["trackingCode"] in codes:
                shipment["deliveredAt"] = body["deliveredAt"]
        if all(shipment["deliveredAt"] for shipment in order["shipments"]):
            order.update(status="delivered", deliveredAt=body["deliveredAt"])


def _status(status: str) -> Callable[[Record, Record], None]:
    def change(order: Record, body: Record) -> None:
        order.update(status=status, detail=body)

    return change


def _authorise(sandbox: Sandbox, request: web.Request) -> None:
    if request.headers.get("X-User-Token") not in sandbox.secrets.values():
        raise web.HTTPUnauthorized(text="unknown X-User-Token")


async def _body(request: web.Request) -> Record:
    try:
        body = await request.json()
    except json.JSONDecodeError as error:
        raise web.HTTPBadRequest(text="not JSON") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="not a JSON object")
    return body


def create_app(sandbox: Sandbox, *, confirm_within: float = CONFIRM_WITHIN) -> web.Application:
    hub = Hub(sandbox, confirm_within)
    app = web.Application(middlewares=[sandbox.middleware(NAME)], client_max_size=8 * 1024 * 1024)
    app.add_routes(
        [
            web.post("/queue/orders", hub.sell),
            web.get("/queue/orders", hub.next_order),
            web.delete("/queue/orders/{code}", hub.confirm),
            web.get("/orders/{code}", hub.show),
            web.post("/orders/{code}/invoice", hub.invoice),
            web.post("/orders/{code}/shipments", hub.shipments),
            web.post("/orders/{code}/delivery", hub.delivery),
            web.post("/orders/{code}/shipment_exception", hub.shipment_exception),
            web.post("/orders/{code}/cancel", hub.cancel),
            web.post("/orders/{code}/refund", hub.refund),
        ]
    )
    return app
