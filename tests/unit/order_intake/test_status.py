"""Where an order of several POs, parts, refusals and divergences stands; lateness and disorder."""

from itertools import permutations
from typing import Any

from schemas.order import OrderCompleted
from services.order_intake.decide.status import missing_lines
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.stages import ACKNOWLEDGED, DELIVERED, HISTORY, PAID, READY, SHIPPED, of_pos

BOTH = [b.two_lines(), b.registered(), b.created("a", 1), b.created("b", 2)]


def test_two_pos_the_least_advanced_decides() -> None:
    order, published = b.told(*BOTH, b.sent("a"), b.confirmed("a"))
    assert order.status == "ready_to_order"
    _, published = b.told(b.sent("b"), order=order)
    assert b.statuses(published) == ["po_dispatched"]
    [moved] = published
    assert [(po.po_id, po.po_number, po.status) for po in moved.purchase_orders] == [  # type: ignore[attr-defined]
        ("a", "PC-a", "po_acknowledged"),
        ("b", "PC-b", "po_dispatched"),
    ]


def test_line_that_no_po_buys_yet_keeps_the_order_back() -> None:
    order, published = b.told(*BOTH[:-1], b.sent("a"), b.delivered("a"))
    assert missing_lines(order) == {2: 2}
    assert b.statuses(published) == ["payment_confirmed"]


def test_two_pos_in_order_lead_through_the_whole_main_line() -> None:
    assert b.statuses(b.told(*of_pos(a=1, b=2))[1]) == HISTORY


def test_invoice_for_both_pos_invoices_both() -> None:
    order, _ = b.told(*BOTH, b.invoice_issued("a", "b"))
    assert order.status == "invoiced"


def test_older_word_of_sourcing_coming_late_changes_nothing() -> None:
    order, _ = b.told(*READY, b.quote_needed(at=b.hours(3)))
    after, published = b.told(b.out_of_stock(at=b.hours(2)), order=order)
    assert (published, after.status) == ([], "quote_pending")


def test_word_of_sourcing_that_a_po_has_overtaken_is_over_also_when_the_po_is_void() -> None:
    order, published = b.told(*READY, b.created(), b.sent(), b.out_of_stock(at=b.hours(1)), b.po_refused())
    assert order.status == "po_dispatched"
    assert "out_of_stock" not in b.statuses(published)


def test_word_on_pieces_that_no_later_po_was_to_bring_stands_beside_that_po() -> None:
    """Of two pieces one is refused and bought elsewhere; before that PO has its number the other is refused too."""
    again = b.created("po-2", lines=[b.line(quantity=1)], created_at=b.hours(8))
    facts = [b.po_refused(lines=[b.line(quantity=1)]), b.po_refused(), b.out_of_stock(at=b.hours(7)), again]
    order, _ = b.told(*ACKNOWLEDGED, *facts)
    assert (order.status, missing_lines(order)) == ("out_of_stock", {1: 1})


def test_lines_that_wait_for_different_things_show_the_newest_word() -> None:
    order, _ = b.told(b.two_lines(), b.registered(), b.quote_needed(), b.out_of_stock(order_lines=[2], at=b.hours(3)))
    assert order.status == "out_of_stock"
    order, _ = b.told(b.two_lines(), b.registered(), b.out_of_stock(order_lines=[2]), b.quote_needed())
    assert order.status == "quote_pending"


def test_divergence_of_an_nf_that_matched_since_is_over() -> None:
    order, published = b.told(*ACKNOWLEDGED, b.s2_matched(open_lines=[1]), b.s2_diverged())
    assert order.status == "supplier_invoice_received"
    assert "invoice_divergent" not in b.statuses(published)


def test_divergence_of_no_known_order_says_nothing() -> None:
    decision = b.decision_on(None, b.s2_diverged(order_id=None, po_number=None))
    assert decision.state is None


def test_resend_po_is_beside_the_status() -> None:
    order, _ = b.told(*DELIVERED)
    after, published = b.told(b.created("po-2", purpose="resend"), order=order)
    assert (published, list(after.open_purchase_orders)) == ([], ["po-1"])


def test_two_shipments_the_last_delivery_counts() -> None:
    order, _ = b.told(*SHIPPED, b.dispatched(shipment="2"), b.delivered())
    assert order.status == "shipped"
    order, _ = b.told(b.delivered(shipment="2"), order=order)
    assert order.status == "delivered"


FIRST: dict[str, Any] = {"open_lines": [1]}
SECOND: dict[str, Any] = {"shipment": "2"}
"""Of the PO's two pieces one leaves and arrives by itself."""
PART_ARRIVED = [*SHIPPED[:-1], b.dispatched(**FIRST), b.delivered(**FIRST)]


def test_po_in_parts_is_shipped_and_delivered_when_its_parcels_cover_it() -> None:
    order, published = b.told(*PART_ARRIVED)
    assert order.status == "awaiting_shipment"
    assert not [event for event in published if isinstance(event, OrderCompleted)]
    order, _ = b.told(b.reminder("complete", b.hours(999)), order=order)
    assert order.completed_at is None
    order, published = b.told(b.dispatched(**SECOND), b.delivered(**SECOND), order=order)
    assert b.statuses(published) == ["shipped", "delivered"]


def test_po_whose_rest_is_refused_after_a_parcel_ends_with_that_parcel_in_whatever_order() -> None:
    """The other piece is bought from somebody else, and arrives before that."""
    bought = [b.created("po-2", lines=[b.line(1, 1, quantity=1)]), b.dispatched("po-2"), b.delivered("po-2")]
    rest = b.po_refused(lines=[b.line(1, 1, quantity=1)], has_left=True, has_arrived=True)
    before = b.told(*PART_ARRIVED, *bought)[0]
    assert before.status == "awaiting_shipment"
    _, published = b.told(rest, order=before)
    assert b.statuses(published) == ["shipped", "delivered"]
    ends = {b.told(*SHIPPED[:-1], *some)[0].status for some in permutations([*PART_ARRIVED[-2:], *bought, rest])}
    assert ends == {"delivered"}


def test_second_parcel_lost_when_the_first_has_arrived_is_a_delivery_problem() -> None:
    order, published = b.told(*PART_ARRIVED, b.dispatched(**SECOND), b.problem_reported(**SECOND))
    assert b.statuses(published)[-3:] == ["awaiting_shipment", "shipped", "delivery_problem"]
    _, published = b.told(b.delivered(**SECOND), order=order)
    assert b.statuses(published) == ["delivered"]


def test_parcels_in_any_order_end_the_same() -> None:
    facts = [b.dispatched(**FIRST), b.delivered(**FIRST), b.dispatched(**SECOND), b.problem_reported(**SECOND)]
    facts += [b.resumed(**SECOND)]
    ends = {b.told(*SHIPPED[:-1], *some)[0].status for some in permutations(facts)}
    assert ends == {"shipped"}


def test_problem_that_is_over_leads_back_to_shipped_and_a_newer_one_to_it_again() -> None:
    order, published = b.told(*SHIPPED, b.problem_reported(), b.resumed())
    assert b.statuses(published)[-2:] == ["delivery_problem", "shipped"]
    after, published = b.told(b.problem_reported(at=b.hours(10.5)), order=order)
    assert (published, after.status) == ([], "shipped")
    _, published = b.told(b.problem_reported(at=b.hours(12)), order=after)
    assert b.statuses(published) == ["delivery_problem"]


def test_delivery_heard_of_before_all_else_tells_the_whole_main_line() -> None:
    _, published = b.told(*READY, b.created(), b.delivered())
    assert b.statuses(published) == [status for status in HISTORY if status != "po_acknowledged"]


def test_confirmation_heard_of_before_is_told_among_the_passed() -> None:
    _, published = b.told(*READY, b.confirmed(), b.s2_matched(), b.created())
    assert b.statuses(published) == HISTORY[:6]


def test_milestone_told_with_two_times_keeps_the_earlier_whichever_comes_first() -> None:
    early, late = b.sent(), b.sent().model_copy(update={"sent_at": b.hours(30)})
    assert b.told(early, late)[0] == b.told(late, early)[0]
    assert b.told(late, early)[0].purchase_order("po-1").milestones["sent"] == b.hours(3)


def test_refusal_of_what_no_s2_covers_completes_the_supply_of_the_rest() -> None:
    po = b.created("po-1", 1, 2)
    order, _ = b.told(b.two_lines(), b.registered(), po, b.sent(), b.s2_matched(open_lines=[2]))
    assert order.status == "supplier_invoice_received"
    order, _ = b.told(b.po_refused(lines=[b.line(1, 1)]), b.created("po-2", 2), b.s2_matched("po-2"), order=order)
    assert order.status == "awaiting_invoice"


def test_refused_quantity_is_missing_until_another_po_buys_it() -> None:
    order, _ = b.told(*ACKNOWLEDGED, b.po_refused(lines=[b.line(quantity=1)]))
    assert missing_lines(order) == {1: 1}
    order, _ = b.told(b.created("po-2", lines=[b.line(quantity=1)], created_at=b.hours(5)), order=order)
    assert missing_lines(order) == {}
    order, _ = b.told(b.s2_matched(lines=[nf_line(1)], open_lines=[1]), b.s2_matched("po-2"), order=order)
    assert order.status == "awaiting_invoice", "the S2 covers all that the first PO still has"


def nf_line(quantity: int) -> dict[str, object]:
    return {
        "po_line": 1, "order_line": 1, "supplier_sku": "S-1", "name": "Pastilha", "ncm": "87083090", "cfop": "5119",
        "unit": "UN", "quantity": str(quantity), "unit_cost": "30.00", "total": f"{30 * quantity}.00",
    }  # fmt: skip


def test_refusal_heard_of_before_the_po_leaves_the_same_rest() -> None:
    refused = b.po_refused(lines=[b.line(1, 1)])
    early, _ = b.told(b.two_lines(), refused, b.created("po-1", 1, 2))
    late, _ = b.told(b.two_lines(), b.created("po-1", 1, 2), refused)
    assert early.purchase_orders == late.purchase_orders
    assert missing_lines(early) == {2: 2}


def test_cancelled_r_counts_no_more_and_a_new_one_does() -> None:
    order, _ = b.told(*SHIPPED[:-1], b.invoice_cancelled())
    assert order.status == "awaiting_invoice"
    order, _ = b.told(b.invoice_issued(number=9), b.handed_over(number=9), b.s1_matched(number=9), order=order)
    assert order.status == "awaiting_shipment"


def test_cancellation_of_an_r_heard_of_before_the_r_holds() -> None:
    order, _ = b.told(*SHIPPED[:6], b.invoice_cancelled(), b.invoice_issued())
    assert order.status == "awaiting_invoice"


def test_payment_after_all_else_tells_the_whole_line() -> None:
    facts = [event for event in DELIVERED if event is not PAID]
    _, published = b.told(*facts, PAID)
    assert b.statuses(published) == HISTORY
