"""order_intake, po_dispatch and billing in one memory, with partners that answer: one order, messages in any order,
some kinds of them after nearly everything else.

Each service decides by its own table. What must wait waits among the others; what is refused is a dead letter. A
supplier that got a PO confirms it, invoices it, refuses it, agrees to cancel it or does not, loses its parcel, as the
seed wants. What people say (wishes, decisions, late payments) is said when its turn comes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.billing import BillingStopped, InvoiceReduced, InvoiceRefused
from schemas.decision import Answered, Cause, Context, Decision, NotYet, Numbers
from schemas.model import Message
from schemas.nota_fiscal import NfLine, RemittanceNfMatched, SupplierNfMatched
from schemas.order import OrderCancellationDecided, OrderCancellationRequested, OrderChangeRequested, OrderPlaced
from schemas.payment import PaymentApproved, PaymentExpired
from schemas.refund import RefundReported
from schemas.runtime import ReminderDue
from schemas.shipment import ShipmentDelivered
from schemas.store import Deadlines, StoreChanged
from schemas.supplier import (
    CarrierReported,
    RefusedPoLine,
    ShippedPoLine,
    SupplierCancellationAnswered,
    SupplierChanged,
    SupplierPoConfirmed,
    SupplierPoRefused,
    SupplierShipped,
)
from schemas.timeline import Timeline
from services.billing import __main__ as billing
from services.billing import requests as money
from services.billing.balance import OrderBalance, order_balance
from services.billing.ledger import Account, Movement
from services.billing.reference import Reference, series_names
from services.order_intake import __main__ as order_intake
from services.order_intake import requests as erp
from services.po_dispatch import __main__ as po_dispatch
from services.po_dispatch import state as purchasing
from services.po_dispatch.purchase_order import PurchaseOrder
from shared.worker.subscription import Answer, Subscription, Timer
from tests.unit.billing import builders as b
from tests.unit.po_dispatch import builders as d

AWAITED = ("deadline", "shipping_gate", "give_up", "difference")
"""Reminders whose time comes."""
SUPPLIERS = ("supplier-a", "supplier-b", "supplier-c")
MAINS: Mapping[str, tuple[Any, Any]] = {
    "order_intake": (order_intake.SUBSCRIPTIONS, order_intake.ORDER),
    "po_dispatch": (po_dispatch.SUBSCRIPTIONS, po_dispatch.FULFILMENT),
    "billing": (billing.SUBSCRIPTIONS, billing.BILL),
}


def _table(subscriptions: Any, aggregate: Any) -> dict[Any, Any]:
    ours = [s for s in subscriptions if s.aggregate is aggregate]
    return {
        **{s.message: s.decide for s in ours if isinstance(s, Subscription)},
        **{s.request: s.decide for s in ours if isinstance(s, Answer)},
        **{s.name: s.decide for s in ours if isinstance(s, Timer)},
    }


TABLES = {name: _table(*main) for name, main in MAINS.items()}


def _kind(what: Any) -> Any:
    """What its decision is found by."""
    return what.name if isinstance(what, ReminderDue) else type(getattr(what, "request", what))


@dataclass(eq=False)
class Spoken:
    """Somebody will say this; what it is, and when, is known when it is said."""

    say: Callable[[], Message]


@dataclass
class Trio:
    seed: int
    parts: bool = False
    """Some goods leave in two parcels, some of them not at all, and some parcels go on after a problem."""
    gives_up_at_once: bool = False
    """The store gives up what is lost as soon as the order book has heard of the loss; of what arrived it often hears
    after nearly everything else."""
    now: datetime = b.NOW
    states: dict[str, Any] = field(default_factory=dict)
    waiting: list[tuple[str, str, Any]] = field(default_factory=list)
    """Service, id, and what it has not handled yet."""
    events: list[Message] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    """Codes of what was refused."""
    rows: dict[Any, Any] = field(default_factory=dict)
    reminders: dict[tuple[str, str], datetime] = field(default_factory=dict)
    voided_in_erp: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    books: dict[str, Any] = field(default_factory=dict)
    """The lines of each PO that was sent, as the ERP has them."""
    asked_for: set[str] = field(default_factory=set)
    """Parcels that the store gave up at once."""
    steps: int = 0
    counted: Iterator[int] = field(default_factory=lambda: count(1))
    """Numbers that partners give."""

    def __post_init__(self) -> None:
        self.random, self.parcels = Random(self.seed), Random(f"parcels {self.seed}")
        self.rests = Random(f"rests {self.seed}")
        self.lag = self.random.choice((0.0, 0.5, 0.9))
        kinds = [(service, kind) for service, table in TABLES.items() for kind in table]
        self.held_up = self.random.sample(kinds, self.random.choice((0, 1, 2)))
        self.held_up += [("order_intake", ShipmentDelivered)] if self.gives_up_at_once and self.seed % 2 else []
        per = self.random.choice(("po", "order"))
        splits = self.random.random() < 0.3
        late = self.random.choice((None, timedelta(days=3)))
        sold = b.store_changed(
            invoice_per=per, cancellation="until_shipped", split_lines=splits, deadlines=Deadlines(late_payment=late),
            late_payment=self.random.choice(("accept", "accept", "cancel")),
        )  # fmt: skip
        store = Timeline[StoreChanged](versions=(sold,))
        makers = {id: Timeline[SupplierChanged](versions=(self._supplier(id, n),)) for n, id in enumerate(SUPPLIERS, 1)}
        stock = 1 if splits else 10
        skus = ("SKU-1", "SKU-2")
        sold_by = (d.offer_changed(id, sku, stock=stock) for id in SUPPLIERS for sku in skus)
        bought = d.sourcing(*sold_by, suppliers=[maker.versions[0] for maker in makers.values()])
        bills = Reference(store, b.reference().channel, b.reference().tax_profile, makers)
        self.references = {
            "order_intake": store, "po_dispatch": replace(bought, store=store), "billing": bills,
        }  # fmt: skip
        self.numbers = Numbers(dict.fromkeys(series_names(bills), 501) | {"po": 1})
        ready = b.order_ready()
        same = {name: getattr(ready, name) for name in OrderPlaced.model_fields if hasattr(ready, name)}
        self.paid = Decimal("0.00")
        if self.random.random() < 0.4:
            same["payments"] = tuple(p.model_copy(update={"approved_at": None}) for p in ready.payments)
            self._not_paid_yet()
        else:
            self.paid += ready.total
        self.publish(OrderPlaced(**same))
        if self.random.random() < 0.3:
            self._later("order_intake", "more", partial(self._pays, "more", "50.00"))
        for n in range(self.random.choice((0, 1, 1, 2))):
            by = self.random.choice(("customer", "customer", "store"))
            self._later("order_intake", f"wish-{n}", partial(self._wish, by, f"wish {n}"))

    def _later(self, service: str, id: str, say: Callable[[], Message]) -> None:
        self.waiting.append((service, id, Spoken(say)))

    def _not_paid_yet(self) -> None:
        """Some pay, some do not, or late; some want more meanwhile."""
        if self.random.random() < 0.8:
            self._later("order_intake", "pay-1", partial(self._pays, "pay-1", "300.00"))
        if self.random.random() < 0.4:
            expired = {"order_id": "order-1", "payment_id": "pay-1"}
            self._later(
                "order_intake",
                "pay-1/expired",
                lambda: PaymentExpired.model_validate(expired | {"expired_at": self.now}),
            )
        for n in range(self.random.choice((0, 1, 1, 2))):
            more = {"freight": Decimal(80 + 50 * n), "total": Decimal(350 + 50 * n)}
            self._later("order_intake", f"change-{n}", partial(self._changes, f"change-{n}", more))

    def _pays(self, payment_id: str, amount: str) -> PaymentApproved:
        self.paid += Decimal(amount)
        return PaymentApproved(order_id="order-1", payment_id=payment_id, amount=Decimal(amount), approved_at=self.now)

    def _changes(self, change_id: str, what: Mapping[str, Any]) -> OrderChangeRequested:
        return OrderChangeRequested(order_id="order-1", change_id=change_id, requested_at=self.now, **what)

    def _supplier(self, id: str, priority: int) -> SupplierChanged:
        terms = {"kind": self.random.choice(("on_s2", "on_s2", "prepaid"))}
        return SupplierChanged.model_validate(
            b.supplier_changed(id).model_dump() | {"priority": priority, "terms": terms}
        )

    def publish(self, event: Message) -> None:
        self.events.append(event)
        for service, table in TABLES.items():
            if type(event) in table:
                self.waiting.append((service, f"event-{len(self.events)}", event))

    def run(self) -> "Trio":
        """Until nothing is left to handle and no deadline of a PO is open."""
        while self.steps < 3000:
            if any(self._step() for _ in range(3 * len(self.waiting) + 1)):
                continue
            if not any(self._take(one) for one in list(self.waiting)) and not self._pass_time():
                break
        return self

    def without_what_was_lost(self) -> "Trio":
        """The store gives up what is in trouble at the end, and that is run to its end too."""
        pos = self.fulfilment.living if self.fulfilment is not None else ()
        if any(parcel.is_in_trouble for po in pos for parcel in po.shipments):
            self._later("order_intake", "lost for good", partial(self._wish, "store", "lost for good"))
            self.run()
        return self

    def _step(self) -> bool:
        """Whether something was handled."""
        if not self.waiting:
            return False
        self.steps += 1
        slow = [one for one in self.waiting if self._is_slow(one[0], one[2]) or self.random.random() < self.lag]
        self.now += timedelta(milliseconds=self.random.choice((0, 1, 50)))
        quick = [one for one in self.waiting if one not in slow]
        return self._take(self.random.choice(quick if quick and self.random.random() < 0.98 else self.waiting))

    def _take(self, one: tuple[str, str, Any]) -> bool:
        self.waiting.remove(one)
        service, id, what = one
        if isinstance(what, Spoken):
            what = what.say()
            self.events.append(what)
            one = (service, id, what)
        if self._handle(service, id, what):
            if isinstance(what, Message) and self.random.random() < 0.1:
                self._handle(service, id + "/again", what)
            return True
        self.waiting.append(one)
        return False

    def _is_slow(self, service: str, what: Any) -> bool:
        return isinstance(what, Spoken) or (service, _kind(what)) in self.held_up

    def _handle(self, service: str, id: str, what: Any) -> bool:
        key = _kind(what)
        cause = Cause(id, "test", "test.v1", "order-1", self.now, uuid5(NAMESPACE_URL, id))
        context = Context(self.now, cause, self.references[service], self.numbers, "order-1")
        outcome = TABLES[service][key](self.states.get(service), what, context)
        if isinstance(outcome, NotYet):
            return False
        if not isinstance(outcome, Decision):
            self.letters.append(outcome.code)
            return True
        self.states[service] = outcome.state
        self.rows = {getattr(row, "movement_id", id): row for row in outcome.rows} | self.rows
        for name in outcome.forget:
            self.reminders.pop((service, name), None)
        self.reminders |= {(service, reminder.name): reminder.due for reminder in outcome.reminders}
        for event in outcome.events:
            self.publish(event)
            if isinstance(event, InvoiceReduced):
                for message in self._what_is_left(event):
                    self.publish(message)
            kept = event.invoices_in_force if isinstance(event, BillingStopped) else isinstance(event, InvoiceRefused)
            if kept:
                self._later("billing", f"decided-{len(self.events)}", self._decided)
        for n, call in enumerate(outcome.calls):
            answer, said = self._asked(call.request)
            self.waiting.append((service, f"{id}/call/{n}", Answered("call", call.request, answer, self.now)))
            for message in said:
                self.publish(message)
        self._give_up_at_once()
        return True

    def _give_up_at_once(self) -> None:
        """Each parcel that the order book knows to be in trouble, once."""
        pos = (
            self.order.open_purchase_orders.values() if self.gives_up_at_once and "order_intake" in self.states else ()
        )
        lost = {id for po in pos if po.has_left for id, parcel in po.shipments.items() if parcel.is_in_trouble}
        if lost - self.asked_for:
            self.asked_for |= lost
            wish = self._wish("store", f"{', '.join(sorted(lost))} lost")
            self.events.append(wish)
            self._handle("order_intake", f"lost-{len(self.asked_for)}", wish)

    def _wish(self, by: Any, reason: str) -> OrderCancellationRequested:
        return OrderCancellationRequested(order_id="order-1", requested_by=by, reason=reason, requested_at=self.now)

    def _decided(self) -> OrderCancellationDecided:
        decision = self.random.choice(("continue", "returned"))
        what = {"order_id": "order-1", "decision": decision, "decided_by": "marina", "reason": "NF de entrada"}
        return OrderCancellationDecided.model_validate(what | {"decided_at": self.now})

    def _pass_time(self) -> bool:
        due = {
            k: at for k, at in self.reminders.items() if k[1] in ("deadline", "shipping_gate", "give_up", "difference")
        }
        if not due:
            return False
        service, name = min(due, key=lambda k: (due[k], k))
        at = self.reminders.pop((service, name))
        self.now = max(self.now, at)
        return self._handle(service, f"{name}/{at}", ReminderDue(name=name, key="order-1", due=at))

    # partners

    def _asked(self, request: Any) -> tuple[Any, list[Message]]:
        match request:
            case erp.RegisterSalesOrder():
                return erp.SalesOrderRegistered(number="SO1"), []
            case erp.UpdateSalesOrder():
                return erp.SalesOrderUpdated(number="SO1"), []
            case erp.MarkCompleted():
                return erp.CompletedMarked(number="SO1"), []
            case erp.MarkCancelled():
                return erp.CancelledMarked(number="SO1"), []
            case purchasing.RegisterPurchaseOrder():
                return purchasing.PurchaseOrderRegistered(number=f"PC{next(self.counted)}"), []
            case purchasing.RevisePurchaseOrder():
                self.books[request.po_id] = request.lines
                return purchasing.PurchaseOrderRevised(number=request.number), []
            case purchasing.VoidPurchaseOrder():
                self.voided_in_erp.append(request.po_id)
                return purchasing.PurchaseOrderVoided(number=request.number), []
            case purchasing.SendPurchaseOrder():
                self.sent.append(request.po_id)
                self.books[request.po_id] = request.lines
                return purchasing.PurchaseOrderReceived(number=request.number), list(self._ordered(request))
            case purchasing.CancelPurchaseOrder():
                return purchasing.CancellationReceived(number=request.number), list(self._cancelling(request))
            case purchasing.RemindSupplier():
                return purchasing.ReminderReceived(number=request.number), []
            case purchasing.HandOverInvoice():
                return purchasing.InvoiceReceived(number=request.number), list(self._handed_over(request))
            case money.AuthoriseInvoice():
                return b.authorised(request, received_at=self.now).answer, []
            case money.CancelInvoice():
                if self.random.random() < 0.4:
                    late = {"outcome": "rejected", "code": "501", "reason": "Prazo de Cancelamento Superior"}
                    return money.CancellationAnswered.model_validate(late), []
                fields = {"outcome": "cancelled", "code": "135", "protocol": "1352", "registered_at": self.now}
                return money.CancellationAnswered.model_validate(fields), []
            case money.MarkDispatched():
                return money.DispatchMarked(status="despachado"), []
            case money.OrderSupplierPayment():
                paid = b.payment_reported(request.payable_id, reported_at=self.now)
                self.waiting.append(("billing", f"paid/{request.payable_id}", paid))
                return money.SupplierPaymentTaken(erp_number="P1"), []
            case money.OrderRefund():
                back = RefundReported(
                    refund_id=request.refund_id, outcome="settled", bank_reference="B1", reported_at=self.now
                )
                self.waiting.append(("billing", f"back/{request.refund_id}", back))
                return money.RefundTaken(erp_number="E1"), []
        raise AssertionError(request)

    def _ordered(self, request: Any) -> Iterator[Message]:
        who = {"supplier_id": request.supplier.supplier_id, "po_number": request.number}
        chance = self.random.random()
        line = request.lines[0]
        if chance < 0.2:
            yield SupplierPoRefused(**who, refused_at=self._their_time(), reason="none left")
        elif chance < 0.4:
            part = RefusedPoLine(line=line.line, quantity=1)
            yield SupplierPoRefused(**who, lines=(part,), refused_at=self._their_time())
        if self.random.random() < 0.5:
            yield SupplierPoConfirmed(**who, confirmed_at=self.now)
        if chance >= 0.2 or self.random.random() < 0.3:
            yield self._s2(request)

    def _their_time(self) -> datetime:
        return self.now + timedelta(seconds=self.random.choice((-60, 0, 60)))

    def _s2(self, request: Any) -> SupplierNfMatched:
        lines = tuple(
            NfLine.model_validate(
                b.nf_line(line.line, line.order_line).model_dump()
                | {"quantity": Decimal(line.quantity), "total": line.total, "unit_cost": line.unit_cost}
            )
            for line in request.lines
        )
        total = sum((line.total for line in request.lines), Decimal(0))
        return b.nf_matched("po-a", lines=lines, total=total, payable=total, issued_at=self.now).model_copy(
            update={
                "po_id": request.po_id, "po_number": request.number, "supplier_id": request.supplier.supplier_id,
                "access_key": d.key(next(self.counted)),
            }
        )  # fmt: skip

    def _cancelling(self, request: Any) -> Iterator[Message]:
        who = {"supplier_id": request.supplier.supplier_id, "po_number": request.number}
        answers = self.random.choice(((True,), (True,), (False,), (False, True)))
        for n, accepted in enumerate(answers):
            at = self.now + timedelta(milliseconds=n)
            yield SupplierCancellationAnswered(**who, accepted=accepted, answered_at=at)

    def _handed_over(self, request: Any) -> Iterator[Message]:
        """S1, the parcel, its delivery; unless it said that it does not deliver."""
        po = self.po(request.po_id)
        said = [e for e in self.events if isinstance(e, SupplierCancellationAnswered) and e.po_number == request.number]
        if any(e.accepted for e in said) or po.void is not None:
            return
        about = {"order_id": "order-1", "po_id": request.po_id, "po_number": request.number}
        who = {"supplier_id": request.supplier.supplier_id, "po_number": request.number}
        yield RemittanceNfMatched(
            **about, supplier_id=who["supplier_id"], access_key=d.key(next(self.counted)),
            issued_at=self.now, invoice_key=request.invoice_key,
        )  # fmt: skip
        if self.random.random() < 0.3:  # R is issued, the goods have not left, and it finds none
            part = (RefusedPoLine(line=po.lines[0].line, quantity=1),)
            yield SupplierPoRefused(**who, lines=self.random.choice(((), part)), refused_at=self.now)
            return
        yield from self._ships(po)

    def _what_is_left(self, reduced: InvoiceReduced) -> Iterator[Message]:
        """Who refused a part after R was handed over ships the rest with it, once it is clear that R stays."""
        for po in self.fulfilment.living:
            if po.po_id in reduced.po_ids and po.handing_over:
                yield from self._ships(po)

    def _ships(self, po: PurchaseOrder) -> Iterator[Message]:
        """Its parcels, once, and what becomes of them."""
        who, code = {"supplier_id": po.supplier.supplier_id, "po_number": str(po.number)}, f"T-{po.number}"
        shipped = (e for e in self.events if isinstance(e, SupplierShipped))
        if po.shipments or any(e.po_number == po.number for e in shipped):
            return
        if self.parts and self.rests.random() < 0.5 and self._says_all_it_means(po):
            yield from self._without_the_rest(who, code, po)
            return
        yield from self._apart(who, code, po)
        yield SupplierShipped(**who, carrier="rapido", tracking_code=code, shipped_at=self.now)
        arrives = self.random.random() < 0.7
        yield self._carried(code, "delivered" if arrives else "problem")
        if arrives:
            return
        if self.parts and self.parcels.random() < 0.4:
            for status in ("in_transit", "delivered"):
                self._later("po_dispatch", f"{code}/{status}", partial(self._carried, code, status))
        for n in range(self.random.choice((1, 2))):
            self._later("order_intake", f"{code}/{n}", partial(self._wish, "store", f"{code} is lost"))
        if self.random.random() < 0.2:
            self._later("po_dispatch", f"{code}/found", partial(self._carried, code, "delivered"))

    def _apart(self, who: Mapping[str, str], code: str, po: PurchaseOrder) -> Iterator[Message]:
        """Some suppliers let one unit leave, and arrive, by itself. What leaves after it does not say what it holds."""
        if not self.parts or sum(line.quantity for line in po.lines) < 2 or self.parcels.random() > 0.4:
            return
        one, first = (ShippedPoLine(line=po.lines[0].line, quantity=1),), f"{code}-first"
        yield SupplierShipped(**who, lines=one, carrier="rapido", tracking_code=first, shipped_at=self.now)
        yield self._carried(first, "delivered")

    def _says_all_it_means(self, po: PurchaseOrder) -> bool:
        """It has several pieces, and no word of its on them is under way."""
        spoken = (what for _, _, what in self.waiting if isinstance(what, SupplierPoRefused))
        return all(word.po_number != po.number for word in spoken) and sum(line.quantity for line in po.lines) > 1

    def _without_the_rest(self, who: Mapping[str, str], code: str, po: PurchaseOrder) -> Iterator[Message]:
        """One unit leaves; of the others the supplier finds none any more, or all but one, which leave later."""
        pieces = {line.line: line.quantity for line in po.lines}
        first = next(iter(pieces))
        pieces[first] -= 1
        yield SupplierShipped(
            **who, lines=(ShippedPoLine(line=first, quantity=1),), carrier="rapido", tracking_code=code,
            shipped_at=self.now,
        )  # fmt: skip
        yield self._carried(code, "delivered")
        gone = {line: quantity for line, quantity in pieces.items() if quantity}
        if self.rests.random() < 0.5:
            gone = {next(iter(gone)): 1}
        refused = tuple(RefusedPoLine(line=line, quantity=quantity) for line, quantity in gone.items())
        yield SupplierPoRefused(**who, lines=refused, refused_at=self.now, reason="no more of it")
        left = tuple(
            ShippedPoLine(line=line, quantity=quantity - gone.get(line, 0))
            for line, quantity in pieces.items()
            if quantity > gone.get(line, 0)
        )
        if left:
            yield SupplierShipped(
                **who, lines=left, carrier="rapido", tracking_code=f"{code}-last", shipped_at=self.now
            )
            yield self._carried(f"{code}-last", "delivered")

    def _carried(self, code: str, status: str) -> CarrierReported:
        said = {"carrier": "rapido", "tracking_code": code, "status": status}
        return CarrierReported.model_validate(said | {"occurred_at": self.now})

    # what became of it

    @property
    def order(self) -> Any:
        return self.states["order_intake"]

    @property
    def fulfilment(self) -> Any:
        return self.states.get("po_dispatch")

    @property
    def bill(self) -> Any:
        return self.states.get("billing")

    def po(self, po_id: str) -> PurchaseOrder:
        found: PurchaseOrder = self.fulfilment.po(po_id)
        return found

    def balance(self) -> OrderBalance:
        debits: dict[str, Decimal] = dict.fromkeys(Account, Decimal(0))
        for row in self.rows.values():
            if isinstance(row, Movement):
                debits[row.debit] += row.amount
                debits[row.credit] -= row.amount
        return order_balance("order-1", debits, self.bill)
