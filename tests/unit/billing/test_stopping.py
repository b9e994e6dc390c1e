"""A cancelled order's R: none is issued any more, those in force are cancelled or told, whatever crosses."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from schemas.billing import BillingStopped, InvoiceCancelled, InvoiceIssued, TaxProfileChanged
from schemas.decision import Answered, Exhausted, NotYet, Refused
from schemas.model import Message
from schemas.order import OrderCancellationDecided, OrderCancellationRefused, OrderCancellationStarted
from schemas.purchase_order import FulfilmentStopped, PurchaseOrderCancelled
from schemas.shipment import ShipmentDispatched
from schemas.timeline import Timeline
from services.billing import decide
from services.billing.requests import AuthoriseInvoice, CancelInvoice, CancellationAnswered, MarkDispatched
from services.billing.state import InvoiceStatus
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run

ORDER = {"order_id": "order-1", "store_id": "store-1", "channel_id": "channel-1"}


def started(minutes: int = 0) -> OrderCancellationStarted:
    at = b.NOW + timedelta(minutes=minutes)
    return OrderCancellationStarted(**ORDER, cause="requested", reason="Desistiu", started_at=at)


def refused(minutes: int = 1) -> OrderCancellationRefused:
    return OrderCancellationRefused(**ORDER, reasons=(), refused_at=b.NOW + timedelta(minutes=minutes))


def fulfilment_stopped(minutes: int = 0) -> FulfilmentStopped:
    """For the attempt that was started then."""
    at = b.NOW + timedelta(minutes=minutes)
    return FulfilmentStopped(order_id="order-1", started_at=at, cancelled_po_ids=("po-a",), stopped_at=at)


STOPPED = fulfilment_stopped()
BOUGHT: tuple[Message, ...] = (b.order_ready(), b.only_po(), b.nf_of_only_po())


def answer(run: Run, **overrides: Any) -> Run:
    """SEFAZ registers every cancellation that was asked for."""
    fields: dict[str, Any] = {
        "outcome": "cancelled", "code": "135", "protocol": "135260000000009", "registered_at": b.NOW,
    }  # fmt: skip
    for request in run.asked(CancelInvoice):
        answered = Answered("call-9", request, CancellationAnswered(**fields | overrides), b.NOW)
        run.take(decide.on_cancellation_answered(run.bill, answered, run.context()))
    return run


def test_no_invoice_is_issued_while_a_cancellation_is_under_way() -> None:
    assert not Run().hear(started(), *BOUGHT).asked(AuthoriseInvoice)


def test_cancellation_that_was_refused_lets_the_invoice_go_out() -> None:
    assert len(Run().hear(started(), *BOUGHT, refused()).asked(AuthoriseInvoice)) == 1


def test_cancellation_started_anew_after_a_refusal_holds_again() -> None:
    assert not Run().hear(started(), refused(), started(2), *BOUGHT).asked(AuthoriseInvoice)


def test_order_without_an_invoice_is_stopped_at_once() -> None:
    (said,) = Run().hear(b.order_ready(), started(), STOPPED).said(BillingStopped)
    assert said.invoices_in_force == ()


@pytest.mark.parametrize("arrival", list(permutations((started(), STOPPED, b.order_ready()))))
def test_stop_in_any_order_is_said_once(arrival: tuple[Message, ...]) -> None:
    assert len(Run().hear(*arrival, *arrival).said(BillingStopped)) == 1


def test_invoice_in_force_is_cancelled_and_its_revenue_taken_back() -> None:
    run = answer(Run().hear(*BOUGHT).authorise_all().hear(started(), STOPPED))
    (cancelled,) = run.said(InvoiceCancelled)
    assert cancelled.access_key == run.now.invoices[0].access_key
    assert run.said(BillingStopped)[0].invoices_in_force == ()
    assert run.now.invoices[0].status is InvoiceStatus.CANCELLED
    balance = run.balance()
    assert (balance.revenue, balance.owed_to_customer, balance.wrong) == (Decimal(0), Decimal("300.00"), ())


def test_cancellation_answered_twice_says_it_once() -> None:
    run = answer(answer(Run().hear(*BOUGHT).authorise_all().hear(started(), STOPPED)))
    assert len(run.said(InvoiceCancelled)) == len(run.said(BillingStopped)) == 1


def test_invoice_on_its_way_to_sefaz_is_waited_for_and_then_cancelled() -> None:
    run = Run().hear(*BOUGHT, started(), STOPPED)
    assert not run.said(BillingStopped)
    answer(run.authorise_all())
    assert len(run.said(InvoiceIssued)) == len(run.said(InvoiceCancelled)) == len(run.said(BillingStopped)) == 1
    assert not run.asked(MarkDispatched)


def test_invoice_that_sefaz_rejects_meanwhile_ends_the_wait() -> None:
    run = Run().hear(*BOUGHT, started(), STOPPED)
    (request,) = run.asked(AuthoriseInvoice)
    run.take(decide.on_invoice_answered(run.bill, b.rejected(request), run.context()))
    assert run.said(BillingStopped)[0].invoices_in_force == ()


def test_cancellation_that_sefaz_rejects_leaves_the_invoice_in_force_and_says_why() -> None:
    run = Run().hear(*BOUGHT).authorise_all().hear(started(), STOPPED)
    answer(run, outcome="rejected", code="501", reason="Prazo de Cancelamento Superior", protocol=None)
    (said,) = run.said(BillingStopped)
    assert said.invoices_in_force == (run.now.invoices[0].access_key,)
    assert [problem.code for problem in said.problems] == ["501"]
    assert run.balance().wrong == ()


def test_invoice_beyond_its_window_is_not_even_asked_about() -> None:
    run = Run().hear(*BOUGHT)
    (request,) = run.asked(AuthoriseInvoice)
    old = b.authorised(request, received_at=b.NOW - timedelta(hours=25))
    run.take(decide.on_invoice_answered(run.bill, old, run.context()))
    (said,) = run.hear(started(), STOPPED).said(BillingStopped)
    assert [problem.code for problem in said.problems] == ["window_over"]
    assert not run.asked(CancelInvoice)


def test_invoice_of_goods_that_left_stays_in_force() -> None:
    left = ShipmentDispatched(
        order_id="order-1", po_id="po-a", po_number="PC-a", shipment_id="s-1", carrier="Correios",
        tracking_code="BR1", dispatched_at=b.NOW,
    )  # fmt: skip
    (said,) = Run().hear(*BOUGHT).authorise_all().hear(left, started(), STOPPED).said(BillingStopped)
    assert [problem.code for problem in said.problems] == ["goods_left"]


def test_sefaz_that_is_not_reached_leaves_the_invoice_in_force() -> None:
    run = Run().hear(*BOUGHT).authorise_all().hear(started(), STOPPED)
    (request,) = run.asked(CancelInvoice)
    exhausted = Exhausted("call-9", request, "no connection", b.NOW)
    run.take(decide.on_cancellation_exhausted(run.bill, exhausted, run.context()))
    assert [problem.code for problem in run.said(BillingStopped)[0].problems] == ["sefaz_not_reached"]


def test_sefaz_is_asked_no_longer_than_the_window_lasts() -> None:
    run = Run().hear(*BOUGHT).authorise_all().hear(started(), STOPPED)
    (call,) = [call for call in run.calls if isinstance(call.request, CancelInvoice)]
    assert call.window == timedelta(hours=24)


def test_stop_of_an_attempt_that_was_refused_does_not_end_the_next_one() -> None:
    run = Run().hear(*BOUGHT).authorise_all().hear(started(), refused(1), STOPPED, started(2))
    assert not run.said(BillingStopped)
    assert not run.asked(CancelInvoice)
    answer(run.hear(fulfilment_stopped(2)))
    assert [said.started_at for said in run.said(BillingStopped)] == [b.NOW + timedelta(minutes=2)]


def test_invoice_authorised_after_billing_stopped_is_cancelled_too() -> None:
    """It was rejected first, so nobody waited for it."""
    run = Run().hear(*BOUGHT, started(), STOPPED)
    (request,) = run.asked(AuthoriseInvoice)
    run.take(decide.on_invoice_answered(run.bill, b.rejected(request), run.context()))
    answer(run.authorise_all())
    assert len(run.said(InvoiceCancelled)) == len(run.said(BillingStopped)) == 1


def decided(decision: str = "returned") -> OrderCancellationDecided:
    said = {"order_id": "order-1", "decision": decision, "decided_by": "marina", "reason": "NF de entrada 12"}
    return OrderCancellationDecided.model_validate(said | {"decided_at": b.NOW})


def kept_in_force() -> Run:
    run = Run().hear(*BOUGHT).authorise_all().hear(started(), STOPPED)
    return answer(run, outcome="rejected", code="501", reason="Prazo de Cancelamento Superior", protocol=None)


@pytest.mark.parametrize("decision", ["returned", "continue"])
def test_person_who_decides_undoes_the_invoice_in_force_and_billing_stops_with_none(decision: str) -> None:
    run = kept_in_force().hear(decided(decision), decided(decision))
    (undone,) = run.said(InvoiceCancelled)
    assert (undone.how, undone.protocol, undone.decision) == ("entry_nf", None, None)
    first, second = run.said(BillingStopped)
    assert (second.invoices_in_force, second.decision, second.reason) == ((), decision, "NF de entrada 12")
    assert (second.started_at, second.stopped_at > first.stopped_at) == (first.started_at, True)
    assert run.now.invoices[0].status is InvoiceStatus.UNDONE
    balance = run.balance()
    assert (balance.revenue, balance.owed_to_customer, balance.wrong) == (Decimal(0), Decimal("300.00"), ())


def test_order_that_goes_on_is_billed_anew_for_what_replaces_its_goods() -> None:
    run = kept_in_force().hear(decided("continue"), refused())
    assert len(run.asked(AuthoriseInvoice)) == 1, "that the PO is void is known from fulfilment.stopped"
    void = {"order_id": "order-1", "po_id": "po-a", "po_number": "PC-a", "order_po_ids": (), "supplier_id": "farol"}
    cancelled = {"cause": "order_cancelled", "cancelled_at": b.NOW}
    run.hear(PurchaseOrderCancelled.model_validate(void | cancelled))
    lines = (b.po_line(1, 1), b.po_line(2, 2))
    supplied = (b.nf_line(1, 1), b.nf_line(2, 2))
    run.hear(b.po_created("po-b", order_po_ids=("po-b",), lines=lines), b.nf_matched("po-b", lines=supplied))
    first, second = run.asked(AuthoriseInvoice)
    assert first.invoice_id != second.invoice_id
    assert second.document.number == first.document.number + 1
    assert [invoice.po_ids for invoice in run.now.invoices] == [("po-a",), ("po-b",)]


def test_decision_where_nothing_is_to_be_decided_is_refused_saying_why() -> None:
    in_time = answer(Run().hear(*BOUGHT).authorise_all().hear(started(), STOPPED))
    for bill, code in ((None, "not_being_cancelled"), (in_time.bill, "nothing_to_decide")):
        outcome = decide.on_cancellation_decided(bill, decided(), b.context())
        assert isinstance(outcome, Refused)
        assert outcome.code == code
    issued = Run().hear(*BOUGHT).authorise_all()
    outcome = decide.on_cancellation_decided(issued.bill, decided(), b.context())
    assert isinstance(outcome, Refused)
    assert outcome.code == "not_being_cancelled"


def test_decision_before_purchasing_has_stopped_waits() -> None:
    run = Run().hear(*BOUGHT).authorise_all().hear(started())
    assert isinstance(decide.on_cancellation_decided(run.bill, decided(), b.context()), NotYet)


def test_invoice_says_until_when_it_can_be_cancelled() -> None:
    short = Timeline[TaxProfileChanged](versions=(b.tax_profile_changed(cancel_within=timedelta(hours=2)),))
    run = Run(b.reference(tax_profile=short))
    (issued,) = run.hear(*BOUGHT).authorise_all().said(InvoiceIssued)
    assert issued.cancellable_until == issued.issued_at + timedelta(hours=2)
