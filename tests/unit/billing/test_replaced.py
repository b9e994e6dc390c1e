"""R of goods that do not come after all: cancelled, and what replaces them is billed, to the cent, whatever crosses."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import InvoiceCancelled, InvoiceRefused
from schemas.decision import Answered
from schemas.model import Message
from schemas.order import OrderCancellationRefused, OrderCancellationStarted
from schemas.purchase_order import PoLine, PurchaseOrderCancelled, PurchaseOrderRefused, RefusedLine
from schemas.shipment import ShipmentDispatched
from schemas.store import StoreChanged
from schemas.supplier import Terms
from schemas.timeline import Timeline
from services.billing import decide
from services.billing.requests import AuthoriseInvoice, CancelInvoice, CancellationAnswered, OrderSupplierPayment
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run

ORDER = {"order_id": "order-1", "store_id": "store-1", "channel_id": "channel-1"}
PO_C = b.po_created("po-c", supplier_id="supplier-b", order_po_ids=("po-b", "po-c"), lines=(b.po_line(1, 1),),
                    created_at=b.NOW)  # fmt: skip
NF_C = b.nf_matched("po-b", lines=(b.nf_line(1, 1),)).model_copy(
    update={"po_id": "po-c", "po_number": "PC-c", "access_key": "35260712ABC34501DE35550010000463231123456780"}
)
PER_PO: tuple[Message, ...] = (b.order_ready(), b.po_created("po-a"), b.po_created("po-b"))
SUPPLIED: tuple[Message, ...] = (b.nf_matched("po-a"), b.nf_matched("po-b"))
A_IS_VOID = PurchaseOrderCancelled(
    order_id="order-1", po_id="po-a", po_number="PC-a", order_po_ids=("po-b",), supplier_id="supplier-a",
    cause="order_cancelled", cancelled_at=b.NOW,
)  # fmt: skip
STARTED = OrderCancellationStarted(**ORDER, cause="requested", reason="Desistiu", started_at=b.NOW)
GOES_ON = OrderCancellationRefused(**ORDER, reasons=(), refused_at=b.NOW.replace(minute=1))


def refused(*lines: PoLine, po_id: str = "po-a", **fields: Any) -> PurchaseOrderRefused:
    total = sum((line.total for line in lines), Decimal("0.00"))
    data: dict[str, Any] = {"order_po_ids": ("po-a", "po-b"), "refused_at": b.NOW, "supplier_id": "supplier-a"}
    return PurchaseOrderRefused(
        order_id="order-1", po_id=po_id, po_number="PC-a", lines=lines, total=total,
        refused=(RefusedLine(line=1, order_line=1, quantity=1),), **data | fields,
    )  # fmt: skip


def sefaz(run: Run, **overrides: Any) -> Run:
    """SEFAZ answers every cancellation that was not answered yet."""
    fields = {"outcome": "cancelled", "code": "135", "protocol": "135260000000009", "registered_at": b.NOW}
    for request in run.asked(CancelInvoice):
        answered = Answered("call-9", request, CancellationAnswered.model_validate(fields | overrides), b.NOW)
        run.take(decide.on_cancellation_answered(run.bill, answered, run.context()))
    return run


def in_force(run: Run) -> dict[tuple[str, ...], Decimal]:
    return {i.po_ids: i.total for i in run.now.invoices if i.in_force}


def per_order() -> Run:
    return Run(b.reference(store=Timeline[StoreChanged](versions=(b.store_changed(invoice_per="order"),))))


AFTER_R = [
    [A_IS_VOID, PO_C, NF_C],
    [STARTED, A_IS_VOID, GOES_ON, PO_C, NF_C],
    [STARTED, A_IS_VOID, PO_C, NF_C, GOES_ON],
    [PO_C, NF_C, A_IS_VOID],
    [refused(order_po_ids=("po-b",)), PO_C, NF_C],
]


@pytest.mark.parametrize("after", AFTER_R, ids=range(len(AFTER_R)))
@pytest.mark.parametrize("per", ["po", "order"])
@pytest.mark.parametrize("crossing", [True, False], ids=["crossing", "issued"])
def test_invoice_of_a_po_that_became_void_is_cancelled_and_its_replacement_billed(
    after: list[Message], per: str, crossing: bool
) -> None:
    run = (per_order() if per == "order" else Run()).hear(*PER_PO, *SUPPLIED)
    run = run.hear(*after).authorise_all() if crossing else run.authorise_all().hear(*after)
    sefaz(run).authorise_all()
    assert len(run.said(InvoiceCancelled)) == 1
    assert sum(in_force(run).values()) == Decimal("300.00")
    assert all(i.total > 0 for i in run.now.invoices)
    assert {po_id for po_ids in in_force(run) for po_id in po_ids} == {"po-b", "po-c"}
    assert run.balance().wrong == ()


def test_refused_quantity_that_crosses_the_invoice_is_billed_with_its_replacement_only() -> None:
    one = (b.po_line(1, 1, quantity=1, total=Decimal("40.00")),)
    rest = PO_C.model_copy(update={"lines": one, "order_po_ids": ("po-a", "po-b", "po-c")})
    nf = NF_C.model_copy(update={"lines": (b.nf_line(1, 1, quantity=Decimal(1), total=Decimal("40.00")),)})
    run = Run().hear(*PER_PO, *SUPPLIED, refused(*one), rest, nf).authorise_all()
    sefaz(run).authorise_all()
    assert set(in_force(run)) == {("po-a",), ("po-b",), ("po-c",)}
    assert sum(in_force(run).values()) == Decimal("300.00")
    assert run.balance().wrong == ()


def test_invoice_that_cannot_be_cancelled_is_told_once_and_its_goods_are_not_billed_again() -> None:
    run = Run().hear(*PER_PO, *SUPPLIED).authorise_all()
    left = ShipmentDispatched(order_id="order-1", po_id="po-a", po_number="PC-a", shipment_id="s", carrier="Correios",
                              tracking_code="BR1", dispatched_at=b.NOW)  # fmt: skip
    run.hear(left, A_IS_VOID, PO_C, NF_C)
    assert [[p.code for p in fact.problems] for fact in run.said(InvoiceRefused)] == [
        ["bills_void_goods", "goods_left"]
    ]
    assert not run.asked(CancelInvoice)
    assert len(run.asked(AuthoriseInvoice)) == 2


def test_invoice_of_a_po_of_which_a_part_has_left_is_not_cancelled_when_the_rest_is_refused() -> None:
    """The refusal is heard of before the parcel."""
    run = Run().hear(*PER_PO, *SUPPLIED).authorise_all()
    one = b.po_line(1, 1, quantity=1, total=Decimal("40.00"))
    run.hear(refused(one, dispatched_at=b.NOW, has_left=True))
    assert [[p.code for p in fact.problems] for fact in run.said(InvoiceRefused)] == [
        ["bills_void_goods", "goods_left"]
    ]
    assert not run.asked(CancelInvoice)


def test_cancellation_that_sefaz_rejects_while_the_order_goes_on_is_told() -> None:
    run = Run().hear(*PER_PO, *SUPPLIED).authorise_all().hear(A_IS_VOID, PO_C, NF_C)
    sefaz(run, outcome="rejected", code="501", reason="Prazo", protocol=None)
    assert [[p.code for p in fact.problems] for fact in run.said(InvoiceRefused)] == [["bills_void_goods", "501"]]
    assert len(run.asked(AuthoriseInvoice)) == 2


def test_invoice_that_a_refused_attempt_to_cancel_found_in_force_is_told_once_the_order_goes_on() -> None:
    """Its withdrawal was rejected while the order was being cancelled, and the attempt ended before billing stopped."""
    run = Run().hear(*PER_PO, *SUPPLIED).authorise_all().hear(A_IS_VOID, STARTED)
    sefaz(run, outcome="rejected", code="501", reason="Prazo", protocol=None)
    assert not run.said(InvoiceRefused)
    run.hear(GOES_ON, PO_C, NF_C)
    assert [[p.code for p in fact.problems] for fact in run.said(InvoiceRefused)] == [["bills_void_goods", "501"]]


def test_rejected_invoice_of_a_void_po_holds_up_nothing() -> None:
    run = Run().hear(*PER_PO, SUPPLIED[0])
    (request,) = run.asked(AuthoriseInvoice)
    run.take(decide.on_invoice_answered(run.bill, b.rejected(request), run.context()))
    run.hear(A_IS_VOID, PO_C, NF_C, SUPPLIED[1])
    for asked in run.asked(AuthoriseInvoice)[1:]:
        run.take(decide.on_invoice_answered(run.bill, b.authorised(asked), run.context()))
    assert sum(in_force(run).values()) == Decimal("300.00")


@pytest.mark.parametrize("arrival", [(0, 1), (1, 0)], ids=["void-first", "s2-first"])
def test_s2_of_a_void_po_is_owed_but_not_paid_unless_it_was_ordered_before(arrival: tuple[int, ...]) -> None:
    crossing: tuple[Message, ...] = (A_IS_VOID, SUPPLIED[0])
    run = Run().hear(*PER_PO, *(crossing[i] for i in arrival))
    assert len(run.asked(OrderSupplierPayment)) == arrival.index(0)
    assert run.balance().open_payables == Decimal("80.00")


def test_advance_is_not_ordered_while_the_order_is_being_cancelled() -> None:
    run = Run().hear(b.order_ready(), STARTED, b.only_po(terms=Terms(kind="prepaid", days=0)))
    assert not run.asked(OrderSupplierPayment)
    assert len(run.hear(GOES_ON).asked(OrderSupplierPayment)) == 1


def test_refusal_of_the_future_does_not_hide_the_po_that_replaces_it() -> None:
    """A supplier's clock may be ahead of ours."""
    ahead = refused(order_po_ids=("po-b",), refused_at=b.NOW.replace(hour=23))
    run = Run().hear(*PER_PO, ahead, PO_C, NF_C, SUPPLIED[1]).authorise_all()
    assert set(in_force(run)) == {("po-b",), ("po-c",)}


def test_freight_of_goods_that_cost_nothing_is_billed_whole() -> None:
    order = b.order_ready(items=(b.item(1, unit_price=Decimal(0)),), discount=Decimal(0), freight=Decimal("9.99"),
                          total=Decimal("9.99"), payments=())  # fmt: skip
    run = Run().hear(order, b.po_created("po-a", order_po_ids=("po-a",)), SUPPLIED[0])
    assert [i.total for i in run.now.invoices] == [Decimal("9.99")]
