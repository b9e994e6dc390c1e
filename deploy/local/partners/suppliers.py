"""The sandbox's four suppliers. Each takes POs and acts by itself: confirms and issues S2; once R is handed over it
issues S1, ships, and its carrier reports the delivery (or the marketplace does whose label it used).

| request                                           | answer                       | effect `operation`           |
| ------------------------------------------------- | ---------------------------- | ---------------------------- |
| POST /{supplier}/purchase-orders                  | 202, 400, 401, 409           | `purchase_order`             |
| POST /{supplier}/purchase-orders/{number}/invoice | 202, 400, 401, 404, 409, 422 | `invoice`                    |
| GET  /{supplier}/purchase-orders/{number}         | 200, 404                     |                              |

What it does by itself has the effects `sale_nf`, `remittance_nf` and `shipment`. The partner of an effect is the
supplier's id, its key the PO number.
Both POSTs must be signed like a callback, under the supplier's own secret. What comes again does nothing twice;
another PO under a known number, or another R for a PO, is answered 409. All this is in memory: after a restart of the
process a supplier knows no PO (404 for an invoice) and does not finish what it had begun.
"""

import asyncio
import base64
import hmac
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from deploy.local.partners.certificate import Certificate, self_signed
from deploy.local.partners.documents import (
    CitedInvoice,
    Customer,
    Issuing,
    remittance_nf,
    supplier_sale_nf,
)
from deploy.local.partners.sandbox import Sandbox, signature
from deploy.local.partners.supplier_orders import HandedOverInvoice, ShippingLabel, SupplierOrder, invoice_date
from deploy.local.world_data import SUPPLIERS, SupplierFacts
from services.billing.invoice_arithmetic import cents

BRASILIA = timezone(timedelta(hours=-3))
SERIES = 1
CARRIER = "rapido-brasil"
_NUMBERS_SINCE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_M = TypeVar("_M", bound=BaseModel)


@dataclass(slots=True)
class Deal:
    """A PO with a supplier, and what it did about it."""

    order: SupplierOrder
    invoice: HandedOverInvoice | None = None
    done: list[str] = field(default_factory=list)


class Supplier:
    """One supplier: its POs by number, its certificate, and the numbers of its notas fiscais."""

    def __init__(self, sandbox: Sandbox, facts: SupplierFacts) -> None:
        self.sandbox = sandbox
        self.facts = facts
        self.deals: dict[str, Deal] = {}
        self._certificate: Certificate | None = None
        self._numbers = itertools.count(_first_number(time.time()))

    @property
    def id(self) -> str:
        return self.facts.supplier_id

    async def take_order(self, request: web.Request) -> web.Response:
        order = await self._signed(request, SupplierOrder)
        known = self.deals.get(order.number)
        if known is not None and known.order != order:
            return _problem(409, f"PO {order.number} is known with other content")
        return self._accept(request, "purchase_order", order.number, partial(self._begin, order))

    async def take_invoice(self, request: web.Request) -> web.Response:
        invoice = await self._signed(request, HandedOverInvoice)
        deal = self.deals.get(request.match_info["number"])
        if deal is None:
            return _problem(404, f"no PO {request.match_info['number']}")
        if deal.invoice is not None and deal.invoice.access_key != invoice.access_key:
            return _problem(409, f"PO {deal.order.number} has invoice {deal.invoice.access_key}")
        try:
            invoice_date(invoice, deal.order.buyer)
        except ValueError as error:
            return _problem(422, str(error))
        return self._accept(request, "invoice", deal.order.number, partial(self._go_on, deal, invoice))

    async def show(self, request: web.Request) -> web.Response:
        deal = self.deals.get(request.match_info["number"])
        if deal is None:
            return _problem(404, f"no PO {request.match_info['number']}")
        return web.json_response({"number": deal.order.number, "done": deal.done})

    def _accept(self, request: web.Request, operation: str, number: str, do: Any) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if not key:
            return _problem(400, "Idempotency-Key is missing")
        answer = self.sandbox.once(self.id, operation, number, key, do)
        if answer["number"] != number:
            return _problem(409, f"this Idempotency-Key was used for PO {answer['number']}")
        return web.json_response(answer, status=202)

    def _begin(self, order: SupplierOrder) -> dict[str, str]:
        if order.number not in self.deals:
            deal = self.deals[order.number] = Deal(order)
            self.sandbox.later(self._confirm_and_sell(deal))
        return {"number": order.number, "status": "received"}

    def _go_on(self, deal: Deal, invoice: HandedOverInvoice) -> dict[str, str]:
        if deal.invoice is None:
            deal.invoice = invoice
            self.sandbox.later(self._remit_and_ship(deal, invoice))
        return {"number": deal.order.number, "status": "received"}

    async def _confirm_and_sell(self, deal: Deal) -> None:
        await asyncio.sleep(self.sandbox.pace)
        now = datetime.now(UTC)
        expected = now + timedelta(days=self.facts.lead_time_days)
        data = {"confirmed_at": now.isoformat(), "expected_ship_at": expected.isoformat()}
        await self._report(deal, "supplier.po_confirmed", {"po_number": deal.order.number, **data})
        await asyncio.sleep(self.sandbox.pace)
        await self._post_nf(deal, "sale_nf", self._sale_nf(deal.order))

    async def _remit_and_ship(self, deal: Deal, invoice: HandedOverInvoice) -> None:
        await asyncio.sleep(self.sandbox.pace)
        await self._post_nf(deal, "remittance_nf", self._remittance_nf(deal.order, invoice))
        await asyncio.sleep(self.sandbox.pace)
        label = invoice.label or _own_label(self.id, deal.order.number)
        await self._ship(deal, label)
        if not self.sandbox.shipped(label.tracking_code):
            await asyncio.sleep(self.sandbox.pace)
            await self._deliver(deal, label)

    async def _ship(self, deal: Deal, label: ShippingLabel) -> None:
        number, now = deal.order.number, datetime.now(UTC)
        data = {
            "po_number": number,
            "carrier": label.carrier,
            "tracking_code": label.tracking_code,
            "tracking_url": label.tracking_url,
            "shipped_at": now.isoformat(),
            "estimated_delivery": (now + timedelta(days=4)).isoformat(),
        }
        self.sandbox.once(self.id, "shipment", number, number, lambda: label.tracking_code)
        await self._report(deal, "supplier.shipped", {k: v for k, v in data.items() if v is not None})

    async def _deliver(self, deal: Deal, label: ShippingLabel) -> None:
        now = datetime.now(UTC).isoformat()
        body = {
            "id": f"{label.tracking_code}-delivered",
            "type": "carrier.reported",
            "data": {"tracking_code": label.tracking_code, "status": "delivered", "occurred_at": now},
        }
        await self.sandbox.call_back(f"/v1/carriers/{label.carrier}/events", label.carrier, body)
        deal.done.append("delivered")

    async def _post_nf(self, deal: Deal, operation: str, xml: bytes) -> None:
        number = deal.order.number
        self.sandbox.once(self.id, operation, number, number, lambda: len(xml))
        await self._report(deal, "supplier.nf_issued", {"xml": base64.b64encode(xml).decode()}, operation)

    async def _report(self, deal: Deal, type: str, data: dict[str, Any], step: str = "") -> None:
        """`step` tells two events of one type apart in the id and in what `show` lists."""
        step = step or type
        body = {"id": f"{deal.order.number}-{step}", "type": type, "data": data}
        await self.sandbox.call_back(f"/v1/suppliers/{self.id}/events", self.id, body)
        deal.done.append(step)

    def _sale_nf(self, order: SupplierOrder) -> bytes:
        """S2, owed as a whole after the supplier's term."""
        issuing = self._issuing()
        due = issuing.issued_at.date() + timedelta(days=self.facts.terms_days)
        lines = order.sold()
        total = sum((cents(line.quantity * line.unit_price) for line in lines), Decimal("0.00"))
        return supplier_sale_nf(
            issuing,
            order.buyer,
            lines,
            delivery_uf=order.ship_to.uf,
            own_make=self.facts.own_make,
            instalments=[(due, total)],
        )

    def _remittance_nf(self, order: SupplierOrder, invoice: HandedOverInvoice) -> bytes:
        customer = Customer(order.recipient.name, order.recipient.tax_id, order.ship_to)
        cited = CitedInvoice(invoice.access_key, invoice_date(invoice, order.buyer), order.buyer)
        return remittance_nf(self._issuing(), customer, order.sold(), cited)

    def _issuing(self) -> Issuing:
        company = self.facts.company
        if self._certificate is None:
            self._certificate = self_signed(company.name, company.cnpj)
        now = datetime.now(BRASILIA).replace(microsecond=0)
        return Issuing(company, self._certificate, SERIES, next(self._numbers), now)

    async def _signed(self, request: web.Request, shape: type[_M]) -> _M:
        """The body, when its signature is right. 401 or 400 otherwise."""
        payload = await request.read()
        stamp = request.headers.get("X-Fleet-Timestamp", "")
        given = request.headers.get("X-Fleet-Signature", "").encode()
        if not stamp.isascii() or not stamp.isdigit():
            raise web.HTTPUnauthorized(text="X-Fleet-Timestamp is missing")
        secret = self.sandbox.secrets[f"supplier:{self.id}"]
        expected = signature(secret, payload, int(stamp))["X-Fleet-Signature"].encode()
        if not hmac.compare_digest(expected, given):
            raise web.HTTPUnauthorized(text="X-Fleet-Signature is wrong")
        try:
            return shape.model_validate_json(payload)
        except ValidationError as error:
            raise web.HTTPBadRequest(text=error.json(include_url=False), content_type="application/json") from error


def create_app(sandbox: Sandbox) -> web.Application:
    app = web.Application()
    for facts in SUPPLIERS:
        app.add_subapp(f"/{facts.supplier_id}", _supplier_app(Supplier(sandbox, facts)))
    return app


def _supplier_app(supplier: Supplier) -> web.Application:
    app = web.Application(middlewares=[supplier.sandbox.middleware(supplier.id)], client_max_size=8 * 1024 * 1024)
    app.add_routes(
        [
            web.post("/purchase-orders", supplier.take_order),
            web.post("/purchase-orders/{number}/invoice", supplier.take_invoice),
            web.get("/purchase-orders/{number}", supplier.show),
        ]
    )
    return app


def _own_label(supplier_id: str, number: str) -> ShippingLabel:
    code = f"{supplier_id[:2].upper()}{number}BR"
    return ShippingLabel(
        carrier=CARRIER,
        tracking_code=code,
        tracking_url=f"https://rastreio.example.com/{code}",
        content_type="application/pdf",
        content="",
    )


def _first_number(now: float) -> int:
    """Tenths of seconds since 2026, so that a restarted process does not use an NF number again."""
    return int((now - _NUMBERS_SINCE) * 10) % 900_000_000 + 1


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)
