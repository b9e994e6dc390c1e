"""What billing makes of POs that are refused, cancelled, supplied by others than at first, or paid in advance."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from schemas.billing import PayableOpened, PayableWithheld
from schemas.model import Message
from schemas.purchase_order import (
    FulfilmentStopped,
    LostParcel,
    PoLine,
    PurchaseOrderCancelled,
    PurchaseOrderRefused,
    RefusedLine,
)
from schemas.shipment import ShipmentDelivered
from schemas.store import StoreChanged
from schemas.supplier import Terms
from schemas.timeline import Timeline
from services.billing.ledger import Account, Movement
from services.billing.requests import AuthoriseInvoice, OrderSupplierPayment
from services.billing.state import PayableStatus
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run
from tests.unit.billing.test_replaced import GOES_ON, STARTED

LATER = b.NOW - timedelta(minutes=30)
PREPAID = Terms(kind="prepaid", days=0)


def refused(lines: tuple[PoLine, ...], order_po_ids: tuple[str, ...] = ("po-a", "po-b")) -> PurchaseOrderRefused:
    return PurchaseOrderRefused(
        order_id="order-1", po_id="po-a", po_number="PC-a", order_po_ids=order_po_ids, supplier_id="supplier-a",
        refused=(RefusedLine(line=1, order_line=1, quantity=1),), lines=lines,
        total=sum((line.total for line in lines), Decimal("0.00")), refused_at=LATER,
    )  # fmt: skip


def cancelled(*left: str) -> PurchaseOrderCancelled:
    return PurchaseOrderCancelled(
        order_id="order-1", po_id="po-a", po_number="PC-a", order_po_ids=left, supplier_id="supplier-a",
        cause="silent", cancelled_at=LATER,
    )  # fmt: skip


def second(*lines: PoLine, **overrides: Any) -> Message:
    """PO b, which takes over what PO a does not deliver."""
    fields: dict[str, Any] = {"order_po_ids": ("po-a", "po-b"), "created_at": LATER, "lines": lines}
    return b.po_created("po-b", **fields | overrides)


ONE_OF_TWO = (b.po_line(1, 1, quantity=1, total=Decimal("40.00")), b.po_line(2, 2))
SPLIT: tuple[Message, ...] = (
    b.order_ready(),
    b.only_po(),
    refused(ONE_OF_TWO),
    second(b.po_line(1, 1, quantity=1, total=Decimal("40.00")), total=Decimal("40.00")),
    b.nf_of_only_po(
        payable=Decimal("120.00"),
        lines=(b.nf_line(1, 1, quantity=Decimal(1), total=Decimal("40.00")), b.nf_line(2, 2)),
    ),
    b.nf_matched(
        "po-b",
        payable=Decimal("40.00"),
        lines=(b.nf_line(1, 1, quantity=Decimal(1), total=Decimal("40.00")),),
    ),
)


@pytest.mark.parametrize("arrival", list(permutations(range(1, 6)))[::5])
def test_order_line_over_two_pos_is_billed_to_the_cent_in_any_order(arrival: tuple[int, ...]) -> None:
    run = Run().hear(SPLIT[0], *(SPLIT[i] for i in arrival)).authorise_all()
    assert sum(i.total for i in run.now.invoices) == Decimal("300.00")
    assert sorted(i.po_ids for i in run.now.invoices) == [("po-a",), ("po-b",)]
    assert run.balance().wrong == ()


def test_what_was_billed_before_the_split_stays_and_the_rest_is_billed_exactly() -> None:
    """Seven cents over three units do not divide; whoever is billed first must not shift what the last one gets."""
    items = (b.item(1, quantity=3, unit_price=Decimal("33.3333333333")), b.item(2))
    order = b.order_ready(items=items, freight=Decimal("0.07"), discount=Decimal("0.00"), total=Decimal("240.07"),
                          payments=())  # fmt: skip
    po_a = b.only_po(lines=(b.po_line(1, 1, quantity=3), b.po_line(2, 2)))
    kept = (b.po_line(1, 1, quantity=1), b.po_line(2, 2))
    run = Run().hear(order, po_a, refused(kept, ("po-a",)), b.nf_of_only_po()).authorise_all()
    run.hear(second(b.po_line(1, 1, quantity=2)), b.nf_matched("po-b", lines=(b.nf_line(1, 1),))).authorise_all()
    assert sum(i.total for i in run.now.invoices) == Decimal("240.07")


def test_one_invoice_for_the_order_waits_until_all_that_was_ordered_is_bought() -> None:
    store = Timeline[StoreChanged](versions=(b.store_changed(invoice_per="order"),))
    run = Run(b.reference(store=store)).hear(*SPLIT[:3], SPLIT[4])
    assert not run.asked(AuthoriseInvoice)
    run.hear(SPLIT[3], SPLIT[5])
    assert len(run.asked(AuthoriseInvoice)) == 1


@pytest.mark.parametrize("early", [True, False])
def test_cancelled_po_is_not_billed_and_not_waited_for(early: bool) -> None:
    replacement = second(b.po_line(1, 1), b.po_line(2, 2), order_po_ids=("po-b",))
    messages = [b.only_po(), cancelled("po-b"), replacement]
    supplied = b.nf_matched("po-b", lines=(b.nf_line(1, 1), b.nf_line(2, 2)), payable=Decimal("160.00"))
    run = Run().hear(b.order_ready(), *(reversed(messages) if early else messages), supplied).authorise_all()
    assert [i.po_ids for i in run.now.invoices] == [("po-b",)]
    assert sum(i.total for i in run.now.invoices) == Decimal("300.00")


def prepaid(**overrides: Any) -> Message:
    return b.only_po(terms=PREPAID, **overrides)


def test_prepaid_po_opens_an_advance_and_its_s2_settles_against_it() -> None:
    run = Run().hear(b.order_ready(), prepaid())
    (advance,) = run.now.payables
    assert advance.is_advance
    assert [(r.payable_id, r.amount) for r in run.asked(OrderSupplierPayment)] == [
        (advance.payable_id, Decimal("160.00"))
    ]
    run.hear(b.payment_reported(advance.payable_id), b.nf_of_only_po())
    assert run.statuses()[-2:] == ["settled", "covered"]
    assert len(run.asked(OrderSupplierPayment)) == len(run.said(PayableOpened)) == 1
    balance = run.authorise_all().balance()
    assert (balance.payments, balance.cost, balance.claims, balance.wrong) == (
        Decimal("160.00"), Decimal("160.00"), Decimal(0), (),
    )  # fmt: skip


def test_s2_beyond_the_advance_owes_the_difference() -> None:
    run = Run().hear(b.order_ready(), prepaid(), b.nf_of_only_po(payable=Decimal("160.40")))
    assert [r.amount for r in run.asked(OrderSupplierPayment)] == [Decimal("160.00"), Decimal("0.40")]
    run.hear(*(b.payment_reported(p.payable_id) for p in run.now.payables))
    assert (run.balance().open_payables, run.balance().wrong) == (Decimal(0), ())


def test_advance_paid_for_a_void_po_is_a_claim_on_the_supplier() -> None:
    run = Run().hear(b.order_ready(), prepaid(), cancelled())
    run.hear(b.payment_reported(run.now.payables[0].payable_id))
    assert (run.balance().claims, run.balance().wrong) == (Decimal("160.00"), ())


def test_advance_that_nobody_ordered_is_dropped_with_its_po() -> None:
    run = Run().hear(b.order_ready(erp_order_number=None), prepaid(), cancelled())
    assert run.now.payables[0].status is PayableStatus.DROPPED
    assert run.balance().wrong == ()


@pytest.mark.parametrize("erp", [None, "SO1"])
def test_advance_that_nobody_ordered_becomes_what_remains_of_its_po(erp: str | None) -> None:
    """The order is being cancelled when its PO is created, and goes on; or nobody can be asked. It is told again."""
    run = Run().hear(b.order_ready(erp_order_number=erp), STARTED, prepaid(), refused(ONE_OF_TWO), GOES_ON)
    assert [said.amount for said in run.said(PayableOpened)] == [Decimal("160.00"), Decimal("120.00")]
    assert [request.amount for request in run.asked(OrderSupplierPayment)] == [Decimal("120.00")] * (erp is not None)
    run.hear(b.payment_reported(run.now.payables[0].payable_id))
    balance = run.balance()
    assert (balance.payments, balance.claims, balance.wrong) == (Decimal("120.00"), Decimal("120.00"), ())
    rest = b.nf_of_only_po(payable=Decimal("120.00"), lines=SPLIT[4].lines)  # type: ignore[attr-defined]
    balance = run.hear(rest).balance()
    assert (balance.cost, balance.claims, balance.wrong) == (Decimal("120.00"), Decimal(0), ())


def test_advance_that_was_ordered_is_paid_whole_and_what_does_not_come_is_a_claim() -> None:
    run = settled(Run().hear(b.order_ready(), prepaid(), refused(ONE_OF_TWO)))
    run.hear(b.nf_of_only_po(payable=Decimal("120.00"), lines=SPLIT[4].lines))  # type: ignore[attr-defined]
    balance = run.balance()
    assert (balance.payments, balance.cost, balance.claims) == (Decimal("160.00"), Decimal("120.00"), Decimal("40.00"))
    assert balance.wrong == ()


def test_void_prepaid_po_opens_no_advance() -> None:
    assert not Run().hear(b.order_ready(), cancelled(), prepaid()).now.payables


def test_s2_of_a_void_po_is_not_paid_and_told_apart_from_what_is_owed() -> None:
    run = Run().hear(b.order_ready(), b.only_po(), cancelled(), b.nf_of_only_po())
    assert not run.said(PayableOpened)
    (withheld,) = run.said(PayableWithheld)
    assert (withheld.po_number, withheld.amount, withheld.lost_parcels) == ("PC-a", Decimal("160.00"), ())
    balance = run.balance()
    assert (balance.open_payables, balance.held, balance.wrong) == (Decimal("160.00"), Decimal("160.00"), ())


ONE_LEFT = (b.po_line(1, 1, quantity=1, total=Decimal("40.00")), b.po_line(2, 2))
NOTHING_LEFT: tuple[PoLine, ...] = ()


def settled(run: Run) -> Run:
    """The bank settles everything that was ordered."""
    return run.hear(*(b.payment_reported(asked.payable_id) for asked in run.asked(OrderSupplierPayment)))


@pytest.mark.parametrize(("left", "claim"), [(ONE_LEFT, "40.40"), (NOTHING_LEFT, "161.60")], ids=["part", "whole"])
@pytest.mark.parametrize("paid_first", [True, False])
def test_what_was_paid_for_goods_that_do_not_come_is_a_claim(
    left: tuple[PoLine, ...], claim: str, paid_first: bool
) -> None:
    """A quarter of the S2's goods is refused, and with them a quarter of its surcharge; or all of it."""
    run = Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po(payable=Decimal("161.60")))
    run = settled(run).hear(refused(left)) if paid_first else settled(run.hear(refused(left)))
    balance = run.balance()
    assert (str(balance.claims), balance.payments, balance.wrong) == (claim, Decimal("161.60"), ())
    assert (balance.cost, balance.open_payables) == (Decimal("161.60") - Decimal(claim), Decimal(0))


@pytest.mark.parametrize("void", [cancelled(), refused(NOTHING_LEFT)], ids=["cancelled", "refused"])
def test_advance_that_an_s2_of_a_void_po_used_is_claimed(void: Message) -> None:
    run = settled(Run().hear(b.order_ready(), prepaid())).hear(b.nf_of_only_po(), void)
    balance = run.balance()
    assert (balance.claims, balance.cost, balance.wrong) == (Decimal("160.00"), Decimal(0), ())


def test_claims_of_two_refusals_add_up_and_a_word_said_again_adds_nothing() -> None:
    first, second_word = refused(ONE_LEFT), refused((b.po_line(2, 2),)).model_copy(update={"refused_at": b.NOW})
    run = settled(Run().hear(b.order_ready(), b.only_po(), b.nf_of_only_po())).hear(first, second_word, first)
    assert [row.amount for row in run.rows if isinstance(row, Movement) and row.debit is Account.SUPPLIER_ADVANCE] == [
        Decimal("40.00"), Decimal("40.00"),
    ]  # fmt: skip
    assert (run.balance().claims, run.balance().wrong) == (Decimal("80.00"), ())


@pytest.mark.parametrize(
    ("left", "claim", "said"),
    [
        pytest.param(ONE_LEFT, "40.00", ["settled"], id="part"),
        pytest.param(NOTHING_LEFT, "160.00", ["settled"], id="whole"),
        pytest.param(NOTHING_LEFT, "160.00", ["refused", "settled"], id="whole, at the second try"),
    ],
)
def test_payable_that_a_person_paid_whole_although_goods_do_not_come_is_a_claim(
    left: tuple[PoLine, ...], claim: str, said: list[str]
) -> None:
    """Without an ERP nobody is asked to pay: a person pays what `payable.opened` told."""
    run = Run().hear(b.order_ready(erp_order_number=None), b.only_po(), b.nf_of_only_po(), refused(left))
    run.hear(*(b.payment_reported(run.now.payables[0].payable_id, outcome) for outcome in said))
    balance = run.balance()
    assert (balance.payments, str(balance.claims), balance.held) == (Decimal("160.00"), claim, Decimal(0))
    assert balance.wrong == ()
    assert all(row.amount for row in run.rows if isinstance(row, Movement)), "the ledger takes no 0.00"


def test_payable_that_was_not_ordered_becomes_what_is_still_owed() -> None:
    """On delivery terms nothing is ordered before the goods arrive; what was refused meanwhile is held."""
    on_delivery = b.only_po(terms=Terms(kind="on_delivery", days=7))
    run = Run().hear(b.order_ready(), on_delivery, b.nf_of_only_po(), refused(ONE_LEFT))
    assert (run.balance().held, run.balance().wrong) == (Decimal("40.00"), ())
    assert [said.amount for said in run.said(PayableWithheld)] == [Decimal("40.00")]
    arrived = ShipmentDelivered(order_id="order-1", po_id="po-a", po_number="PC-a", shipment_id="s", delivered_at=b.NOW)
    settled(run.hear(arrived))
    assert [asked.amount for asked in run.asked(OrderSupplierPayment)] == [Decimal("120.00")]
    balance = run.balance()
    assert (balance.open_payables, balance.held, balance.claims, balance.wrong) == (
        Decimal("40.00"), Decimal("40.00"), Decimal(0), (),
    )  # fmt: skip


def test_last_duplicata_loses_its_goods_first() -> None:
    nf = b.nf_of_only_po(installments=b.installments("60.00", "100.00"))
    run = Run().hear(b.order_ready(), b.only_po(), nf)
    run.hear(b.payment_reported(run.now.payables[0].payable_id), refused(ONE_LEFT))
    assert (run.balance().claims, run.balance().wrong) == (Decimal(0), ())
    settled(run)
    assert (run.balance().claims, run.balance().wrong) == (Decimal("40.00"), ())


LOST = LostParcel(shipment_id="S-1", carrier="rapido", tracking_code="T1")


@pytest.mark.parametrize("said", [cancelled, lambda: refused(())])
def test_what_its_carrier_lost_is_withheld_as_lost_by_that(said: Callable[[], Any]) -> None:
    word = said().model_copy(update={"lost_parcels": (LOST,)})
    run = Run().hear(b.order_ready(), b.only_po(), word, b.nf_of_only_po())
    assert [event.lost_parcels for event in run.said(PayableWithheld)] == [(LOST,)]


def test_what_is_withheld_is_told_again_once_where_its_loss_is_heard_of_later() -> None:
    """The PO is void by `fulfilment.stopped`, and S2 comes, before its own message says what was lost."""
    stopped = FulfilmentStopped(
        order_id="order-1", started_at=STARTED.started_at, cancelled_po_ids=("po-a",), stopped_at=b.NOW
    )
    run = Run().hear(b.order_ready(), b.only_po(), STARTED, stopped, b.nf_of_only_po())
    run.hear(cancelled().model_copy(update={"lost_parcels": (LOST,)}), GOES_ON)
    told = [(event.amount, event.lost_parcels) for event in run.said(PayableWithheld)]
    assert told == [(Decimal("160.00"), ()), (Decimal("160.00"), (LOST,))]


def test_second_loss_is_told_where_the_rest_is_on_its_way_to_the_bank() -> None:
    more = LOST.model_copy(update={"shipment_id": "S-2", "tracking_code": "T2"})
    first = refused(ONE_LEFT).model_copy(update={"lost_parcels": (LOST,)})
    on_delivery = b.only_po(terms=Terms(kind="on_delivery", days=7))
    arrived = ShipmentDelivered(order_id="order-1", po_id="po-a", po_number="PC-a", shipment_id="s", delivered_at=b.NOW)
    again = refused(ONE_LEFT).model_copy(update={"lost_parcels": (LOST, more)})
    run = Run().hear(b.order_ready(), on_delivery, b.nf_of_only_po(), first, arrived, again)
    assert [event.lost_parcels for event in run.said(PayableWithheld)] == [(LOST,), (LOST, more)]
