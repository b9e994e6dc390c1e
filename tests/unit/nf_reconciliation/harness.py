"""nf_reconciliation's decisions on states in memory, by its own subscription table: what is published comes back.

States go through JSON as in the database. What has to wait is tried again when all else is done.
"""

from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from random import Random
from typing import Any, TypeVar
from uuid import uuid5

from schemas.billing import InvoiceIssued
from schemas.catalogue import by_type
from schemas.decision import Answered, Call, Cause, Context, Decision, NotYet, Numbers, Refused
from schemas.envelope import reference
from schemas.model import Message, Model
from schemas.purchase_order import PurchaseOrderCreated
from schemas.supplier import SupplierNfIssued
from services.nf_reconciliation.__main__ import PO, STORE, SUBSCRIPTIONS, SUPPLIER
from services.nf_reconciliation.candidates import fitting
from services.nf_reconciliation.checks import kind_of
from services.nf_reconciliation.document_fields import Document
from services.nf_reconciliation.reading import document_of
from services.nf_reconciliation.state import PurchaseOrder, Received, SupplierNfBooked
from shared.worker.subscription import Aggregate, Answer, Subscription
from tests.unit.nf_builders import ISSUED_AT

M = TypeVar("M", bound=Message)
NOW = ISSUED_AT + timedelta(hours=1)


class Desk:
    """One replica of the service with its states."""

    def __init__(self, *messages: Message) -> None:
        self.states: dict[tuple[str, str], str] = {}
        self.facts: list[Message] = []
        self.commands: list[Message] = []
        self.calls: list[Call] = []
        self.refusals: list[Refused] = []
        self.waiting: list[Message] = []
        self.queue: deque[Message] = deque()
        self.late = timedelta(0)
        """How long after it was said each message is handled."""
        self._repeated: dict[int, Message] = {}
        for message in messages:
            self.take(message)

    def take(self, message: Message) -> None:
        """Handles it and all that follows from it."""
        self.queue.append(message)
        before = -1
        while self.queue:
            self.step()
            if not self.queue and len(self.states) + len(self.commands) != before:
                before = len(self.states) + len(self.commands)
                self.queue.extend(self.waiting)
                self.waiting = []

    def take_shuffled(self, messages: Iterable[Message], order: Random) -> None:
        """Handles all of it, and all that follows from it, each at any time and each twice."""
        self.queue.extend(messages)
        while self.queue or self.waiting:
            position = order.randrange(len(self.queue) + 1) if self.queue else 0
            if position < len(self.queue):
                self.queue.rotate(-position)
                if self._first_time(self.queue[0]):
                    self.queue.append(self.queue[0])
                self.step()
            elif self.waiting:
                self.queue.append(self.waiting.pop(0))

    def _first_time(self, message: Message) -> bool:
        known = id(message) in self._repeated
        self._repeated[id(message)] = message
        return not known

    def step(self) -> None:
        message = self.queue.popleft()
        subscription = subscription_of(message)
        key = subscription.key(message) if subscription.key is not None else message.subject
        self._apply(message, subscription.aggregate, key, subscription.decide)

    def answer(self, call: Call, answer: Model) -> None:
        """The partner's answer to one of its calls comes back."""
        [entry] = [s for s in SUBSCRIPTIONS if isinstance(s, Answer) and s.request is type(call.request)]
        said = Answered("call-1", call.request, answer, NOW)
        assert isinstance(answer, SupplierNfBooked)
        self._apply(said, entry.aggregate, call.request.access_key, entry.decide)  # type: ignore[attr-defined]

    def _apply(self, message: Any, aggregate: Aggregate[Any], key: str, decide: Any) -> None:
        outcome = decide(self.state(aggregate, key), message, self._context(message, key))
        match outcome:
            case Decision(state=state):
                if state is not None:
                    self.states[aggregate.table, key] = state.model_dump_json()
                self.calls += outcome.calls
                for event in outcome.events:
                    self._publish(type(event).model_validate_json(event.model_dump_json()))
            case NotYet():
                self.waiting.append(message)
            case Refused():
                self.refusals.append(outcome)

    def _publish(self, event: Message) -> None:
        if by_type()[event.TYPE].kind == "command":
            self.commands.append(event)
            self.queue.append(event)
        else:
            self.facts.append(event)

    def state(self, aggregate: Aggregate[Any], key: str) -> Any:
        body = self.states.get((aggregate.table, key))
        return None if body is None else aggregate.model.model_validate_json(body)

    def facts_of(self, model: type[M]) -> list[M]:
        return [fact for fact in self.facts if isinstance(fact, model)]

    def _context(self, message: Any, key: str) -> Context[Any]:
        subject = message.subject if isinstance(message, Message) else key
        id_ = str(uuid5(reference("test", subject), repr(message)))
        cause = Cause(
            id=id_, source="test", type="test.happened.v1", subject=subject, time=NOW, ref=reference("t", id_)
        )
        return Context(NOW + self.late, cause, self._reference(message), Numbers({}), key)

    def _reference(self, message: Any) -> Any:
        """What the store's functions load, from memory."""
        match message:
            case PurchaseOrderCreated():
                return self.state(STORE, message.store_id)
            case InvoiceIssued():
                return document_of(message.xml)
            case SupplierNfIssued():
                return self._received(message)
        return None

    def _received(self, message: SupplierNfIssued) -> Received:
        document = document_of(message.xml)
        stores = [STORE.model.model_validate_json(b) for (table, _), b in self.states.items() if table == STORE.table]
        sellers = {version.seller.cnpj for timeline in stores for version in timeline.versions}
        pos = [PurchaseOrder.model_validate_json(b) for (table, _), b in self.states.items() if table == PO.table]
        created = [po for po in pos if po.created is not None and po.created.supplier_id == message.supplier_id]
        candidates: tuple[str, ...] = ()
        if isinstance(document, Document) and all(line.po_number is None for line in document.lines):
            if kind_of(document) == "remittance":
                billed = [po for po in created if any(i.invoice_key in document.cites for i in po.invoices)]
                candidates = tuple(po.created.po_number for po in billed if po.created is not None)
            else:
                candidates = fitting(document, created)
        return Received(
            document=document,
            supplier=self.state(SUPPLIER, message.supplier_id),
            stores_known=bool(stores),
            for_a_store=isinstance(document, Document) and document.receiver.tax_id in sellers,
            order_ids={po.created.po_number: po.created.order_id for po in pos if po.created is not None},
            candidates=candidates,
        )


def subscription_of(message: Message) -> Subscription:
    [found] = [s for s in SUBSCRIPTIONS if isinstance(s, Subscription) and s.message is type(message)]
    return found
