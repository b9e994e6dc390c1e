"""An R whose PO became void, of an order that goes on: cancelled, and what is bought instead is billed once."""

from datetime import timedelta
from typing import Any

from schemas.billing import BillingStopped, InvoiceCancelled, InvoiceIssued
from schemas.purchase_order import PurchaseOrderCancelled
from services.billing.requests import AuthoriseInvoice, CancelInvoice
from services.billing.state import InvoiceStatus
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run
from tests.unit.billing.test_stopping import BOUGHT, answer, refused, started

VOID = PurchaseOrderCancelled(
    order_id="order-1", po_id="po-a", po_number="PC-a", order_po_ids=(), supplier_id="supplier-1",
    cause="order_cancelled", cancelled_at=b.NOW,
)  # fmt: skip


def billed_then_void() -> Run:
    """R is issued, the cancellation was refused, and the PO is void all the same: its supplier had agreed."""
    return Run().hear(*BOUGHT).authorise_all().hear(started(), VOID, refused())


def bought_again() -> tuple[Any, Any]:
    """The same from another PO."""
    again = {"po_id": "po-b", "order_po_ids": ("po-b",), "created_at": b.NOW + timedelta(minutes=5)}
    key = b.nf_matched("po-b").access_key
    return b.only_po().model_copy(update=again), b.nf_of_only_po(access_key=key).model_copy(update={"po_id": "po-b"})


def test_invoice_of_a_void_po_is_cancelled_when_its_order_goes_on() -> None:
    run = answer(billed_then_void())
    assert len(run.asked(CancelInvoice)) == len(run.said(InvoiceCancelled)) == 1
    assert run.said(BillingStopped) == []
    assert run.balance().wrong == ()


def test_nothing_is_billed_again_before_the_cancellation_and_all_of_it_after() -> None:
    run = billed_then_void().hear(*bought_again())
    assert len(run.asked(AuthoriseInvoice)) == 1, "only the first R"
    answer(run)
    second = run.asked(AuthoriseInvoice)[1]
    run.calls = [call for call in run.calls if call.request == second]
    run.authorise_all()
    first, again = run.now.invoices
    assert (first.status, again.status) == (InvoiceStatus.CANCELLED, InvoiceStatus.ISSUED)
    assert again.total == first.total > 0
    assert run.balance().wrong == ()


def test_invoice_that_was_on_its_way_when_its_po_became_void_is_cancelled_once_issued() -> None:
    run = Run().hear(*BOUGHT, started(), VOID, refused())
    assert run.asked(CancelInvoice) == []
    run.authorise_all()
    assert len(run.said(InvoiceIssued)) == len(run.asked(CancelInvoice)) == 1


def test_what_sefaz_does_not_cancel_keeps_the_rest_from_being_billed() -> None:
    run = billed_then_void().hear(*bought_again())
    answer(run, outcome="rejected", code="501", protocol=None, registered_at=None)
    assert len(run.asked(AuthoriseInvoice)) == 1
    assert run.now.invoices[0].problems[0].code == "501"
