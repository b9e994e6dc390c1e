"""The canonical status: the whole table as data, each row entered through real messages, all else impossible."""

from itertools import product
from typing import Any, cast, get_args

import pytest

from schemas.order import OrderStatusChanged, Status
from services.order_intake.decide.moves import BY_RULE, LINE, MAIN, MOVES, RANK, REROUTED, TABLE, way
from tests.builders import order_placed
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.stages import (
    ACKNOWLEDGED,
    AWAITING_INVOICE,
    AWAITING_SHIPMENT,
    DELIVERED,
    DISPATCHED,
    DIVERGENT,
    HISTORY,
    IN_TROUBLE,
    INVOICED,
    ORDERED,
    OVER,
    PAID,
    PARTLY_SUPPLIED,
    PREPAYING,
    READY,
    SHIPPED,
    STAGES,
)

LATER = b.hours(15)
AFTER_REFUSAL = {"created_at": LATER}
WISHED = [b.wish(), b.fulfilment_stopped("po-1")]
"""Somebody wants it cancelled and all POs are; what is missing is billing's word."""
STOPPED = b.billing_stopped()
TWO_LINES = [b.two_lines(), b.registered()]
QUOTE, STOCK = b.quote_needed(at=LATER), b.out_of_stock(at=LATER)
PREPAID_AGAIN = b.created("po-2", **b.PREPAID, **AFTER_REFUSAL)
NO_MORE = b.po_refused()
BOTH = b.created("po-1", 1, 2)
ONLY_FIRST = b.po_refused(lines=[b.line(1, 1)])
"""Of a PO for both lines the supplier refuses the second, however far it has come."""
BOTH_SUPPLIED = [*TWO_LINES, BOTH, b.sent(), b.confirmed(), b.s2_matched()]
BOTH_AWAIT_SHIPMENT = [*BOTH_SUPPLIED, b.invoice_issued(), b.handed_over(), b.s1_matched()]
BOTH_SHIPPED = [*BOTH_AWAIT_SHIPMENT, b.dispatched()]
BOTH_IN_TROUBLE = [*BOTH_SHIPPED, b.problem_reported()]
SECOND = {"order_lines": [2], "at": LATER}
PREPAID_SECOND = b.created("po-2", 2, **b.PREPAID, **AFTER_REFUSAL)
ONE_PREPAID = [*TWO_LINES, b.created("po-1", 1), PREPAID_SECOND.model_copy(update={"created_at": b.hours(2)})]
TWO_PARCELS = [*SHIPPED, b.dispatched(shipment="2"), b.problem_reported()]
ONE_BACK = [*BOTH_SUPPLIED, ONLY_FIRST, b.created("po-2", 2, **AFTER_REFUSAL)]

ROWS: list[tuple[list[Any], Any, Status, Status]] = [
    ([order_placed()], b.payment_approved(), "payment_pending", "payment_confirmed"),
    ([order_placed()], b.payment_expired(), "payment_pending", "payment_slip_expired"),
    ([order_placed()], b.wish(), "payment_pending", "cancelled"),
    (STAGES["payment_slip_expired"], b.payment_approved(), "payment_slip_expired", "payment_confirmed"),
    (STAGES["payment_slip_expired"], b.wish(), "payment_slip_expired", "cancelled"),
    (READY, b.quote_needed(), "payment_confirmed", "quote_pending"),
    (READY, b.out_of_stock(), "payment_confirmed", "out_of_stock"),
    (READY, b.created(), "payment_confirmed", "ready_to_order"),
    ([PAID], b.wish(), "payment_confirmed", "cancelled"),
    (STAGES["quote_pending"], b.created(), "quote_pending", "ready_to_order"),
    (STAGES["quote_pending"], STOCK, "quote_pending", "out_of_stock"),
    ([*STAGES["quote_pending"], *WISHED], STOPPED, "quote_pending", "cancelled"),
    (STAGES["out_of_stock"], b.created(), "out_of_stock", "ready_to_order"),
    (STAGES["out_of_stock"], QUOTE, "out_of_stock", "quote_pending"),
    ([*STAGES["out_of_stock"], *WISHED], STOPPED, "out_of_stock", "cancelled"),
    (READY, b.created(**b.PREPAID), "ready_to_order", "supplier_payment_pending"),
    (ORDERED, b.sent(), "ready_to_order", "po_dispatched"),
    ([*ONE_PREPAID, b.po_cancelled("po-2")], b.out_of_stock(**SECOND), "ready_to_order", "out_of_stock"),
    ([*ONE_PREPAID, b.po_cancelled("po-2")], b.quote_needed(**SECOND), "ready_to_order", "quote_pending"),
    ([*ORDERED, *WISHED], STOPPED, "ready_to_order", "cancelled"),
    (PREPAYING, b.sent(), "supplier_payment_pending", "po_dispatched"),
    ([*PREPAYING, b.po_cancelled(cause="prepayment_refused")], STOCK, "supplier_payment_pending", "out_of_stock"),
    ([*PREPAYING, b.po_cancelled(cause="prepayment_late")], QUOTE, "supplier_payment_pending", "quote_pending"),
    ([*PREPAYING, *WISHED], STOPPED, "supplier_payment_pending", "cancelled"),
    (DISPATCHED, b.confirmed(), "po_dispatched", "po_acknowledged"),
    (DISPATCHED, b.s2_matched(open_lines=[1]), "po_dispatched", "supplier_invoice_received"),
    ([*DISPATCHED, NO_MORE], STOCK, "po_dispatched", "out_of_stock"),
    ([*DISPATCHED, b.po_cancelled()], QUOTE, "po_dispatched", "quote_pending"),
    ([*DISPATCHED, NO_MORE], PREPAID_AGAIN, "po_dispatched", "supplier_payment_pending"),
    ([*DISPATCHED, *WISHED], STOPPED, "po_dispatched", "cancelled"),
    (ACKNOWLEDGED, b.s2_matched(open_lines=[1]), "po_acknowledged", "supplier_invoice_received"),
    ([*ACKNOWLEDGED, NO_MORE], STOCK, "po_acknowledged", "out_of_stock"),
    ([*ACKNOWLEDGED, NO_MORE], QUOTE, "po_acknowledged", "quote_pending"),
    ([*ACKNOWLEDGED, NO_MORE], PREPAID_AGAIN, "po_acknowledged", "supplier_payment_pending"),
    ([*ACKNOWLEDGED, *WISHED], STOPPED, "po_acknowledged", "cancelled"),
    (PARTLY_SUPPLIED, b.s2_matched(access_key=b.key(9)), "supplier_invoice_received", "awaiting_invoice"),
    (PARTLY_SUPPLIED, b.s2_diverged(access_key=b.key(9)), "supplier_invoice_received", "invoice_divergent"),
    ([*PARTLY_SUPPLIED, NO_MORE], STOCK, "supplier_invoice_received", "out_of_stock"),
    ([*PARTLY_SUPPLIED, NO_MORE], QUOTE, "supplier_invoice_received", "quote_pending"),
    ([*PARTLY_SUPPLIED, NO_MORE], PREPAID_AGAIN, "supplier_invoice_received", "supplier_payment_pending"),
    ([*PARTLY_SUPPLIED, *WISHED], STOPPED, "supplier_invoice_received", "cancelled"),
    (DIVERGENT, b.s2_matched(open_lines=[1]), "invoice_divergent", "supplier_invoice_received"),
    (DIVERGENT, b.s2_matched(access_key=b.key(9)), "invoice_divergent", "awaiting_invoice"),
    ([*DIVERGENT, NO_MORE], STOCK, "invoice_divergent", "out_of_stock"),
    ([*DIVERGENT, NO_MORE], QUOTE, "invoice_divergent", "quote_pending"),
    ([*DIVERGENT, NO_MORE], PREPAID_AGAIN, "invoice_divergent", "supplier_payment_pending"),
    ([*DIVERGENT, *WISHED], STOPPED, "invoice_divergent", "cancelled"),
    (AWAITING_INVOICE, b.invoice_issued(), "awaiting_invoice", "invoiced"),
    (ONE_BACK, b.s2_diverged("po-2", access_key=b.key(9)), "awaiting_invoice", "invoice_divergent"),
    ([*BOTH_SUPPLIED, ONLY_FIRST], b.out_of_stock(**SECOND), "awaiting_invoice", "out_of_stock"),
    ([*BOTH_SUPPLIED, ONLY_FIRST], b.quote_needed(**SECOND), "awaiting_invoice", "quote_pending"),
    ([*BOTH_SUPPLIED, ONLY_FIRST], PREPAID_SECOND, "awaiting_invoice", "supplier_payment_pending"),
    ([*AWAITING_INVOICE, *WISHED], STOPPED, "awaiting_invoice", "cancelled"),
    ([*INVOICED, b.handed_over()], b.s1_matched(), "invoiced", "awaiting_shipment"),
    ([*INVOICED, b.s1_matched()], b.handed_over(), "invoiced", "awaiting_shipment"),
    (INVOICED, b.invoice_cancelled(), "invoiced", "awaiting_invoice"),
    ([*INVOICED, NO_MORE], STOCK, "invoiced", "out_of_stock"),
    ([*INVOICED, NO_MORE], QUOTE, "invoiced", "quote_pending"),
    ([*INVOICED, NO_MORE], PREPAID_AGAIN, "invoiced", "supplier_payment_pending"),
    ([*INVOICED, *WISHED, b.invoice_cancelled()], STOPPED, "invoiced", "cancelled"),
    (AWAITING_SHIPMENT, b.dispatched(), "awaiting_shipment", "shipped"),
    (AWAITING_SHIPMENT, b.invoice_cancelled(), "awaiting_shipment", "awaiting_invoice"),
    ([*BOTH_AWAIT_SHIPMENT, ONLY_FIRST], b.out_of_stock(**SECOND), "awaiting_shipment", "out_of_stock"),
    ([*BOTH_AWAIT_SHIPMENT, ONLY_FIRST], b.quote_needed(**SECOND), "awaiting_shipment", "quote_pending"),
    ([*BOTH_AWAIT_SHIPMENT, ONLY_FIRST], PREPAID_SECOND, "awaiting_shipment", "supplier_payment_pending"),
    ([*AWAITING_SHIPMENT, *WISHED, b.invoice_cancelled()], STOPPED, "awaiting_shipment", "cancelled"),
    (SHIPPED, b.problem_reported(), "shipped", "delivery_problem"),
    (SHIPPED, b.delivered(), "shipped", "delivered"),
    ([*AWAITING_SHIPMENT, b.wish(), b.dispatched(), WISHED[1]], STOPPED, "shipped", "cancelled"),
    ([*BOTH_SHIPPED, ONLY_FIRST], b.out_of_stock(**SECOND), "shipped", "out_of_stock"),
    ([*BOTH_SHIPPED, ONLY_FIRST], b.quote_needed(**SECOND), "shipped", "quote_pending"),
    ([*BOTH_SHIPPED, ONLY_FIRST], PREPAID_SECOND, "shipped", "supplier_payment_pending"),
    ([*BOTH_IN_TROUBLE, ONLY_FIRST], b.out_of_stock(**SECOND), "delivery_problem", "out_of_stock"),
    ([*BOTH_IN_TROUBLE, ONLY_FIRST], b.quote_needed(**SECOND), "delivery_problem", "quote_pending"),
    ([*BOTH_IN_TROUBLE, ONLY_FIRST], PREPAID_SECOND, "delivery_problem", "supplier_payment_pending"),
    (TWO_PARCELS, b.delivered(), "delivery_problem", "shipped"),
    (IN_TROUBLE, b.resumed(), "delivery_problem", "shipped"),
    (IN_TROUBLE, b.delivered(), "delivery_problem", "delivered"),
    ([*IN_TROUBLE, b.wish(requested_by="store"), WISHED[1]], STOPPED, "delivery_problem", "cancelled"),
    (DELIVERED, OVER, "delivered", "completed"),
]


@pytest.mark.parametrize(("before", "event", "old", "new"), ROWS, ids=range(len(ROWS)))
def test_row_of_the_table_is_entered_through_a_real_message(
    before: list[Any], event: Any, old: Status, new: Status
) -> None:
    order, _ = b.told(*before)
    after, published = b.told(event, order=order)
    assert (old, new) in b.moves(published)
    assert after.status == new
    assert order.status == b.moves(published)[0][0]


@pytest.mark.parametrize(("before", "event"), [(before, event) for before, event, *_ in ROWS], ids=range(len(ROWS)))
def test_row_decided_twice_does_nothing_the_second_time(before: list[Any], event: Any) -> None:
    order, _ = b.told(*before, event)
    decision = b.decision_on(order, event)
    assert decision.state == order
    assert (*decision.events, *decision.calls, *decision.reminders, *decision.forget) == ()


@pytest.mark.parametrize(("before", "event"), [(before, event) for before, event, *_ in ROWS], ids=range(len(ROWS)))
def test_every_step_is_told_with_a_later_time_than_the_one_before(before: list[Any], event: Any) -> None:
    """Also of several steps at once: a consumer that hears them in another order knows which is the newest."""
    published = [event for event in b.told(*before, event)[1] if isinstance(event, OrderStatusChanged)]
    times = [event.changed_at for event in published]
    assert times == sorted(set(times))


def test_rows_are_the_whole_table_and_the_rule_under_it() -> None:
    entered = {(old, new) for _, _, old, new in ROWS}
    assert entered == {(old, new) for old, following in MOVES.items() for new in following}
    assert MOVES.keys() == TABLE.keys() == set(get_args(Status))
    assert all(set(following).isdisjoint(TABLE[old]) for old, following in BY_RULE.items())


def test_back_go_only_re_routing_cancelled_nfs_and_what_the_table_says_of_them() -> None:
    back = {(old, new) for old, following in MOVES.items() for new in following if RANK[new] < RANK[old]}
    rerouting = {(old, new) for old, new in back if new in REROUTED}
    assert back - rerouting == {
        ("invoice_divergent", "supplier_invoice_received"),
        ("awaiting_invoice", "invoice_divergent"),
        ("invoiced", "awaiting_invoice"),
        ("awaiting_shipment", "awaiting_invoice"),
        ("delivery_problem", "shipped"),
    }


EVERYTHING: list[Any] = [
    order_placed(), b.payment_approved(), b.payment_approved(payment_id="pay-9"), b.payment_expired(), b.registered(),
    b.change(), b.wish(requested_at=LATER), b.quote_needed(), b.out_of_stock(), QUOTE, STOCK,
    b.created(), PREPAID_AGAIN, b.sent(), b.confirmed(), b.po_cancelled(), NO_MORE, b.cancel_refused(),
    b.s2_matched(open_lines=[1]), b.s2_matched(), b.s2_diverged(), b.s2_diverged(access_key=b.key(9)),
    b.invoice_issued(), b.invoice_issued(number=9), b.invoice_cancelled(), b.handed_over(), b.s1_matched(),
    b.dispatched(), b.dispatched(shipment="2"), b.problem_reported(), b.resumed(), b.delivered(),
    b.fulfilment_stopped("po-1"), STOPPED, b.refund_ordered(), b.refund_settled(), b.refund_failed(), OVER,
    b.reminder("give_up", b.hours(999)),
]  # fmt: skip


LATE = EVERYTHING[1:-2]
"""All but the order itself, and what only a reminder says."""


@pytest.mark.parametrize("stage", list(STAGES))
def test_no_message_makes_a_move_that_is_not_in_the_table(stage: Status) -> None:
    order, _ = b.told(*STAGES[stage])
    assert order.status == stage
    for event in EVERYTHING:
        decision = b.decision_on(order, event)
        for old, new in b.moves(getattr(decision, "events", ())):
            assert old is not None
            assert new in MOVES[cast(Status, old)], f"{type(event).__name__} moves {old} to {new}"


@pytest.mark.parametrize("old", [None, *get_args(Status)])
def test_every_way_goes_by_moves_of_the_table_or_nowhere(old: Status | None) -> None:
    for new, acknowledged in product(get_args(Status), (False, True)):
        steps = way(old, new, acknowledged=acknowledged)
        for before, after in zip((old, *steps), steps, strict=False):
            assert after in ("payment_pending", "payment_confirmed") if before is None else after in MOVES[before]
        assert not steps or steps[-1] == new
        assert steps or (old is not None and new not in MOVES[old])


@pytest.mark.parametrize("late", LATE, ids=range(len(LATE)))
def test_late_message_on_a_completed_order_moves_nothing(late: Any) -> None:
    order, _ = b.told(*DELIVERED, OVER)
    after, published = b.told(late, order=order)
    assert b.statuses(published) == []
    assert after.status == "completed"


@pytest.mark.parametrize("late", LATE, ids=range(len(LATE)))
def test_late_message_on_a_delivered_order_moves_nothing(late: Any) -> None:
    order, _ = b.told(*DELIVERED)
    after, published = b.told(late, order=order)
    assert b.statuses(published) == []
    assert after.status == "delivered"


def test_line_holds_every_status_but_cancelled() -> None:
    assert set(LINE) == set(get_args(Status)) - {"cancelled"}
    assert set(LINE) > MAIN


def test_all_in_order_tells_the_whole_main_line() -> None:
    _, published = b.told(*DELIVERED)
    assert b.statuses(published) == HISTORY
    assert next(move for move in published if isinstance(move, OrderStatusChanged)).previous is None
