"""Parcels, from the supplier's door to the customer's."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from schemas.decision import NotYet, Refused
from schemas.order import OrderCancellationStarted
from schemas.purchase_order import PurchaseOrderCancelRefused, PurchaseOrderLate
from schemas.runtime import ReminderDue
from schemas.shipment import (
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentIrregular,
    ShipmentProblemReported,
    ShipmentResumed,
)
from schemas.supplier import CarrierReported, ShippedPoLine, SupplierShipped
from services.po_dispatch.decide import cancelling, deadlines, gate, hand_over, reminders, shipping
from services.po_dispatch.state import Fulfilment, PoStatus
from tests.unit.po_dispatch import builders as b

DUE = ReminderDue(name=gate.GATE, key="O-1", due=b.NOW)


def cleared() -> Fulfilment:
    """R handed over and S1 matched, for both POs."""
    fulfilment = b.created()
    fulfilment = b.state(hand_over.on_invoice_issued(fulfilment, b.invoice_issued(fulfilment), b.context()))
    for number in ("PC1", "PC2"):
        fulfilment = b.state(hand_over.on_handed_over(fulfilment, b.handed_over(fulfilment, number), b.context()))
        matched = b.remittance_nf_matched(fulfilment, number)
        fulfilment = b.state(hand_over.on_remittance_nf_matched(fulfilment, matched, b.context()))
    return fulfilment


def test_parcel_after_all_documents_is_dispatched_without_a_reminder() -> None:
    decision = b.decided(shipping.on_shipped(cleared(), b.shipped(), b.context()))
    assert [type(event) for event in decision.events] == [ShipmentDispatched]
    assert decision.reminders == []
    again = b.decided(shipping.on_shipped(decision.state, b.shipped(), b.context()))
    assert (again.state, again.events) == (decision.state, ())


def test_parcel_before_any_invoice_is_dispatched_and_irregular_at_once() -> None:
    decision = b.decided(shipping.on_shipped(b.created(), b.shipped(), b.context()))
    dispatched, irregular = decision.events
    assert isinstance(dispatched, ShipmentDispatched)
    assert isinstance(irregular, ShipmentIrregular)
    assert irregular.missing == ("invoice_handed_over", "remittance_nf_matched")
    due = b.decided(gate.on_gate_due(decision.state, DUE, b.context()))
    assert due.events == []


def test_parcel_whose_documents_are_on_their_way_gets_a_grace_then_is_irregular_once() -> None:
    before = b.created()
    invoiced = b.state(hand_over.on_invoice_issued(before, b.invoice_issued(before), b.context()))
    decision = b.decided(shipping.on_shipped(invoiced, b.shipped(), b.context()))
    assert [type(event) for event in decision.events] == [ShipmentDispatched]
    assert [(r.name, r.due) for r in decision.reminders] == [(gate.GATE, b.NOW + gate.GATE_GRACE)]
    due = b.decided(gate.on_gate_due(decision.state, DUE, b.context()))
    assert [type(event) for event in due.events] == [ShipmentIrregular]
    again = b.decided(gate.on_gate_due(due.state, DUE, b.context()))
    assert (again.state, again.events) == (due.state, [])


def test_gate_due_after_the_documents_came_says_nothing() -> None:
    left = b.state(shipping.on_shipped(cleared(), b.shipped(), b.context()))
    assert b.decided(gate.on_gate_due(left, DUE, b.context())).events == []
    assert b.decided(gate.on_gate_due(None, DUE, b.context())).events == ()


def test_second_tracking_code_is_another_parcel() -> None:
    left = b.state(shipping.on_shipped(cleared(), b.shipped(), b.context()))
    second = b.decided(shipping.on_shipped(left, b.shipped(tracking_code="T-9"), b.context()))
    assert [type(event) for event in second.events] == [ShipmentDispatched]
    delivered = b.state(shipping.on_carrier_reported(second.state, b.carrier_reported("T-9"), b.context()))
    po = delivered.po_numbered("PC1")
    assert po is not None
    assert po.status is PoStatus.SHIPPED


def test_parcel_of_another_suppliers_po_is_refused_and_of_an_unknown_one_waits() -> None:
    assert isinstance(shipping.on_shipped(b.created(), b.shipped("PC1", "norte"), b.context()), Refused)
    assert isinstance(shipping.on_shipped(b.created(), b.shipped("PC9"), b.context()), NotYet)


def test_parcel_before_the_confirmation_ends_right() -> None:
    left = b.state(shipping.on_shipped(b.created(), b.shipped(), b.context()))
    po = left.po_numbered("PC1")
    assert po is not None
    assert (po.status, po.confirmed_at) == (PoStatus.SHIPPED, None)


def test_delivery_is_told_once_and_nothing_after_it() -> None:
    left = b.state(shipping.on_shipped(cleared(), b.shipped(), b.context()))
    decision = b.decided(shipping.on_carrier_reported(left, b.carrier_reported(), b.context()))
    assert [type(event) for event in decision.events] == [ShipmentDelivered]
    for status in ("delivered", "problem", "in_transit"):
        late = b.carrier_reported(status=status, at=b.NOW + timedelta(days=1))
        again = b.decided(shipping.on_carrier_reported(decision.state, late, b.context()))
        assert (again.state, again.events) == (decision.state, ())


def test_problem_is_told_once_and_a_newer_one_again() -> None:
    left = b.state(shipping.on_shipped(cleared(), b.shipped(), b.context()))
    first = b.decided(shipping.on_carrier_reported(left, b.carrier_reported(status="problem"), b.context()))
    assert [type(event) for event in first.events] == [ShipmentProblemReported]
    same = shipping.on_carrier_reported(first.state, b.carrier_reported(status="problem"), b.context())
    assert b.decided(same).events == ()
    newer = b.carrier_reported(status="problem", at=b.NOW + timedelta(hours=1))
    assert len(b.decided(shipping.on_carrier_reported(first.state, newer, b.context())).events) == 1


def test_report_on_an_unknown_parcel_waits() -> None:
    assert isinstance(shipping.on_carrier_reported(cleared(), b.carrier_reported(), b.context()), NotYet)
    assert isinstance(shipping.on_carrier_reported(None, b.carrier_reported(), b.context()), NotYet)


def test_marketplaces_delivery_waits_for_every_po_then_delivers_all() -> None:
    half = b.state(shipping.on_shipped(cleared(), b.shipped(), b.context()))
    assert isinstance(shipping.on_delivery_reported(half, b.delivery_reported(), b.context()), NotYet)
    left = b.state(shipping.on_shipped(half, b.shipped("PC2", "norte"), b.context()))
    decision = b.decided(shipping.on_delivery_reported(left, b.delivery_reported(), b.context()))
    assert [type(event) for event in decision.events] == [ShipmentDelivered, ShipmentDelivered]
    assert {po.status for po in b.state(decision).purchase_orders} == {PoStatus.DELIVERED}
    again = b.decided(shipping.on_delivery_reported(decision.state, b.delivery_reported(), b.context()))
    assert (again.state, again.events) == (decision.state, ())


BOTH = (b.offer_changed("farol", "A"), b.offer_changed("farol", "B"))


def in_parts(*said: object) -> tuple[Fulfilment, list[Any]]:
    """A PO of one A (line 1) and two B (line 2) with its R; what is said of its parcels, and what is told."""
    fulfilment = b.created(*BOTH)
    fulfilment = b.state(hand_over.on_invoice_issued(fulfilment, b.invoice_issued(fulfilment), b.context()))
    return further(fulfilment, *said)


def further(fulfilment: Fulfilment, *said: object) -> tuple[Fulfilment, list[Any]]:
    told: list[Any] = []
    for message in said:
        if isinstance(message, SupplierShipped):
            decision = b.decided(shipping.on_shipped(fulfilment, message, b.context()))
        else:
            assert isinstance(message, CarrierReported)
            decision = b.decided(shipping.on_carrier_reported(fulfilment, message, b.context()))
        fulfilment = b.state(decision)
        told += decision.events
    return fulfilment, told


def parcel(code: str, **quantities: int) -> SupplierShipped:
    """By line: `l2=1` is one piece of line 2."""
    lines = tuple(ShippedPoLine(line=int(name[1:]), quantity=pieces) for name, pieces in quantities.items())
    return b.shipped(tracking_code=code, lines=lines)


def status_of(fulfilment: Fulfilment) -> PoStatus:
    [po] = fulfilment.purchase_orders
    return po.status


def test_po_in_parts_has_left_and_is_delivered_when_its_parcels_cover_it() -> None:
    arrived, told = in_parts(parcel("T1", l1=1, l2=1), b.carrier_reported("T1"))
    first, delivered = told
    assert (first.open_lines, delivered.open_lines) == ((2,), (2,))
    assert [(line.line, line.order_line, line.sku, line.quantity) for line in first.lines] == [
        (1, 1, "A", 1), (2, 2, "B", 1),
    ]  # fmt: skip
    assert status_of(arrived) is PoStatus.SHIPPED
    left, [second] = further(arrived, parcel("T2", l2=1))
    assert second.open_lines == ()
    whole, [last] = further(left, b.carrier_reported("T2"))
    assert last.open_lines == ()
    assert status_of(whole) is PoStatus.DELIVERED


def test_parcel_that_does_not_say_what_is_in_it_holds_all_that_is_left() -> None:
    left, [first, rest] = in_parts(parcel("T1", l2=1), parcel("T2"))
    assert (first.open_lines, rest.open_lines, rest.lines) == ((1, 2), (), ())
    some, [arrived] = further(left, b.carrier_reported("T2"))
    assert arrived.open_lines == (2,)
    assert status_of(some) is PoStatus.SHIPPED
    _, [last] = further(some, b.carrier_reported("T1"))
    assert last.open_lines == ()


def test_parcel_under_way_is_waited_for_whatever_the_others_say_they_hold() -> None:
    left, [_, second] = in_parts(b.shipped(tracking_code="T1"), b.shipped(tracking_code="T2"))
    assert second.open_lines == ()
    some, [arrived] = further(left, b.carrier_reported("T1"))
    assert (arrived.open_lines, status_of(some)) == ((1, 2), PoStatus.SHIPPED)
    _, [last] = further(some, b.carrier_reported("T2"))
    assert last.open_lines == ()


def test_line_that_the_po_never_had_is_refused_with_its_parcel() -> None:
    outcome = shipping.on_shipped(in_parts()[0], parcel("T1", l7=1), b.context())
    assert outcome == Refused("unknown_line", "PO PC1 has no line 7")


def test_what_never_leaves_is_late_once_and_named() -> None:
    arrived, _ = in_parts(parcel("T1", l1=1, l2=1), b.carrier_reported("T1"))
    [due] = [one for one in deadlines.pending(arrived) if one.what == "dispatch"]
    fired = ReminderDue(name=reminders.DEADLINE, key="O-1", due=due.due)
    over = deadlines.on_deadline_due(arrived, fired, b.context(now=due.due))
    [late] = [event for event in over.events if isinstance(event, PurchaseOrderLate) and event.what == "dispatch"]
    assert [(line.line, line.sku, line.quantity) for line in late.lines] == [(2, "B", 1)]
    assert all(one.what != "dispatch" for one in deadlines.pending(b.state(over)))
    left, _ = further(arrived, parcel("T2", l2=1))
    assert all(one.what != "dispatch" for one in deadlines.pending(left))


def test_marketplaces_delivery_waits_for_all_goods_of_a_po() -> None:
    some, _ = in_parts(parcel("T1", l1=1))
    assert isinstance(shipping.on_delivery_reported(some, b.delivery_reported(), b.context()), NotYet)
    left, _ = further(some, parcel("T2", l2=2))
    delivered = b.decided(shipping.on_delivery_reported(left, b.delivery_reported(), b.context()))
    assert [event.open_lines for event in delivered.events] == [(2,), ()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ((("problem", 1), ("in_transit", 2)), ["problem_reported", "resumed"]),
        ((("in_transit", 2), ("problem", 1)), []),
        ((("problem", 2), ("in_transit", 1)), ["problem_reported"]),
        ((("problem", 1), ("in_transit", 2), ("in_transit", 3)), ["problem_reported", "resumed"]),
        ((("problem", 1), ("in_transit", 3), ("problem", 2)), ["problem_reported", "resumed"]),
        ((("problem", 1), ("in_transit", 2), ("problem", 3)), ["problem_reported", "resumed", "problem_reported"]),
        ((("problem", 1), ("problem", 3), ("in_transit", 2)), ["problem_reported", "problem_reported"]),
        ((("problem", 1), ("delivered", 3), ("in_transit", 2)), ["problem_reported", "delivered"]),
    ],
)
def test_carriers_newest_word_ends_a_problem_and_an_older_one_that_comes_late_does_nothing(
    reports: Sequence[tuple[str, int]], told: list[str]
) -> None:
    said = [b.carrier_reported("T1", status, b.NOW + timedelta(hours=hour)) for status, hour in reports]
    fulfilment, events = in_parts(b.shipped(tracking_code="T1"), *said)
    assert [event.TYPE.split(".")[1] for event in events[1:]] == told
    again, repeated = further(fulfilment, *said)
    assert (again, repeated) == (fulfilment, [])


def test_parcel_that_was_given_up_and_goes_on_cannot_be_cancelled() -> None:
    lost, _ = in_parts(b.shipped(tracking_code="T1"), b.carrier_reported("T1", "problem", b.NOW))
    other = lost.purchase_orders[0].model_copy(update={"po_id": "other", "number": "PC2", "shipments": ()})
    lost = lost.model_copy(update={"purchase_orders": (*lost.purchase_orders, other)})
    wish = OrderCancellationStarted(
        order_id="O-1", store_id="shop", channel_id="shop", cause="lost", reason="gone", started_at=b.NOW
    )
    given_up = b.state(cancelling.on_cancellation_started(lost, wish, b.context()))
    assert given_up.purchase_orders[0].is_agreed
    moving = b.carrier_reported("T1", "in_transit", b.NOW + timedelta(hours=1))
    decision = b.decided(shipping.on_carrier_reported(given_up, moving, b.context()))
    resumed, refused = decision.events
    assert isinstance(resumed, ShipmentResumed)
    assert isinstance(refused, PurchaseOrderCancelRefused)
    assert not b.state(decision).purchase_orders[0].is_agreed


def test_po_of_which_something_has_not_left_is_not_lost() -> None:
    some, _ = in_parts(parcel("T1", l1=1), b.carrier_reported("T1", "problem", b.NOW))
    assert not some.purchase_orders[0].is_lost
    whole, _ = further(some, parcel("T2"), b.carrier_reported("T2", "problem", b.NOW))
    assert whole.purchase_orders[0].is_lost
