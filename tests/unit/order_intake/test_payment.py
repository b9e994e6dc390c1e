"""Slips that expire, and money that comes after that."""

import pytest

from tests.builders import PAYMENT, order_placed
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.builders import kinds
from tests.unit.order_intake.stages import READY

PLACED, EXPIRED, APPROVED = order_placed(), b.payment_expired(), b.payment_approved()
OTHER_SLIP = order_placed(payments=[PAYMENT, PAYMENT | {"payment_id": "pay-2", "method": "boleto"}])


def test_expired_slip_shows_and_a_late_payment_goes_on_by_default() -> None:
    order, published = b.told(PLACED, EXPIRED)
    assert b.statuses(published) == ["payment_pending", "payment_slip_expired"]
    order, published = b.told(b.registered(), APPROVED, order=order)
    assert kinds(published) == ["order.status_changed", "order.ready"]


def test_late_payment_is_cancelled_and_refunded_where_the_store_says_so() -> None:
    order, published = b.told(PLACED, b.registered(), EXPIRED, APPROVED, late_payment="cancel")
    assert kinds(published)[-4:] == [
        "order.cancellation_started", "order.cancelled", "order.status_changed", "refund.requested",
    ]  # fmt: skip
    assert b.statuses(published) == ["payment_pending", "payment_slip_expired", "cancelled"]
    assert order.cancellation is not None
    assert order.cancellation.cause == "late_payment"


@pytest.mark.parametrize("first", [EXPIRED, APPROVED], ids=["expired first", "approved first"])
def test_lateness_is_by_the_times_of_the_payments_not_of_their_messages(first: object) -> None:
    second = APPROVED if first is EXPIRED else EXPIRED
    order, published = b.told(first, second, PLACED, b.registered(), late_payment="cancel")
    assert order.status == "cancelled"
    assert "order.ready" not in kinds(published)
    in_time = b.payment_expired(expired_at=b.hours(2))
    order, _ = b.told(in_time if first is EXPIRED else second, APPROVED, PLACED, b.registered())
    assert order.status == "payment_confirmed"


def test_expiry_heard_of_after_fulfilment_began_is_asked_first() -> None:
    order, published = b.told(*READY[:0], PLACED, b.registered(), APPROVED, EXPIRED, late_payment="cancel")
    assert kinds(published)[-2:] == ["order.ready", "order.cancellation_started"]
    order, published = b.told(b.fulfilment_stopped(), b.billing_stopped(), order=order)
    assert kinds(published) == ["order.cancelled", "order.status_changed", "refund.requested"]


def test_expiry_heard_of_when_the_goods_have_left_changes_nothing() -> None:
    order, _ = b.told(PLACED, b.registered(), APPROVED, b.created(), b.dispatched(), late_payment="cancel")
    _, published = b.told(EXPIRED, order=order)
    assert published == []


def test_expired_after_the_money_came_changes_nothing() -> None:
    _, published = b.told(PLACED, APPROVED, b.payment_expired(expired_at=b.hours(2)), late_payment="cancel")
    assert b.statuses(published) == ["payment_pending", "payment_confirmed"]


def test_order_waits_for_the_payment_that_may_still_come() -> None:
    order, _ = b.told(OTHER_SLIP, EXPIRED)
    assert order.status == "payment_pending"
    order, _ = b.told(b.payment_expired(payment_id="pay-2"), order=order)
    assert order.status == "payment_slip_expired"


def test_other_payment_made_in_time_is_not_late() -> None:
    order, _ = b.told(OTHER_SLIP, EXPIRED, b.payment_approved(payment_id="pay-2"), late_payment="cancel")
    assert order.status == "payment_confirmed"


def test_new_payment_after_all_expired_is_late() -> None:
    order, _ = b.told(PLACED, EXPIRED, b.payment_approved(payment_id="pay-9"), late_payment="cancel")
    assert order.status == "cancelled"


def test_part_of_the_money_after_the_expiry_leaves_it_expired() -> None:
    order, _ = b.told(PLACED, EXPIRED, b.payment_approved(amount="10.00"))
    assert order.status == "payment_slip_expired"


def test_payment_after_the_order_is_ready_is_told_once_and_one_before_it_is_not() -> None:
    order, published = b.told(PLACED, b.registered(), APPROVED)
    assert "order.payment_received" not in kinds(published)
    more = b.payment_approved(payment_id="pay-9")
    order, published = b.told(more, order=order)
    assert kinds(published) == ["order.payment_received", "refund.requested"], "what is too much goes back"
    assert published[0].model_dump() == more.model_dump()
    assert b.told(more, order=order)[1] == []
