"""The machines of a bill as one table each, every row taken through real messages, and no other one: an R, a payable
and a refund."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from schemas.billing import InvoiceCancelled
from schemas.decision import Answered, Decision, Exhausted, NotYet, Refused
from schemas.model import Message
from schemas.order import OrderCancellationDecided, OrderPaymentReceived
from schemas.shipment import ShipmentDelivered
from schemas.sourcing import SourcingGivenUp
from schemas.supplier import Terms
from services.billing import __main__ as main
from services.billing import requests as asked
from services.billing.state import Bill, InvoiceStatus, PayableStatus, RefundStatus
from shared.worker.subscription import Answer, Subscription
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run
from tests.unit.billing.test_refunds import reported, requested
from tests.unit.billing.test_replaced import A_IS_VOID, GOES_ON, NF_C, PER_PO, PO_C, STARTED, SUPPLIED, refused
from tests.unit.billing.test_settling import decided, left
from tests.unit.billing.test_stopping import fulfilment_stopped
from tests.unit.billing.test_stopping import refused as goes_on
from tests.unit.billing.test_stopping import started as started_at

Row = tuple[str, str, str, tuple[str, ...]]
"""Status before, message (of a partner's answer: its request), status after, kinds of what is said of it. `-`: new."""
Step = Message | Callable[["Book"], Iterable[Any]]

ISSUED, WITHDRAWN = ("InvoiceIssued",), ("InvoiceCancelled",)
NEWLY_BILLED = (
    "OrderReady", "PurchaseOrderCreated", "SupplierNfMatched", "SourcingGivenUp", "OrderCancellationRefused",
    "OrderCancellationDecided", "CancelInvoice",
)  # fmt: skip
"""After each of these all that an R needs may be there, or what it replaces be gone."""
NO_LONGER_WANTED = (
    "FulfilmentStopped", "OrderCancellationStarted", "OrderCancellationRefused", "PurchaseOrderCancelled",
    "PurchaseOrderRefused", "PurchaseOrderCreated", "SupplierNfMatched", "SourcingGivenUp",
)  # fmt: skip
"""An R in force is to be cancelled: in a cancellation, or because it bills goods that do not come. What is heard next
notices that po_dispatch had named a PO as cancelled."""
INVOICE_ROWS: frozenset[Row] = frozenset(
    {
        *(("-", kind, "requested", ()) for kind in NEWLY_BILLED),
        ("requested", "AuthoriseInvoice", "issued", ISSUED),
        ("requested", "AuthoriseInvoice", "issued", (*ISSUED, "InvoiceRefused")),
        ("requested", "AuthoriseInvoice", "cancelling", ISSUED),
        ("requested", "AuthoriseInvoice", "refused", ("InvoiceRefused",)),
        ("refused", "AuthoriseInvoice", "issued", ISSUED),
        ("refused", "AuthoriseInvoice", "cancelling", ISSUED),
        *(("issued", kind, "cancelling", ()) for kind in NO_LONGER_WANTED),
        ("issued", "OrderCancellationDecided", "undone", WITHDRAWN),
        ("cancelling", "CancelInvoice", "cancelled", WITHDRAWN),
        ("cancelling", "CancelInvoice", "issued", ()),
        ("cancelling", "CancelInvoice", "issued", ("InvoiceRefused",)),
        ("cancelling", "CancelInvoice", "undone", WITHDRAWN),
    }
)
"""`cancelling` goes back to `issued` where SEFAZ says no, or is not reached within the window; to `undone` where a
person decided meanwhile."""

OPENED, SETTLED, NOT_PAID = ("PayableOpened",), ("SupplierPaymentSettled",), ("SupplierPaymentRefused",)
BANK = "SupplierPaymentReported"
PAYABLE_ROWS: frozenset[Row] = frozenset(
    {
        *(("-", kind, "open", OPENED) for kind in ("OrderReady", "PurchaseOrderCreated", "SupplierNfMatched")),
        *(("-", kind, "ordering", OPENED) for kind in ("OrderReady", "PurchaseOrderCreated", "SupplierNfMatched")),
        *(("-", kind, "covered", ()) for kind in ("PurchaseOrderCreated", "SupplierNfMatched")),
        ("-", "SupplierNfMatched", "open", ("PayableWithheld",)),
        *(
            ("open", kind, "dropped", ())
            for kind in NO_LONGER_WANTED
            if kind not in ("FulfilmentStopped", "OrderCancellationStarted")
        ),
        ("open", "OrderCancellationRefused", "ordering", ()),
        ("open", "ShipmentDelivered", "ordering", ()),
        ("open", "PurchaseOrderRefused", "ordering", ("PayableWithheld",)),
        ("ordering", "OrderSupplierPayment", "ordered", ("SupplierPaymentOrdered",)),
        *((status, BANK, "settled", SETTLED) for status in ("open", "ordering", "ordered", "refused", "dropped")),
        *((status, BANK, "refused", NOT_PAID) for status in ("open", "ordering", "ordered")),
    }
)
"""What nobody ordered a person pays; what was refused may be settled later. Nothing is owed of what is `covered`."""

PAID_BACK, FAILED = ("RefundSettled",), ("RefundFailed",)
REFUND_ROWS: frozenset[Row] = frozenset(
    {
        ("-", "RefundRequested", "requested", ()),
        ("-", "RefundRequested", "ordering", ()),
        ("-", "RefundRequested", "ordered", ("RefundOrdered",)),
        ("ordering", "OrderRefund", "ordered", ("RefundOrdered",)),
        *(
            (status, "RefundReported", "settled", PAID_BACK)
            for status in ("requested", "ordering", "ordered", "failed")
        ),
        *((status, "RefundReported", "failed", FAILED) for status in ("requested", "ordering", "ordered")),
    }
)
TABLES = {
    "invoice": (INVOICE_ROWS, InvoiceStatus, {"cancelled", "undone"}),
    "payable": (PAYABLE_ROWS, PayableStatus, {"covered", "settled"}),
    "refund": (REFUND_ROWS, RefundStatus, {"settled"}),
}
"""Rows, statuses, and those of them that are an end."""
MOVES_NO_STATUS = {
    "OrderPaymentReceived": "the ledger has it",
    "RemittanceNfMatched": "S1 is noted",
    "ShipmentDispatched": "keeps an R from being cancelled",
    "MarkDispatched": "that the ERP was asked is remembered",
}
REFUSALS = {
    ("OrderCancellationDecided", "decided_otherwise"),
    ("OrderCancellationDecided", "nothing_to_decide"),
    ("OrderCancellationDecided", "not_being_cancelled"),
    ("RefundReported", "unknown_refund"),
    ("RefundReported", "refund_settled_before"),
    ("SupplierPaymentReported", "payment_settled_before"),
    ("SupplierPaymentReported", "paid_in_advance"),
}

OURS = [s for s in main.SUBSCRIPTIONS if s.aggregate is main.BILL]
DECIDE: dict[type, Callable[..., Any]] = {s.message: s.decide for s in OURS if isinstance(s, Subscription)}
DECIDE |= {s.request: s.decide for s in OURS if isinstance(s, Answer)}
EXHAUSTED = {s.request: s.exhausted for s in OURS if isinstance(s, Answer) and s.exhausted is not None}


class Book(Run):
    """A bill that notes every step of its machines, and what was refused."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.taken: set[tuple[str, Row]] = set()
        self.refused: set[tuple[str, str]] = set()

    def handle(self, what: Any) -> None:
        kind = type(getattr(what, "request", what))
        known = EXHAUSTED if isinstance(what, Exhausted) else DECIDE
        before, outcome = places(self.bill), known[kind](self.bill, what, self.context())
        match outcome:
            case Refused():
                self.refused.add((kind.__name__, outcome.code))
            case Decision():
                self.take(outcome)
                self._note(before, kind.__name__, outcome.events)
            case NotYet():
                pass

    def _note(self, before: dict[tuple[str, str], str], kind: str, events: Sequence[Message]) -> None:
        after = places(self.bill)
        assert before.keys() <= after.keys(), "what was there once stays"
        for (machine, id), place in after.items():
            said = tuple(type(event).__name__ for event in events if getattr(event, f"{machine}_id", None) == id)
            if before.get((machine, id), "-") != place:
                self.taken.add((machine, (before.get((machine, id), "-"), kind, place, said)))

    def go(self, *steps: Step) -> "Book":
        for step in steps:
            for what in (step,) if isinstance(step, Message) else tuple(step(self)):
                self.handle(what)
        return self

    def copy(self) -> "Book":
        other = Book(known=self.known, bill=self.bill, calls=list(self.calls), count=self.count)
        other.numbers = self.numbers
        return other


def places(bill: Bill | None) -> dict[tuple[str, str], str]:
    if bill is None:
        return {}
    return (
        {("invoice", i.invoice_id): str(i.status) for i in bill.invoices}
        | {("payable", p.payable_id): str(p.status) for p in bill.payables}
        | {("refund", r.refund_id): str(r.status) for r in bill.refunds}
    )


def authorised(book: Book) -> Iterator[Any]:
    yield from (b.authorised(request) for request in book.asked(asked.AuthoriseInvoice))


def rejected(book: Book) -> Iterator[Any]:
    yield from (b.rejected(request) for request in book.asked(asked.AuthoriseInvoice))


def _cancellation(book: Book, **fields: Any) -> Iterator[Any]:
    answer = asked.CancellationAnswered.model_validate(fields)
    yield from (Answered("c", request, answer, b.NOW) for request in book.asked(asked.CancelInvoice))


def cancelled_there(book: Book) -> Iterator[Any]:
    registered = {"code": "135", "protocol": "135260000000009", "registered_at": b.NOW}
    yield from _cancellation(book, outcome="cancelled", **registered)


def too_late(book: Book) -> Iterator[Any]:
    yield from _cancellation(book, outcome="rejected", code="501", reason="Prazo de Cancelamento Superior")


def not_reached(book: Book) -> Iterator[Any]:
    for request in book.asked(asked.CancelInvoice):
        yield Exhausted("c", request, "no answer", b.NOW)


def payment_taken(book: Book) -> Iterator[Any]:
    for request in book.asked(asked.OrderSupplierPayment):
        yield Answered("c", request, asked.SupplierPaymentTaken(erp_number="P1"), b.NOW)


def paid(book: Book) -> Iterator[Any]:
    for payable in book.bill.payables if book.bill else ():
        yield b.payment_reported(payable.payable_id)


def payment_refused(book: Book) -> Iterator[Any]:
    for payable in book.bill.payables if book.bill else ():
        yield b.payment_reported(payable.payable_id, "refused", reported_at=b.NOW + timedelta(hours=1))


def refund_taken(book: Book) -> Iterator[Any]:
    for request in book.asked(asked.OrderRefund):
        yield Answered("c", request, asked.RefundTaken(erp_number="E1"), b.NOW)


def marked(book: Book) -> Iterator[Any]:
    for request in book.asked(asked.MarkDispatched):
        yield Answered("c", request, asked.DispatchMarked(status="despachado"), b.NOW)


PREPAID = Terms(kind="prepaid", days=0)
ON_DELIVERY = Terms(kind="on_delivery", days=0)
ADVANCE = b.only_po(terms=PREPAID)
ARRIVED = ShipmentDelivered(order_id="order-1", po_id="po-a", po_number="PC-a", shipment_id="s", delivered_at=b.NOW)
BOUGHT: tuple[Message, ...] = (b.order_ready(), b.only_po(), b.nf_of_only_po())
STOPPED = fulfilment_stopped()
PAID_SINCE = OrderPaymentReceived(
    order_id="order-1", payment_id="pay-2", amount=Decimal("10.00"), approved_at=b.NOW + timedelta(hours=1)
)
GIVEN_UP = SourcingGivenUp.model_validate(
    {"order_id": "order-1", "lines": [{"order_line": 2, "quantity": 2}], "order_po_ids": ["po-a"], "at": b.NOW}
)
NO_ERP = b.order_ready(erp_order_number=None)

RETURNED, CONTINUED = decided("returned"), decided("continue")

SCENES: dict[str, tuple[Step, ...]] = {
    "billed and paid": (*BOUGHT, authorised, payment_taken, paid, marked, left("po-a"), ARRIVED),
    "S2 first, the order last": (b.nf_of_only_po(), b.only_po(), b.order_ready(), authorised),
    "PO last": (b.order_ready(), b.nf_of_only_po(), b.only_po(), rejected, authorised),
    "rejected, corrected, cancelled": (*BOUGHT, rejected, authorised, STARTED, STOPPED, cancelled_there),
    "rejected in a cancellation": (*BOUGHT, STARTED, STOPPED, rejected, authorised, cancelled_there),
    "crossing a cancellation": (*BOUGHT, STARTED, STOPPED, authorised, too_late, RETURNED),
    "decided while SEFAZ is asked": (*BOUGHT, STARTED, STOPPED, rejected, authorised, RETURNED, too_late),
    "stopped before it was started": (*BOUGHT, authorised, STOPPED, STARTED, not_reached, CONTINUED),
    "cancellation refused": (*BOUGHT, authorised, STARTED, A_IS_VOID, goes_on(), cancelled_there),
    "billed when it goes on": (started_at(), *BOUGHT, goes_on(), authorised, payment_taken),
    "goods had left": (*BOUGHT, authorised, left("po-a"), STARTED, STOPPED, RETURNED),
    "void after R": (*PER_PO, *SUPPLIED, authorised, A_IS_VOID, PO_C, NF_C, cancelled_there, authorised),
    "void while R is under way": (*PER_PO, *SUPPLIED, A_IS_VOID, PO_C, NF_C, authorised, cancelled_there),
    "void for good": (*PER_PO, *SUPPLIED, authorised, A_IS_VOID, PO_C, NF_C, too_late, CONTINUED, authorised),
    "void for good, to be cancelled": (*PER_PO, *SUPPLIED, authorised, A_IS_VOID, too_late, RETURNED, started_at(2)),
    "void and SEFAZ away": (*PER_PO, *SUPPLIED, authorised, A_IS_VOID, not_reached, PO_C, NF_C, CONTINUED),
    "void for good, replaced when it goes on": (
        *PER_PO, *SUPPLIED, authorised, A_IS_VOID, PO_C, NF_C, too_late, RETURNED, goes_on(3), authorised,
    ),
    "refused after R": (*PER_PO, *SUPPLIED, authorised, refused(order_po_ids=("po-b",)), cancelled_there),
    "refused before S2": (*PER_PO, refused(order_po_ids=("po-b",)), b.nf_matched("po-b"), PO_C, NF_C, authorised),
    "given up": (b.order_ready(), b.po_created("po-a"), b.nf_matched("po-a"), A_IS_VOID, PO_C, NF_C, GIVEN_UP),
    "prepaid": (b.order_ready(), ADVANCE, payment_taken, paid, b.nf_of_only_po(), authorised),
    "prepaid, S2 dearer": (b.order_ready(), ADVANCE, paid, b.nf_of_only_po(payable=Decimal("170.00")), paid),
    "prepaid, refused by the bank": (b.order_ready(), ADVANCE, payment_refused, payment_taken, b.nf_of_only_po()),
    "prepaid without an ERP, void": (NO_ERP, ADVANCE, A_IS_VOID, payment_refused, paid),
    "prepaid without an ERP, refused": (NO_ERP, ADVANCE, refused(), paid),
    "prepaid without an ERP, stopped": (NO_ERP, ADVANCE, STARTED, STOPPED),
    "prepaid, PO before the order": (ADVANCE, b.order_ready(), A_IS_VOID),
    "prepaid without an ERP, known last": (ADVANCE, A_IS_VOID, NO_ERP),
    "paid by a person": (NO_ERP, b.only_po(), b.nf_of_only_po(), payment_refused, paid),
    "on delivery": (b.order_ready(), b.only_po(terms=ON_DELIVERY), b.nf_of_only_po(), ARRIVED, payment_taken, paid),
    "on delivery of what is left": (
        b.order_ready(), b.only_po(terms=ON_DELIVERY), b.nf_of_only_po(), left("po-a"),
        ARRIVED.model_copy(update={"open_lines": (2,)}), refused(b.po_line(1, 1), has_arrived=True),
    ),
    "bank refuses, then settles": (*BOUGHT, payment_refused, payment_taken, paid),
    "paid before the ERP answers": (*BOUGHT, paid, payment_taken, payment_refused),
    "held payment goes on": (b.order_ready(), b.only_po(), STARTED, b.nf_of_only_po(), GOES_ON, payment_taken),
    "refunded": (b.order_ready(), requested(), refund_taken, reported()),
    "refund failed, then settled": (b.order_ready(), requested(), refund_taken, reported("failed"), reported()),
    "bank before the ERP": (b.order_ready(), requested(), reported(), refund_taken, reported("failed", 9)),
    "bank fails before the ERP": (b.order_ready(), requested(), reported("failed"), refund_taken, reported()),
    "marketplace refunds": (b.order_ready(), requested(method="marketplace"), reported("failed"), reported()),
    "a person refunds": (NO_ERP, requested(erp_order_number=None), reported("failed"), reported(hours=1)),
    "a person refunds at once": (requested(erp_order_number=None), reported(), PAID_SINCE, NO_ERP),
}  # fmt: skip


@cache
def reached() -> tuple[Book, ...]:
    """Every place of every scene."""
    return tuple(Book().go(*scene[:n]) for scene in SCENES.values() for n in range(len(scene) + 1))


@cache
def everything() -> tuple[Step, ...]:
    steps = {repr(step): step for scene in SCENES.values() for step in scene}
    return (*steps.values(), marked)


@cache
def watched() -> tuple[frozenset[tuple[str, Row]], frozenset[tuple[str, str]]]:
    """All that ever happens: everything that there is, at every place of every scene; and what was refused."""
    books = [*reached(), *(place.copy().go(step) for place in reached() for step in everything())]
    taken = frozenset(row for book in books for row in book.taken)
    return taken, frozenset(refusal for book in books for refusal in book.refused)


@pytest.mark.parametrize("machine", TABLES)
def test_every_row_is_taken_through_real_messages_and_no_other(machine: str) -> None:
    rows = TABLES[machine][0]
    taken = {row for one, row in watched()[0] if one == machine}
    assert sorted(taken - rows) == [], "taken, though the table does not have it"
    assert sorted(rows - taken) == [], "in the table, but no messages lead to it"


def test_what_can_be_no_step_is_refused_by_name() -> None:
    assert watched()[1] == REFUSALS


@pytest.mark.parametrize("machine", TABLES)
def test_tables_have_every_status_and_what_is_an_end_stays(machine: str) -> None:
    rows, statuses, ends = TABLES[machine]
    before, after = {row[0] for row in rows}, {row[2] for row in rows}
    assert after == {str(status) for status in statuses}
    assert after - before == ends


def test_tables_have_every_message() -> None:
    moving = {row[1] for rows, _, _ in TABLES.values() for row in rows}
    assert moving | MOVES_NO_STATUS.keys() == {kind.__name__ for kind in DECIDE}
    assert not moving & MOVES_NO_STATUS.keys()


@pytest.mark.parametrize("scene", SCENES)
def test_every_message_twice_and_all_older_ones_again_move_nothing(scene: str) -> None:
    once, twice = Book(), Book()
    for step in SCENES[scene]:
        once.go(step)
        twice.go(step, step)
        assert list(places(twice.bill).values()) == list(places(once.bill).values())
    said, statuses = list(map(type, once.events)), places(twice.bill)
    twice.go(*(step for step in reversed(SCENES[scene]) if isinstance(step, Message)))
    assert (list(map(type, twice.events)), places(twice.bill)) == (said, statuses)
    assert twice.balance().wrong == once.balance().wrong == ()


SEFAZ_SAYS = [(too_late, "undone"), (not_reached, "undone"), (cancelled_there, "cancelled")]


@pytest.mark.parametrize(("answer", "status"), SEFAZ_SAYS)
def test_decision_waits_for_what_sefaz_says_so_that_an_invoice_is_taken_back_once(answer: Step, status: str) -> None:
    """R was rejected when billing stopped, then corrected; SEFAZ is asked to cancel it when a person decides on it."""
    book = Book().go(*BOUGHT, STARTED, STOPPED, rejected, authorised)
    assert isinstance(DECIDE[OrderCancellationDecided](book.bill, RETURNED, book.context()), Decision), "it is kept"
    book.go(RETURNED)
    assert not book.said(InvoiceCancelled)
    book.go(answer, answer)
    assert [place for (machine, _), place in places(book.bill).items() if machine == "invoice"] == [status]
    assert len(book.said(InvoiceCancelled)) == 1
    assert book.balance().wrong == ()
