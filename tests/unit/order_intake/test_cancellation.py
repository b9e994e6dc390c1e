"""Cancelling: asked first, done last; refused by the store's settings or by a supplier; and what crosses it."""

from typing import Any

import pytest

from schemas.decision import Call, Decision
from schemas.order import (
    OrderCancellationRefused,
    OrderCancellationStarted,
    OrderCancelled,
    OrderLinesGivenUp,
)
from schemas.refund import RefundRequested
from services.order_intake.requests import MarkCancelled, RegisterSalesOrder
from services.order_intake.state import Order
from tests.builders import order_placed
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.builders import kinds
from tests.unit.order_intake.stages import (
    ACKNOWLEDGED,
    AWAITING_SHIPMENT,
    DELIVERED,
    DISPATCHED,
    IN_TROUBLE,
    INVOICED,
    ORDERED,
    OVER,
    PAID,
    READY,
    SHIPPED,
)

STOPPED = [b.fulfilment_stopped("po-1"), b.billing_stopped()]
AGAIN = b.wish(requested_at=b.hours(40))


def codes(published: list[Any]) -> list[str]:
    refused = [event for event in published if isinstance(event, OrderCancellationRefused)]
    return [problem.code for event in refused for problem in event.reasons]


def test_unpaid_order_is_cancelled_at_once_and_nothing_is_refunded() -> None:
    order, published = b.told(order_placed(), b.wish())
    assert kinds(published)[-3:] == ["order.cancellation_started", "order.cancelled", "order.status_changed"]
    started, cancelled = published[-3:-1]
    assert isinstance(started, OrderCancellationStarted)
    assert isinstance(cancelled, OrderCancelled)
    assert (cancelled.cause, cancelled.reason) == ("requested", "bought the wrong one")
    assert order.status == "cancelled"


def test_order_in_fulfilment_is_asked_first_and_cancelled_last() -> None:
    order, published = b.told(*ACKNOWLEDGED, b.wish())
    assert kinds(published)[-1] == "order.cancellation_started"
    order, published = b.told(b.po_cancelled(cause="order_cancelled"), STOPPED[0], order=order)
    assert published == []
    assert order.status == "po_acknowledged"
    decision = b.decision_on(order, STOPPED[1])
    assert kinds(decision.events) == ["order.cancelled", "order.status_changed", "refund.requested"]
    assert list(decision.calls) == [Call("erp", MarkCancelled(order_id="order-1", number="SO1"))]
    [moved] = [event for event in decision.events if event.TYPE == "order.status_changed.v1"]
    assert moved.purchase_orders == ()


def test_billings_word_may_come_before_po_dispatchs() -> None:
    order, published = b.told(*DISPATCHED, b.wish(), STOPPED[1])
    assert "order.cancelled" not in kinds(published)
    assert kinds(b.told(STOPPED[0], order=order)[1])[0] == "order.cancelled"


def test_words_of_stopping_heard_of_before_the_wish_count_when_it_is_made() -> None:
    _, published = b.told(*DISPATCHED, *STOPPED, b.wish())
    assert kinds(published)[-4:-2] == ["order.cancellation_started", "order.cancelled"]


def test_supplier_that_says_too_late_refuses_the_cancellation_and_the_order_goes_on() -> None:
    order, published = b.told(*ACKNOWLEDGED, b.wish(), b.cancel_refused())
    [refused] = [event for event in published if isinstance(event, OrderCancellationRefused)]
    [problem] = refused.reasons
    assert (problem.code, problem.where, problem.detail) == (
        "supplier_too_late",
        "PC-po-1",
        "farol-sul: already packed",
    )
    order, published = b.told(b.s2_matched(), order=order)
    assert b.statuses(published) == ["supplier_invoice_received", "awaiting_invoice"]


def test_second_suppliers_too_late_is_told_no_second_time() -> None:
    pos = [b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2)]
    _, published = b.told(*pos, b.wish(), b.cancel_refused("a"), b.cancel_refused("b"))
    assert kinds(published).count("order.cancellation_refused") == 1


def test_po_cancelled_in_a_cancellation_that_was_refused_is_bought_again() -> None:
    pos = [b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2), b.sent("a"), b.sent("b")]
    order, _ = b.told(*pos, b.wish(), b.po_cancelled("a", cause="order_cancelled"), b.cancel_refused("b"))
    order, published = b.told(b.out_of_stock(order_lines=[1], at=b.hours(20)), order=order)
    assert b.statuses(published) == ["out_of_stock"]
    order, _ = b.told(b.created("c", 1, created_at=b.hours(21)), b.sent("c"), order=order)
    assert (order.status, list(order.open_purchase_orders)) == ("po_dispatched", ["b", "c"])


@pytest.mark.parametrize(
    ("policy", "stage", "code"),
    [
        ("until_sent", ORDERED, None),
        ("until_sent", DISPATCHED, "already_sent"),
        ("until_invoiced", DISPATCHED, None),
        ("until_invoiced", INVOICED, "already_invoiced"),
        ("until_shipped", AWAITING_SHIPMENT, None),
        ("until_shipped", SHIPPED, "already_shipped"),
        ("until_shipped", [*AWAITING_SHIPMENT, b.dispatched(open_lines=[1])], "already_shipped"),
        ("until_shipped", DELIVERED, "already_shipped"),
        ("until_shipped", IN_TROUBLE, "already_shipped"),
        ("until_shipped", [*DELIVERED, OVER], "completed"),
    ],
    ids=range(10),
)
def test_wish_beyond_the_stores_limit_is_refused_at_once(policy: str, stage: list[Any], code: str | None) -> None:
    order, _ = b.told(*stage, cancellation=policy)
    after, published = b.told(b.wish(), order=order)
    assert codes(published) == ([code] if code else [])
    assert kinds(published) == ["order.cancellation_refused" if code else "order.cancellation_started"]
    assert after.status == order.status


def test_most_advanced_po_decides_whether_a_wish_comes_too_late() -> None:
    pos = [b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2), b.sent("b")]
    order, _ = b.told(*pos, cancellation="until_sent")
    assert order.status == "ready_to_order"
    assert codes(b.told(b.wish(), order=order)[1]) == ["already_sent"]


def test_each_wish_after_a_refusal_is_answered() -> None:
    _, published = b.told(*SHIPPED, b.wish(), AGAIN)
    assert codes(published) == ["already_shipped"] * 2


def test_wish_after_a_suppliers_too_late_is_refused_at_once_while_it_has_the_po() -> None:
    _, published = b.told(*ACKNOWLEDGED, b.wish(), b.cancel_refused(), AGAIN)
    assert codes(published) == ["supplier_too_late"] * 2
    assert kinds(published).count("order.cancellation_started") == 1


def test_wish_after_that_po_was_routed_again_is_tried_again() -> None:
    order, _ = b.told(*ACKNOWLEDGED, b.wish(), b.cancel_refused(), b.po_refused(), b.created("po-2"))
    _, published = b.told(AGAIN, order=order)
    assert kinds(published) == ["order.cancellation_started"]


def test_attempt_after_a_refusal_has_a_later_time_whatever_the_clock_says() -> None:
    order, published = b.told(*ACKNOWLEDGED, b.wish(), b.cancel_refused(), b.po_refused(), b.created("po-2"), AGAIN)
    first, refused, second = (event for event in published if "cancellation" in event.TYPE)
    assert first.started_at < refused.refused_at < second.started_at  # type: ignore[attr-defined]
    assert order.is_being_cancelled


def test_wish_while_it_is_being_cancelled_shares_its_end() -> None:
    order, published = b.told(*DISPATCHED, b.wish(), AGAIN)
    assert kinds(published).count("order.cancellation_started") == 1
    order, published = b.told(*STOPPED, order=order)
    assert kinds(published).count("order.cancelled") == 1
    assert b.told(b.wish(requested_at=b.hours(50)), order=order)[1] == []


def test_wish_said_twice_changes_nothing() -> None:
    order, _ = b.told(*DISPATCHED, b.wish())
    assert b.decision_on(order, b.wish()) == Decision(order)


def test_wish_before_the_order_cancels_it_when_it_comes() -> None:
    order, published = b.told(b.wish())
    assert published == []
    decision = b.decision_on(order, PAID)
    assert kinds(decision.events) == [
        "order.accepted", "order.cancellation_started", "order.cancelled", *["order.status_changed"] * 2,
    ]  # fmt: skip
    assert b.statuses(decision.events) == ["payment_pending", "cancelled"], "nobody is told that it is confirmed"
    assert [type(call.request) for call in decision.calls] == [RegisterSalesOrder]


def test_order_cancelled_before_the_erp_had_it_is_cancelled_there_and_refunded_under_its_number() -> None:
    order, published = b.told(PAID, b.wish())
    assert "refund.requested" not in kinds(published)
    decision = b.decision_on(order, b.registered())
    [refund] = decision.events
    assert isinstance(refund, RefundRequested)
    assert refund.erp_order_number == "SO1"
    assert [type(call.request) for call in decision.calls] == [MarkCancelled]


def test_r_that_could_not_be_cancelled_leaves_the_end_to_a_person() -> None:
    order, published = b.told(*INVOICED, b.wish(), STOPPED[0], b.billing_stopped(b.key(2)))
    assert (order.is_being_cancelled, order.status) == (True, "invoiced")
    assert "order.cancelled" not in kinds(published)
    _, published = b.told(b.billing_stopped(stopped_at=b.hours(30)), order=order)
    assert kinds(published)[0] == "order.cancelled"


def test_po_created_while_it_is_being_cancelled_is_waited_for_like_the_others() -> None:
    order, published = b.told(*READY, b.wish(), b.created(), b.po_cancelled(cause="order_cancelled"), *STOPPED)
    assert order.status == "cancelled"
    assert "order.ready" in kinds(published)


def test_milestones_that_cross_the_end_move_a_cancelled_order_nowhere() -> None:
    order, _ = b.told(*DISPATCHED, b.wish(), *STOPPED)
    late = [b.confirmed(), b.s2_matched(), b.invoice_issued(), b.handed_over(), b.dispatched(), b.delivered()]
    after, published = b.told(*late, b.created(), b.cancel_refused(), order=order)
    assert (published, after.status) == ([], "cancelled")


def test_parcel_that_left_before_the_supplier_was_asked_refuses_it_and_is_delivered() -> None:
    order, _ = b.told(*AWAITING_SHIPMENT, b.wish(), b.dispatched(), b.cancel_refused())
    assert order.status == "shipped"
    order, published = b.told(b.delivered(), OVER, order=order)
    assert kinds(published)[-1] == "order.completed"


def test_return_window_that_ends_while_it_is_being_cancelled_ends_anew_when_that_is_refused() -> None:
    order, _ = b.told(*AWAITING_SHIPMENT, b.wish(), b.dispatched(), b.delivered(), OVER)
    assert order.status == "delivered"
    decision = b.decision_on(order, b.cancel_refused())
    [due] = decision.reminders
    assert (due.name, due.due) == ("complete", OVER.due)
    assert b.told(OVER, order=decision.state)[0].status == "completed"


def test_lost_parcel_may_be_cancelled_by_the_store_only() -> None:
    order, _ = b.told(*IN_TROUBLE)
    assert codes(b.told(b.wish(), order=order)[1]) == ["already_shipped"]
    assert kinds(b.told(b.wish(requested_by="store"), order=order)[1]) == ["order.cancellation_started"]


def test_erp_answer_to_cancelled_is_noted_once() -> None:
    order, _ = b.told(*READY, b.wish(), *STOPPED)
    assert order.cancelled_in_erp == "asked"
    order, _ = b.told(b.cancelled_in_erp(), order=order)
    assert order.cancelled_in_erp == "yes"
    assert b.decision_on(order, b.cancelled_in_erp()) == Decision(order)


def test_store_without_erp_cancels_without_calls() -> None:
    order, calls = b.asked(PAID, b.wish(), *STOPPED, has_erp=False)
    assert (order.status, calls) == ("cancelled", [])


def test_stop_of_an_attempt_that_was_refused_does_not_end_the_next_one() -> None:
    """Its supplier said too late, then yes: it stopped for the first attempt, and the order is bought again."""
    order, published = b.told(*ACKNOWLEDGED, b.wish(), b.cancel_refused())
    [first] = [event.started_at for event in published if isinstance(event, OrderCancellationStarted)]
    stops = [b.fulfilment_stopped("po-1", started_at=first), b.billing_stopped(started_at=first)]
    order, published = b.told(*stops, b.created("po-2"), b.sent("po-2"), AGAIN, order=order)
    assert "order.cancelled" not in kinds(published)
    assert order.is_being_cancelled
    order, published = b.told(b.cancel_refused("po-2"), order=order)
    assert codes(published) == ["supplier_too_late"]
    _, published = b.told(*STOPPED, order=order)
    assert published == []


def issued_until(hours: float) -> list[Any]:
    """Invoiced, with an R that may be cancelled until then; decided at hour 48."""
    return [*INVOICED[:-1], b.invoice_issued().model_copy(update={"cancellable_until": b.hours(hours)})]


@pytest.mark.parametrize(("by", "code"), [("customer", "window_over"), ("channel", "window_over"), ("store", None)])
def test_invoice_whose_window_is_over_refuses_the_wish_before_anything_is_void(by: str, code: str | None) -> None:
    order, _ = b.told(*issued_until(47))
    _, published = b.told(b.wish(requested_by=by), order=order)
    assert codes(published) == ([code] if code else [])
    assert ("order.cancellation_started" in kinds(published)) is (code is None)


def test_invoice_in_its_window_or_cancelled_refuses_no_wish() -> None:
    for before in (issued_until(49), [*issued_until(47), b.invoice_cancelled()]):
        order, _ = b.told(*before)
        assert kinds(b.told(b.wish(), order=order)[1]) == ["order.cancellation_started"]


KEPT = [*INVOICED, b.wish(), STOPPED[0], b.billing_stopped(b.key(2))]


def decided(decision: str) -> Any:
    return b.billing_stopped(decision=decision, reason="NF de entrada 12", stopped_at=b.hours(60))


def test_person_who_lets_the_order_go_on_refuses_the_cancellation_and_it_is_bought_again() -> None:
    order, published = b.told(*KEPT)
    assert order.is_being_cancelled
    order, published = b.told(decided("continue"), order=order)
    assert codes(published) == ["decided_to_continue"]
    assert not order.is_being_cancelled
    order, published = b.told(b.created("po-2", created_at=b.hours(61)), b.sent("po-2"), order=order)
    assert order.cancelled_at is None
    assert list(order.open_purchase_orders) == ["po-2"]


def test_person_who_takes_the_goods_back_cancels_and_refunds_the_order() -> None:
    order, _ = b.told(*KEPT)
    order, published = b.told(decided("returned"), order=order)
    assert kinds(published) == ["order.cancelled", "order.status_changed", "refund.requested"]
    assert b.told(decided("returned"), order=order) == (order, [])


@pytest.mark.parametrize(("by", "cause"), [("store", "lost"), ("engineer", "lost")])
def test_goods_in_trouble_that_the_store_gives_up_are_cancelled_as_lost(by: str, cause: str) -> None:
    order, published = b.told(*IN_TROUBLE, b.wish(requested_by=by))
    [started] = [event for event in published if isinstance(event, OrderCancellationStarted)]
    assert started.cause == cause
    order, published = b.told(b.fulfilment_stopped("po-1"), b.billing_stopped(), order=order)
    assert b.moves(published) == [("delivery_problem", "cancelled")]


def test_goods_lost_after_their_supplier_said_too_late_are_given_up_all_the_same() -> None:
    order, _ = b.told(*IN_TROUBLE, b.cancel_refused(), b.wish())
    order, published = b.told(b.wish(requested_by="store", requested_at=b.hours(41)), order=order)
    [started] = [event for event in published if isinstance(event, OrderCancellationStarted)]
    assert started.cause == "lost"
    _, again = b.told(b.cancel_refused(refused_at=b.hours(42)), order=order)
    assert codes(again) == ["supplier_too_late"], "it was delivered after all"
    order, published = b.told(b.fulfilment_stopped("po-1"), b.billing_stopped(), order=order)
    assert b.moves(published) == [("delivery_problem", "cancelled")]


TAKEN_BACK = [b.invoice_taken_back, b.invoice_reduced]


@pytest.mark.parametrize("told", TAKEN_BACK)
def test_order_is_to_be_cancelled_where_a_person_said_so_when_its_invoice_was_taken_back(told: Any) -> None:
    order, published = b.told(*INVOICED, told("returned"), told("returned"))
    [started] = [event for event in published if isinstance(event, OrderCancellationStarted)]
    assert (started.cause, started.reason) == ("requested", "NF de entrada 12")
    order, published = b.told(*stopped_for(started), order=order)
    assert order.status == "cancelled"


@pytest.mark.parametrize("told", TAKEN_BACK)
def test_order_goes_on_where_a_person_said_so_when_its_invoice_was_taken_back(told: Any) -> None:
    order, published = b.told(*INVOICED, told("continue"))
    assert not [event for event in published if isinstance(event, OrderCancellationStarted)]
    assert order.wishes == ()


IN_TROUBLE_IN_PART = [
    *AWAITING_SHIPMENT, b.dispatched(open_lines=[1]), b.delivered(open_lines=[1]), b.dispatched(shipment="2"),
    b.problem_reported(shipment="2"),
]  # fmt: skip


def test_parcel_lost_where_the_other_has_arrived_is_paid_back_and_the_order_completes() -> None:
    order, _ = b.told(*IN_TROUBLE_IN_PART)
    assert order.status == "delivery_problem"
    order, published = b.told(b.wish(requested_by="store"), order=order)
    assert kinds(published) == ["order.cancellation_refused", "order.lines_given_up"]
    assert codes(published) == ["not_all_lost"]
    [given_up] = [event for event in published if isinstance(event, OrderLinesGivenUp)]
    assert (given_up.lost_po_ids, given_up.order_lines) == (("po-1",), (1,))
    left = b.po_refused(lines=[b.line(quantity=1)], has_left=True, has_arrived=True)
    order, published = b.told(left, b.given_up(line_1=1), order=order)
    assert b.statuses(published) == ["delivered"]
    order, published = b.told(b.invoice_reduced("continue"), order=order)
    assert [str(event.amount) for event in published if isinstance(event, RefundRequested)] == ["9.90"]
    order, _ = b.told(OVER, order=order)
    assert order.status == "completed"


def test_lost_parcel_is_not_given_up_for_a_customer_nor_while_another_is_on_its_way() -> None:
    _, published = b.told(*IN_TROUBLE_IN_PART, b.wish())
    assert codes(published) == ["already_shipped"]
    third = b.dispatched(shipment="3")
    _, published = b.told(*IN_TROUBLE_IN_PART, third, b.wish(requested_by="store"))
    assert not [event for event in published if isinstance(event, OrderLinesGivenUp)]


BEFORE_THE_DELIVERY = [
    *AWAITING_SHIPMENT, b.dispatched(shipment="2"), b.problem_reported(shipment="2"), b.wish(requested_by="store"),
]  # fmt: skip
FIRST_ARRIVED = [b.dispatched(open_lines=[1]), b.delivered(open_lines=[1])]


def given_up_of(published: list[Any]) -> list[tuple[tuple[str, ...], str]]:
    return [(e.lost_po_ids, e.reason) for e in published if isinstance(e, OrderLinesGivenUp)]


@pytest.mark.parametrize("refused_first", [True, False])
def test_parcel_given_up_before_the_delivery_of_the_other_was_heard_of_is_paid_back_too(refused_first: bool) -> None:
    order, published = b.told(*BEFORE_THE_DELIVERY)
    assert kinds(published)[-1] == "order.cancellation_started"
    heard = [b.cancel_refused(detail="its goods have left"), *FIRST_ARRIVED]
    order, published = b.told(*(heard if refused_first else heard[::-1]), order=order)
    assert codes(published) == ["supplier_too_late"], "who asked hears once that the order is not cancelled"
    assert given_up_of(published) == [(("po-1",), "bought the wrong one")]
    _, again = b.told(*heard, b.delivered(open_lines=[1], delivered_at=b.hours(19)), order=order)
    assert given_up_of(again) == []


def test_parcel_that_went_on_after_it_was_given_up_is_not_given_up_when_it_meets_with_trouble_again() -> None:
    on_its_way = b.resumed(shipment="2", at=b.hours(49))
    trouble = b.problem_reported(shipment="2", at=b.hours(50))
    refused = b.cancel_refused(detail="it is on its way again")
    order, published = b.told(*BEFORE_THE_DELIVERY, on_its_way, refused, trouble, *FIRST_ARRIVED)
    assert (order.status, given_up_of(published)) == ("delivery_problem", [])
    assert given_up_of(b.told(b.wish(requested_by="store", reason="again"), order=order)[1]) == [(("po-1",), "again")]


MOVED, WANTED = b.resumed(shipment="2", at=b.hours(20)), b.wish(requested_by="store", requested_at=b.hours(30))


@pytest.mark.parametrize("crossing", [[MOVED, WANTED], [WANTED, MOVED]], ids=["moved first", "wish first"])
def test_parcel_that_had_moved_before_it_was_given_up_is_not_given_up_for_new_trouble(crossing: list[Any]) -> None:
    """That it moved at hour 20 and was given up at 30 is heard in either order, then of new trouble at 50."""
    in_trouble = [*AWAITING_SHIPMENT, b.dispatched(shipment="2"), b.problem_reported(shipment="2")]
    again = b.problem_reported(shipment="2", at=b.hours(50))
    order, published = b.told(*in_trouble, *crossing, b.cancel_refused(), again, *FIRST_ARRIVED)
    assert (order.status, given_up_of(published)) == ("delivery_problem", [])


def test_parcel_of_a_wish_kept_without_the_time_of_its_trouble_is_given_up() -> None:
    order, _ = b.told(*BEFORE_THE_DELIVERY)
    wishes = [wish.model_dump(exclude={"lost_since"}) for wish in order.wishes]
    kept = Order.model_validate(order.model_dump() | {"wishes": wishes})
    assert [wish.lost for wish in kept.wishes] == [("po-1-2",)]
    _, published = b.told(b.cancel_refused(), *FIRST_ARRIVED, order=kept)
    assert given_up_of(published) == [(("po-1",), "bought the wrong one")]


def test_only_the_parcels_that_were_lost_when_the_store_asked_are_given_up_afterwards() -> None:
    third = [b.dispatched(shipment="3"), b.problem_reported(shipment="3")]
    _, published = b.told(*BEFORE_THE_DELIVERY, *third, b.cancel_refused(), *FIRST_ARRIVED)
    assert given_up_of(published) == []


def test_what_was_lost_stays_with_the_order_where_a_person_lets_it_go_on() -> None:
    order, _ = b.told(*BEFORE_THE_DELIVERY, b.fulfilment_stopped(), b.billing_stopped(b.key(2)))
    order, published = b.told(decided("continue"), *FIRST_ARRIVED, order=order)
    assert (codes(published), given_up_of(published)) == (["decided_to_continue"], [])


def test_two_refusals_at_one_time_are_told_apart() -> None:
    """Who waits for the answer to the second would take it for the first one's."""
    asked = [b.wish(), b.wish(reason="again")]
    _, published = b.told(*SHIPPED, *asked)
    first, second = [event.refused_at for event in published if isinstance(event, OrderCancellationRefused)]
    assert first < second


def test_wish_of_a_person_that_comes_too_late_is_answered() -> None:
    _, published = b.told(*SHIPPED, b.invoice_reduced("returned"))
    assert codes(published) == ["already_shipped"]


def stopped_for(started: OrderCancellationStarted) -> list[Any]:
    return [
        b.fulfilment_stopped("po-1").model_copy(update={"started_at": started.started_at}),
        b.billing_stopped(started_at=started.started_at),
    ]
