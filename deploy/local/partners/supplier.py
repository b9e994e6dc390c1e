"""What a sandbox supplier does by itself, whoever brought it the PO: the API (`suppliers.py`) or a mail.

It confirms and issues S2; once R is handed over it issues S1, ships, and its carrier reports the delivery (or the
marketplace does whose label it used). What it does otherwise, the manners of the ordered products say (`manners.py`).
Its effects: `sale_nf` (also `first_nf`, `wrong_nf`) and `remittance_nf` (also `rest_nf`) under the PO number,
`shipment` under the tracking code. All is in memory: after a restart of the process a supplier knows no PO and does not
finish what it had begun.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.local.mixed.suppliers import manner_of
from deploy.local.partners.documents import dearer, without_protocol
from deploy.local.partners.manners import Manner, Step
from deploy.local.partners.sandbox import Sandbox
from deploy.local.partners.supplier_notas import Notas
from deploy.local.partners.supplier_orders import Deal, HandedOverInvoice, OrderedLine, ShippingLabel, SupplierOrder
from deploy.local.world_data import SupplierFacts

CARRIER = "rapido-brasil"
HEARD = 4.0
"""Seconds after which a refusal was surely heard by all, and less than a caller waits for an answer."""


class Supplier:
    """One supplier and its POs by number."""

    def __init__(self, sandbox: Sandbox, facts: SupplierFacts, manners: Mapping[str, Manner]) -> None:
        self.sandbox = sandbox
        self.facts = facts
        self.manners = manners
        """By its own SKU."""
        self.deals: dict[str, Deal] = {}
        self._notas = Notas(facts)

    @property
    def id(self) -> str:
        return self.facts.supplier_id

    def begin(self, order: SupplierOrder) -> dict[str, str]:
        """The PO is known from now on; what it leads to happens by itself."""
        if order.number not in self.deals:
            deal = self.deals[order.number] = Deal(order, self._manners_of(order), list(order.lines))
            if self._asked_before(deal):
                deal.asked.set()
                deal.answered.set()
            self.sandbox.later(self._confirm_and_sell(deal))
        return received(self.deals[order.number])

    async def may_answer(self, number: str) -> None:
        """Until it has refused the PO, where its manner is to do that first, and others have heard of it."""
        deal = self.deals.get(number)
        if deal is not None and _pauses(deal, "answer") and not deal.refused.is_set():
            await deal.refused.wait()
            await asyncio.sleep(HEARD)

    def consider(self, deal: Deal) -> dict[str, str]:
        """Asked to cancel: answered later, unless the supplier is silent."""
        deal.asked.set()
        if not any(manner.silent for manner in deal.manners.values()):
            self.sandbox.later(self._answer_cancellation(deal))
        elif any(manner.wakes for manner in deal.manners.values()):
            self.sandbox.later(self._sell(deal))
        return received(deal)

    def go_on(self, deal: Deal, invoice: HandedOverInvoice) -> dict[str, str]:
        """R is here: what was begun under an R that this one replaces is not done again."""
        known, deal.invoice = deal.invoice, invoice
        if known is None:
            self.sandbox.later(self._remit_and_ship(deal))
        return received(deal)

    def withdraw(self, deal: Deal, sku: str | None = None) -> dict[str, str]:
        """It finds, wherever it pauses, that it cannot deliver; or not that product, by its own SKU."""
        if sku is not None:
            self.sandbox.later(self._refuse_line(deal, sku))
            return received(deal)
        deal.cancelled = True
        deal.asked.set()
        deal.answered.set()
        self.sandbox.later(self._refuse_all(deal))
        return received(deal)

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
        if any(manner.silent for manner in deal.manners.values()) or _pauses(deal, "answer"):
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
            await self._post_nf(deal, "wrong_nf", self._notas.sale(deal, [dearer(line) for line in deal.sold()]))
            await _corrected(deal)
        if "without_protocol" not in bills:
            await self._post_nf(deal, "sale_nf", self._notas.sale(deal, deal.sold()))
            return
        first, *others = deal.sold()
        authorised = self._notas.sale(deal, [first])
        await self._post_nf(deal, "wrong_nf", without_protocol(authorised))
        await _corrected(deal)
        await self._post_nf(deal, "first_nf", authorised)
        await _corrected(deal)
        await self._post_nf(deal, "sale_nf", self._notas.sale(deal, others))

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
        deal.lines = _without(deal.lines, refused)
        await self._report_refused(deal, refused, "em falta")
        await asyncio.sleep(self.sandbox.pace)

    async def _report_refused(self, deal: Deal, refused: Sequence[OrderedLine], why: str) -> None:
        named = [{"line": line.line, "quantity": line.quantity, "reason": why} for line in refused]
        data = {"lines": named if deal.lines else [], "reason": why, "refused_at": _now()}
        await self._report(deal, "supplier.po_refused", data)

    async def _refuse_line(self, deal: Deal, sku: str) -> None:
        refused = [line for line in deal.lines if line.supplier_sku == sku]
        deal.lines = _without(deal.lines, refused)
        await self._report_refused(deal, refused, "avariado")

    async def _refuse_all(self, deal: Deal) -> None:
        deal.lines = []
        await self._report(deal, "supplier.po_refused", {"lines": [], "reason": "avariado", "refused_at": _now()})
        deal.refused.set()

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
        if any(manner.apart != "no" for manner in deal.manners.values()):
            await self._ship_apart(deal)
            return
        deal.leaves = not _pauses(deal, "parcel")
        await self._post_nf(deal, "remittance_nf", self._notas.remittance(deal, deal.sold()))
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

    async def _ship_apart(self, deal: Deal) -> None:
        """Nothing goes wrong with the unit that leaves first, and the second parcel does not say what is in it."""
        deal.leaves = True
        one = deal.lines[0].model_copy(update={"quantity": 1})
        label = _own_label(self.id, deal.order.number, 0)
        await self._post_nf(deal, "remittance_nf", self._notas.remittance(deal, [one.sold(deal.order.number)]))
        await self._ship(deal, label, [one])
        await asyncio.sleep(self.sandbox.pace)
        await self._carry(label, "delivered")
        if any(manner.apart == "when_told" for manner in deal.manners.values()):
            await deal.found.wait()
            deal.found.clear()
        rest = [line.sold(deal.order.number) for line in _without(deal.lines, [one])]
        label = _own_label(self.id, deal.order.number, 1)
        await self._post_nf(deal, "rest_nf", self._notas.remittance(deal, rest))
        await self._ship(deal, label)
        await asyncio.sleep(self.sandbox.pace)
        await self._deliver(deal, label)

    async def _ship(self, deal: Deal, label: ShippingLabel, lines: Sequence[OrderedLine] = ()) -> None:
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
        known: dict[str, Any] = {k: v for k, v in data.items() if v is not None}
        if lines:
            known["lines"] = [{"line": line.line, "quantity": line.quantity} for line in lines]
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
        if any(manner.moves_again for manner in deal.manners.values()):
            await self._carry(label, "in_transit", "nova tentativa de entrega")
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


def received(deal: Deal) -> dict[str, str]:
    """The answer to whatever is taken."""
    return {"number": deal.order.number, "status": "received"}


def _without(lines: Sequence[OrderedLine], some: Sequence[OrderedLine]) -> list[OrderedLine]:
    less = {line.line: line.quantity for line in some}
    return [
        line.model_copy(update={"quantity": left})
        for line in lines
        if (left := line.quantity - less.get(line.line, 0)) > 0
    ]


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
