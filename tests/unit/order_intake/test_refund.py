"""Money that goes back, beside the status: once for each payment, whenever it comes."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from schemas.decision import Decision
from schemas.order import OrderCancelled
from schemas.refund import RefundRequested
from services.order_intake.decide.follow.refunding import refund_id
from tests.builders import PAYMENT, order_placed
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.builders import kinds
from tests.unit.order_intake.stages import DELIVERED, READY, after_creation

CANCELLED = [*READY, b.wish(), b.fulfilment_stopped(), b.billing_stopped()]


def refunds(published: Sequence[object]) -> list[RefundRequested]:
    return [event for event in published if isinstance(event, RefundRequested)]


def test_every_payment_of_a_cancelled_order_is_refunded_by_name() -> None:
    halves = [
        PAYMENT | {"payment_id": name, "method": method, "amount": "49.95", "approved_at": b.hours(0)}
        for name, method in (("pay-1", "pix"), ("pay-2", "marketplace"))
    ]
    _, published = b.told(order_placed(payments=halves), *CANCELLED[1:])
    found = [(r.payment_id, r.method, str(r.amount), r.reason, r.erp_order_number) for r in refunds(published)]
    assert found == [
        ("pay-1", "pix", "49.95", "bought the wrong one", "SO1"),
        ("pay-2", "marketplace", "49.95", "bought the wrong one", "SO1"),
    ]


def test_part_of_the_money_goes_back_too() -> None:
    _, published = b.told(order_placed(), b.registered(), b.payment_approved(amount="10.00"), b.wish())
    assert [str(refund.amount) for refund in refunds(published)] == ["10.00"]


def test_money_that_comes_after_the_end_goes_back() -> None:
    order, _ = b.told(*CANCELLED)
    order, published = b.told(b.payment_approved(payment_id="pay-9"), order=order)
    assert kinds(published) == ["order.payment_received", "refund.requested"]
    assert b.decision_on(order, b.payment_approved(payment_id="pay-9")) == Decision(order)


def test_money_that_comes_while_it_is_being_cancelled_goes_back_at_the_end() -> None:
    order, published = b.told(*READY, b.wish(), b.payment_approved(payment_id="pay-9"))
    assert refunds(published) == []
    _, published = b.told(*CANCELLED[-2:], order=order)
    assert [refund.payment_id for refund in refunds(published)] == ["pay-1", "pay-9"]


def test_nothing_goes_back_of_an_order_that_goes_on() -> None:
    _, published = b.told(*READY, b.created(), b.wish(), b.cancel_refused())
    assert refunds(published) == []


def test_refunds_id_says_of_which_payment_it_is_whatever_leads_to_it() -> None:
    one = refunds(b.told(*CANCELLED)[1])
    other = refunds(b.told(b.wish(), order_placed(), b.payment_approved(), b.registered())[1])
    assert [r.refund_id for r in one] == [r.refund_id for r in other] == [refund_id("order-1", "pay-1")]


def test_progress_of_a_refund_is_the_same_in_whatever_order_it_is_heard_of() -> None:
    steps = [b.refund_ordered(), b.refund_failed(), b.refund_settled()]
    before, _ = b.told(*CANCELLED)
    ends = [b.told(*some, *some, order=before)[0] for some in permutations(steps)]
    assert all(end == ends[0] for end in ends)
    refund = ends[0].refunds[refund_id("order-1", "pay-1")]
    assert (refund.ordered_at, refund.failed_at, refund.settled_at) == (b.hours(30), b.hours(35), b.hours(40))


def test_word_on_a_refund_before_the_order_is_kept() -> None:
    order, published = b.told(b.refund_settled(), *CANCELLED)
    assert len(refunds(published)) == 1
    assert order.refunds[refund_id("order-1", "pay-1")].settled_at == b.hours(40)


@pytest.mark.parametrize("before", [READY[:1], READY, DELIVERED], ids=["before_the_erp", "ready", "delivered"])
def test_what_is_paid_twice_goes_back_once(before: list[Any]) -> None:
    """A slip that was forgotten, and Pix: the one that came last goes back."""
    twice = b.payment_approved(payment_id="pay-9", approved_at=b.hours(2))
    order, published = b.told(*before, twice, twice, b.registered())
    found = [(r.payment_id, str(r.amount), r.reason) for r in refunds(published)]
    assert found == [("pay-9", "99.90", "more was paid than the order costs")]
    assert order.status == ("delivered" if before is DELIVERED else "payment_confirmed")


def paid(name: str, amount: str, hours: float = 0) -> dict[str, Any]:
    return PAYMENT | {"payment_id": name, "amount": amount, "approved_at": b.hours(hours)}


@pytest.mark.parametrize(
    "payments",
    [[paid("pay-1", "120.00")], [paid("pay-1", "60.00"), paid("pay-2", "60.00", 1)]],
    ids=["one card", "two cards"],
)
def test_interest_that_the_hub_reports_with_a_payment_is_not_paid_back_before_all_is(
    payments: list[dict[str, Any]],
) -> None:
    order, published = b.told(order_placed(payments=payments), *DELIVERED[1:])
    assert order.status == "delivered"
    assert refunds(published) == []
    _, published = b.told(order_placed(payments=payments), *CANCELLED[1:])
    assert [(r.payment_id, str(r.amount), r.cause) for r in refunds(published)] == [
        (p["payment_id"], p["amount"], "cancelled") for p in payments
    ]
    [cancelled] = [event for event in published if isinstance(event, OrderCancelled)]
    assert str(cancelled.to_refund) == "120.00"


@pytest.mark.parametrize(
    ("payments", "back"),
    [
        ([paid("card", "120.00"), paid("slip", "99.90", 2)], [("slip", "99.90")]),
        ([paid("slip", "99.90"), paid("card", "120.00", 2)], [("card", "120.00")]),
        ([paid("half", "50.00"), paid("whole", "99.90", 2)], [("half", "50.00")]),
        ([paid("whole", "99.90"), paid("half", "50.00", 2)], [("half", "50.00")]),
        ([paid("a", "60.00"), paid("b", "60.00", 1), paid("c", "99.90", 2)], [("c", "99.90")]),
    ],
    ids=["interest first", "interest last", "half first", "half last", "two cards first"],
)
def test_payment_without_which_the_others_cover_the_order_goes_back_whole(
    payments: list[dict[str, Any]], back: list[tuple[str, str]]
) -> None:
    _, published = b.told(order_placed(payments=payments), *READY[1:])
    assert [(r.payment_id, str(r.amount), r.cause) for r in refunds(published)] == [(*p, "overpaid") for p in back]


def test_payments_that_are_heard_of_late_leave_the_order_paid_once() -> None:
    """Of three, the first goes back when the third is heard of: the second is not interest beside it."""
    order, first = b.told(order_placed(payments=[paid("a", "60.00")]), *READY[1:])
    order, second = b.told(b.payment_approved(payment_id="c", approved_at=b.hours(3)), order=order)
    order, third = b.told(b.payment_approved(payment_id="b", amount="60.00", approved_at=b.hours(2)), order=order)
    found = [(r.payment_id, str(r.amount)) for r in refunds([*first, *second, *third])]
    assert found == [("a", "60.00"), ("b", "60.00")]


def test_interest_stays_where_a_line_was_given_up_and_goes_back_with_the_whole_order() -> None:
    placed = b.two_lines(payments=[paid("pay-1", "209.80")])
    issued = b.invoice_issued("a").model_copy(update={"total": Decimal("99.90")})
    facts = [placed, b.registered(), b.created("a", 1), issued, b.given_up(line_2=2)]
    order, published = b.told(*facts)
    [part] = refunds(published)
    assert (str(part.amount), part.cause) == ("99.90", "given_up")
    stopped = [b.fulfilment_stopped("a"), b.billing_stopped()]
    _, published = b.told(b.wish(requested_at=b.hours(3)), *stopped, order=order)
    [rest] = refunds(published)
    assert (str(rest.amount), rest.cause) == ("109.90", "cancelled")
    assert part.refund_id == refund_id("order-1", "pay-1") != rest.refund_id


@pytest.mark.parametrize(
    ("payments", "money"),
    [([], "0.00"), ([PAYMENT | {"amount": "49.95", "approved_at": b.hours(0)}], "49.95")],
    ids=["unpaid", "half"],
)
def test_cancelled_order_says_what_goes_back(payments: list[dict[str, Any]], money: str) -> None:
    _, published = b.told(order_placed(payments=payments), b.registered(), b.wish())
    [cancelled] = [event for event in published if isinstance(event, OrderCancelled)]
    assert str(cancelled.to_refund) == money


def test_line_that_is_bought_anew_is_not_paid_back_with_what_was_given_up() -> None:
    """One of its pieces was given up; then the supplier of the other one refused that too."""
    facts = [b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2), *after_creation("a")]
    refusals = b.po_refused("b", [b.line(1, 2, 1)]), b.po_refused("b", refused_at=b.hours(5))
    order, published = b.told(*facts, refusals[0], b.given_up(line_2=1), refusals[1])
    assert refunds(published) == [], "of line 2 one piece is still to be bought"
    again = b.created("c", 2, lines=[b.line(1, 2, 1)], created_at=b.hours(201))
    issued = b.invoice_issued("c", number=9).model_copy(update={"total": Decimal("49.95")})
    _, published = b.told(again, issued, order=order)
    assert [str(r.amount) for r in refunds(published)] == ["49.95"]


def test_what_is_left_of_an_invoice_that_was_reduced_counts_whatever_comes_first() -> None:
    for facts in ((b.invoice_issued(), b.invoice_reduced("continue")), (b.invoice_reduced("continue"),)):
        order, _ = b.told(*facts)
        assert {str(left) for left in order.reduced.values()} == {"90.00"}
