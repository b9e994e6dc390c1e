"""One order's purchasing in memory: the service's own table of decisions, its calls, its messages to itself, its clock.

What partners and the rest of the fleet may say is offered (`sayable`), and said when somebody chooses it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from schemas.billing import InvoiceCancelled, SupplierPaymentRefused, SupplierPaymentSettled
from schemas.decision import Answered, Call, Cause, Context, Decision, NotYet, Numbers, Outcome, Refused
from schemas.model import Message
from schemas.order import OrderCancellationRefused, OrderCancellationStarted, OrderReady
from schemas.purchase_order import PoLine, PurchaseOrderCancelled, PurchaseOrderCreated, PurchaseOrderRefused
from schemas.runtime import ReminderDue
from schemas.sourcing import SourcingRetryDue
from schemas.supplier import (
    RefusedPoLine,
    SupplierCancellationAnswered,
    SupplierPoConfirmed,
    SupplierPoRefused,
    SupplierShipped,
)
from services.po_dispatch.__main__ import FULFILMENT, SUBSCRIPTIONS
from services.po_dispatch.decide import making
from services.po_dispatch.purchase_order import PurchaseOrder
from services.po_dispatch.state import (
    CancellationReceived,
    CancelPurchaseOrder,
    Fulfilment,
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    PurchaseOrderRevised,
    PurchaseOrderVoided,
    RegisterPurchaseOrder,
    ReminderReceived,
    RemindSupplier,
    RevisePurchaseOrder,
    SendPurchaseOrder,
    Sourcing,
    VoidPurchaseOrder,
)
from shared.worker.subscription import Answer, Subscription, Timer
from tests.unit.po_dispatch import builders as b

_SPACE = UUID("1b671a64-40d5-491e-99b0-da01ff1f3341")
DECIDE: Mapping[Any, Any] = {
    **{s.message: s.decide for s in SUBSCRIPTIONS if isinstance(s, Subscription) and s.aggregate is FULFILMENT},
    **{s.request: s.decide for s in SUBSCRIPTIONS if isinstance(s, Answer)},
    **{s.name: s.decide for s in SUBSCRIPTIONS if isinstance(s, Timer)},
}


@dataclass(frozen=True)
class Said:
    """Something that may be handled any number of times, under the same id."""

    id: str
    data: Any


@dataclass
class World:
    reference: Sourcing
    fulfilment: Fulfilment | None = None
    now: datetime = b.NOW
    events: list[Message] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    reminders: dict[str, datetime] = field(default_factory=dict)
    waiting: list[Said] = field(default_factory=list)
    """Messages to itself and the partners' answers, not handled yet."""
    steps: int = 0
    numbers: Numbers = field(default_factory=lambda: Numbers({making.PO_SERIES: 1}))

    def copy(self) -> "World":
        """States and messages are frozen, so the lists are enough."""
        numbers = Numbers(self.numbers.following)
        mutable = (list(self.events), list(self.calls), dict(self.reminders), list(self.waiting))
        return World(self.reference, self.fulfilment, self.now, *mutable, self.steps, numbers)

    def handle(self, said: Said) -> Outcome[Fulfilment]:
        """Decides and takes over what follows; a self-message and an answer is waited for once it was made."""
        self.steps += 1
        cause = Cause(said.id, "/test", "test.v1", "O-1", self.now, uuid5(_SPACE, said.id))
        following = dict(self.numbers.following)
        outcome: Outcome[Fulfilment] = DECIDE[_route(said.data)](
            self.fulfilment, said.data, Context(self.now, cause, self.reference, self.numbers, "O-1")
        )
        if not isinstance(outcome, Decision):
            self.numbers = Numbers(following)
            return outcome
        self.fulfilment = outcome.state
        self.reminders |= {reminder.name: reminder.due for reminder in outcome.reminders}
        for name in outcome.forget:
            self.reminders.pop(name, None)
        for n, event in enumerate(outcome.events):
            self.events.append(event)
            if isinstance(event, SourcingRetryDue):
                self.waiting.append(Said(f"{said.id}/{self.steps}/{n}", event))
        for n, call in enumerate(outcome.calls):
            self.calls.append(call)
            self.waiting.append(Said(f"{said.id}/{self.steps}/call/{n}", self._answer(call)))
        return outcome

    def pass_time(self) -> Said | None:
        """To the next reminder, which is taken away and comes as a message."""
        if not self.reminders:
            return None
        name = min(self.reminders, key=lambda n: (self.reminders[n], n))
        due = self.reminders.pop(name)
        self.now = max(self.now, due)
        return Said(f"{name}/{due}", ReminderDue(name=name, key="O-1", due=due))

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def _answer(self, call: Call) -> Answered[Any, Any]:
        request = call.request
        match request:
            case RegisterPurchaseOrder():
                registered = sum(isinstance(c.request, RegisterPurchaseOrder) for c in self.calls)
                answer: Any = PurchaseOrderRegistered(number=f"PC{registered}")
            case RevisePurchaseOrder(number=number):
                answer = PurchaseOrderRevised(number=number)
            case VoidPurchaseOrder(number=number):
                answer = PurchaseOrderVoided(number=number)
            case SendPurchaseOrder(number=number):
                answer = PurchaseOrderReceived(number=number)
            case CancelPurchaseOrder(number=number):
                answer = CancellationReceived(number=number)
            case RemindSupplier(number=number):
                answer = ReminderReceived(number=number)
            case HandOverInvoice(number=number):
                answer = InvoiceReceived(number=number)
            case _:
                raise AssertionError(f"no partner takes {request}")
        return Answered("call", request, answer, self.now)

    # what can be said

    def sayable(self, of: int | None = None) -> Iterator[Any]:
        """What others may say now; a message under a new id each. `of`: of so many of the POs only."""
        at = self.now
        wanted = {"order_id": "O-1", "store_id": "shop", "channel_id": "shop", "reason": "asked for", "started_at": at}
        yield OrderCancellationStarted.model_validate(wanted | {"cause": "requested"})
        yield OrderCancellationStarted.model_validate(wanted | {"cause": "lost"})
        yield OrderCancellationRefused(order_id="O-1", store_id="shop", channel_id="shop", reasons=(), refused_at=at)
        for po in self.fulfilment.purchase_orders[:of] if self.fulfilment else ():
            if po.number is not None and po.created_at is not None:
                yield from self._of_created(po)
            if po.number is not None and po.ordered_at is not None:
                yield from self._of_supplier(po, po.number)

    def _of_created(self, po: PurchaseOrder) -> Iterator[Any]:
        if po.is_prepaid:
            paid = {"order_id": "O-1", "po_id": po.po_id, "supplier_id": po.supplier.supplier_id, "payable_id": "P"}
            yield SupplierPaymentSettled(**paid, amount=po.total, settled_at=self.now)
            yield SupplierPaymentRefused(**paid, amount=po.total, detail="", refused_at=self.now)

    def _of_supplier(self, po: PurchaseOrder, number: str) -> Iterator[Any]:
        assert self.fulfilment is not None
        who: dict[str, Any] = {"supplier_id": po.supplier.supplier_id, "po_number": number}
        yield SupplierPoConfirmed(**who, confirmed_at=self.now)
        yield SupplierPoRefused(**who, refused_at=self.now, reason="none left")
        part = RefusedPoLine(line=1, quantity=1)
        yield SupplierPoRefused(**who, lines=(part,), refused_at=self.now)
        yield b.sale_nf_matched(self.fulfilment, number)
        if po.cancellation is not None:
            yield SupplierCancellationAnswered(**who, accepted=True, answered_at=self.now)
            yield SupplierCancellationAnswered(**who, accepted=False, answered_at=self.now)
        if po.is_lost:
            yield b.lost(po.po_id, at=self.now)
        yield SupplierShipped(**who, carrier="rapido", tracking_code=f"T-{number}", shipped_at=self.now)
        yield b.carrier_reported(f"T-{number}", at=self.now)
        yield b.carrier_reported(f"T-{number}", "problem", at=self.now)
        yield b.shipped(number, po.supplier.supplier_id, tracking_code=f"T2-{number}")
        key = b.key(int(number[2:]) + 10 * len(po.cancelled_invoices))
        yield b.invoice_issued(self.fulfilment, number, access_key=key, issued_at=self.now)
        if po.invoice_key is not None:
            yield InvoiceCancelled(
                order_id="O-1",
                store_id="shop",
                channel_id="shop",
                invoice_id="R",
                po_ids=(po.po_id,),
                access_key=po.invoice_key,
                protocol="1",
                cancelled_at=self.now,
            )

    # what must hold

    def bought(self) -> Counter[int]:
        """By order line: what the living POs deliver."""
        living = self.fulfilment.living if self.fulfilment else ()
        return sum((Counter({line.order_line: line.quantity}) for po in living for line in po.lines), Counter())

    def check(self, ordered: OrderReady) -> None:
        """The invariants that hold after every step."""
        assert self.fulfilment is not None
        if self.fulfilment.order is None:
            assert not self.fulfilment.purchase_orders
            return
        wanted = Counter({item.line: item.quantity for item in ordered.items})
        open_ = Counter({line.line: line.quantity for line in self.fulfilment.open_lines})
        known = self.bought() + open_ + Counter(self.fulfilment.given_up)
        assert known == wanted, "living POs, what is open and what was given up are what was ordered"
        self._check_told()
        self._check_calls()

    def _check_told(self) -> None:
        """Who only hears what is published knows the same POs with the same content."""
        assert self.fulfilment is not None
        known: dict[str, tuple[PoLine, ...]] = {}
        void: set[str] = set()
        for event in self.events:
            match event:
                case PurchaseOrderCreated(po_id=po_id, lines=lines):
                    assert po_id not in known, "created once"
                    known[po_id] = lines
                case PurchaseOrderRefused(po_id=po_id, lines=lines):
                    assert po_id not in void, "nothing is told of a void PO"
                    known[po_id] = lines
                    void |= set() if lines else {po_id}
                case PurchaseOrderCancelled(po_id=po_id):
                    assert po_id not in void, "void once"
                    void.add(po_id)
        living = {po.po_id: po.lines for po in self.fulfilment.living if po.created_at is not None}
        assert {po_id: lines for po_id, lines in known.items() if po_id not in void} == living

    def _check_calls(self) -> None:
        made = Counter((type(c.request).__name__, c.request.model_dump_json()) for c in self.calls)
        assert all(count == 1 for (name, _), count in made.items() if name != "CancelPurchaseOrder"), made
        sent = [c.request.po_id for c in self.calls if isinstance(c.request, SendPurchaseOrder)]
        assert len(sent) == len(set(sent)), "a PO is sent once"
        assert self.fulfilment is not None
        numbers = [po.number for po in self.fulfilment.purchase_orders if po.number]
        assert len(numbers) == len(set(numbers))


def _route(data: Any) -> Any:
    match data:
        case Answered(request=request):
            return type(request)
        case ReminderDue(name=name):
            return name
        case _:
            return type(data)


def order() -> OrderReady:
    """Two lines, one with a quantity that can be refused in part."""
    return b.order_ready(items=(b.item(1, "A", 3), b.item(2, "B", 1)), total=Decimal("80.00"))


__all__ = ["NotYet", "Refused", "Said", "World", "order"]
