"""Changes of an order before its fulfilment begins; after it they are refused, saying why."""

from typing import Any

import pytest

from schemas.decision import Decision, Refused, Reminder
from schemas.order import OrderChanged, OrderChangeRefused, OrderReady
from services.order_intake.requests import RegisterSalesOrder, UpdateSalesOrder
from tests.builders import HOME, ITEM, order_placed
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.builders import kinds
from tests.unit.order_intake.stages import PAID, READY

NEW_HOME = HOME | {"street": "Rua Nova", "number": "7"}
MORE = {"items": [ITEM | {"quantity": 4}], "total": "199.80"}


def codes(published: list[Any]) -> list[str]:
    [refused] = [event for event in published if isinstance(event, OrderChangeRefused)]
    return [problem.code for problem in refused.reasons]


def test_change_before_fulfilment_is_made_and_told_to_the_erp() -> None:
    order, _ = b.told(order_placed(), b.registered())
    decision = b.decision_on(order, b.change(ship_to=NEW_HOME))
    [changed] = decision.events
    assert isinstance(changed, OrderChanged)
    assert (changed.change_id, changed.ship_to.street, changed.total) == ("change-1", "Rua Nova", order_placed().total)
    [call] = decision.calls
    assert isinstance(call.request, UpdateSalesOrder)
    assert (call.request.number, call.request.revision, call.lane) == ("SO1", 1, None)


def test_order_is_ready_only_when_the_erp_has_the_change() -> None:
    order, published = b.told(order_placed(), b.registered(), b.change(ship_to=NEW_HOME), b.payment_approved())
    assert "order.ready" not in kinds(published)
    order, published = b.told(b.updated(1), order=order)
    [ready] = published
    assert isinstance(ready, OrderReady)
    assert ready.ship_to.street == "Rua Nova"
    assert b.told(b.updated(1), order=order) == (order, [])


def test_change_that_came_after_the_last_update_is_waited_for_too() -> None:
    order, _ = b.told(order_placed(), b.registered(), b.change(ship_to=NEW_HOME))
    second = b.change(change_id="change-2", requested_at=b.hours(0.2), ship_to=HOME)
    order, published = b.told(second, b.payment_approved(), b.updated(1), order=order)
    assert "order.ready" not in kinds(published)
    assert kinds(b.told(b.updated(2), order=order)[1]) == ["order.ready"]


def test_change_before_the_erp_has_the_order_goes_there_when_it_has() -> None:
    order, calls = b.asked(order_placed(), b.change(ship_to=NEW_HOME))
    assert [type(call.request) for call in calls] == [RegisterSalesOrder]
    order, calls = b.asked(b.registered(), order=order)
    assert [type(call.request) for call in calls] == [UpdateSalesOrder]


def test_change_to_what_no_nota_fiscal_can_say_is_refused() -> None:
    order, _ = b.told(order_placed(), b.registered())
    _, published = b.told(b.change(ship_to=HOME | {"street": " "}), order=order)
    assert codes(published) == ["not_printable"]


def test_change_in_a_store_without_erp_holds_nobody_up() -> None:
    events = [order_placed(), b.change(ship_to=NEW_HOME), b.payment_approved()]
    _, published = b.told(*events, has_erp=False)
    assert kinds(published)[-1] == "order.ready"
    assert b.asked(*events, has_erp=False)[1] == []


def test_change_before_the_order_is_made_when_it_comes() -> None:
    order, published = b.told(b.change(ship_to=NEW_HOME))
    assert published == []
    order, published = b.told(order_placed(), order=order)
    assert kinds(published) == ["order.accepted", "order.changed", "order.status_changed"]
    assert order.sale is not None
    assert order.sale.ship_to.street == "Rua Nova"
    assert b.decision_on(order, order_placed()) == Decision(order), "as it was placed it is the same order"


def test_change_in_fulfilment_is_refused_saying_since_when() -> None:
    order, published = b.told(*READY, b.change(ship_to=NEW_HOME))
    assert codes(published) == ["in_fulfilment"]
    assert order.sale == PAID


def test_change_of_what_was_paid_is_refused_unless_the_total_stays() -> None:
    order, published = b.told(PAID, b.change(**MORE))
    assert codes(published) == ["paid_amount_differs"]
    order, published = b.told(b.change(change_id="change-2", ship_to=NEW_HOME), order=order)
    assert kinds(published) == ["order.changed"]


def test_unpaid_order_grows_and_is_paid_by_its_new_total() -> None:
    order, _ = b.told(order_placed(), b.change(**MORE), b.payment_approved())
    assert order.status == "payment_pending"
    order, _ = b.told(b.payment_approved(payment_id="pay-2"), order=order)
    assert order.status == "payment_confirmed"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"items": [ITEM | {"quantity": 4}]}, "total_differs"),
        ({"freight": "10.00"}, "total_differs"),
        ({"items": [ITEM, ITEM], "total": "199.80"}, "line_twice"),
    ],
    ids=["items without total", "freight without total", "line twice"],
)
def test_change_that_does_not_add_up_is_refused(fields: dict[str, Any], code: str) -> None:
    order, published = b.told(order_placed(), b.change(**fields))
    assert codes(published) == [code]
    assert order.sale == order_placed()


def test_change_of_a_cancelled_order_is_refused() -> None:
    _, published = b.told(order_placed(), b.wish(), b.change(ship_to=NEW_HOME))
    assert codes(published) == ["cancelled"]


def test_two_changes_of_one_field_the_later_wish_holds_whichever_comes_first() -> None:
    first, second = b.change(ship_to=NEW_HOME), b.change(change_id="c-2", requested_at=b.hours(0.2), ship_to=HOME)
    one, _ = b.told(order_placed(), first, second)
    other, _ = b.told(order_placed(), second, first)
    assert one.sale is not None
    assert one.sale == other.sale
    assert one.sale.ship_to.street == HOME["street"]


def test_change_said_twice_is_answered_once_and_with_other_content_refused() -> None:
    order, _ = b.told(order_placed(), b.change(ship_to=NEW_HOME))
    assert b.decision_on(order, b.change(ship_to=NEW_HOME)) == Decision(order)
    refused = b.decision_on(order, b.change(ship_to=HOME))
    assert isinstance(refused, Refused)
    assert refused.code == "changed_differently"


def test_changes_that_are_answered_at_once_have_times_that_follow_each_other() -> None:
    """Others take the newest of them."""
    later = b.change(change_id="change-2", requested_at=b.hours(0.2), ship_to=HOME)
    _, published = b.told(b.change(ship_to=NEW_HOME), later, order_placed())
    first, second = (event.changed_at for event in published if isinstance(event, OrderChanged))
    assert first < second


CROSSED = [order_placed(), b.registered(), b.change(**MORE), b.payment_approved()]
"""The order grew while the customer paid what it was."""
DUE = b.reminder("difference", b.hours(25))


def test_change_that_crossed_the_payment_is_taken_back_when_the_difference_is_not_paid() -> None:
    order, decisions = b.decided(*CROSSED)
    assert b.reminders(decisions) == [Reminder("difference", b.hours(25))]
    order, published = b.told(DUE, order=order)
    assert codes(published) == ["difference_not_paid"]
    [changed] = [event for event in published if isinstance(event, OrderChanged)]
    assert (changed.items, changed.total) == (order_placed().items, order_placed().total)
    assert order.status == "payment_confirmed"
    assert "order.ready" not in kinds(published), "the ERP must have it as it is now"
    assert order.revision == order.erp_revision_asked == 2
    assert kinds(b.told(b.updated(2), order=order)[1]) == ["order.ready"]
    assert b.decision_on(order, DUE) == Decision(order)


def test_difference_that_is_paid_in_time_keeps_the_change() -> None:
    order, _ = b.told(*CROSSED)
    decision = b.decision_on(order, b.payment_approved(payment_id="pay-2"))
    assert decision.forget == ["difference"]
    assert decision.state.status == "payment_confirmed"
    assert b.decision_on(decision.state, DUE) == Decision(decision.state)


def test_change_of_address_stays_where_a_dearer_one_is_taken_back() -> None:
    moved = b.change(change_id="change-2", requested_at=b.hours(0.2), ship_to=NEW_HOME)
    order, _ = b.told(order_placed(), b.registered(), b.change(**MORE), moved, b.payment_approved(), DUE)
    assert order.sale is not None
    assert (order.sale.ship_to.street, order.sale.total) == ("Rua Nova", order_placed().total)


def test_payment_that_covers_no_version_of_the_order_waits_for_the_rest() -> None:
    order, decisions = b.decided(*CROSSED[:-1], b.payment_approved(amount="10.00"))
    assert b.reminders(decisions) == []
    assert order.status == "payment_pending"
