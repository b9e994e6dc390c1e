"""Lines that are given up are not bought any more; what was bought by then is."""

from datetime import timedelta

from schemas.decision import Decision, NotYet, Refused
from schemas.order import OrderLinesGivenUp
from schemas.purchase_order import OrderLineQuantity, PurchaseOrderRefused
from schemas.shipment import ShipmentFound
from schemas.sourcing import SourcingGivenUp, SourcingRetryDue
from schemas.supplier import CarrierReported, ShippedPoLine, SupplierShipped
from services.po_dispatch.decide import giving_up, shipping, sourcing
from services.po_dispatch.machine import PoStatus
from services.po_dispatch.state import Fulfilment, PurchaseOrder
from tests.unit.po_dispatch import builders as b

A, SHORT = b.offer_changed("farol", "A"), b.offer_changed("norte", "B", stock=1)
RETRY = SourcingRetryDue(order_id="O-1", offer_id="norte:B")


def wish(*lines: int, minutes: int = 0) -> OrderLinesGivenUp:
    return OrderLinesGivenUp(
        order_id="O-1", store_id="shop", channel_id="shop", order_lines=lines, reason="no supplier has line 2 in time",
        given_up_at=b.NOW + timedelta(minutes=minutes),
    )  # fmt: skip


def waiting() -> Fulfilment:
    """Line 2 is lacking, so nothing is bought."""
    return b.state(sourcing.on_order_ready(None, b.order_ready(), b.context(b.sourcing(A, SHORT))))


def test_line_that_is_given_up_is_told_once_and_not_bought_when_it_is_there_again() -> None:
    decision = b.decided(giving_up.on_lines_given_up(waiting(), wish(2), b.context()))
    said, tried = decision.events
    assert isinstance(said, SourcingGivenUp)
    assert said.lines == (OrderLineQuantity(order_line=2, quantity=2),)
    assert tried == SourcingRetryDue(order_id="O-1"), "line 1, which waited with it"
    after = b.state(decision)
    assert (after.waiting, after.lines_without_stock) == ((), ())
    assert giving_up.on_lines_given_up(after, wish(2), b.context()) == Decision(after)
    bought = b.state(sourcing.on_retry_due(after, RETRY, b.context(b.sourcing(*b.TWO_SUPPLIERS))))
    assert [[line.order_line for line in po.lines] for po in bought.purchase_orders] == [[1]]


def test_line_that_was_bought_meanwhile_stays_bought_and_nothing_is_said() -> None:
    bought = b.purchased()
    decision = b.decided(giving_up.on_lines_given_up(bought, wish(2), b.context()))
    assert decision.events == ()
    assert b.state(decision).purchase_orders == bought.purchase_orders
    assert b.state(decision).given_up == {}


def test_line_that_somebody_has_is_bought_when_what_it_waited_with_is_given_up() -> None:
    decision = b.decided(giving_up.on_lines_given_up(waiting(), wish(1, 2), b.context()))
    assert b.state(decision).given_up == {2: 2}
    assert [type(event) for event in decision.events] == [SourcingGivenUp, SourcingRetryDue]
    bought = b.state(sourcing.on_retry_due(b.state(decision), RETRY, b.context(b.sourcing(A, SHORT))))
    assert [[line.order_line for line in po.lines] for po in bought.purchase_orders] == [[1]]


def test_second_wish_says_all_that_was_given_up_by_then() -> None:
    order = b.state(giving_up.on_lines_given_up(waiting(), wish(2), b.context()))
    order = b.state(sourcing.on_retry_due(order, RETRY, b.context(b.sourcing(SHORT))))
    [said] = b.decided(giving_up.on_lines_given_up(order, wish(1, minutes=5), b.context())).events
    assert isinstance(said, SourcingGivenUp)
    assert {line.order_line: line.quantity for line in said.lines} == {1: 1, 2: 2}


def test_wish_before_the_order_waits() -> None:
    assert isinstance(giving_up.on_lines_given_up(None, wish(2), b.context()), NotYet)


ONE = (ShippedPoLine(line=1, quantity=1),)
LATER = b.NOW + timedelta(hours=1)
ARRIVED, LOST = b.carrier_reported("T-PC2"), b.carrier_reported("T2", "problem")


def sent(*messages: SupplierShipped | CarrierReported) -> Fulfilment:
    """PC1 (one A), and PC2 (two B's), of which these parcels are heard of."""
    fulfilment = b.created()
    for message in messages:
        if isinstance(message, SupplierShipped):
            fulfilment = b.state(shipping.on_shipped(fulfilment, message, b.context()))
        else:
            fulfilment = b.state(shipping.on_carrier_reported(fulfilment, message, b.context()))
    return fulfilment


def second(fulfilment: Fulfilment) -> PurchaseOrder:
    po = fulfilment.po_numbered("PC2")
    assert po is not None
    return po


FIRST_OF_TWO = b.shipped("PC2", "norte", lines=ONE)
OTHER_OF_TWO = b.shipped("PC2", "norte", tracking_code="T2")


def test_parcel_that_was_lost_is_given_up_and_its_po_is_what_has_arrived() -> None:
    before = sent(FIRST_OF_TWO, OTHER_OF_TWO, ARRIVED, LOST)
    assert second(before).status is PoStatus.SHIPPED
    wish = b.lost(second(before).po_id)
    decision = b.decided(giving_up.on_lines_given_up(before, wish, b.context()))
    reduced, told = decision.events
    assert isinstance(reduced, PurchaseOrderRefused)
    assert [(line.line, line.quantity) for line in reduced.refused] == [(1, 1)]
    assert [(line.line, line.quantity) for line in reduced.lines] == [(1, 1)]
    assert (reduced.has_left, reduced.has_arrived) == (True, True)
    assert [(p.carrier, p.tracking_code) for p in reduced.lost_parcels] == [(OTHER_OF_TWO.carrier, "T2")]
    assert b.state(decision).bars == (), "its supplier had delivered"
    assert isinstance(told, SourcingGivenUp)
    assert told.lines == (OrderLineQuantity(order_line=2, quantity=1),)
    after = b.state(decision)
    assert (second(after).status, after.open_lines) == (PoStatus.DELIVERED, ())
    assert giving_up.on_lines_given_up(after, wish, b.context()) == Decision(after), "said twice"
    for status in ("in_transit", "problem", "delivered"):
        found = b.decided(shipping.on_carrier_reported(after, b.carrier_reported("T2", status, LATER), b.context()))
        kinds = [type(event) for event in found.events]
        assert kinds == ([ShipmentFound] if status == "delivered" else []), "nobody waits for it"
        assert second(b.state(found)).status is PoStatus.DELIVERED


def test_parcel_that_arrives_after_its_order_was_cancelled_as_lost_is_told_once() -> None:
    before = sent(OTHER_OF_TWO, LOST)
    void = before.with_po(second(before).with_void("order_cancelled", b.NOW))
    late = b.carrier_reported("T2", "delivered", LATER)
    decision = b.decided(shipping.on_carrier_reported(void, late, b.context()))
    [found] = decision.events
    assert isinstance(found, ShipmentFound)
    assert (found.po_number, found.tracking_code, found.delivered_at) == ("PC2", "T2", LATER)
    assert shipping.on_carrier_reported(b.state(decision), late, b.context()) == Decision(b.state(decision))


def test_po_that_was_lost_as_a_whole_is_void_and_not_bought_again() -> None:
    before = sent(OTHER_OF_TWO, LOST)
    decision = b.decided(giving_up.on_lines_given_up(before, b.lost(second(before).po_id), b.context()))
    assert [type(event) for event in decision.events] == [PurchaseOrderRefused, SourcingGivenUp]
    assert (second(b.state(decision)).status, b.state(decision).open_lines) == (PoStatus.REFUSED, ())


def test_parcel_that_is_on_its_way_again_or_has_arrived_is_not_given_up() -> None:
    for status in ("in_transit", "delivered"):
        found = sent(FIRST_OF_TWO, OTHER_OF_TWO, ARRIVED, LOST, b.carrier_reported("T2", status, LATER))
        assert giving_up.on_lines_given_up(found, b.lost(second(found).po_id), b.context()) == Decision(found)


def test_parcel_of_which_nobody_said_what_was_in_it_is_a_persons() -> None:
    before = sent(b.shipped("PC2", "norte"), OTHER_OF_TWO, ARRIVED, LOST)
    outcome = giving_up.on_lines_given_up(before, b.lost(second(before).po_id), b.context())
    assert isinstance(outcome, Refused)
    assert outcome.code == "contents_unknown"
