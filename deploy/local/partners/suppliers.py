"""The sandbox's suppliers. Each takes POs and acts by itself: confirms and issues S2; once R is handed over it issues
S1, ships, and its carrier reports the delivery (or the marketplace does whose label it used). What it does otherwise,
the manners of the ordered products say (`manners.py`).

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

What it does by itself has the effects `sale_nf` (also `first_nf` and `wrong_nf`), `remittance_nf` and `shipment`. The
partner of an effect is the supplier's id, its key the PO number (of a shipment: the tracking code).
All other POSTs must be signed like a callback, under the supplier's own secret. What comes again does nothing twice;
another PO under a known number, or another R for a PO than the one that it replaces, is answered 409. All is in memory:
after a restart of the process a supplier knows no PO (404 for an invoice) and does not finish what it had begun.
"""

import asyncio
import base64
import hmac
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from deploy.local.mixed.suppliers import by_mail, every_supplier, manner_of, manners
from deploy.local.partners import supplier_mail
from deploy.local.partners.certificate import Certificate, self_signed
from deploy.local.partners.documents import (
    CitedInvoice,
    Customer,
    Issuing,
    SoldLine,
    dearer,
    remittance_nf,
    supplier_sale_nf,
    without_protocol,
)
from deploy.local.partners.manners import Manner, Step
from deploy.local.partners.sandbox import Sandbox, signature
from deploy.local.partners.supplier_orders import (
    CancellationWish,
    Deal,
    HandedOverInvoice,
    OrderedLine,
    Reminder,
    ShippingLabel,
    SupplierOrder,
    invoice_date,
)
from deploy.local.world_data import SupplierFacts
from services.billing.invoice_arithmetic import cents

BRASILIA = timezone(timedelta(hours=-3))
SERIES = 1
CARRIER = "rapido-brasil"
_NUMBERS_SINCE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_M = TypeVar("_M", bound=BaseModel)


class Supplier:
    """One supplier: its POs by number, its certificate, and the numbers of its notas fiscais."""

    def __init__(self, sandbox: Sandbox, facts: SupplierFacts, manners: Mapping[str, Manner]) -> None:
        self.sandbox = sandbox
        self.facts = facts
        self.manners = manners
        """By its own SKU."""
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
        return self._accept(request, "purchase_order", order.number, partial(self.begin, order))

    async def take_reminder(self, request: web.Request) -> web.Response:
        """Noted; a supplier that is not silent answers by itself."""
        await self._signed(request, Reminder)
        deal = self._deal(request)
        return self._accept(request, "reminder", deal.order.number, lambda: _received(deal))

    async def take_cancellation(self, request: web.Request) -> web.Response:
        await self._signed(request, CancellationWish)
        deal = self._deal(request)
        return self._accept(request, "cancellation", deal.order.number, partial(self.consider, deal))

    async def take_invoice(self, request: web.Request) -> web.Response:
        invoice = await self._signed(request, HandedOverInvoice)
        deal = self._deal(request)
        if deal.invoice is not None and deal.invoice.access_key not in (invoice.access_key, invoice.replaces):
            return _problem(409, f"PO {deal.order.number} has invoice {deal.invoice.access_key}")
        try:
            invoice_date(invoice, deal.order.buyer)
        except ValueError as error:
            return _problem(422, str(error))
        return self._accept(request, "invoice", deal.order.number, partial(self.go_on, deal, invoice))

    async def find(self, request: web.Request) -> web.Response:
        """The carrier finds the parcel again, and delivers it."""
        deal = self._deal(request)
        deal.found.set()
        return web.json_response(_received(deal))

    async def lose(self, request: web.Request) -> web.Response:
        """The carrier loses the parcel."""
        deal = self._deal(request)
        deal.lost.set()
        return web.json_response(_received(deal))

    async def refuse(self, request: web.Request) -> web.Response:
        """It finds, wherever it pauses, that it cannot deliver."""
        deal = self._deal(request)
        deal.cancelled = True
        deal.asked.set()
        deal.answered.set()
        self.sandbox.later(self._refuse_all(deal))
        return web.json_response(_received(deal))

    async def correct(self, request: web.Request) -> web.Response:
        """It is told that its NF is wrong."""
        deal = self._deal(request)
        deal.corrected.set()
        return web.json_response(_received(deal))

    async def show(self, request: web.Request) -> web.Response:
        deal = self._deal(request)
        return web.json_response({"number": deal.order.number, "done": deal.done})

    def _deal(self, request: web.Request) -> Deal:
        number = request.match_info["number"]
        if (deal := self.deals.get(number)) is None:
            raise web.HTTPNotFound(text=json.dumps({"detail": f"no PO {number}"}), content_type="application/json")
        return deal

    def _accept(self, request: web.Request, operation: str, number: str, do: Any) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if not key:
            return _problem(400, "Idempotency-Key is missing")
        answer = self.sandbox.once(self.id, operation, number, key, do)
        if answer["number"] != number:
            return _problem(409, f"this Idempotency-Key was used for PO {answer['number']}")
        return web.json_response(answer, status=202)

    def begin(self, order: SupplierOrder) -> dict[str, str]:
        """The PO is known from now on; what it leads to happens by itself."""
        if order.number not in self.deals:
            deal = self.deals[order.number] = Deal(order, self._manners_of(order), list(order.lines))
            if self._asked_before(deal):
                deal.asked.set()
                deal.answered.set()
            self.sandbox.later(self._confirm_and_sell(deal))
        return _received(self.deals[order.number])

    def consider(self, deal: Deal) -> dict[str, str]:
        """Asked to cancel: answered later, unless the supplier is silent."""
        deal.asked.set()
        if not any(manner.silent for manner in deal.manners.values()):
            self.sandbox.later(self._answer_cancellation(deal))
        elif any(manner.wakes for manner in deal.manners.values()):
            self.sandbox.later(self._sell(deal))
        return _received(deal)

    def go_on(self, deal: Deal, invoice: HandedOverInvoice) -> dict[str, str]:
        """R is here: what was begun under an R that this one replaces is not done again."""
        known, deal.invoice = deal.invoice, invoice
        if known is None:
            self.sandbox.later(self._remit_and_ship(deal))
        return _received(deal)

    def _manners_of(self, order: SupplierOrder) -> dict[str, Manner]:
        return {line.supplier_sku: manner_of(self.manners, line.supplier_sku) for line in order.lines}

    def _asked_before(self, deal: Deal) -> bool:
        """What a customer wanted cancelled, and then gets after all, is not waited with again."""
        customer, goods = deal.order.recipient.tax_id, deal.manners.keys()
        return any(
            other.asked.is_set() and other.order.recipient.tax_id == customer and goods & other.manners.keys()
            for other in self.deals.values()
            if other is not deal
        )

    async def _confirm_and_sell(self, deal: Deal) -> None:
        await asyncio.sleep(self.sandbox.pace)
        if any(manner.silent for manner in deal.manners.values()):
            return
        await self._refuse(deal)
        if deal.lines and await self._may(deal, "confirmation"):
            await self._sell(deal)

    async def _sell(self, deal: Deal) -> None:
        now = datetime.now(UTC)
        expected = now + timedelta(days=self.facts.lead_time_days)
        data = {"confirmed_at": now.isoformat(), "expected_ship_at": expected.isoformat()}
        if all(manner.confirms for manner in deal.manners.values()):
            await self._report(deal, "supplier.po_confirmed", data)
        if any(manner.delays for manner in deal.manners.values()):
            await self._delay(deal)
        if any(manner.leaves_early for manner in deal.manners.values()):
            await self._ship(deal, _own_label(self.id, deal.order.number, 0))
        await asyncio.sleep(self.sandbox.pace)
        if await self._may(deal, "sale_nf"):
            await self._bill(deal)

    async def _bill(self, deal: Deal) -> None:
        """S2; a wrong one first, where that is its manner, and the right one when it is told to correct it."""
        bills = {manner.bills for manner in deal.manners.values()}
        if "too_much" in bills:
            await self._post_nf(deal, "wrong_nf", self._sale_nf(deal, [dearer(line) for line in deal.sold()]))
            await _corrected(deal)
        if "without_protocol" not in bills:
            await self._post_nf(deal, "sale_nf", self._sale_nf(deal, deal.sold()))
            return
        first, *others = deal.sold()
        authorised = self._sale_nf(deal, [first])
        await self._post_nf(deal, "wrong_nf", without_protocol(authorised))
        await _corrected(deal)
        await self._post_nf(deal, "first_nf", authorised)
        await _corrected(deal)
        await self._post_nf(deal, "sale_nf", self._sale_nf(deal, others))

    async def _may(self, deal: Deal, step: Step) -> bool:
        """Waits where the manner of its goods says so. False: the PO was cancelled meanwhile."""
        if _pauses(deal, step):
            await deal.asked.wait()
            await deal.answered.wait()
        return not deal.cancelled

    async def _refuse(self, deal: Deal) -> None:
        refused = _refused(deal)
        if not refused:
            return
        less = {line.line: line.quantity for line in refused}
        deal.lines = [
            line.model_copy(update={"quantity": left})
            for line in deal.lines
            if (left := line.quantity - less.get(line.line, 0)) > 0
        ]
        named = [{"line": n, "quantity": quantity, "reason": "em falta"} for n, quantity in less.items()]
        data = {"lines": named if deal.lines else [], "reason": "em falta", "refused_at": _now()}
        await self._report(deal, "supplier.po_refused", data)
        await asyncio.sleep(self.sandbox.pace)

    async def _refuse_all(self, deal: Deal) -> None:
        deal.lines = []
        await self._report(deal, "supplier.po_refused", {"lines": [], "reason": "avariado", "refused_at": _now()})

    async def _delay(self, deal: Deal) -> None:
        later = datetime.now(UTC) + timedelta(days=self.facts.lead_time_days + 3)
        data = {"expected_ship_at": later.isoformat(), "detail": "falta de embalagem", "reported_at": _now()}
        await self._report(deal, "supplier.delay_reported", data)

    async def _answer_cancellation(self, deal: Deal) -> None:
        await asyncio.sleep(self.sandbox.pace)
        manners = {manner.cancels for manner in deal.manners.values()}
        accepted = not (deal.leaves or deal.shipped) and manners == {"yes"}
        deal.cancelled = accepted
        if "ships" not in manners:
            await self._say_of_cancellation(deal, accepted)
        deal.answered.set()

    async def _say_of_cancellation(self, deal: Deal, accepted: bool) -> None:
        data = {"accepted": accepted, "detail": "" if accepted else "já separado", "answered_at": _now()}
        await self._report(deal, "supplier.cancellation_answered", data)

    async def _remit_and_ship(self, deal: Deal) -> None:
        await asyncio.sleep(self.sandbox.pace)
        if any(manner.refuses == "order_after_r" for manner in deal.manners.values()):
            await self._refuse_all(deal)
            return
        if not await self._may(deal, "remittance_nf"):
            return
        deal.leaves = not _pauses(deal, "parcel")
        await self._post_nf(deal, "remittance_nf", self._remittance_nf(deal))
        if not await self._may(deal, "parcel"):
            return
        await asyncio.sleep(self.sandbox.pace)
        assert deal.invoice is not None
        label, parcels = deal.invoice.label, max(manner.parcels for manner in deal.manners.values())
        labels = [label] if label else [_own_label(self.id, deal.order.number, n) for n in range(parcels)]
        for one in labels:
            if not deal.shipped or parcels > 1:
                await self._ship(deal, one)
        if any(manner.cancels == "ships" for manner in deal.manners.values()):
            await self._say_of_cancellation(deal, accepted=False)
        for one in labels:
            if not self.sandbox.shipped(one.tracking_code):
                await asyncio.sleep(self.sandbox.pace)
                await self._deliver(deal, one)

    async def _ship(self, deal: Deal, label: ShippingLabel) -> None:
        number, now = deal.order.number, datetime.now(UTC)
        data = {
            "carrier": label.carrier,
            "tracking_code": label.tracking_code,
            "tracking_url": label.tracking_url,
            "shipped_at": now.isoformat(),
            "estimated_delivery": (now + timedelta(days=4)).isoformat(),
        }
        deal.shipped = True
        self.sandbox.once(self.id, "shipment", label.tracking_code, label.tracking_code, lambda: number)
        known = {k: v for k, v in data.items() if v is not None}
        await self._report(deal, "supplier.shipped", known, f"supplier.shipped-{label.tracking_code}")

    async def _deliver(self, deal: Deal, label: ShippingLabel) -> None:
        if any(manner.is_lost for manner in deal.manners.values()):
            await deal.lost.wait()
            await self._carry(label, "problem", "extraviado")
            return
        if any(manner.is_lost_for_a_while for manner in deal.manners.values()):
            if "problem" not in deal.done:
                await self._carry(label, "problem", "endereço não encontrado")
                deal.done.append("problem")
            await deal.found.wait()
            deal.found.clear()
        await self._carry(label, "delivered")
        deal.done.append("delivered")

    async def _carry(self, label: ShippingLabel, status: str, detail: str = "") -> None:
        """The carrier's word on a parcel."""
        code = label.tracking_code
        data = {"tracking_code": code, "status": status, "occurred_at": _now(), "detail": detail}
        body = {"id": f"{code}-{status}", "type": "carrier.reported", "data": data}
        await self.sandbox.call_back(f"/v1/carriers/{label.carrier}/events", label.carrier, body)

    async def _post_nf(self, deal: Deal, operation: str, xml: bytes) -> None:
        number = deal.order.number
        self.sandbox.once(self.id, operation, number, number, lambda: len(xml))
        data = {"xml": base64.b64encode(xml).decode()}
        await self._call_back(deal, "supplier.nf_issued", data, operation)

    async def _report(self, deal: Deal, type: str, data: dict[str, Any], step: str = "") -> None:
        await self._call_back(deal, type, {"po_number": deal.order.number, **data}, step)

    async def _call_back(self, deal: Deal, type: str, data: dict[str, Any], step: str = "") -> None:
        """`step` tells two events of one type apart in the id and in what `show` lists."""
        step = step or type
        body = {"id": f"{deal.order.number}-{step}", "type": type, "data": data}
        await self.sandbox.call_back(f"/v1/suppliers/{self.id}/events", self.id, body)
        deal.done.append(step)

    def _sale_nf(self, deal: Deal, lines: Sequence[SoldLine]) -> bytes:
        """S2 of these lines, owed as a whole after the supplier's term."""
        issuing = self._issuing()
        due = issuing.issued_at.date() + timedelta(days=self.facts.terms_days)
        order = deal.order
        total = sum((cents(line.quantity * line.unit_price) for line in lines), Decimal("0.00"))
        return supplier_sale_nf(
            issuing,
            order.buyer,
            lines,
            delivery_uf=order.ship_to.uf,
            own_make=self.facts.own_make,
            instalments=[(due, total)],
        )

    def _remittance_nf(self, deal: Deal) -> bytes:
        order, invoice = deal.order, deal.invoice
        assert invoice is not None, "only what R was handed over for is shipped"
        customer = Customer(order.recipient.name, order.recipient.tax_id, order.ship_to)
        cited = CitedInvoice(invoice.access_key, invoice_date(invoice, order.buyer), order.buyer)
        return remittance_nf(self._issuing(), customer, deal.sold(), cited)

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
    addresses = {supplier_id: address for address, supplier_id in by_mail().items()}
    for facts in every_supplier():
        supplier = Supplier(sandbox, facts, manners(facts.supplier_id))
        app.add_subapp(f"/{facts.supplier_id}", _supplier_app(supplier))
        if (address := addresses.get(facts.supplier_id)) is not None:
            sandbox.readers[address] = partial(supplier_mail.read, supplier)
    return app


def _supplier_app(supplier: Supplier) -> web.Application:
    app = web.Application(middlewares=[supplier.sandbox.middleware(supplier.id)], client_max_size=8 * 1024 * 1024)
    app.add_routes(
        [
            web.post("/purchase-orders", supplier.take_order),
            web.post("/purchase-orders/{number}/reminder", supplier.take_reminder),
            web.post("/purchase-orders/{number}/cancellation", supplier.take_cancellation),
            web.post("/purchase-orders/{number}/invoice", supplier.take_invoice),
            web.get("/purchase-orders/{number}", supplier.show),
            web.post("/purchase-orders/{number}/found", supplier.find),
            web.post("/purchase-orders/{number}/loss", supplier.lose),
            web.post("/purchase-orders/{number}/refusal", supplier.refuse),
            web.post("/purchase-orders/{number}/correction", supplier.correct),
        ]
    )
    return app


def _refused(deal: Deal) -> list[OrderedLine]:
    """So much of each line it does not deliver."""
    if any(manner.refuses == "order" for manner in deal.manners.values()):
        return list(deal.lines)
    refused = []
    for line in deal.lines:
        match deal.manners[line.supplier_sku].refuses:
            case "line":
                refused.append(line)
            case "unit":
                refused.append(line.model_copy(update={"quantity": 1}))
    return refused


def _pauses(deal: Deal, step: Step) -> bool:
    return any(manner.pauses_before == step for manner in deal.manners.values())


async def _corrected(deal: Deal) -> None:
    """Until it is told so once more."""
    await deal.corrected.wait()
    deal.corrected.clear()


def _received(deal: Deal) -> dict[str, str]:
    return {"number": deal.order.number, "status": "received"}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _own_label(supplier_id: str, number: str, parcel: int) -> ShippingLabel:
    code = f"{supplier_id[:2].upper()}{number}{parcel or ''}BR"
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
