"""What must hold after every step. Each is looked at where it could break: at a commit, or at a publish."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from schemas import catalogue
from schemas.decision import Context, Decision, Numbers
from schemas.model import Message
from schemas.order import OrderStatusChanged
from services.billing.ledger import Movement
from services.billing.requests import (
    AuthoriseInvoice,
)
from services.billing.state import Bill
from services.order_intake.decide.status import RANK
from services.order_intake.state import Order
from shared.worker.incoming import Incoming
from shared.worker.routes import plain
from tests.simulation.event import Event, Pack
from tests.simulation.transaction import Transaction

IDENTIFYING = (
    "order_id", "po_id", "status", "access_key", "shipment_id", "payable_id", "fact", "reference", "invoice_id",
    "label", "at",
)  # fmt: skip
"""Fields that tell two facts of one type apart."""


AGAIN = 8


class Violated(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True)
class Invariants:
    """Remembers what has happened by itself: it does not ask the stores that it watches."""

    handled: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    """Which events each service has handled: ids by ref."""
    said: dict[int, Event] = field(default_factory=dict)
    """Everything that the fleet's commits have said, by ref."""
    by_model: dict[type[Message], list[Message]] = field(default_factory=lambda: defaultdict(list))
    """The same, as messages."""
    facts: dict[tuple[Any, ...], Event] = field(default_factory=dict)
    statuses: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Each order's last published status."""
    invoices: dict[str, str] = field(default_factory=dict)
    """R's key by PO."""
    keys: set[str] = field(default_factory=set)
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    """The last number of each series of R."""
    movements: dict[UUID, Movement] = field(default_factory=dict)
    _decided: int = 0

    def committed(self, service: str, transaction: Transaction) -> None:
        for result in transaction.results:
            if result.status == "handled":
                self._handled(service, result.item)
            elif result.status == "dead":
                raise Violated(
                    f"{service}: {result.item.type} {result.item.id} is dead: {result.reason} {result.error}"
                )
            for row in result.decision.rows if result.decision is not None else ():
                self._row(row)
        for key in sorted(transaction.fold.changed):
            match transaction.fold.states[key]:
                case Order() as order:
                    self._state(key, transaction.before.get(key), order)
                case Bill() as bill:
                    self._billed(bill)
        for call in transaction.calls:
            if isinstance(call.request, AuthoriseInvoice):
                self._numbered(call.request)
        self.hear(transaction.outbox.events)
        self._said_again(service, transaction)

    def _said_again(self, service: str, transaction: Transaction) -> None:
        """Every eighth event: decided again, whatever its batch did since, nothing follows and nothing changes."""
        for result in transaction.results:
            if result.status != "handled":
                continue
            self._decided += 1
            if self._decided % AGAIN or result.item.key is None:
                continue
            fold, item = transaction.fold, result.item
            state = fold.states.get(item.key)
            numbers = Numbers(fold.numbers.following)
            reference = transaction.reference_of(item)
            context = Context(fold.now, item.cause, reference, numbers, plain(item.key))
            again = item.route.decide(state, item.data, context)
            follows = not isinstance(again, Decision) or again.events or again.calls or again.reminders
            if follows or again.state != state:
                raise Violated(f"{service}: {item.type} {item.id} decided again is {str(again)[:2000]}")

    def _handled(self, service: str, item: Incoming) -> None:
        known = self.handled[service]
        if item.ref.int in known:
            raise Violated(f"{service} has handled {item.type} {item.id} twice")
        known[item.ref.int] = item.id

    def _row(self, row: Any) -> None:
        """The same movement says the same; when it was noted may differ."""
        if isinstance(row, Movement):
            known = self.movements.setdefault(row.movement_id, row)
            if known.model_copy(update={"at": row.at}) != row:
                raise Violated(f"movement {row.movement_id} is {known} and {row}")

    def _state(self, key: str, before: Order | None, after: Order) -> None:
        if before is None or before.status is None:
            return
        if after.status is None or RANK[after.status] < RANK[before.status]:
            raise Violated(f"{key} goes back from {before.status} to {after.status}")

    def _numbered(self, request: AuthoriseInvoice) -> None:
        """Gapless: the numbers of a series are taken in order, one by one, each for one key."""
        document = request.document
        series = (document.issuer.cnpj, document.series)
        if document.number != self.numbers.get(series, 0) + 1:
            raise Violated(f"series {series}: number {document.number} follows {self.numbers.get(series, 0)}")
        if document.access_key in self.keys:
            raise Violated(f"key {document.access_key} is used twice")
        self.numbers[series] = document.number
        self.keys.add(document.access_key)

    def _billed(self, bill: Bill) -> None:
        """No PO has two R."""
        for invoice in bill.invoices:
            for po_id in invoice.po_ids:
                if self.invoices.setdefault(po_id, invoice.access_key) != invoice.access_key:
                    raise Violated(f"PO {po_id} has R {self.invoices[po_id]} and {invoice.access_key}")

    def hear(self, events: Iterable[Event]) -> None:
        for event in events:
            ref, data = event.ref.int, event.data
            if ref in self.said:
                raise Violated(f"{data.TYPE} {event.id} was said by two commits")
            self.said[ref] = event
            self.by_model[type(data)].append(data)
            if catalogue.by_type()[data.TYPE].kind == "fact":
                self._fact(event)

    def _fact(self, event: Event) -> None:
        slot = fact_of(event.data)
        if self.facts.setdefault(slot, event) is not event:
            raise Violated(f"said twice: {slot}")
        if isinstance(event.data, OrderStatusChanged):
            self._status(event.data)

    def _status(self, change: OrderStatusChanged) -> None:
        last, at = self.statuses.get(change.order_id, (None, change.changed_at))
        if change.previous != last or at > change.changed_at:
            raise Violated(f"{change.order_id}: {change.status} follows {change.previous}, published was {last}")
        if last is not None and RANK[change.status] <= RANK[last]:  # type: ignore[index]
            raise Violated(f"{change.order_id} goes back from {last} to {change.status}")
        self.statuses[change.order_id] = (change.status, change.changed_at)

    def published(self, service: str, pack: Pack) -> None:
        """Nothing is sent that no commit has said. (What travels as bytes is looked at where it arrives.)"""
        for event in pack.events:
            if event.ref.int not in self.said:
                raise Violated(f"{service} sends {event.data.TYPE} {event.id}, which no commit has said")


def fact_of(message: Message) -> tuple[Any, ...]:
    """What the message says, in short: nothing else of its type says the same."""
    return (message.TYPE, *[getattr(message, name) for name in _identifying(type(message))])


@cache
def _identifying(model: type[Message]) -> tuple[str, ...]:
    return tuple(name for name in IDENTIFYING if name in model.model_fields)
