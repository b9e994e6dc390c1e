"""What billing decides, in any order, and never twice."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import (
    InvoiceIssued,
    InvoiceRefused,
    PayableOpened,
    SupplierPaymentOrdered,
    SupplierPaymentRefused,
    SupplierPaymentSettled,
    TaxProfileChanged,
)
from schemas.channel import ChannelChanged
from schemas.decision import Answered, Decision, NotYet, Refused
from schemas.model import Message
from schemas.nota_fiscal import RemittanceNfMatched
from schemas.shipment import ShipmentDelivered, ShipmentDispatched
from schemas.store import StoreChanged
from schemas.supplier import Terms
from schemas.timeline import Timeline
from services.billing import decide
from services.billing.ledger import Account, Movement
from services.billing.requests import (
    AuthoriseInvoice,
    DispatchMarked,
    MarkDispatched,
    OrderSupplierPayment,
    SupplierPaymentTaken,
)
from services.billing.state import (
    Bill,
    InvoiceStatus,
    InvoiceXml,
    PayableStatus,
)
from tests.unit.billing import builders as b
from tests.unit.billing.run import DECISIONS, Run

DELIVERED = ShipmentDelivered(
    order_id="order-1", po_id="po-a", po_number="PC-a", shipment_id="s-1", delivered_at=b.NOW + timedelta(days=3)
)
DISPATCHED = ShipmentDispatched(
    order_id="order-1", po_id="po-a", po_number="PC-a", shipment_id="s-1", carrier="Correios",
    tracking_code="BR1", dispatched_at=b.NOW,
)  # fmt: skip
S1_MATCHED = RemittanceNfMatched(
    order_id="order-1", po_id="po-a", po_number="PC-a", supplier_id="supplier-a", access_key=b.S2_KEYS["po-b"],
    invoice_key=b.S2_KEYS["po-a"], issued_at=b.NOW,
)  # fmt: skip


TWO_POS: Sequence[Message] = (
    b.order_ready(), b.po_created("po-a"), b.po_created("po-b"), b.nf_matched("po-a"), b.nf_matched("po-b"),
)  # fmt: skip


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::7])
def test_messages_in_any_order_end_with_the_same_bill(order: tuple[int, ...]) -> None:
    run = Run().hear(*(TWO_POS[i] for i in order)).authorise_all()
    assert sorted(i.po_ids for i in run.now.invoices) == [("po-a",), ("po-b",)]
    assert sorted(i.number for i in run.now.invoices) == [501, 502]
    assert sum((i.total for i in run.now.invoices), Decimal(0)) == Decimal("300.00")
    assert sorted((p.po_id, p.amount) for p in run.now.payables) == [
        ("po-a", Decimal("80.00")),
        ("po-b", Decimal("80.00")),
    ]
    assert len(run.asked(MarkDispatched)) == 1
    assert len(run.asked(OrderSupplierPayment)) == 2
    assert len(run.said(InvoiceIssued)) == 2
    assert run.moved(Account.CUSTOMER_ADVANCE) == 0
    assert run.moved(Account.REVENUE) == Decimal("-300.00")
    assert run.moved(Account.PAYABLE) == Decimal("-160.00")


@pytest.mark.parametrize("message", [*TWO_POS, DELIVERED, DISPATCHED, S1_MATCHED], ids=lambda m: m.TYPE)
def test_a_message_said_twice_does_nothing_the_second_time(message: Message) -> None:
    run = Run().hear(*TWO_POS, DELIVERED, DISPATCHED, S1_MATCHED)
    again = DECISIONS[message.TYPE](run.bill, message, run.context())
    assert again == Decision(run.bill)


@pytest.mark.parametrize("message", [*TWO_POS, DELIVERED, DISPATCHED, S1_MATCHED], ids=lambda m: m.TYPE)
def test_a_message_that_comes_first_is_kept_and_said_twice_does_nothing(message: Message) -> None:
    run = Run().hear(message)
    again = DECISIONS[message.TYPE](run.bill, message, run.context())
    assert again == Decision(run.bill)
    assert run.bill is not None
    assert not run.calls


def test_one_po_of_two_supplied_gets_its_own_invoice_at_once() -> None:
    run = Run().hear(*TWO_POS[:4])
    (request,) = run.asked(AuthoriseInvoice)
    assert run.now.invoices[0].po_ids == ("po-a",)
    assert run.now.invoices[0].status is InvoiceStatus.REQUESTED
    document = request.document
    assert document.number == 501
    assert document.issued_at.isoformat() == "2026-07-20T12:00:00-03:00"
    (item,) = document.items
    assert (item.sku, item.quantity, item.unit_price) == ("SKU-1", Decimal(2), Decimal("70.00"))
    assert (item.discount, item.freight) == (Decimal("5.00"), Decimal("15.00"))
    assert (item.cfop, item.ncm, item.gtin) == ("6120", "87083090", "7891234567895")
    assert [(p.method, p.amount) for p in document.payments] == [("17", Decimal("150.00"))]
    assert document.shipper is not None
    assert document.shipper.cnpj == "12ABC34501DE35"


def test_no_invoice_before_all_pos_of_the_order_are_known() -> None:
    assert not Run().hear(b.order_ready(), b.po_created("po-a"), b.nf_matched("po-a")).now.invoices


def test_store_that_bills_per_order_gets_one_invoice_when_all_are_supplied() -> None:
    store = Timeline[StoreChanged](versions=(b.store_changed(invoice_per="order"),))
    run = Run(b.reference(store=store)).hear(*TWO_POS[:4])
    assert not run.now.invoices
    run.hear(TWO_POS[4])
    (request,) = run.asked(AuthoriseInvoice)
    assert run.now.invoices[0].po_ids == ("po-a", "po-b")
    assert run.now.invoices[0].total == Decimal("300.00")
    assert len(request.document.items) == 2


def test_channel_that_takes_one_invoice_only_wins_over_the_store() -> None:
    channel = b.channel_changed(
        one_invoice_only=True, intermediary_cnpj="11222333000181", intermediary_account="loja-das-pecas"
    )
    run = Run(b.reference(channel=Timeline[ChannelChanged](versions=(channel,)))).hear(*TWO_POS)
    (request,) = run.asked(AuthoriseInvoice)
    assert request.document.intermediary is not None
    assert request.document.intermediary.seller_id == "loja-das-pecas"


def test_a_po_that_is_supplied_in_parts_is_billed_with_the_last_part() -> None:
    first = b.nf_of_only_po(lines=(b.nf_line(1, 1),), open_lines=(2,), payable=Decimal("80.00"))
    last = b.nf_of_only_po(access_key=b.S2_KEYS["po-b"], lines=(b.nf_line(2, 2),), payable=Decimal("80.00"))
    run = Run().hear(b.order_ready(), b.only_po(), last)
    assert not run.now.invoices
    run.hear(first)
    assert run.now.invoices[0].total == Decimal("300.00")
    assert [p.amount for p in run.now.payables] == [Decimal("80.00")] * 2


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        ({"store": None}, "store.changed"),
        ({"channel": None}, "channel.changed"),
        ({"tax_profile": None}, "tax_profile.changed"),
        ({"suppliers": {}}, "supplier.changed of supplier-a"),
        (
            {"tax_profile": Timeline[TaxProfileChanged](versions=(b.tax_profile_changed(interstate_rates={}),))},
            "tax_profile.changed with a rate from SP to MG",
        ),
        (
            {"tax_profile": Timeline[TaxProfileChanged](versions=(b.tax_profile_changed(icms_code="51"),))},
            "tax_profile.changed with another ICMS code than 51",
        ),
    ],
)
def test_reference_data_that_r_lacks_is_waited_for_and_takes_no_number(left_out: dict[str, Any], missing: str) -> None:
    run = Run().hear(b.order_ready(), b.only_po())
    ctx = b.context("event-9", b.reference(**left_out))
    before = dict(ctx.numbers.following)
    assert decide.on_supplier_nf_matched(run.bill, b.nf_of_only_po(), ctx) == NotYet(missing)
    assert ctx.numbers.following == before


def test_a_po_line_that_nobody_ordered_is_refused_and_takes_no_number() -> None:
    lines = (b.po_line(1, 9),)
    run = Run().hear(b.order_ready(), b.only_po(lines=lines))
    ctx = b.context("event-9")
    outcome = decide.on_supplier_nf_matched(run.bill, b.nf_of_only_po(lines=(b.nf_line(1, 9),)), ctx)
    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_order_line"
    assert list(ctx.numbers.following.values()) == [501]


def test_authorised_invoice_is_published_booked_and_shown_in_the_erp() -> None:
    run = Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po())
    (request,) = run.asked(AuthoriseInvoice)
    decision = run.take(decide.on_invoice_answered(run.bill, b.authorised(request), run.context()))
    (fact,) = decision.events
    assert isinstance(fact, InvoiceIssued)
    assert (fact.number, fact.total, fact.protocol) == (501, Decimal("300.00"), "135260000000001")
    assert fact.access_key == request.document.access_key
    assert [type(row) for row in decision.rows] == [InvoiceXml, Movement]
    (marked,) = b.requests(decision, MarkDispatched)
    assert (marked.erp_order_number, marked.access_key) == ("SO1", fact.access_key)


def test_invoice_answer_said_twice_does_nothing_the_second_time() -> None:
    run = Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po()).authorise_all()
    (request,) = run.asked(AuthoriseInvoice)
    again = decide.on_invoice_answered(run.bill, b.authorised(request), run.context())
    assert again == Decision(run.bill)
    late = decide.on_invoice_answered(run.bill, b.rejected(request), run.context())
    assert late == Decision(run.bill)


def test_rejected_invoice_keeps_its_number_and_says_why() -> None:
    run = Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po())
    (request,) = run.asked(AuthoriseInvoice)
    run.take(decide.on_invoice_answered(run.bill, b.rejected(request), run.context()))
    (fact,) = run.said(InvoiceRefused)
    assert (fact.number, fact.problems[0].code) == (501, "610")
    assert run.statuses() == ["refused", "ordering"]
    assert run.now.invoices[0].problems == fact.problems
    assert run.moved(Account.REVENUE) == 0
    assert decide.on_invoice_answered(run.bill, b.rejected(request), run.context()) == Decision(run.bill)
    run.take(decide.on_invoice_answered(run.bill, b.authorised(request), run.context()))
    assert run.statuses() == ["issued", "ordering"]


def test_store_without_erp_is_neither_shown_nor_paid_there() -> None:
    run = Run().hear(b.order_ready(erp_order_number=None), b.only_po(), b.nf_of_only_po()).authorise_all()
    assert {call.partner for call in run.calls} == {"sefaz"}
    (payable,) = run.now.payables
    assert payable.status is PayableStatus.OPEN


def test_erps_answer_to_dispatched_changes_nothing() -> None:
    run = Run().hear(*TWO_POS).authorise_all()
    (request,) = run.asked(MarkDispatched)
    answered = Answered("call-1", request, DispatchMarked(status="despachado"), b.NOW)
    assert decide.on_dispatch_marked(run.bill, answered, run.context()) == Decision(run.bill)


def test_installments_become_payables_with_their_dates() -> None:
    run = Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po(installments=b.installments("100.00", "60.00")))
    assert [(e.amount, e.due) for e in run.said(PayableOpened)] == [
        (Decimal("100.00"), b.NOW + timedelta(days=30)),
        (Decimal("60.00"), b.NOW + timedelta(days=60)),
    ]
    assert [(r.amount, r.supplier_cnpj) for r in run.asked(OrderSupplierPayment)] == [
        (Decimal("100.00"), "12ABC34501DE35"),
        (Decimal("60.00"), "12ABC34501DE35"),
    ]


def test_installments_of_an_s2_over_several_pos_are_shared_by_what_each_owes() -> None:
    nf = b.nf_matched("po-a", installments=b.installments("90.00", "70.00"))
    run = Run().hear(b.order_ready(), b.po_created("po-a"), nf)
    assert [p.amount for p in run.now.payables] == [Decimal("45.00"), Decimal("35.00")]


def test_without_installments_the_terms_say_when_it_is_due() -> None:
    run = Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po())
    assert run.now.payables[0].due == b.nf_of_only_po().issued_at + timedelta(days=28)


def test_payment_on_delivery_is_ordered_when_delivered() -> None:
    run = Run().hear(b.order_ready(), b.only_po(terms=Terms(kind="on_delivery", days=10)), b.nf_of_only_po())
    assert not run.asked(OrderSupplierPayment)
    run.hear(DELIVERED)
    (request,) = run.asked(OrderSupplierPayment)
    assert request.due == DELIVERED.delivered_at + timedelta(days=10)


def test_payment_on_delivery_is_due_from_the_last_parcel() -> None:
    run = Run().hear(b.order_ready(), b.only_po(terms=Terms(kind="on_delivery", days=10)), b.nf_of_only_po())
    run.hear(DELIVERED.model_copy(update={"open_lines": (1,)}))
    assert not run.asked(OrderSupplierPayment), "what has not arrived is not paid"
    last = DELIVERED.delivered_at + timedelta(days=3)
    run.hear(DELIVERED.model_copy(update={"shipment_id": "s-2", "delivered_at": last}))
    (request,) = run.asked(OrderSupplierPayment)
    assert request.due == last + timedelta(days=10)


def _paid_run() -> Run:
    return Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po())


def _taken(run: Run) -> Answered[OrderSupplierPayment, SupplierPaymentTaken]:
    (request,) = run.asked(OrderSupplierPayment)
    return Answered("call-2", request, SupplierPaymentTaken(erp_number="PG1"), b.NOW)


def test_payment_is_ordered_once_the_erp_took_it_and_settled_when_the_bank_says_so() -> None:
    run = _paid_run()
    run.take(decide.on_supplier_payment_taken(run.bill, _taken(run), run.context()))
    assert [e.amount for e in run.said(SupplierPaymentOrdered)] == [Decimal("160.00")]
    assert run.now.payables[0].status is PayableStatus.ORDERED
    assert decide.on_supplier_payment_taken(run.bill, _taken(run), run.context()) == Decision(run.bill)
    settled = b.payment_reported(run.now.payables[0].payable_id)
    run.hear(settled)
    assert [e.amount for e in run.said(SupplierPaymentSettled)] == [Decimal("160.00")]
    assert run.moved(Account.PAYABLE) == 0
    assert run.moved(Account.BANK) == Decimal("-160.00")
    assert decide.on_supplier_payment_reported(run.bill, settled, run.context()) == Decision(run.bill)


def test_bank_that_reports_before_the_erp_answers_is_not_undone_by_the_answer() -> None:
    run = _paid_run()
    run.hear(b.payment_reported(run.now.payables[0].payable_id))
    run.take(decide.on_supplier_payment_taken(run.bill, _taken(run), run.context()))
    assert run.now.payables[0].status is PayableStatus.SETTLED
    assert len(run.said(SupplierPaymentOrdered)) == 1


def test_refused_payment_stays_owed_and_may_be_settled_later() -> None:
    run = _paid_run()
    payable_id = run.now.payables[0].payable_id
    refused = b.payment_reported(payable_id, "refused", detail="conta encerrada")
    run.hear(refused, refused)
    assert [e.detail for e in run.said(SupplierPaymentRefused)] == ["conta encerrada"]
    assert run.statuses() == ["requested", "refused"]
    assert run.moved(Account.PAYABLE) == Decimal("-160.00")
    run.hear(b.payment_reported(payable_id, reported_at=b.NOW + timedelta(days=1)), refused)
    assert run.statuses() == ["requested", "settled"]
    late = b.payment_reported(payable_id, "refused", reported_at=b.NOW + timedelta(days=2))
    outcome = decide.on_supplier_payment_reported(run.bill, late, run.context())
    assert isinstance(outcome, Refused)
    assert outcome.code == "payment_settled_before"


def test_reports_and_answers_about_nothing_known_are_refused() -> None:
    run, stranger = _paid_run(), Run().hear(b.order_ready())
    (request,) = run.asked(AuthoriseInvoice)
    for outcome in (
        decide.on_invoice_answered(None, b.authorised(request), run.context()),
        decide.on_invoice_answered(stranger.bill, b.authorised(request), run.context()),
        decide.on_supplier_payment_taken(stranger.bill, _taken(run), run.context()),
        decide.on_supplier_payment_reported(None, b.payment_reported("nobody"), run.context()),
    ):
        assert isinstance(outcome, Refused)


def test_deciding_again_from_the_same_state_gives_the_same_ids() -> None:
    run = Run().hear(b.order_ready(), b.only_po())
    first, second = (
        b.decided(decide.on_supplier_nf_matched(run.bill, b.nf_of_only_po(), b.context("event-9"))) for _ in range(2)
    )
    assert first == second


def test_bill_survives_being_stored() -> None:
    run = Run().hear(*TWO_POS, DELIVERED, DISPATCHED, S1_MATCHED).authorise_all()
    assert Bill.model_validate_json(run.now.model_dump_json(exclude_none=True)) == run.now
