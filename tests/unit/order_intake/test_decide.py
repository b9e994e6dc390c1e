"""The order itself: placed, paid, registered, ready, completed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.decision import Answered, Call, Decision, NotYet, Refused, Reminder
from schemas.order import OrderAccepted, OrderCompleted, OrderReady, OrderRefused, OrderStatusChanged
from schemas.runtime import ReminderDue
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.order_intake import decide
from services.order_intake.requests import MarkCompleted, RegisterSalesOrder
from services.order_intake.state import Order
from tests.builders import CUSTOMER, HOME, ITEM, NOW, PAYMENT, context, order_placed, store_changed
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.builders import kinds
from tests.unit.order_intake.stages import DELIVERED, OVER, PAID, SHIPPED


def test_unpaid_order_is_accepted_registered_and_waits_for_its_payment() -> None:
    decision = b.decision_on(None, order_placed())
    accepted, moved = decision.events
    assert isinstance(accepted, OrderAccepted)
    assert (accepted.customer_email, accepted.channel_order_code) == ("maria@example.com", "C-1")
    assert isinstance(moved, OrderStatusChanged)
    assert (moved.status, moved.previous) == ("payment_pending", None)
    [call] = decision.calls
    assert call.partner == "erp"
    assert isinstance(call.request, RegisterSalesOrder)
    assert call.request.order_id == "order-1"


def test_order_of_an_unknown_store_waits_for_the_store() -> None:
    placed = order_placed()
    assert decide.on_order_placed(None, placed, context(placed)) == NotYet("store.changed")


def test_paid_and_registered_order_is_ready_once() -> None:
    order, published = b.told(order_placed(), b.payment_approved(), b.registered())
    assert kinds(published) == ["order.accepted", *["order.status_changed"] * 2, "order.ready"]
    ready = published[-1]
    assert isinstance(ready, OrderReady)
    assert ready.erp_order_number == "SO1"
    assert ready.customer.tax_id == "52998224725"
    assert [(p.payment_id, p.method, p.approved_at) for p in ready.payments] == [("pay-1", "pix", b.hours(1))]
    assert b.told(b.registered("SO2"), b.payment_approved(), order=order) == (order, [])


def test_payment_before_the_order_is_kept_for_it() -> None:
    order, published = b.told(b.payment_approved())
    assert published == []
    order, published = b.told(order_placed(), order=order)
    assert b.statuses(published) == ["payment_confirmed"]


def test_every_order_of_placed_paid_and_registered_ends_ready() -> None:
    for events in (
        [PAID, b.registered()],
        [order_placed(), b.registered(), b.payment_approved()],
        [b.payment_approved(), order_placed(), b.registered()],
    ):
        _, published = b.told(*events)
        assert kinds(published).count("order.ready") == 1


def test_part_of_the_money_does_not_pay_the_order() -> None:
    order, published = b.told(order_placed(), b.registered(), b.payment_approved(amount="99.89"))
    assert (order.paid, "order.ready" in kinds(published)) == (False, False)
    order, published = b.told(b.payment_approved(payment_id="pay-2", amount="0.01"), order=order)
    assert kinds(published) == ["order.status_changed", "order.ready"]
    ready = published[-1]
    assert isinstance(ready, OrderReady)
    assert [(p.payment_id, p.method, str(p.amount)) for p in ready.payments] == [
        ("pay-1", "pix", "99.89"),
        ("pay-2", "other", "0.01"),
    ]


def test_payment_said_twice_with_another_amount_is_refused() -> None:
    order, _ = b.told(order_placed(), b.payment_approved(amount="50.00"))
    refused = b.decision_on(order, b.payment_approved(amount="99.90"))
    assert isinstance(refused, Refused)
    assert refused.code == "approved_differently"


def test_store_without_erp_needs_no_number() -> None:
    decision = b.decision_on(None, PAID, has_erp=False)
    assert list(decision.calls) == []
    ready = decision.events[-1]
    assert isinstance(ready, OrderReady)
    assert ready.erp_order_number is None


def test_same_order_with_the_same_content_changes_nothing() -> None:
    order, _ = b.told(order_placed())
    assert b.decision_on(order, order_placed(), now=b.hours(5)) == Decision(order)


def test_same_order_with_other_content_is_refused_saying_what_differs() -> None:
    order, _ = b.told(order_placed())
    other = order_placed(items=[ITEM | {"quantity": 4}], total="199.80")
    assert b.decision_on(order, other) == Refused(
        "placed_differently", "this order was placed before with another items, total"
    )


def test_milestones_before_the_order_take_effect_when_it_comes() -> None:
    early = [event for event in DELIVERED if event is not PAID and not isinstance(event, Answered)]
    order, published = b.told(*early)
    assert (published, order.status) == ([], None)
    order, published = b.told(PAID, order=order)
    assert kinds(published)[0] == "order.accepted"
    assert b.statuses(published)[0] == "payment_confirmed"
    assert b.statuses(published)[-1] == order.status == "delivered"


def test_status_time_never_goes_back_with_the_clock() -> None:
    order = b.decision_on(None, order_placed(), now=b.hours(1)).state
    [moved] = b.decision_on(order, b.payment_approved(), now=NOW).events
    assert moved.changed_at == b.hours(1) + timedelta(microseconds=1)


def due(order: Order) -> ReminderDue:
    assert order.completes_at is not None
    return ReminderDue(name="complete", key="order-1", due=order.completes_at)


def on_due(order: Order | None, event: ReminderDue) -> Any:
    return decide.on_return_window_over(order, event, context(event, now=event.due))


def test_last_delivery_starts_the_return_window() -> None:
    order, _ = b.told(*SHIPPED)
    decision = b.decision_on(order, b.delivered())
    assert decision.reminders == [Reminder("complete", b.hours(20) + timedelta(days=7))]


def test_delivery_dated_in_the_future_counts_from_when_it_was_heard_of() -> None:
    order, _ = b.told(*SHIPPED, return_window_days=0)
    never = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    decision = b.decision_on(order, b.delivered(delivered_at=never), now=b.hours(30))
    assert decision.reminders == [Reminder("complete", b.hours(30))]


def test_return_window_of_zero_days_ends_with_the_delivery() -> None:
    order, _ = b.told(*SHIPPED, return_window_days=0)
    assert b.decision_on(order, b.delivered()).reminders == [Reminder("complete", b.hours(20))]


def test_return_window_over_completes_the_order_here_and_in_the_erp() -> None:
    order, _ = b.told(*DELIVERED)
    decision = on_due(order, due(order))
    moved, completed = decision.events
    assert (moved.status, moved.previous) == ("completed", "delivered")
    assert isinstance(completed, OrderCompleted)
    assert list(decision.calls) == [Call("erp", MarkCompleted(order_id="order-1", number="SO1"))]
    assert decision.state.status == "completed"


def test_return_window_that_ends_while_another_parcel_is_on_its_way_ends_anew_when_that_is_delivered() -> None:
    order, _ = b.told(*DELIVERED, b.dispatched(shipment="2"), OVER)
    assert order.completed_at is None
    decision = b.decision_on(order, b.delivered(shipment="2"))
    assert [(reminder.name, reminder.due) for reminder in decision.reminders] == [("complete", OVER.due)]
    assert b.told(OVER, order=decision.state)[0].status == "completed"


def test_return_window_over_twice_does_nothing_the_second_time() -> None:
    order, _ = b.told(*DELIVERED)
    completed = on_due(order, due(order)).state
    assert on_due(completed, due(order)) == Decision(completed)


def test_reminder_of_before_a_later_delivery_completes_nothing() -> None:
    order, _ = b.told(*DELIVERED)
    early = ReminderDue(name="complete", key="order-1", due=b.hours(20))
    assert on_due(order, early) == Decision(order)
    assert on_due(None, early) == Decision(None)


def test_shipment_that_turns_up_in_the_return_window_keeps_the_order_open() -> None:
    order, _ = b.told(*DELIVERED)
    order, published = b.told(b.dispatched(shipment="2"), order=order)
    assert (published, order.status) == ([], "delivered")
    assert not on_due(order, due(order)).events
    decision = b.decision_on(order, b.delivered(shipment="2", delivered_at=b.hours(30)))
    assert decision.reminders == [Reminder("complete", b.hours(30) + timedelta(days=7))]


def test_erp_answer_to_completed_closes_the_order_there_once() -> None:
    order, _ = b.told(*DELIVERED)
    closed, published = b.told(b.completed_in_erp(), order=order)
    assert (closed.closed_in_erp, published) == (True, [])
    assert b.told(b.completed_in_erp(), order=closed) == (closed, [])


def test_facts_beside_the_status_change_nothing() -> None:
    order, _ = b.told(PAID)
    assert decide.on_noted(order, b.sent(), context()) == Decision(order)
    assert decide.on_noted(None, b.sent(), context()) == Decision(None)


FULFILLED = order_placed(fulfilment="fulfilled", payments=[PAYMENT | {"approved_at": b.hours(0)}])


def test_order_that_the_channel_calls_fulfilled_is_refused_saying_why() -> None:
    decision = b.decision_on(None, FULFILLED)
    [refused] = decision.events
    assert isinstance(refused, OrderRefused)
    assert [(p.code, p.found) for p in refused.reasons] == [("already_fulfilled", "fulfilled")]
    assert list(decision.calls) == []


def test_store_that_fulfils_all_takes_a_fulfilled_order() -> None:
    _, published = b.told(FULFILLED, b.registered(), fulfils="all")
    assert kinds(published)[-1] == "order.ready"


def test_order_whose_payments_share_an_id_is_refused() -> None:
    [refused] = b.decision_on(None, order_placed(payments=[PAYMENT, PAYMENT])).events
    assert [p.code for p in refused.reasons] == ["payment_twice"]


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"customer": CUSTOMER | {"name": "Жан"}}, "customer/name"),
        ({"ship_to": HOME | {"street": "  "}}, "ship_to/street"),
        ({"ship_to": HOME | {"district": "A"}}, "ship_to/district"),
        ({"ship_to": HOME | {"city": "🎉🎉"}}, "ship_to/city"),
        ({"items": [ITEM | {"name": " "}]}, "items/0/name"),
    ],
    ids=lambda said: said if isinstance(said, str) else "",
)
def test_order_that_no_nota_fiscal_can_say_is_refused_before_anything_is_bought(
    said: dict[str, Any], where: str
) -> None:
    [refused] = b.decision_on(None, order_placed(**said)).events
    assert isinstance(refused, OrderRefused)
    assert [(p.code, p.where) for p in refused.reasons] == [("not_printable", where)]


@pytest.mark.parametrize("name", ["Łu Ą", "José 🎉", "Ana", "D'", "ﾌﾟ Li"])
def test_name_that_can_be_printed_in_part_is_taken(name: str) -> None:
    decision = b.decision_on(None, order_placed(customer=CUSTOMER | {"name": name}))
    assert "order.accepted" in kinds(decision.events)


def test_line_with_a_discount_above_its_price_is_refused() -> None:
    given_away = ITEM | {"line": 2, "unit_price": "10.00", "quantity": 1, "discount": "10.01"}
    [refused] = b.decision_on(None, order_placed(items=[ITEM, given_away], total="99.89")).events
    assert [(p.code, p.where, p.found) for p in refused.reasons] == [("discount_too_high", "items/1/discount", "10.01")]


@pytest.mark.parametrize(
    "event", [FULFILLED, b.payment_approved(), b.payment_expired(), b.change(), b.wish(), b.created(), b.delivered()]
)
def test_nothing_follows_on_a_refused_order(event: Any) -> None:
    order, _ = b.told(FULFILLED)
    decision = b.decision_on(order, event)
    assert (*decision.events, *decision.calls, *decision.reminders) == ()


def test_settings_hold_as_they_were_when_the_order_was_placed_whenever_it_is_heard_of() -> None:
    then, since = store_changed(cancellation="until_sent"), store_changed(valid_from=b.hours(1), has_erp=False)
    for versions in ((then,), (then, since)):
        timeline = Timeline[StoreChanged](versions=versions)
        placed = order_placed()
        decision = decide.on_order_placed(None, placed, context(placed, now=b.hours(9), reference_data=timeline))
        assert isinstance(decision, Decision)
        assert decision.state is not None
        assert decision.state.terms is not None
        assert (decision.state.terms.cancellation, decision.state.terms.has_erp) == ("until_sent", True)
