"""NFs for POs that suppliers refused in part or that are void, and S1 for an R that was cancelled."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.billing import InvoiceCancelled
from schemas.model import Message
from schemas.nota_fiscal import RemittanceNfDiverged, RemittanceNfMatched, SupplierNfDiverged, SupplierNfMatched
from schemas.purchase_order import PurchaseOrderCancelled, PurchaseOrderRefused, RefusedLine
from services.nf_reconciliation.__main__ import PO
from tests.unit.nf_reconciliation import builders as b
from tests.unit.nf_reconciliation.harness import NOW, Desk

WORLD: tuple[Message, ...] = (b.store_changed(), b.supplier_changed())
PO_ID = b.po_created().po_id


def cancelled() -> PurchaseOrderCancelled:
    return PurchaseOrderCancelled(
        order_id="order-1", po_id=PO_ID, po_number=b.PO, order_po_ids=(), supplier_id="farol-sul",
        cause="order_cancelled", cancelled_at=NOW,
    )  # fmt: skip


def refused(*left: Any, minutes: int = 0) -> PurchaseOrderRefused:
    return PurchaseOrderRefused(
        order_id="order-1", po_id=PO_ID, po_number=b.PO, order_po_ids=(PO_ID,), supplier_id="farol-sul",
        refused=(RefusedLine(line=1, order_line=1, quantity=1),), lines=left,
        total=sum((line.total for line in left), Decimal("0.00")), refused_at=NOW + timedelta(minutes=minutes),
    )  # fmt: skip


def invoice_cancelled() -> InvoiceCancelled:
    issued = b.invoice_issued()
    fields = {name: getattr(issued, name) for name in InvoiceCancelled.model_fields if hasattr(issued, name)}
    return InvoiceCancelled(**fields | {"protocol": "135260000000009", "cancelled_at": NOW})


def codes(fact: Any) -> list[str]:
    return [problem.code for problem in fact.problems]


@given(st.permutations([*WORLD, b.po_created(), cancelled(), cancelled()]))
@settings(max_examples=30, deadline=None)
def test_s2_for_a_cancelled_po_diverges(messages: list[Message]) -> None:
    desk = Desk(*messages, b.nf_issued(b.s2()))
    assert [codes(fact) for fact in desk.facts_of(SupplierNfDiverged)] == [["po_cancelled"]]
    assert desk.state(PO, b.PO).taken("sale") == {}


def test_s2_for_a_po_that_was_refused_as_a_whole_diverges() -> None:
    desk = Desk(*WORLD, b.po_created(), refused(), b.nf_issued(b.s2()))
    assert [codes(fact) for fact in desk.facts_of(SupplierNfDiverged)] == [["po_cancelled"]]


def test_s1_that_waits_for_r_diverges_when_its_po_is_cancelled() -> None:
    desk = Desk(*WORLD, b.po_created(), b.nf_issued(b.s2()), b.nf_issued(b.s1()))
    assert not desk.facts_of(RemittanceNfDiverged)
    desk.take(cancelled())
    assert [codes(fact) for fact in desk.facts_of(RemittanceNfDiverged)] == [["po_cancelled"]]


def test_s2_of_what_was_refused_diverges() -> None:
    desk = Desk(*WORLD, b.po_created(), refused(b.po_line(quantity=1, total=Decimal("19.90"))), b.nf_issued(b.s2()))
    (fact,) = desk.facts_of(SupplierNfDiverged)
    assert "quantity_exceeded" in codes(fact)


@pytest.mark.parametrize("early", [True, False])
def test_s2_of_what_remains_matches_and_leaves_nothing_open(early: bool) -> None:
    two = b.po_created(lines=(b.po_line(), b.po_line(line=2, order_line=2, supplier_sku="FS-78")))
    left = refused(b.po_line())
    desk = Desk(*WORLD, *((left, two) if early else (two, left)), b.nf_issued(b.s2()))
    (fact,) = desk.facts_of(SupplierNfMatched)
    assert fact.open_lines == ()


def test_of_two_refusals_the_newest_holds_whichever_came_first() -> None:
    last, first = refused(minutes=1), refused(b.po_line())
    desk = Desk(*WORLD, b.po_created(), last, first)
    assert desk.state(PO, b.PO).void


@given(st.permutations([*WORLD, b.po_created(), b.nf_issued(b.s2()), b.invoice_issued(), invoice_cancelled()]))
@settings(max_examples=40, deadline=None)
def test_s1_waits_for_the_r_that_follows_a_cancelled_one(messages: list[Message]) -> None:
    desk = Desk(*messages, b.nf_issued(b.s1()))
    assert not desk.facts_of(RemittanceNfMatched)
    assert not desk.facts_of(RemittanceNfDiverged)
    assert desk.state(PO, b.PO).invoices == ()
    desk.take(b.invoice_issued(502))
    assert [codes(fact) for fact in desk.facts_of(RemittanceNfDiverged)] == [["invoice_not_cited"]]


def test_s1_of_the_r_that_follows_a_cancelled_one_matches() -> None:
    """The goods of the first S1 did not leave: they are not taken."""
    desk = Desk(*WORLD, b.po_created(), b.nf_issued(b.s2()), b.invoice_issued(), b.nf_issued(b.s1()))
    desk.take(invoice_cancelled())
    desk.take(b.invoice_issued(502))
    desk.take(b.nf_issued(b.s1(of=502, number=4712)))
    assert [fact.invoice_key for fact in desk.facts_of(RemittanceNfMatched)] == [
        b.invoice_of(501).access_key, b.invoice_of(502).access_key,
    ]  # fmt: skip
    assert desk.facts_of(RemittanceNfDiverged) == []
