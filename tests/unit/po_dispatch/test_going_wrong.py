"""Refusals, silence, prepayment and cancellations: what follows from each, and what does not."""

from datetime import timedelta
from typing import Any

from schemas.billing import InvoiceCancelled
from schemas.decision import Decision, Refused
from schemas.model import Message
from schemas.order import OrderCancellationRefused, OrderCancellationStarted
from schemas.purchase_order import (
    FulfilmentStopped,
    PurchaseOrderCancelled,
    PurchaseOrderCancelRefused,
    PurchaseOrderCreated,
    PurchaseOrderLate,
    PurchaseOrderRefused,
    PurchaseOrderRerouted,
)
from schemas.shipment import ShipmentDelayed, ShipmentDelivered, ShipmentDispatched, ShipmentIrregular
from schemas.sourcing import SourcingRetryDue
from schemas.supplier import (
    RefusedPoLine,
    ShippedPoLine,
    SupplierCancellationAnswered,
    SupplierDelayReported,
    SupplierPoConfirmed,
    SupplierPoRefused,
)
from services.po_dispatch.decide.gate import missing
from services.po_dispatch.machine import PoStatus
from services.po_dispatch.state import (
    CancelPurchaseOrder,
    HandOverInvoice,
    RemindSupplier,
    RevisePurchaseOrder,
    SendPurchaseOrder,
    VoidPurchaseOrder,
)
from tests.unit.po_dispatch import builders as b
from tests.unit.po_dispatch.world import Said, World, order


def world(*, spare: bool = True, prepaid: bool = False) -> World:
    """Lines A (3) and B (1), both at farol; `spare`: at norte too, which is asked second. POs are PC1, PC2, …"""
    farol = b.supplier_changed("farol", priority=1, **({"terms": b.PREPAID} if prepaid else {}))
    norte = b.supplier_changed("norte", priority=2)
    makers = ("farol", "norte") if spare else ("farol",)
    one = World(b.sourcing(*(b.offer_changed(s, sku) for s in makers for sku in "AB"), suppliers=[farol, norte]))
    one.handle(Said("ready", order()))
    settle(one)
    return one


def settle(one: World) -> None:
    while one.waiting:
        one.handle(one.waiting.pop(0))


def say(one: World, message: Any, id: str | None = None) -> list[Message]:
    """What follows from it, also by way of the messages to itself."""
    before = len(one.events)
    one.tick()
    outcome = one.handle(Said(id or f"said-{one.steps}", message))
    assert isinstance(outcome, Decision), outcome
    settle(one)
    return one.events[before:]


def said(one: World, message: Any) -> Any:
    one.tick()
    return one.handle(Said(f"said-{one.steps}", message))


def wait_until_due(one: World, times: int = 1) -> list[Message]:
    before = len(one.events)
    for _ in range(times):
        due = one.pass_time()
        assert due is not None
        one.handle(due)
        settle(one)
    return one.events[before:]


def refused(*lines: RefusedPoLine, number: str = "PC1") -> SupplierPoRefused:
    return SupplierPoRefused(supplier_id="farol", po_number=number, lines=lines, refused_at=b.NOW, reason="none left")


def answered(accepted: bool, number: str = "PC1") -> SupplierCancellationAnswered:
    return SupplierCancellationAnswered(supplier_id="farol", po_number=number, accepted=accepted, answered_at=b.NOW)


def started(at: int = 0) -> OrderCancellationStarted:
    return OrderCancellationStarted(
        order_id="O-1",
        store_id="shop",
        channel_id="shop",
        cause="requested",
        reason="changed my mind",
        started_at=b.NOW + timedelta(seconds=at),
    )


def cancellation_refused(at: int = 60) -> OrderCancellationRefused:
    refused_at = b.NOW + timedelta(seconds=at)
    return OrderCancellationRefused(
        order_id="O-1", store_id="shop", channel_id="shop", reasons=(), refused_at=refused_at
    )


def of(events: list[Message], *types: type[Message]) -> list[Any]:
    return [event for event in events if isinstance(event, types)]


def suppliers(one: World) -> dict[str, PoStatus]:
    assert one.fulfilment is not None
    return {po.supplier.supplier_id: po.status for po in one.fulfilment.purchase_orders}


def asked(one: World, request: type) -> list[Any]:
    return [call.request for call in one.calls if isinstance(call.request, request)]


def test_refused_quantity_stays_off_the_po_and_is_bought_from_another() -> None:
    one = world()
    events = say(one, refused(RefusedPoLine(line=1, quantity=2)))
    [told] = of(events, PurchaseOrderRefused)
    assert [(line.line, line.quantity) for line in told.lines] == [(1, 1), (2, 1)]
    assert (str(told.total), len(told.order_po_ids)) == ("20.00", 1)
    [rerouted] = of(events, PurchaseOrderRerouted)
    assert (rerouted.cause, [(x.order_line, x.quantity) for x in rerouted.lines]) == ("refused", [(1, 2)])
    [revised] = asked(one, RevisePurchaseOrder)
    assert (revised.number, revised.lines, revised.total) == ("PC1", told.lines, told.total)
    assert not asked(one, VoidPurchaseOrder)
    [created] = of(events, PurchaseOrderCreated)
    assert (created.supplier_id, [line.quantity for line in created.lines]) == ("norte", [2])
    assert len(created.order_po_ids) == 2


def test_refusal_said_again_under_another_id_refuses_nothing_more() -> None:
    one = world()
    say(one, refused(RefusedPoLine(line=1, quantity=1)))
    assert say(one, refused(RefusedPoLine(line=1, quantity=1))) == []


def test_wholly_refused_po_is_void_and_everything_goes_to_the_other() -> None:
    one = world()
    events = say(one, refused())
    assert of(events, PurchaseOrderRefused)[0].lines == ()
    assert suppliers(one) == {"farol": PoStatus.REFUSED, "norte": PoStatus.SENT}


def test_refused_lines_without_another_supplier_wait_until_the_offer_changes() -> None:
    one = world(spare=False)
    events = say(one, refused(RefusedPoLine(line=2)))
    assert events[-1].TYPE == "sourcing.out_of_stock.v1"
    assert say(one, SourcingRetryDue(order_id="O-1")) == []
    later = b.offer_changed("farol", "B", valid_from=one.now + timedelta(seconds=1))
    one.reference = b.sourcing(b.offer_changed("farol", "A"), later)
    one.now += timedelta(seconds=5)
    [created] = of(say(one, SourcingRetryDue(order_id="O-1")), PurchaseOrderCreated)
    assert [line.order_line for line in created.lines] == [2]


def test_event_that_has_bought_buys_nothing_more_when_it_comes_again() -> None:
    one = world(spare=False)
    say(one, refused())
    for _ in range(2):
        one.now += timedelta(seconds=5)
        one.reference = b.sourcing(*(b.offer_changed("farol", sku, valid_from=one.now) for sku in "AB"))
        one.now += timedelta(seconds=5)
        say(one, SourcingRetryDue(order_id="O-1"), "retry")
        say(one, refused(number="PC2"))
    assert one.fulfilment is not None
    assert [po.number for po in one.fulfilment.purchase_orders] == ["PC1", "PC2"]


def test_refusal_of_a_line_that_a_po_has_not_is_refused() -> None:
    assert said(world(), refused(RefusedPoLine(line=9))) == Refused("unknown_line", "PO PC1 has no line 9")


def test_po_refused_after_its_invoice_was_handed_over_is_void_and_bought_elsewhere() -> None:
    one = world()
    assert one.fulfilment is not None
    say(one, b.invoice_issued(one.fulfilment))
    assert suppliers(one) == {"farol": PoStatus.HANDED_OVER}
    events = say(one, refused())
    assert of(events, PurchaseOrderRefused)[0].lines == ()
    assert suppliers(one) == {"farol": PoStatus.REFUSED, "norte": PoStatus.SENT}


def test_po_whose_goods_have_left_cannot_be_refused() -> None:
    one = world()
    assert one.fulfilment is not None
    say(one, b.invoice_issued(one.fulfilment))
    say(one, b.shipped())
    assert said(one, refused()).code == "already_shipped"


def left_in_part() -> World:
    """R was handed over; of line 1 (3 pieces) one has left, of line 2 nothing."""
    one = world()
    assert one.fulfilment is not None
    say(one, b.invoice_issued(one.fulfilment))
    say(one, b.shipped(lines=(ShippedPoLine(line=1, quantity=1),)))
    return one


def test_rest_of_a_po_is_refused_after_its_first_parcel_and_bought_elsewhere() -> None:
    one = left_in_part()
    events = say(one, refused())
    [told] = of(events, PurchaseOrderRefused)
    assert [(line.line, line.quantity) for line in told.refused] == [(1, 2), (2, 1)]
    assert [(line.line, line.quantity) for line in told.lines] == [(1, 1)]
    assert (told.dispatched_at, told.has_left, told.has_arrived) == (b.NOW, True, False)
    [created] = of(events, PurchaseOrderCreated)
    assert (created.supplier_id, [line.quantity for line in created.lines]) == ("norte", [2, 1])
    [delivered] = of(say(one, b.carrier_reported()), ShipmentDelivered)
    assert delivered.open_lines == ()
    assert suppliers(one)["farol"] is PoStatus.DELIVERED


def test_rest_refused_after_what_left_has_arrived_delivers_the_po() -> None:
    one = left_in_part()
    [delivered] = of(say(one, b.carrier_reported()), ShipmentDelivered)
    assert delivered.open_lines == (1, 2)
    [told] = of(say(one, refused()), PurchaseOrderRefused)
    assert (told.has_left, told.has_arrived) == (True, True)
    assert suppliers(one)["farol"] is PoStatus.DELIVERED


def test_part_of_the_rest_is_refused_and_the_other_part_waited_for() -> None:
    one = left_in_part()
    [told] = of(say(one, refused(RefusedPoLine(line=1, quantity=1), RefusedPoLine(line=2))), PurchaseOrderRefused)
    assert ([line.quantity for line in told.lines], told.has_left) == ([2], False)
    [last] = of(say(one, b.shipped(tracking_code="T-9")), ShipmentDispatched)
    assert last.open_lines == ()


def test_refusal_of_more_than_what_has_not_left_is_refused() -> None:
    one = left_in_part()
    assert said(one, refused(RefusedPoLine(line=1, quantity=3))).code == "already_shipped"
    say(one, refused(RefusedPoLine(line=1)))
    assert said(one, refused(RefusedPoLine(line=1), RefusedPoLine(line=2))).code == "already_shipped"


def test_rest_is_refused_while_the_order_is_being_cancelled_and_bought_when_it_goes_on() -> None:
    one = left_in_part()
    say(one, started())
    assert [type(event) for event in say(one, refused())] == [PurchaseOrderRefused]
    events = say(one, cancellation_refused())
    assert [type(event) for event in events][:1] == [PurchaseOrderRerouted]
    assert [created.supplier_id for created in of(events, PurchaseOrderCreated)] == ["norte"]


def test_remessa_of_an_invoice_that_was_cancelled_opens_no_gate() -> None:
    """A part was refused after S1: what is left is billed by another R, which another S1 must cite."""
    one = world()
    assert one.fulfilment is not None
    issued = b.invoice_issued(one.fulfilment)
    for message in (issued, b.remittance_nf_matched(one.fulfilment), refused(RefusedPoLine(line=2))):
        say(one, message)
    shared = {name: getattr(issued, name) for name in InvoiceCancelled.model_fields if hasattr(issued, name)}
    again = issued.model_copy(update={"access_key": b.key(2)})
    say(one, InvoiceCancelled(**shared, cancelled_at=b.NOW))
    say(one, again)
    assert missing(one.fulfilment.purchase_orders[0]) == ("remittance_nf_matched",)
    second = b.remittance_nf_matched(one.fulfilment).model_copy(
        update={"invoice_key": b.key(2), "access_key": b.key(10)}
    )
    say(one, second)
    assert missing(one.fulfilment.purchase_orders[0]) == ()


def test_silent_supplier_is_reminded_at_half_time_then_its_po_is_cancelled_and_bought_elsewhere() -> None:
    one = world()
    assert wait_until_due(one) == []
    assert one.now == b.NOW + timedelta(hours=12)
    [reminder] = asked(one, RemindSupplier)
    assert reminder.due == b.NOW + timedelta(hours=24)
    events = wait_until_due(one)
    assert [type(e) for e in events[:3]] == [PurchaseOrderLate, PurchaseOrderCancelled, PurchaseOrderRerouted]
    assert (events[0].what, events[1].cause) == ("confirmation", "silent")  # type: ignore[attr-defined]
    assert [request.reason for request in asked(one, CancelPurchaseOrder)] == ["silent"]
    assert [request.number for request in asked(one, VoidPurchaseOrder)] == ["PC1"]
    assert suppliers(one) == {"farol": PoStatus.CANCELLED, "norte": PoStatus.SENT}


def test_confirmation_after_the_deadline_changes_nothing_because_the_supplier_was_told() -> None:
    one = world()
    wait_until_due(one, 2)
    late = SupplierPoConfirmed(supplier_id="farol", po_number="PC1", confirmed_at=one.now)
    assert say(one, late) == []
    assert len(asked(one, CancelPurchaseOrder)) == 1
    assert said(one, answered(accepted=False)).code == "po_is_void"


def test_confirmation_after_its_own_refusal_is_answered_with_a_cancellation_once() -> None:
    one = world()
    say(one, refused())
    late = SupplierPoConfirmed(supplier_id="farol", po_number="PC1", confirmed_at=b.NOW + timedelta(minutes=5))
    assert say(one, late) == []
    assert [request.reason for request in asked(one, CancelPurchaseOrder)] == ["refused"]
    say(one, late)
    assert len(asked(one, CancelPurchaseOrder)) == 1


def test_prepaid_po_whose_payment_is_refused_or_late_is_void_unsent_and_bought_elsewhere() -> None:
    one = world(prepaid=True)
    assert asked(one, SendPurchaseOrder) == []
    events = wait_until_due(one)
    assert one.now == b.NOW + timedelta(hours=72)
    assert [e.what for e in of(events, PurchaseOrderLate)] == ["prepayment"]
    assert [e.cause for e in of(events, PurchaseOrderCancelled)] == ["prepayment_late"]
    assert suppliers(one) == {"farol": PoStatus.CANCELLED, "norte": PoStatus.SENT}
    assert [request.supplier.supplier_id for request in asked(one, SendPurchaseOrder)] == ["norte"]


def test_cancellation_before_the_order_stops_at_once_and_the_order_is_not_bought() -> None:
    one = World(b.sourcing(b.offer_changed("farol", "A"), b.offer_changed("farol", "B")))
    assert [type(event) for event in say(one, started())] == [FulfilmentStopped]
    assert say(one, order()) == []
    assert one.calls == []
    created = of(say(one, cancellation_refused()), PurchaseOrderCreated)
    assert len(created) == 1


def test_cancellation_is_asked_first_and_done_when_the_supplier_agrees() -> None:
    one = world()
    assert say(one, started()) == []
    assert [request.reason for request in asked(one, CancelPurchaseOrder)] == ["order_cancelled"]
    events = say(one, answered(accepted=True))
    assert [type(event) for event in events] == [PurchaseOrderCancelled, FulfilmentStopped]
    assert say(one, answered(accepted=True)) == []


def test_cancellation_while_the_erp_numbers_the_po_voids_it_and_nobody_hears_of_it() -> None:
    one = World(b.sourcing(b.offer_changed("farol", "A"), b.offer_changed("farol", "B")))
    one.handle(Said("ready", order()))
    registered = one.waiting.pop()
    assert [type(event) for event in say(one, started())] == [FulfilmentStopped]
    assert say(one, registered.data) == []
    assert one.fulfilment is not None
    assert one.fulfilment.purchase_orders[0].number == "PC1"
    assert asked(one, SendPurchaseOrder) == []


def test_too_late_refuses_the_cancellation_and_what_was_cancelled_is_bought_again() -> None:
    """Two POs: the first is cancelled, the second has shipped."""
    one = world()
    say(one, refused(RefusedPoLine(line=2)))
    say(one, started())
    assert say(one, answered(accepted=True)) == []
    events = say(one, b.shipped("PC2", "norte"))
    assert len(of(events, PurchaseOrderCancelRefused)) == 1
    events = say(one, cancellation_refused())
    assert [e.cause for e in of(events, PurchaseOrderRerouted)] == ["cancellation_refused"]
    [again] = of(events, PurchaseOrderCreated)
    assert (again.supplier_id, [line.quantity for line in again.lines]) == ("farol", [3])


def test_refusal_that_crosses_the_cancellation_ends_it() -> None:
    one = world()
    say(one, started())
    events = say(one, refused())
    assert [type(event) for event in events] == [PurchaseOrderRefused, FulfilmentStopped]
    assert said(one, answered(accepted=False)).code == "po_is_void"


def test_start_of_a_cancellation_that_was_refused_already_starts_nothing() -> None:
    one = world()
    say(one, cancellation_refused(at=60))
    assert say(one, started(at=10)) == []
    assert asked(one, CancelPurchaseOrder) == []


def test_invoice_that_comes_while_the_order_is_being_cancelled_is_handed_over_when_it_goes_on() -> None:
    one = world()
    assert one.fulfilment is not None
    say(one, started())
    say(one, b.invoice_issued(one.fulfilment))
    assert asked(one, HandOverInvoice) == []
    say(one, answered(accepted=False))
    say(one, cancellation_refused())
    assert len(asked(one, HandOverInvoice)) == 1


def test_goods_of_a_void_po_are_irregular_and_no_shipment_of_the_order() -> None:
    one = world()
    wait_until_due(one, 2)
    events = say(one, b.shipped("PC1", "farol"))
    assert of(events, ShipmentDispatched) == []
    assert of(events, ShipmentIrregular)[0].missing[0] == "purchase_order"


def test_delay_is_told_once_and_an_older_word_not() -> None:
    one = world()
    delay = SupplierDelayReported(
        supplier_id="farol", po_number="PC1", expected_ship_at=b.NOW + timedelta(days=3), reported_at=b.NOW
    )
    assert [type(event) for event in say(one, delay)] == [ShipmentDelayed]
    assert say(one, delay.model_copy(update={"reported_at": b.NOW + timedelta(hours=1)})) == []
    older = {"reported_at": b.NOW - timedelta(hours=1), "expected_ship_at": b.NOW + timedelta(days=9)}
    assert say(one, delay.model_copy(update=older)) == []


def test_late_nf_is_alerted_once() -> None:
    one = world()
    say(one, SupplierPoConfirmed(supplier_id="farol", po_number="PC1", confirmed_at=b.NOW))
    assert [e.what for e in of(wait_until_due(one), PurchaseOrderLate)] == ["supplier_nf"]
    assert one.now == b.NOW + timedelta(hours=48)
    assert one.reminders == {}


def test_refusals_of_one_second_are_told_at_times_of_ours_that_follow_each_other() -> None:
    """Others take the newest of several refusals, and the newest word on which POs an order has."""
    one = world()
    [first] = of(say(one, refused(RefusedPoLine(line=1))), PurchaseOrderRefused)
    [second] = of(say(one, refused(RefusedPoLine(line=2))), PurchaseOrderRefused)
    assert b.NOW < first.refused_at < second.refused_at
    assert second.lines == ()


def test_refusal_by_a_clock_that_is_ahead_is_told_before_the_pos_that_follow_from_it() -> None:
    one = world()
    ahead = refused().model_copy(update={"refused_at": b.NOW + timedelta(days=1)})
    events = say(one, ahead)
    [told], [created] = of(events, PurchaseOrderRefused), of(events, PurchaseOrderCreated)
    assert told.refused_at <= created.created_at


def test_stop_names_the_cancellation_that_it_belongs_to() -> None:
    """Too late, then yes: all is void for the first attempt, which was refused; the second has its own stop."""
    one = world()
    say(one, started(10))
    say(one, answered(accepted=False))
    [first] = of(say(one, answered(accepted=True)), FulfilmentStopped)
    say(one, cancellation_refused())
    say(one, started(at=70))
    [second] = of(say(one, answered(accepted=True, number="PC2")), FulfilmentStopped)
    assert [stop.started_at for stop in (first, second)] == [started(10).started_at, started(70).started_at]


def given_up() -> OrderCancellationStarted:
    return started(30).model_copy(update={"cause": "lost"})


def in_trouble() -> World:
    """What left is stuck somewhere."""
    one = world()
    say(one, b.shipped())
    say(one, b.carrier_reported(status="problem"))
    return one


def test_lost_goods_that_the_store_gives_up_stop_the_fulfilment_and_nobody_is_asked() -> None:
    one = in_trouble()
    events = say(one, given_up())
    assert [event.cause for event in of(events, PurchaseOrderCancelled)] == ["order_cancelled"]
    assert len(of(events, FulfilmentStopped)) == 1
    assert not asked(one, CancelPurchaseOrder)
    assert not of(events, PurchaseOrderCancelRefused)


def test_goods_in_trouble_are_not_cancelled_where_nobody_gave_them_up() -> None:
    events = say(in_trouble(), started(30))
    assert len(of(events, PurchaseOrderCancelRefused)) == 1
    assert not of(events, FulfilmentStopped)


def test_goods_that_are_delivered_on_their_way_to_being_given_up_refuse_the_cancellation() -> None:
    one = World(b.sourcing(b.offer_changed("farol", "A"), b.offer_changed("norte", "B")))
    one.handle(Said("ready", order()))
    settle(one)
    say(one, b.shipped())
    say(one, b.carrier_reported(status="problem"))
    assert not of(say(one, given_up()), FulfilmentStopped), "norte has not answered"
    events = say(one, b.carrier_reported(at=b.NOW + timedelta(hours=1)))
    assert [event.detail for event in of(events, PurchaseOrderCancelRefused)] == ["it was delivered after all"]


def test_goods_that_were_given_up_once_stay_so_in_the_next_attempt() -> None:
    """The first one was refused by the supplier of the other PO."""
    one = World(b.sourcing(b.offer_changed("farol", "A"), b.offer_changed("norte", "B")))
    one.handle(Said("ready", order()))
    settle(one)
    say(one, b.shipped())
    say(one, b.carrier_reported(status="problem"))
    say(one, given_up())
    norte = answered(accepted=False, number="PC2").model_copy(update={"supplier_id": "norte"})
    say(one, norte)
    say(one, cancellation_refused())
    events = say(one, started(70))
    events += say(one, norte.model_copy(update={"accepted": True}))
    assert len(of(events, FulfilmentStopped)) == 1
    assert not of(events, PurchaseOrderCancelRefused)
