"""Refunds: ordered once, through whom the money came, and the ledger goes along."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.decision import Answered, Refused
from schemas.order import OrderPaymentReceived
from schemas.refund import RefundFailed, RefundOrdered, RefundReported, RefundRequested, RefundSettled
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.billing import decide
from services.billing.requests import OrderRefund, RefundTaken
from services.billing.state import RefundStatus
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run


def requested(**overrides: Any) -> RefundRequested:
    fields: dict[str, Any] = {
        "order_id": "order-1", "store_id": "store-1", "channel_id": "channel-1", "refund_id": "r-1",
        "payment_id": "pay-1", "method": "pix", "amount": Decimal("300.00"), "reason": "Pedido cancelado",
        "erp_order_number": "SO1", "requested_at": b.NOW,
    }  # fmt: skip
    return RefundRequested(**fields | overrides)


def reported(outcome: str = "settled", hours: int = 0, refund_id: str = "r-1") -> RefundReported:
    fields = {"refund_id": refund_id, "outcome": outcome, "bank_reference": "ES1", "detail": "conta encerrada"}
    return RefundReported.model_validate(fields | {"reported_at": b.NOW + timedelta(hours=hours)})


def taken(run: Run) -> Run:
    (request,) = run.asked(OrderRefund)
    answered = Answered("call-1", request, RefundTaken(erp_number="ES1"), b.NOW)
    run.take(decide.on_refund_taken(run.bill, answered, run.context()))
    return run


def test_refund_goes_through_the_erp_and_settles() -> None:
    run = taken(Run().hear(b.order_ready(), requested()))
    assert [said.by for said in run.said(RefundOrdered)] == ["erp"]
    run.hear(reported())
    assert len(run.said(RefundSettled)) == 1
    balance = run.balance()
    assert (balance.refunded, balance.owed_to_customer, balance.wrong) == (Decimal("300.00"), Decimal(0), ())


def test_refund_asked_for_twice_is_ordered_once() -> None:
    run = Run().hear(b.order_ready(), requested(), requested())
    assert len(run.asked(OrderRefund)) == 1


def test_marketplace_pays_back_what_it_took() -> None:
    run = Run().hear(b.order_ready(), requested(method="marketplace"))
    assert [said.by for said in run.said(RefundOrdered)] == ["channel"]
    assert not run.asked(OrderRefund)


@pytest.mark.parametrize("cause", ["cancelled", "given_up", "overpaid"])
@pytest.mark.parametrize("method", ["marketplace", "pix"])
def test_whoever_pays_back_is_told_why(method: str, cause: str) -> None:
    run = Run().hear(b.order_ready(), requested(method=method, cause=cause))
    if method == "pix":
        taken(run)
    assert [said.cause for said in run.said(RefundOrdered)] == [cause]


def test_what_the_marketplace_was_told_to_pay_back_is_owed_until_its_statement_says_that_it_did() -> None:
    part = requested(method="marketplace", cause="given_up", amount=Decimal("100.00"))
    run = Run().hear(b.order_ready(), part)
    assert (run.balance().refunded, run.balance().owed_to_customer) == (Decimal(0), Decimal("300.00"))
    run.hear(reported())
    assert len(run.said(RefundSettled)) == 1
    assert (run.balance().refunded, run.balance().owed_to_customer) == (Decimal("100.00"), Decimal("200.00"))


def test_store_without_an_erp_leaves_the_refund_to_a_person() -> None:
    store = Timeline[StoreChanged](versions=(b.store_changed(has_erp=False),))
    run = Run(b.reference(store=store)).hear(requested(erp_order_number=None))
    assert run.now.refunds[0].status is RefundStatus.REQUESTED
    assert not run.calls
    assert run.hear(reported()).said(RefundSettled)


@pytest.mark.parametrize("ready_first", [True, False])
def test_payment_that_billing_never_heard_of_is_booked_before_it_goes_back(ready_first: bool) -> None:
    beside = requested(payment_id="pay-2", amount=Decimal("50.00"))
    messages = (b.order_ready(), beside) if ready_first else (beside, b.order_ready())
    run = taken(Run().hear(*messages)).hear(reported())
    balance = run.balance()
    assert (balance.customer_paid, balance.refunded, balance.wrong) == (Decimal("350.00"), Decimal("50.00"), ())


def test_order_cancelled_before_it_was_ready_balances() -> None:
    run = taken(Run().hear(requested())).hear(reported())
    assert (run.balance().owed_to_customer, run.balance().wrong) == (Decimal(0), ())


def test_refund_that_failed_is_told_once_and_may_settle_later() -> None:
    run = taken(Run().hear(b.order_ready(), requested())).hear(reported("failed"), reported("failed"))
    assert [said.detail for said in run.said(RefundFailed)] == ["conta encerrada"]
    run.hear(reported(hours=1))
    assert run.now.refunds[0].status is RefundStatus.SETTLED


def test_bank_that_reports_before_the_erp_answers_is_not_undone() -> None:
    run = taken(Run().hear(b.order_ready(), requested(), reported()))
    assert run.now.refunds[0].status is RefundStatus.SETTLED
    assert len(run.said(RefundOrdered)) == 1


def test_refund_settled_and_failed_later_is_an_alarm() -> None:
    run = taken(Run().hear(b.order_ready(), requested())).hear(reported())
    late = decide.on_refund_reported(run.bill, reported("failed", hours=1), run.context())
    assert isinstance(late, Refused)


def test_reports_about_unknown_refunds_are_refused() -> None:
    unknown = decide.on_refund_reported(None, reported(refund_id="other"), Run().context())
    assert isinstance(unknown, Refused)


LATE = OrderPaymentReceived(order_id="order-1", payment_id="pay-2", amount=Decimal("50.00"), approved_at=b.NOW)


@pytest.mark.parametrize("first", [True, False], ids=["payment-first", "order-first"])
def test_payment_after_the_order_was_ready_is_owed_to_the_customer(first: bool) -> None:
    run = Run().hear(*((LATE, b.order_ready()) if first else (b.order_ready(), LATE)), LATE)
    balance = run.balance()
    assert (balance.customer_paid, balance.owed_to_customer) == (Decimal("350.00"), Decimal("350.00"))
    assert balance.wrong == ()


@pytest.mark.parametrize("first", [True, False], ids=["payment-first", "refund-first"])
def test_payment_after_the_order_was_ready_is_booked_once_when_it_goes_back(first: bool) -> None:
    back = requested(payment_id="pay-2", amount=Decimal("50.00"))
    run = Run().hear(b.order_ready(), *((LATE, back) if first else (back, LATE)))
    balance = taken(run).hear(reported()).balance()
    assert (balance.customer_paid, balance.refunded, balance.wrong) == (Decimal("350.00"), Decimal("50.00"), ())


@pytest.mark.parametrize("ready_first", [True, False], ids=["order-first", "refunds-first"])
def test_payment_of_which_a_part_goes_back_is_booked_whole(ready_first: bool) -> None:
    """What was paid too much, and a rest that goes back later, may be heard of before what they are a part of."""
    parts = [requested(amount=Decimal("20.00")), requested(refund_id="r-2", amount=Decimal("30.00"))]
    run = Run().hear(*([b.order_ready(), *parts] if ready_first else [*parts, b.order_ready()]))
    balance = run.hear(reported(), reported(refund_id="r-2")).balance()
    assert (balance.customer_paid, balance.refunded, balance.wrong) == (Decimal("300.00"), Decimal("50.00"), ())
    late = OrderPaymentReceived(order_id="order-1", payment_id="pay-2", amount=Decimal("50.00"), approved_at=b.NOW)
    part = requested(refund_id="r-3", payment_id="pay-2", amount=Decimal("10.00"))
    run.hear(*((late, part) if ready_first else (part, late)))
    assert (run.balance().customer_paid, run.balance().wrong) == (Decimal("350.00"), ())
