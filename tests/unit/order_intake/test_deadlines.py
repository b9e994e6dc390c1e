"""How long an order waits for a supplier, or for stock, before it is given up."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas.decision import Decision, Reminder
from schemas.order import OrderCancellationStarted, OrderLinesGivenUp
from schemas.refund import RefundRequested
from schemas.runtime import ReminderDue
from services.order_intake.state import Order
from tests.builders import ITEM, NOW, PAYMENT, order_placed
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.builders import kinds
from tests.unit.order_intake.stages import READY, after_creation

HEARD = NOW + timedelta(days=2)
LIMITS: dict[str, Any] = {"deadlines": {"quote": "P3D", "stock": "P4D"}}
QUOTE, STOCK = b.quote_needed(), b.out_of_stock(at=b.hours(3))
QUOTE_OVER, STOCK_OVER = HEARD + timedelta(days=3), HEARD + timedelta(days=4)


def to_the_second(at: Any) -> datetime:
    """Without the microseconds by which the steps of one moment differ."""
    assert isinstance(at, datetime)
    return at.replace(microsecond=0)


def at_its_limit(order: Order) -> ReminderDue:
    assert order.gives_up_at is not None
    return b.reminder("give_up", order.gives_up_at)


def limits(decisions: Any) -> list[datetime]:
    return [to_the_second(reminder.due) for reminder in b.reminders(decisions) if reminder.name == "give_up"]


@pytest.mark.parametrize(("word", "over"), [(QUOTE, QUOTE_OVER), (STOCK, STOCK_OVER)], ids=["quote", "stock"])
def test_order_that_waits_is_given_up_at_the_stores_limit(word: Any, over: Any) -> None:
    order, decisions = b.decided(*READY, word, **LIMITS)
    assert limits(decisions) == [over]
    order, published = b.told(at_its_limit(order), order=order)
    [started] = published
    assert isinstance(started, OrderCancellationStarted)
    cause, said = ("no_supplier", "sells") if word is QUOTE else ("no_stock", "has")
    assert (started.cause, started.reason) == (cause, f"no supplier {said} line 1 in time")
    _, published = b.told(b.fulfilment_stopped(), b.billing_stopped(), order=order)
    assert kinds(published) == ["order.cancelled", "order.status_changed", "refund.requested"]


def test_other_wait_has_its_own_limit_and_the_first_reminder_is_out_of_date() -> None:
    order, decisions = b.decided(*READY, QUOTE, STOCK, **LIMITS)
    assert limits(decisions) == [QUOTE_OVER, STOCK_OVER]
    assert b.decision_on(order, b.reminder("give_up", QUOTE_OVER)) == Decision(order)


def test_repeated_word_does_not_begin_the_wait_anew() -> None:
    order, _ = b.told(*READY, QUOTE)
    again = b.decision_on(order, b.quote_needed(at=b.hours(9)), now=HEARD + timedelta(days=1))
    assert again.reminders == []


def test_po_ends_the_wait() -> None:
    order, _ = b.told(*READY, QUOTE)
    decision = b.decision_on(order, b.created(created_at=b.hours(5)))
    assert decision.forget == ["give_up"]
    assert decision.state.gives_up_at is None
    assert b.decision_on(decision.state, b.reminder("give_up", QUOTE_OVER)) == Decision(decision.state)


def test_limit_while_it_is_being_cancelled_or_after_starts_nothing() -> None:
    order, _ = b.told(*READY, QUOTE, b.wish())
    over = b.reminder("give_up", order.gives_up_at or NOW)
    assert b.decision_on(order, over) == Decision(order)
    order, _ = b.told(b.fulfilment_stopped(), b.billing_stopped(), order=order)
    assert b.decision_on(order, over) == Decision(order)


def test_limit_of_some_lines_asks_for_the_whole_order_and_a_too_late_gives_up_those_lines() -> None:
    pos = [b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2), b.sent("a"), b.sent("b")]
    order, _ = b.told(*pos, b.po_refused("b"), b.out_of_stock(order_lines=[2], at=b.hours(9)))
    assert (order.status, to_the_second(order.gives_up_at)) == ("out_of_stock", HEARD + timedelta(days=5))
    over = at_its_limit(order)
    order, published = b.told(over, b.cancel_refused("a"), order=order)
    assert kinds(published) == ["order.cancellation_started", "order.cancellation_refused", "order.lines_given_up"]
    assert isinstance(published[-1], OrderLinesGivenUp)
    assert (published[-1].order_lines, published[-1].reason) == ((2,), "no supplier has line 2 in time")
    assert order.status == "out_of_stock", "until nobody buys it any more"
    assert not b.told(b.cancel_refused("a"), order=order)[1], "asked once"
    order, published = b.told(b.given_up(line_2=2), order=order)
    assert b.statuses(published) == ["ready_to_order", "po_dispatched"]
    assert (order.status, order.gives_up_at) == ("po_dispatched", None)
    order, published = b.told(b.s2_matched("a"), b.invoice_issued("a"), order=order)
    assert [str(r.amount) for r in published if isinstance(r, RefundRequested)] == ["99.90"], "when R says what is kept"


ONE_LEFT = [
    b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2), *after_creation("a"), b.po_refused("b"),
    b.out_of_stock(order_lines=[2], at=b.hours(30)),
]  # fmt: skip


def test_limit_where_goods_have_left_gives_up_what_is_missing_and_pays_it_back() -> None:
    order, published = b.told(*ONE_LEFT)
    assert order.status == "out_of_stock"
    order, published = b.told(b.reminder("give_up", order.gives_up_at or NOW), order=order)
    assert kinds(published) == ["order.lines_given_up"], "no cancellation of what is there already"
    order, published = b.told(b.given_up(line_2=2), order=order)
    [refund] = [event for event in published if isinstance(event, RefundRequested)]
    assert (str(refund.amount), refund.payment_id) == ("99.90", "pay-1"), "199.80 less R of 99.90"
    assert refund.reason == "line 2 could not be delivered as a whole"
    assert order.status == "delivered"
    assert not b.told(b.given_up(line_2=2), order=order)[1]
    order, published = b.told(b.reminder("complete", order.completes_at or NOW), order=order)
    assert order.status == "completed"
    assert [type(event) for event in published if isinstance(event, RefundRequested)] == []


def test_order_that_a_person_wants_to_go_on_after_the_limit_waits_as_long_again() -> None:
    """Its R could not be cancelled any more, and nothing of it has left: nothing is given up."""
    order, _ = b.told(*READY, b.created(), b.invoice_issued(), b.po_refused(), b.out_of_stock(at=b.hours(9)))
    order, _ = b.told(b.reminder("give_up", order.gives_up_at or NOW), b.fulfilment_stopped(), order=order)
    stopped = b.billing_stopped(b.key(2))
    later = b.billing_stopped(decision="continue", reason="entry NF", stopped_at=b.hours(15))
    first = order.gives_up_at or NOW
    order, decisions = b.decided(stopped, later, order=order)
    published = [event for decision in decisions for event in decision.events]
    assert kinds(published) == ["order.cancellation_refused"]
    assert order.cancellation is not None
    assert order.gives_up_at == (order.cancellation.refused_at or NOW) + timedelta(days=5)
    assert order.gives_up_at > first


def test_goods_that_were_bought_before_it_was_given_up_are_waited_for() -> None:
    """po_dispatch gave nothing up: it had bought the line by then."""
    order, _ = b.told(*ONE_LEFT)
    order, _ = b.told(b.reminder("give_up", order.gives_up_at or NOW), order=order)
    order, published = b.told(b.created("c", 2, created_at=b.hours(31)), order=order)
    assert (order.status, order.given_up) == ("ready_to_order", {})
    assert not [event for event in published if isinstance(event, RefundRequested)]


def test_line_that_is_missing_since_other_lines_were_given_up_waits_as_long_and_is_given_up_too() -> None:
    """Its supplier refused it when the wish was on its way: po_dispatch gave up what was missing before."""
    of_three = b.two_lines(
        items=[ITEM, ITEM | {"line": 2, "sku": "SKU-2"}, ITEM | {"line": 3, "sku": "SKU-3"}],
        total="299.70", payments=[PAYMENT | {"amount": "299.70", "approved_at": b.hours(0)}],
    )  # fmt: skip
    pos = [b.created("a", 1), b.created("b", 2), b.created("c", 3), *after_creation("a"), b.po_refused("b")]
    order, _ = b.told(of_three, b.registered(), *pos, b.out_of_stock(order_lines=[2], at=b.hours(30)))
    first = order.gives_up_at or NOW
    order, published = b.told(b.reminder("give_up", first), order=order)
    assert [e.order_lines for e in published if isinstance(e, OrderLinesGivenUp)] == [(2,)]
    order, _ = b.told(b.po_refused("c"), b.given_up(line_2=2), order=order)
    order, _ = b.told(b.out_of_stock(order_lines=[3], at=b.hours(201)), order=order)
    assert order.status == "out_of_stock"
    assert order.gives_up_at is not None
    order, published = b.told(at_its_limit(order), order=order)
    assert [e.order_lines for e in published if isinstance(e, OrderLinesGivenUp)] == [(3,)]
    order, published = b.told(b.given_up(line_2=2, line_3=2), order=order)
    assert (order.status, order.gives_up_at) == ("delivered", None)
    assert [str(e.amount) for e in published if isinstance(e, RefundRequested)] == ["199.80"]


def test_limit_that_ends_while_somebodys_wish_to_cancel_is_open_holds_when_that_is_refused() -> None:
    pos = [b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2), b.sent("a"), b.sent("b")]
    order, _ = b.told(*pos, b.po_refused("b"), b.out_of_stock(order_lines=[2], at=b.hours(9)))
    over = b.reminder("give_up", order.gives_up_at or NOW)
    order, _ = b.told(b.wish(), over, order=order)
    assert order.is_being_cancelled
    order, decisions = b.decided(b.cancel_refused("a"), order=order)
    assert b.reminders(decisions) == [Reminder("give_up", over.due)]
    order, published = b.told(over, order=order)
    assert kinds(published) == ["order.lines_given_up"]


EXPIRED = [order_placed(), b.registered(), b.payment_expired()]
PATIENT: dict[str, Any] = {"deadlines": {"late_payment": "P2D"}}


def test_expired_payment_cancels_the_order_at_the_stores_limit() -> None:
    over = HEARD + timedelta(days=2)
    order, decisions = b.decided(*EXPIRED, **PATIENT)
    assert limits(decisions) == [over]
    order, published = b.told(at_its_limit(order), order=order)
    assert kinds(published) == ["order.cancellation_started", "order.cancelled", "order.status_changed"]
    assert isinstance(published[0], OrderCancellationStarted)
    assert published[0].cause == "payment_expired"
    _, published = b.told(b.payment_approved(), order=order)
    assert kinds(published) == ["refund.requested"]


def test_expired_payment_that_comes_in_time_after_all_ends_the_wait() -> None:
    order, _ = b.told(*EXPIRED, **PATIENT)
    decision = b.decision_on(order, b.payment_approved())
    assert decision.forget == ["give_up"]
    assert b.decision_on(decision.state, b.reminder("give_up", HEARD + timedelta(days=2))) == Decision(decision.state)


def test_expired_payment_cancels_nothing_where_the_store_has_no_limit() -> None:
    _, decisions = b.decided(*EXPIRED)
    assert b.reminders(decisions) == []
