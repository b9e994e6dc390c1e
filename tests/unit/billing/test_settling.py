"""R in force of goods that do not come, of an order that goes on: a person is shown it, and what he decides holds."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import BillingStopped, InvoiceCancelled, InvoiceReduced, InvoiceRefused
from schemas.decision import Refused
from schemas.order import OrderCancellationDecided
from schemas.shipment import ShipmentDispatched
from services.billing import decide
from services.billing.requests import AuthoriseInvoice, CancelInvoice, OrderSupplierPayment
from services.billing.state import InvoiceStatus
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run
from tests.unit.billing.test_replaced import (
    A_IS_VOID,
    NF_C,
    PER_PO,
    PO_C,
    SUPPLIED,
    in_force,
    per_order,
    refused,
    sefaz,
)
from tests.unit.billing.test_stopping import BOUGHT, fulfilment_stopped, kept_in_force, started
from tests.unit.billing.test_stopping import refused as goes_on
from tests.unit.po_dispatch.builders import key as nf_key

CONTINUE, RETURNED = "continue", "returned"
ENTRY_NF = "35260712ABC34501DE35550010000000471123456783"


def decided(decision: str = CONTINUE, **overrides: Any) -> OrderCancellationDecided:
    said = {"order_id": "order-1", "decision": decision, "decided_by": "marina", "reason": "NF de entrada 12"}
    return OrderCancellationDecided.model_validate(said | {"decided_at": b.NOW} | overrides)


def left(po_id: str) -> ShipmentDispatched:
    return ShipmentDispatched(
        order_id="order-1", po_id=po_id, po_number=f"PC-{po_id}", shipment_id=f"s-{po_id}", carrier="Correios",
        tracking_code="BR1", dispatched_at=b.NOW,
    )  # fmt: skip


def too_late(run: Run) -> Run:
    return sefaz(run, outcome="rejected", code="501", reason="Prazo de Cancelamento Superior", protocol=None)


def void_after_r(run: Run | None = None) -> Run:
    """PO a is void after its R, which SEFAZ does not cancel; PO c replaces it and is supplied."""
    return too_late((run or Run()).hear(*PER_PO, *SUPPLIED).authorise_all().hear(A_IS_VOID, PO_C, NF_C))


def test_invoice_that_cannot_be_cancelled_is_shown_with_its_pos_and_the_money_at_stake() -> None:
    run = void_after_r()
    (shown,) = run.said(InvoiceRefused)
    first = run.now.invoices[0]
    assert (shown.po_ids, shown.at_stake, shown.access_key) == (("po-a",), first.total, first.access_key)


def test_order_that_goes_on_is_billed_for_what_replaces_the_goods_once_a_person_took_r_back() -> None:
    run = void_after_r()
    assert len(run.asked(AuthoriseInvoice)) == 2, "the replacement waits"
    run.hear(decided(entry_nf_keys=(ENTRY_NF,))).authorise_all()
    (undone,) = run.said(InvoiceCancelled)
    assert (undone.how, undone.po_ids, undone.decision) == ("entry_nf", ("po-a",), CONTINUE)
    assert undone.entry_nf_keys == (ENTRY_NF,)
    assert set(in_force(run)) == {("po-b",), ("po-c",)}
    assert sum(in_force(run).values()) == Decimal("300.00")
    assert run.balance().wrong == ()
    assert run.now.unsettled == ()


def test_one_invoice_for_the_order_is_taken_back_whole_while_nothing_has_left() -> None:
    run = void_after_r(per_order()).hear(decided()).authorise_all()
    (undone,) = run.said(InvoiceCancelled)
    assert undone.po_ids == ("po-a", "po-b")
    assert in_force(run) == {("po-b", "po-c"): Decimal("300.00")}
    assert run.balance().wrong == ()


def test_invoice_of_goods_that_have_left_is_taken_back_for_the_others_only() -> None:
    """PO b has left with the order's one R; PO a is refused then."""
    run = per_order().hear(*PER_PO, *SUPPLIED).authorise_all().hear(left("po-b"), A_IS_VOID, PO_C, NF_C)
    assert not run.asked(CancelInvoice)
    (shown,) = run.said(InvoiceRefused)
    run.hear(decided()).authorise_all()
    (reduced,) = run.said(InvoiceReduced)
    assert (reduced.amount, reduced.po_ids) == (shown.at_stake, ("po-a",))
    assert 0 < reduced.amount < Decimal("300.00")
    assert not run.said(InvoiceCancelled)
    first, second = run.now.invoices
    assert (first.status, first.po_ids, first.billed) == (InvoiceStatus.ISSUED, ("po-a", "po-b"), reduced.left)
    assert (second.po_ids, second.total) == (("po-c",), reduced.amount)
    assert run.balance().wrong == ()
    assert run.now.unsettled == ()


def test_goods_that_were_taken_back_one_after_the_other_are_billed_one_after_the_other() -> None:
    """Line 2 is split over two POs; one leaves with the order's R, the other is refused after line 1 was."""
    half = (b.po_line(1, 2, quantity=1, total=Decimal("40.00")),)
    supplied = (b.nf_line(1, 2, quantity=Decimal(1), total=Decimal("40.00")),)
    pos = ("po-a", "po-b", "po-d")
    names = {"order_po_ids": pos}
    run = per_order().hear(b.order_ready(), b.po_created("po-a", **names), b.po_created("po-b", lines=half, **names))
    run.hear(_renamed(b.po_created("po-b", lines=half, **names), "po-d"), SUPPLIED[0])
    run.hear(b.nf_matched("po-b", lines=supplied), _renamed(b.nf_matched("po-b", lines=supplied), "po-d", 7))
    run.authorise_all().hear(left("po-d"), A_IS_VOID.model_copy(update={"order_po_ids": ("po-b", "po-d")}))
    run.hear(PO_C.model_copy(update={"order_po_ids": ("po-b", "po-c", "po-d")}), NF_C, decided()).authorise_all()
    b_is_void = A_IS_VOID.model_copy(update={"po_id": "po-b", "order_po_ids": ("po-c", "po-d")})
    again = _renamed(b.po_created("po-b", lines=half, order_po_ids=("po-c", "po-d", "po-e"), created_at=b.NOW), "po-e")
    run.hear(b_is_void, again, _renamed(b.nf_matched("po-b", lines=supplied), "po-e", 8))
    run.hear(decided(decided_at=b.NOW + timedelta(hours=1))).authorise_all()
    assert [i.po_ids for i in run.now.invoices] == [pos, ("po-c",), ("po-e",)]
    assert sum(i.billed for i in run.now.invoices) == Decimal("300.00")
    assert run.balance().wrong == ()


def _renamed(message: Any, po_id: str, key: int | None = None) -> Any:
    found = {"po_id": po_id, "po_number": f"PC-{po_id[-1]}"}
    nf = {"access_key": nf_key(key)} if key else {}
    return message.model_copy(update=found | nf)


def test_units_that_do_not_come_are_taken_back_where_the_rest_has_left() -> None:
    one = (b.po_line(1, 1, quantity=1, total=Decimal("40.00")),)
    rest = PO_C.model_copy(update={"lines": one, "order_po_ids": ("po-a", "po-b", "po-c")})
    nf = NF_C.model_copy(update={"lines": (b.nf_line(1, 1, quantity=Decimal(1), total=Decimal("40.00")),)})
    run = Run().hear(*PER_PO, *SUPPLIED).authorise_all().hear(left("po-a"), refused(*one), rest, nf)
    before = run.now.invoices[0].total
    run.hear(decided()).authorise_all()
    (reduced,) = run.said(InvoiceReduced)
    assert reduced.amount + reduced.left == before
    assert sum(i.billed for i in run.now.invoices if i.in_force) == Decimal("300.00")
    assert [i.po_ids for i in run.now.invoices if i.in_force] == [("po-a",), ("po-b",), ("po-c",)]
    assert run.balance().wrong == ()


def test_what_is_left_of_a_reduced_invoice_is_undone_by_a_later_decision() -> None:
    run = per_order().hear(*PER_PO, *SUPPLIED).authorise_all().hear(left("po-b"), A_IS_VOID, decided())
    b_is_void = A_IS_VOID.model_copy(update={"po_id": "po-b", "order_po_ids": ()})
    run.hear(b_is_void)
    assert len(run.said(InvoiceRefused)) == 2, "shown again"
    run.hear(decided(decided_at=b.NOW + timedelta(hours=1)))
    assert run.now.invoices[0].status is InvoiceStatus.UNDONE
    balance = run.balance()
    assert (balance.revenue, balance.owed_to_customer, balance.wrong) == (Decimal(0), Decimal("300.00"), ())


def test_order_that_is_to_be_cancelled_is_billed_no_more_until_that_is_answered() -> None:
    run = too_late(Run().hear(*PER_PO, *SUPPLIED).authorise_all().hear(A_IS_VOID, PO_C))
    run.hear(decided(RETURNED))
    (undone,) = run.said(InvoiceCancelled)
    assert (undone.decision, undone.reason) == (RETURNED, "NF de entrada 12")
    before = len(run.asked(OrderSupplierPayment))
    run.hear(NF_C)
    assert (len(run.asked(AuthoriseInvoice)), len(run.asked(OrderSupplierPayment))) == (2, before)
    run.hear(goes_on())
    assert (len(run.asked(AuthoriseInvoice)), len(run.asked(OrderSupplierPayment))) == (3, before + 1), "it goes on"
    assert run.authorise_all().balance().wrong == ()


def sefaz_is_asked() -> Run:
    """R was rejected when billing stopped, and corrected since."""
    run = Run().hear(*BOUGHT, started(), fulfilment_stopped())
    (request,) = run.asked(AuthoriseInvoice)
    run.take(decide.on_invoice_answered(run.bill, b.rejected(request), run.context()))
    return run.authorise_all()


@pytest.mark.parametrize("newer_first", [True, False])
def test_newer_of_two_words_is_applied_when_sefaz_has_answered(newer_first: bool) -> None:
    words = [decided(RETURNED), decided(CONTINUE, decided_at=b.NOW + timedelta(minutes=1))]
    run = sefaz_is_asked().hear(*(words[::-1] if newer_first else words))
    before = run.bill
    assert run.hear(*words).bill == before
    too_late(too_late(run))
    assert [said.decision for said in run.said(BillingStopped)] == [None, CONTINUE]
    assert len(run.said(InvoiceCancelled)) == 1
    assert run.balance().wrong == ()


def test_nothing_is_left_to_decide_where_sefaz_cancelled_the_invoice() -> None:
    run = sefaz(sefaz_is_asked().hear(decided(RETURNED)))
    assert [said.decision for said in run.said(BillingStopped)] == [None]
    assert [said.how for said in run.said(InvoiceCancelled)] == ["event"]
    assert run.now.stopping.waiting is None
    assert run.balance().wrong == ()


def test_word_on_an_attempt_that_is_over_is_not_applied_and_a_person_is_asked_anew() -> None:
    run = too_late(sefaz_is_asked().hear(decided(RETURNED), goes_on()))
    assert not run.said(InvoiceCancelled)
    assert run.said(InvoiceRefused)[-1].problems[0].code == "bills_void_goods"
    run.hear(decided(CONTINUE, decided_at=b.NOW + timedelta(minutes=2)))
    assert [said.decision for said in run.said(InvoiceCancelled)] == [CONTINUE]


def within_a_cancellation(decision: str) -> Run:
    return kept_in_force().hear(decided(decision))


def of_an_order_that_goes_on(decision: str) -> Run:
    return void_after_r().hear(decided(decision))


def of_an_order_that_is_cancelled_for_it(decision: str) -> Run:
    stopped = fulfilment_stopped(2).model_copy(update={"cancelled_po_ids": ("po-b", "po-c")})
    run = void_after_r().hear(decided(RETURNED), started(2), stopped)
    return sefaz(run)


@pytest.mark.parametrize("settled", [within_a_cancellation, of_an_order_that_goes_on])
@pytest.mark.parametrize("decision", [CONTINUE, RETURNED])
def test_same_decision_again_changes_nothing_and_another_one_is_refused(
    settled: Callable[[str], Run], decision: str
) -> None:
    _said_again(settled(decision), decision)


def test_decision_that_led_to_a_cancellation_is_known_when_that_is_done() -> None:
    _said_again(of_an_order_that_is_cancelled_for_it(RETURNED), RETURNED)


def _said_again(run: Run, decision: str) -> None:
    other, later = RETURNED if decision == CONTINUE else CONTINUE, {"decided_at": b.NOW + timedelta(seconds=2)}
    before, said = run.bill, len(run.events)
    assert run.hear(decided(decision, **later)).bill == before
    assert len(run.events) == said
    outcome = decide.on_cancellation_decided(run.bill, decided(other, **later), run.context())
    assert isinstance(outcome, Refused)
    assert outcome.code == "decided_otherwise"
