"""Parcels, from the supplier's door to the customer's."""

from datetime import timedelta

from schemas.decision import NotYet, Refused
from schemas.purchase_order import (
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentIrregular,
    ShipmentProblemReported,
)
from schemas.runtime import ReminderDue
from services.po_dispatch.decide import gate, hand_over, shipping
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
