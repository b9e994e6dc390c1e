"""The canonical status: one table of what puts an order where, then several POs, lateness and disorder."""

import random
from typing import Any

import pytest

from schemas.order import OrderStatusChanged
from services.order_intake.decide.status import LINE, MAIN, RANK
from tests.builders import PAYMENT, order_placed
from tests.unit.order_intake import builders as b

PAID = order_placed(payments=[PAYMENT | {"approved_at": b.hours(0)}])
PREPAID: dict[str, Any] = {"terms": {"kind": "prepaid"}}
READY = [PAID, b.registered()]
DISPATCHED = [*READY, b.created(), b.sent()]
ACKNOWLEDGED = [*DISPATCHED, b.confirmed()]
AWAITING_INVOICE = [*ACKNOWLEDGED, b.s2_matched()]
INVOICED = [*AWAITING_INVOICE, b.invoice_issued()]
AWAITING_SHIPMENT = [*INVOICED, b.handed_over(), b.s1_matched()]
SHIPPED = [*AWAITING_SHIPMENT, b.dispatched()]
DELIVERED = [*SHIPPED, b.delivered()]
HISTORY = [
    "payment_confirmed", "ready_to_order", "po_dispatched", "po_acknowledged", "awaiting_invoice", "invoiced",
    "awaiting_shipment", "shipped", "delivered",
]  # fmt: skip

TABLE: list[tuple[list[Any], str, list[str]]] = [
    ([], "order.placed", ["payment_pending"]),
    ([order_placed()], "payment.approved", ["payment_confirmed"]),
    (READY, "sourcing.quote_needed", ["quote_pending"]),
    (READY, "sourcing.out_of_stock", ["out_of_stock"]),
    ([*READY, b.quote_needed()], "later out_of_stock", ["out_of_stock"]),
    ([*READY, b.out_of_stock()], "later quote_needed", ["quote_pending"]),
    ([*READY, b.out_of_stock()], "purchase_order.created", ["ready_to_order"]),
    (READY, "purchase_order.created", ["ready_to_order"]),
    (READY, "prepaid created", ["ready_to_order", "supplier_payment_pending"]),
    ([*READY, b.created(**PREPAID)], "purchase_order.sent", ["po_dispatched"]),
    ([*READY, b.created()], "purchase_order.sent", ["po_dispatched"]),
    (DISPATCHED, "purchase_order.confirmed", ["po_acknowledged"]),
    (DISPATCHED, "supplier_nf.matched", ["awaiting_invoice"]),
    (ACKNOWLEDGED, "part of S2", ["supplier_invoice_received"]),
    (ACKNOWLEDGED, "supplier_nf.diverged", ["invoice_divergent"]),
    ([*ACKNOWLEDGED, b.s2_matched(open_lines=[2])], "second S2", ["awaiting_invoice"]),
    ([*ACKNOWLEDGED, b.s2_diverged()], "supplier_nf.matched", ["awaiting_invoice"]),
    (ACKNOWLEDGED, "supplier_nf.matched", ["awaiting_invoice"]),
    (AWAITING_INVOICE, "invoice.issued", ["invoiced"]),
    (INVOICED, "invoice.handed_over", []),
    ([*INVOICED, b.handed_over()], "remittance_nf.matched", ["awaiting_shipment"]),
    ([*INVOICED, b.s1_matched()], "invoice.handed_over", ["awaiting_shipment"]),
    (AWAITING_SHIPMENT, "shipment.dispatched", ["shipped"]),
    (SHIPPED, "shipment.problem_reported", ["delivery_problem"]),
    ([*SHIPPED, b.problem_reported()], "shipment.delivered", ["delivered"]),
    (SHIPPED, "shipment.delivered", ["delivered"]),
]
EVENTS: dict[str, Any] = {
    "order.placed": order_placed(),
    "payment.approved": b.payment_approved(),
    "sourcing.quote_needed": b.quote_needed(),
    "sourcing.out_of_stock": b.out_of_stock(),
    "later quote_needed": b.quote_needed(at=b.hours(3)),
    "later out_of_stock": b.out_of_stock(at=b.hours(3)),
    "purchase_order.created": b.created(),
    "prepaid created": b.created(**PREPAID),
    "purchase_order.sent": b.sent(),
    "purchase_order.confirmed": b.confirmed(),
    "supplier_nf.diverged": b.s2_diverged(),
    "part of S2": b.s2_matched(open_lines=[2]),
    "second S2": b.s2_matched(access_key=b.key(9)),
    "supplier_nf.matched": b.s2_matched(),
    "invoice.issued": b.invoice_issued(),
    "invoice.handed_over": b.handed_over(),
    "remittance_nf.matched": b.s1_matched(),
    "shipment.dispatched": b.dispatched(),
    "shipment.problem_reported": b.problem_reported(),
    "shipment.delivered": b.delivered(),
}


@pytest.mark.parametrize(("before", "event", "expected"), TABLE)
def test_event_on_an_order_leads_to_the_tables_statuses(before: list[Any], event: str, expected: list[str]) -> None:
    order = b.told(*before)[0] if before else None
    after, published = b.told(EVENTS[event], order=order)
    assert b.statuses(published) == expected
    assert after.status == (expected[-1] if expected else order and order.status)


@pytest.mark.parametrize(("before", "event"), [(before, event) for before, event, _ in TABLE])
def test_event_decided_twice_does_nothing_the_second_time(before: list[Any], event: str) -> None:
    order, _ = b.told(*before, EVENTS[event])
    decision = b.decision_on(order, EVENTS[event])
    assert decision.state == order
    assert (*decision.events, *decision.calls, *decision.reminders) == ()


@pytest.mark.parametrize("late", [name for name in EVENTS if name != "order.placed"])
def test_late_event_on_a_delivered_order_moves_nothing(late: str) -> None:
    order, _ = b.told(*DELIVERED)
    after, published = b.told(EVENTS[late], order=order)
    assert published == []
    assert after.status == "delivered"


def two_pos(*pos: str) -> list[Any]:
    """All that is heard of an order with these POs, in the order in which it happens."""
    makers = [b.sent, b.confirmed, b.s2_matched, b.invoice_issued, b.handed_over, b.s1_matched, b.dispatched]
    created = [b.created(po, order_po_ids=pos) for po in pos]
    return [*READY, *created, *(make(po) for make in [*makers, b.delivered] for po in pos)]  # type: ignore[operator]


def test_one_po_leads_through_the_whole_main_line() -> None:
    order, published = b.told(*DELIVERED)
    assert b.statuses(published) == HISTORY
    assert order.status == "delivered"


def test_two_pos_the_least_advanced_decides_and_both_are_told() -> None:
    order, published = b.told(*READY, b.created("a", order_po_ids=["a", "b"]), b.sent("a"), b.confirmed("a"))
    assert b.statuses(published) == ["payment_confirmed"], "the second PO is not created yet"
    order, published = b.told(b.created("b", order_po_ids=["a", "b"]), order=order)
    assert b.statuses(published) == ["ready_to_order"]
    [moved] = [event for event in published if isinstance(event, OrderStatusChanged)]
    assert [(po.po_id, po.po_number, po.status) for po in moved.purchase_orders] == [
        ("a", "PC-a", "po_acknowledged"),
        ("b", "PC-b", "ready_to_order"),
    ]
    _, published = b.told(b.sent("b"), order=order)
    assert b.statuses(published) == ["po_dispatched"]


def test_two_pos_in_order_lead_through_the_whole_main_line() -> None:
    assert b.statuses(b.told(*two_pos("a", "b"))[1]) == HISTORY


def test_invoice_for_both_pos_invoices_both() -> None:
    both = [b.created("a", order_po_ids=["a", "b"]), b.created("b", order_po_ids=["a", "b"])]
    order, _ = b.told(*READY, *both, b.invoice_issued("a", "b"))
    assert order.status == "invoiced"


@pytest.mark.parametrize("seed", range(60))
def test_shuffled_and_repeated_events_end_alike_with_an_ordered_and_complete_history(seed: int) -> None:
    dice = random.Random(seed)
    events = two_pos("a", "b")[: None if seed % 2 else dice.randint(4, 20)]
    shuffled = [*events, *dice.sample(events, k=len(events) // 2)]
    dice.shuffle(shuffled)
    expected, _ = b.told(*events)
    order, published = b.told(*shuffled)
    assert order.status == expected.status
    assert order.model_dump(exclude={"status_at"}) == expected.model_dump(exclude={"status_at"})
    assert_in_order(published)


def assert_in_order(published: list[Any]) -> None:
    moves = [event for event in published if isinstance(event, OrderStatusChanged)]
    ranks = [RANK[move.status] for move in moves]
    assert ranks == sorted(set(ranks)), "a status was told twice, or backwards"
    assert [move.previous for move in moves] == [None, *(move.status for move in moves[:-1])]
    assert [move.changed_at for move in moves] == sorted(move.changed_at for move in moves)
    passed = [s for s in LINE if s in MAIN and RANK[s] <= ranks[-1]] if ranks else []
    assert [move.status for move in moves if move.status in MAIN] == passed


def test_older_word_of_sourcing_coming_late_changes_nothing() -> None:
    order, _ = b.told(*READY, b.quote_needed(at=b.hours(3)))
    after, published = b.told(b.out_of_stock(at=b.hours(2)), order=order)
    assert (published, after.status) == ([], "quote_pending")


def test_divergence_of_an_nf_that_matched_since_is_over() -> None:
    order, published = b.told(*ACKNOWLEDGED, b.s2_matched(open_lines=[2]), b.s2_diverged())
    assert order.status == "supplier_invoice_received"
    assert "invoice_divergent" not in b.statuses(published)


def test_divergence_of_no_known_order_says_nothing() -> None:
    decision = b.decision_on(None, b.s2_diverged(order_id=None, po_number=None))
    assert decision.state is None


def test_resend_po_is_beside_the_status() -> None:
    order, _ = b.told(*DELIVERED)
    after, published = b.told(b.created("po-2", purpose="resend", order_po_ids=["po-1", "po-2"]), order=order)
    assert (published, after.po_ids) == ([], ("po-1",))


def test_two_shipments_the_last_delivery_counts() -> None:
    order, _ = b.told(*SHIPPED, b.dispatched(shipment="2"), b.delivered())
    assert order.status == "shipped"
    order, _ = b.told(b.delivered(shipment="2"), order=order)
    assert order.status == "delivered"


def test_delivery_heard_of_before_all_else_tells_the_whole_main_line() -> None:
    _, published = b.told(*READY, b.created(), b.delivered())
    assert b.statuses(published) == [status for status in HISTORY if status != "po_acknowledged"]


def test_confirmation_heard_of_before_is_told_among_the_passed() -> None:
    _, published = b.told(*READY, b.confirmed(), b.s2_matched(), b.created())
    assert b.statuses(published) == HISTORY[:5]


def test_milestone_told_with_two_times_keeps_the_earlier_whichever_comes_first() -> None:
    early, late = b.sent(), b.sent().model_copy(update={"sent_at": b.hours(30)})
    assert b.told(early, late)[0] == b.told(late, early)[0]
    assert b.told(late, early)[0].purchase_order("po-1").milestones["sent"] == b.hours(3)
