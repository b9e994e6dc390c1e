"""The partners, in our words: what `partners.py` of the services would have made of their answers.

Every one of them knows idempotency keys, as the contracts ask. They fail, answer too late, act after the time-out,
and call back, sometimes twice. `effects` is what they really did, by what it was about.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from deploy.local.partners.documents import CitedInvoice
from schemas.billing import SupplierPaymentReported
from schemas.channel import ChannelOrderReported, Label
from schemas.model import Message, Model
from schemas.purchase_order import PoLine
from schemas.supplier import CarrierReported, SupplierNfIssued, SupplierPoConfirmed, SupplierShipped
from services.billing.requests import (
    AuthoriseInvoice,
    DispatchMarked,
    MarkDispatched,
    OrderSupplierPayment,
    SefazAnswered,
    SupplierPaymentTaken,
)
from services.channel_sync.requests import (
    ChannelAnswered,
    MailAnswered,
    SendInvoiceXml,
    SendMail,
    TellDelivery,
    TellInvoice,
    TellShipment,
)
from services.nf_reconciliation.state import BookSupplierNf, SupplierNfBooked
from services.order_intake.requests import (
    CancelledMarked,
    CompletedMarked,
    MarkCancelled,
    MarkCompleted,
    RegisterSalesOrder,
    SalesOrderRegistered,
    SalesOrderUpdated,
    UpdateSalesOrder,
)
from services.po_dispatch.state import (
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    PurchaseOrderRevised,
    PurchaseOrderVoided,
    RegisterPurchaseOrder,
    RevisePurchaseOrder,
    SendPurchaseOrder,
    VoidPurchaseOrder,
)
from shared.partner.errors import Unavailable, Uncertain
from tests.simulation import documents
from tests.simulation.documents import BRASILIA
from tests.simulation.issuing import shipped, sold
from tests.simulation.store import CallRow

if TYPE_CHECKING:
    from tests.simulation.world import World

MOST_FAILURES = 4
CARRIER = "rapido-brasil"


@dataclass(slots=True)
class Deal:
    """A PO with a supplier."""

    order: SendPurchaseOrder
    invoice: HandOverInvoice | None = None


@dataclass(slots=True)
class Partners:
    world: "World"
    effects: dict[tuple[str, str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """Idempotency keys under which it was done, by partner, operation and what it was about."""
    wrong: list[str] = field(default_factory=list)
    """What no partner should ever be asked."""
    calls: int = 0
    answers: dict[str, Model] = field(default_factory=dict)
    """By idempotency key."""
    asked: dict[str, Model] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sales_orders: dict[str, str] = field(default_factory=dict)
    deals: dict[str, Deal] = field(default_factory=dict)
    authorised: dict[str, SefazAnswered] = field(default_factory=dict)
    used_numbers: dict[tuple[str, int, int], str] = field(default_factory=dict)
    shipments: dict[str, str] = field(default_factory=dict)
    """Mercado Livre's, by tracking code."""

    def send(self, call: CallRow) -> Model:
        """One try. Raises Unavailable and Uncertain; never more than `MOST_FAILURES` times for a call."""
        random, trouble = self.world.random, self.world.profile.partner_trouble
        self.calls += 1
        if call.attempt > MOST_FAILURES or random.random() >= trouble:
            return self._do(call)
        match random.randrange(4):
            case 0:
                raise Unavailable("503")
            case 1:
                raise Uncertain("the connection broke before the partner had it")
            case 2:
                self._do(call)
                raise Uncertain("the answer was lost")
        self.world.scheduler.after(random.uniform(5, 90), lambda: self._late(call))
        raise Uncertain("timed out")

    def _late(self, call: CallRow) -> None:
        """A partner that acts after the time-out; whom its answer would be for has gone."""
        self._do(call)

    def query(self, call: CallRow) -> Model | None:
        """Whether an uncertain call had its effect."""
        match call.request:
            case RegisterSalesOrder(order_id=order_id):
                number = self.sales_orders.get(order_id)
                return SalesOrderRegistered(number=number) if number else None
            case AuthoriseInvoice(document=document):
                return self.authorised.get(document.access_key)
        raise AssertionError(f"{type(call.request).__name__} cannot be asked for")

    def _do(self, call: CallRow) -> Model:
        """Once for each idempotency key."""
        key = str(call.id)
        known = self.asked.setdefault(key, call.request)
        if known is not call.request and known != call.request:
            self.wrong.append(f"{call.partner}: another {type(call.request).__name__} under one idempotency key")
        if key not in self.answers:
            self.answers[key] = self._once(call, call.request, key)
        return self.answers[key]

    def _note(self, call: CallRow, about: str, key: str) -> None:
        self.effects[call.partner, type(call.request).__name__, about].append(key)

    def _next(self, prefix: str) -> str:
        self.numbers[prefix] += 1
        return f"{prefix}{self.numbers[prefix]:08d}"

    def _once(self, call: CallRow, request: Any, key: str) -> Model:
        match request:
            case RegisterSalesOrder(order_id=order_id):
                self._note(call, order_id, key)
                self.sales_orders[order_id] = self._next("SO")
                return SalesOrderRegistered(number=self.sales_orders[order_id])
            case MarkDispatched(order_id=order_id):
                self._note(call, order_id, key)
                return DispatchMarked(status="despachado")
            case UpdateSalesOrder(number=number, sale=sale):
                self._note(call, f"{sale.order_id} {call.request.revision}", key)
                return SalesOrderUpdated(number=number)
            case MarkCancelled(order_id=order_id, number=number):
                self._note(call, order_id, key)
                return CancelledMarked(number=number)
            case MarkCompleted(order_id=order_id, number=number):
                self._note(call, order_id, key)
                return CompletedMarked(number=number)
            case RegisterPurchaseOrder(po_id=po_id):
                self._note(call, po_id, key)
                return PurchaseOrderRegistered(number=self._next("PC"))
            case RevisePurchaseOrder(number=number):
                return PurchaseOrderRevised(number=number)
            case VoidPurchaseOrder(po_id=po_id, number=number):
                self._note(call, po_id, key)
                return PurchaseOrderVoided(number=number)
            case BookSupplierNf(access_key=access_key, po_number=po_number):
                self._note(call, f"{access_key} {po_number}", key)
                return SupplierNfBooked(entry=self._next("NE"))
            case OrderSupplierPayment(payable_id=payable_id):
                self._note(call, payable_id, key)
                return self._pay(request)
            case AuthoriseInvoice():
                return self._authorise(call, request, key)
            case SendPurchaseOrder(number=number):
                self._note(call, number, key)
                return self._take_order(request)
            case HandOverInvoice(number=number):
                self._note(call, number, key)
                return self._take_invoice(request)
            case TellInvoice(order_code=code, access_key=about) | SendInvoiceXml(shipment_id=code, access_key=about):
                self._note(call, f"{code} {about}", key)
                if isinstance(request, SendInvoiceXml):
                    self._make_label(code)
                return ChannelAnswered(confirmed=True)
            case TellShipment(order_code=code, tracking_code=about):
                self._note(call, f"{code} {about}", key)
                return ChannelAnswered(confirmed=True)
            case TellDelivery(order_code=code, po_id=po_id, shipment_id=shipment_id):
                self._note(call, f"{code} {shipment_id or po_id}", key)
                return ChannelAnswered(confirmed=True)
            case SendMail(mail=mail, fact=fact, reference=reference):
                self._note(call, f"{mail.recipient} {fact} {reference}", key)
                return MailAnswered(taken=True)
        raise AssertionError(f"no partner takes {type(request).__name__}")

    # what they say by themselves

    def _later(self, source: str, id: str, message: Message, seconds: float) -> None:
        """Through the gateway, which publishes what it was told, now and then twice or under another id."""
        random, profile = self.world.random, self.world.profile
        self.world.say(source, id, message, seconds)
        if random.random() < profile.twice:
            again = id if random.random() < 0.7 else f"{id}-again"
            self.world.say(source, again, message, seconds + random.uniform(0, 60))

    def _pause(self) -> float:
        return self.world.random.uniform(0, self.world.profile.pace)

    def _at(self, seconds: float) -> datetime:
        return self.world.scheduler.now + timedelta(seconds=seconds)

    def _pay(self, request: OrderSupplierPayment) -> SupplierPaymentTaken:
        number, pause = self._next("PG"), self._pause()
        if self.world.random.random() < self.world.profile.twice:
            self._report_payment(request, f"{number}-refused", "refused", pause)
            pause += self._pause() + 1
        self._report_payment(request, number, "settled", pause)
        return SupplierPaymentTaken(erp_number=number)

    def _report_payment(self, request: OrderSupplierPayment, id: str, outcome: Any, pause: float) -> None:
        report = SupplierPaymentReported(
            payable_id=request.payable_id, outcome=outcome, bank_reference=id, reported_at=self._at(pause)
        )
        self._later("/partners/erp", id, report, pause + self._pause())

    def _authorise(self, call: CallRow, request: AuthoriseInvoice, key: str) -> SefazAnswered:
        document = request.document
        if (known := self.authorised.get(document.access_key)) is not None:
            return known
        number = (document.issuer.cnpj, document.series, document.number)
        other = self.used_numbers.setdefault(number, document.access_key)
        if other != document.access_key:
            self.wrong.append(f"R number {number} was used for {other} and for {document.access_key}")
        self._note(call, document.access_key, key)
        sequence = len(self.authorised) + 1
        at = self._clock
        answer = self.authorised[document.access_key] = SefazAnswered(
            outcome="authorised",
            code="100",
            reason="Autorizado o uso da NF-e",
            protocol=documents.protocol_number(document.access_key[:2], at, sequence),
            received_at=at,
            xml=documents.invoice(document, sequence, self.world.profile.wire),
        )
        return answer

    def _take_order(self, request: SendPurchaseOrder) -> PurchaseOrderReceived:
        number, supplier = request.number, request.supplier.supplier_id
        if number in self.deals:
            self.wrong.append(f"{supplier}: PO {number} came under two idempotency keys")
        self.deals[number] = Deal(request)
        pause = self._pause()
        confirmed = SupplierPoConfirmed(supplier_id=supplier, po_number=number, confirmed_at=self._at(pause))
        self._later(f"/partners/suppliers/{supplier}", f"{number}-confirmed", confirmed, pause)
        for place, lines in enumerate(self._parts(request.lines)):
            self._issue(supplier, f"{number}-sale-{place}", self._sale(request, lines), self._pause())
        return PurchaseOrderReceived(number=number)

    def _parts(self, lines: tuple[PoLine, ...]) -> list[tuple[PoLine, ...]]:
        """A PO may be invoiced in parts."""
        if len(lines) > 1 and self.world.random.random() < self.world.profile.parts:
            return [lines[:1], lines[1:]]
        return [lines]

    def _sale(self, order: SendPurchaseOrder, lines: tuple[PoLine, ...]) -> str:
        return sold(order, lines, self._nf_number(order), self._clock, self.world.profile.wire)

    def _nf_number(self, order: SendPurchaseOrder) -> int:
        supplier = order.supplier.supplier_id
        self.numbers[supplier] += 1
        return self.numbers[supplier]

    @property
    def _clock(self) -> datetime:
        """As fiscal documents say it."""
        return self.world.scheduler.now.astimezone(BRASILIA).replace(microsecond=0)

    def _issue(self, supplier: str, id: str, xml: str, pause: float) -> None:
        issued = SupplierNfIssued(supplier_id=supplier, xml=xml)
        self._later(f"/partners/suppliers/{supplier}", id, issued, pause)

    def _take_invoice(self, request: HandOverInvoice) -> InvoiceReceived:
        """Then S1 is issued, the goods leave, and somebody says that they have arrived; heard of in any order."""
        number, supplier = request.number, request.supplier.supplier_id
        deal = self.deals.get(number)
        if deal is None or deal.invoice is not None:
            self.wrong.append(f"{supplier}: an invoice for PO {number}, which is unknown or has one")
            return InvoiceReceived(number=number)
        deal.invoice = request
        self._issue(supplier, f"{number}-remittance", self._remittance(deal.order, request), self._pause())
        code = request.label.tracking_code if request.label else f"{supplier[:2].upper()}{number}BR"
        carrier = request.label.carrier if request.label else CARRIER
        at = self._pause()
        shipped = SupplierShipped(
            supplier_id=supplier, po_number=number, carrier=carrier, tracking_code=code, shipped_at=self._at(at)
        )
        self._later(f"/partners/suppliers/{supplier}", f"{number}-shipped", shipped, at + self._pause())
        self._carry(code, at)
        return InvoiceReceived(number=number)

    def _carry(self, code: str, at: float) -> None:
        arrival = at + self._pause()
        if (shipment := self.shipments.get(code)) is not None:
            self._channel_says(shipment, "delivered", arrival)
            return
        if self.world.random.random() < self.world.profile.twice:
            self._report(code, "problem", arrival - 1)
        self._report(code, "delivered", arrival)

    def _report(self, code: str, status: Any, at: float) -> None:
        report = CarrierReported(carrier=CARRIER, tracking_code=code, status=status, occurred_at=self._at(at))
        self._later(f"/partners/carriers/{CARRIER}", f"{code}-{status}", report, max(0.0, at) + self._pause())

    def _remittance(self, order: SendPurchaseOrder, request: HandOverInvoice) -> str:
        invoice = self.authorised.get(request.invoice_key)
        if invoice is None or invoice.xml != request.xml:
            self.wrong.append(f"PO {order.number}: R {request.invoice_key} is none that SEFAZ has authorised")
        issued_on = invoice.received_at.date() if invoice is not None and invoice.received_at else self._clock.date()
        cited = CitedInvoice(request.invoice_key, issued_on, order.buyer)
        return shipped(order, cited, self._nf_number(order), self._clock, self.world.profile.wire)

    def _make_label(self, shipment: str) -> None:
        code = f"MEL{shipment}"
        self.shipments[code] = shipment
        label = Label(carrier="Mercado Envios", tracking_code=code, content_type="application/zpl", content="XlhB")
        self._channel_says(shipment, "label_ready", self._pause(), label)

    def _channel_says(self, shipment: str, status: Any, pause: float, label: Label | None = None) -> None:
        report = ChannelOrderReported(
            channel_id="mercado-livre",
            channel_order_code=shipment,
            status=status,
            occurred_at=self._at(pause),
            label=label,
        )
        self._later("/partners/channels/mercado-livre", f"{shipment}-{status}", report, pause)
