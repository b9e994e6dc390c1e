"""Facts in any order, and twice: the order book's end is the same, and nothing is told twice or backwards."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order import OrderStatusChanged
from services.order_intake.decide.moves import MOVES
from services.order_intake.state import Order
from tests.builders import HOME, PAYMENT
from tests.unit.order_intake import builders as b
from tests.unit.order_intake.stages import OVER, after_creation, of_pos


@dataclass(frozen=True)
class Scenario:
    """Groups of facts: those of a group come in any order, and again at any time after."""

    end: str
    groups: list[list[Any]]
    store: dict[str, Any]


def scenario(end: str, *groups: list[Any], **store: Any) -> Scenario:
    return Scenario(end, list(groups), store)


BEGUN = [b.two_lines(), b.registered()]
BOTH = [b.created("a", 1), b.created("b", 2)]
AGAIN: dict[str, Any] = {"created_at": b.hours(6)}
SECOND: dict[str, Any] = {"order_lines": [2], "at": b.hours(5)}
ASKED = [b.wish(), b.fulfilment_stopped("a", "b"), b.billing_stopped()]
CANCELLED_POS = [b.po_cancelled(po, cause="order_cancelled") for po in ("a", "b")]
REFUNDED = [b.refund_ordered(), b.refund_settled()]
THIRD = b.created("c", 2, **AGAIN)
UNPAID = b.two_lines(payments=[PAYMENT | {"amount": "199.80"}])
LATE = [b.payment_expired(), b.payment_approved(amount="199.80")]
ONE_R = [b.invoice_issued("a", "b"), *(b.handed_over(po) for po in "ab"), *(b.s1_matched(po) for po in "ab")]
NEW_R = [
    b.invoice_issued("a", "b", number=9), *(b.handed_over(po, 9) for po in "ab"), *(b.s1_matched(po, 9) for po in "ab"),
]  # fmt: skip
HALF_WAY = [*BEGUN, *BOTH, b.sent("a"), b.confirmed("a"), b.s2_matched("a"), *ONE_R]
TOO_LATE = [b.wish(), b.cancel_refused("b"), b.po_cancelled("a")]
CHANGED_AGAIN = b.change(change_id="c-2", requested_at=b.hours(0.2), ship_to=HOME | {"number": "9"})

SCENARIOS: dict[str, Scenario] = {
    "two POs": scenario("completed", of_pos(a=1, b=2), [OVER]),
    "refused whole, out of stock, bought elsewhere": scenario(
        "completed",
        [*BEGUN, *BOTH, b.sent("b"), b.po_refused("b"), b.out_of_stock(**SECOND), THIRD, *after_creation("a", "c")],
        [OVER],
    ),
    "a quantity refused and bought elsewhere": scenario(
        "delivered",
        [*BEGUN, *BOTH, b.po_refused("b", [b.line(1, 2, 1)]), b.created("c", lines=[b.line(1, 2, 1)], **AGAIN)],
        after_creation("a", "b", "c"),
    ),
    "silent supplier": scenario(
        "delivered", [*BEGUN, *BOTH, b.sent("b"), b.po_cancelled("b"), THIRD, *after_creation("a", "c")]
    ),
    "prepayment refused, quote needed": scenario(
        "quote_pending",
        [*BEGUN, b.created("a", 1), b.created("b", 2, **b.PREPAID), b.po_cancelled("b"), b.quote_needed(**SECOND)],
    ),
    "waits for both kinds": scenario("out_of_stock", [*BEGUN, b.quote_needed(), b.out_of_stock(**SECOND)]),
    "R cancelled and issued anew": scenario(
        "awaiting_shipment", [*BEGUN, *BOTH, *ONE_R, b.invoice_cancelled(2, "a", "b"), *NEW_R]
    ),
    "R cancelled": scenario(
        "awaiting_invoice",
        [*BEGUN, *BOTH, b.s2_matched("a"), b.s2_matched("b"), *ONE_R[:1], b.invoice_cancelled(2, "a", "b")],
    ),
    "S2 in parts, one diverges first": scenario(
        "supplier_invoice_received",
        [*BEGUN, b.created("a", 1, 2), b.confirmed("a"), b.s2_diverged("a"), b.s2_matched("a", open_lines=[2])],
    ),
    "late payment taken": scenario("ready_to_order", [UNPAID, b.registered(), *LATE, *BOTH]),
    "late payment not taken": scenario(
        "cancelled", [UNPAID, b.registered(), *LATE, *ASKED[1:], *REFUNDED], late_payment="cancel"
    ),
    "cancelled in fulfilment": scenario(
        "cancelled",
        [*HALF_WAY, b.invoice_cancelled(2, "a", "b"), *ASKED, *CANCELLED_POS, *REFUNDED],
        [b.cancelled_in_erp()],
    ),
    "cancelled, a payment crosses": scenario(
        "cancelled", [*BEGUN, *BOTH, *ASKED, *CANCELLED_POS, b.payment_approved(payment_id="pay-9")]
    ),
    "cancelled, a parcel crosses": scenario("cancelled", BEGUN, [*BOTH, b.wish()], [b.dispatched("a"), *ASKED]),
    "cancellation refused, one PO bought again": scenario(
        "completed",
        BEGUN,
        [*BOTH, *TOO_LATE, b.created("c", 1, **AGAIN), *after_creation("b", "c")],
        [OVER],
    ),
    "R in force": scenario(
        "invoiced", BEGUN, [*BOTH, *ONE_R[:1]], [*ASKED[:2], *CANCELLED_POS, b.billing_stopped(b.key(2))]
    ),
    "changed twice, then paid": scenario(
        "payment_confirmed",
        [UNPAID, b.registered(), b.change(), CHANGED_AGAIN, b.updated(1), b.updated(2)],
        [b.payment_approved(amount="199.80")],
    ),
}

OF_THE_WAY = {
    "status_at", "ready_at", "gives_up_at", "completes_at",
    "cancellation", "cancellation_refused_at", "wishes", "changes",
}  # fmt: skip
"""What tells how an order came to its end, not what the end is."""


def end(order: Order) -> dict[str, Any]:
    return order.model_dump(exclude=OF_THE_WAY) | {"sale": order.sale, "being_cancelled": order.is_being_cancelled}


def in_order(scenario: Scenario) -> Order:
    return b.told(*(event for group in scenario.groups for event in group), **scenario.store)[0]


@st.composite
def disordered(draw: st.DrawFn, scenario: Scenario) -> list[Any]:
    heard: list[Any] = []
    so_far: list[Any] = []
    for group in scenario.groups:
        so_far += group
        again = draw(st.lists(st.sampled_from(so_far), max_size=len(group)))
        heard += draw(st.permutations([*group, *again]))
    return heard


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_in_order_the_scenario_has_its_end(name: str) -> None:
    assert in_order(SCENARIOS[name]).status == SCENARIOS[name].end


@pytest.mark.parametrize("name", list(SCENARIOS))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_in_any_order_and_twice_the_end_is_the_same(name: str, data: st.DataObject) -> None:
    scenario = SCENARIOS[name]
    heard = data.draw(disordered(scenario))
    order, published = b.told(*heard, **scenario.store)
    assert end(order) == end(in_order(scenario))
    assert_told_well(published, order)


ONCE = ("order.accepted", "order.ready", "order.completed", "order.cancelled")


def assert_told_well(published: list[Any], order: Order) -> None:
    moves = [event for event in published if isinstance(event, OrderStatusChanged)]
    assert [move.previous for move in moves] == [None, *(move.status for move in moves[:-1])]
    assert all(move.previous is None or move.status in MOVES[move.previous] for move in moves)
    assert moves[-1].status == order.status
    told = Counter(b.kinds(published))
    assert all(told[kind] <= 1 for kind in ONCE)
    refunds = [event.refund_id for event in published if event.TYPE == "refund.requested.v1"]
    assert len(refunds) == len(set(refunds))
    assert told["order.cancelled"] == (order.status == "cancelled")
