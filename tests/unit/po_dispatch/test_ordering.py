"""From the paid order to the confirmed PO."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from schemas.decision import NotYet, Refused
from schemas.purchase_order import PurchaseOrderConfirmed, PurchaseOrderCreated, PurchaseOrderSent
from schemas.sourcing import OutOfStock, QuoteNeeded, SourcingRetryDue
from services.po_dispatch.decide import ordering, payment, sourcing, waking
from services.po_dispatch.purchase_order import Void
from services.po_dispatch.state import PoStatus, RegisterPurchaseOrder, SendPurchaseOrder, Sourcing, WaitingOrder
from tests.unit.po_dispatch import builders as b


def test_ready_order_with_two_suppliers_registers_one_po_each() -> None:
    decision = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(b.sourcing(*b.TWO_SUPPLIERS))))
    assert [call.partner for call in decision.calls] == ["erp", "erp"]
    requests = [call.request for call in decision.calls]
    assert all(isinstance(request, RegisterPurchaseOrder) for request in requests)
    assert decision.state is not None
    farol, norte = decision.state.purchase_orders
    assert (farol.total, norte.total) == (Decimal("10.00"), Decimal("6.67"))
    assert [(line.line, line.order_line, line.quantity) for line in norte.lines] == [(1, 2, 2)]
    assert {farol.status, norte.status} == {PoStatus.REGISTERING}
    assert decision.events == ()


def test_ready_order_said_twice_changes_nothing() -> None:
    reference = b.sourcing(*b.TWO_SUPPLIERS)
    first = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(reference)))
    second = b.decided(sourcing.on_order_ready(first.state, b.order_ready(), b.context(reference)))
    assert (second.state, second.events, second.calls) == (first.state, (), ())


def test_same_event_decided_again_gives_the_same_ids() -> None:
    reference = b.sourcing(*b.TWO_SUPPLIERS)
    outcomes = [sourcing.on_order_ready(None, b.order_ready(), b.context(reference, event="e")) for _ in range(2)]
    assert outcomes[0] == outcomes[1]


def test_order_before_its_store_waits() -> None:
    assert isinstance(sourcing.on_order_ready(None, b.order_ready(), b.context(Sourcing())), NotYet)


def test_line_without_any_offer_needs_a_quote_and_no_po_is_made() -> None:
    reference = b.sourcing(b.offer_changed("farol", "A"))
    decision = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(reference)))
    assert decision.events == [QuoteNeeded(order_id="O-1", order_lines=(2,), at=b.NOW)]
    assert decision.calls == ()
    assert b.state(decision).purchase_orders == ()


def test_line_without_stock_is_out_of_stock_and_no_po_is_made() -> None:
    reference = b.sourcing(b.offer_changed("farol", "A"), b.offer_changed("norte", "B", stock=1))
    decision = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(reference)))
    assert decision.events == [OutOfStock(order_id="O-1", order_lines=(2,), at=b.NOW)]
    assert decision.calls == ()
    assert b.state(decision).lines_without_stock == (2,)


def test_order_labelled_by_its_channel_is_not_split() -> None:
    order = b.order_ready(logistics=b.BY_CHANNEL)
    split = b.decided(sourcing.on_order_ready(None, order, b.context(b.sourcing(*b.TWO_SUPPLIERS))))
    assert split.calls == ()
    assert isinstance(split.events[0], OutOfStock)
    whole = b.sourcing(*b.TWO_SUPPLIERS, b.offer_changed("norte", "A", cost=Decimal(99)))
    assert len(b.decided(sourcing.on_order_ready(None, order, b.context(whole))).calls) == 1


def test_store_without_erp_uses_our_own_numbers() -> None:
    reference = b.sourcing(*b.TWO_SUPPLIERS, has_erp=False)
    context = b.context(reference, following=41)
    decision = b.decided(sourcing.on_order_ready(None, b.order_ready(), context))
    events = [event for event in decision.events if isinstance(event, PurchaseOrderCreated)]
    assert [event.po_number for event in events] == ["PO0000000041", "PO0000000042"]
    assert [type(call.request) for call in decision.calls] == [SendPurchaseOrder, SendPurchaseOrder]
    assert context.numbers.following == {"po": 43}


def test_registered_po_is_created_and_sent_once() -> None:
    before = b.purchased()
    first_po, other_po = before.purchase_orders
    answer = b.registered(before, first_po.po_id, "PC1")
    decision = b.decided(ordering.on_registered(before, answer, b.context()))
    [event] = decision.events
    assert isinstance(event, PurchaseOrderCreated)
    assert event.order_po_ids == (first_po.po_id, other_po.po_id)
    assert event.po_number == "PC1"
    assert [(c.order_line, c.chosen) for c in event.candidates] == [(1, True)]
    [call] = decision.calls
    assert call.partner == "supplier:farol"
    assert isinstance(call.request, SendPurchaseOrder)
    assert call.request.ship_to == b.address()
    again = b.decided(ordering.on_registered(decision.state, answer, b.context()))
    assert (again.state, again.events, again.calls) == (decision.state, (), ())


def test_sent_po_is_told_once() -> None:
    before = b.created()
    decision = b.decided(ordering.on_sent(before, b.sent(before), b.context()))
    [event] = decision.events
    assert isinstance(event, PurchaseOrderSent)
    assert event.po_number == "PC1"
    again = b.decided(ordering.on_sent(decision.state, b.sent(before), b.context()))
    assert (again.state, again.events) == (decision.state, ())


def test_confirmation_before_the_send_was_answered_counts_and_so_does_the_answer() -> None:
    before = b.created()
    confirmed = b.decided(ordering.on_confirmed(before, b.confirmed(), b.context()))
    assert [type(event) for event in confirmed.events] == [PurchaseOrderConfirmed]
    sent = b.decided(ordering.on_sent(confirmed.state, b.sent(before), b.context()))
    assert [type(event) for event in sent.events] == [PurchaseOrderSent]
    po = b.state(sent).po_numbered("PC1")
    assert po is not None
    assert po.status is PoStatus.CONFIRMED


def test_confirmation_said_twice_changes_nothing() -> None:
    once = b.decided(ordering.on_confirmed(b.created(), b.confirmed(), b.context()))
    twice = b.decided(ordering.on_confirmed(once.state, b.confirmed(), b.context()))
    assert (twice.state, twice.events) == (once.state, ())


def test_confirmation_by_another_supplier_is_refused() -> None:
    outcome = ordering.on_confirmed(b.created(), b.confirmed("PC1", "norte"), b.context())
    assert isinstance(outcome, Refused)
    assert outcome.code == "not_its_po"


def test_confirmation_of_a_po_that_is_not_created_waits() -> None:
    assert isinstance(ordering.on_confirmed(b.purchased(), b.confirmed(), b.context()), NotYet)
    assert isinstance(ordering.on_confirmed(None, b.confirmed(), b.context()), NotYet)


def test_prepaid_supplier_gets_its_po_when_the_payment_is_settled_and_once() -> None:
    suppliers = [b.supplier_changed("farol", terms=b.PREPAID)]
    reference = b.sourcing(*b.TWO_SUPPLIERS, suppliers=suppliers, has_erp=False)
    decision = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(reference)))
    assert [call.partner for call in decision.calls] == ["supplier:norte"]
    before = b.state(decision)
    settled = b.payment_settled(before, "PO0000000001")
    paid = b.decided(payment.on_payment_settled(before, settled, b.context()))
    assert [call.partner for call in paid.calls] == ["supplier:farol"]
    again = b.decided(payment.on_payment_settled(paid.state, settled, b.context()))
    assert (again.state, again.calls) == (paid.state, ())


def test_answer_for_an_unknown_po_is_refused() -> None:
    known = b.purchased()
    answer = b.registered(known, known.purchase_orders[0].po_id, "PC1")
    stranger = known.model_copy(update={"purchase_orders": known.purchase_orders[1:]})
    assert isinstance(ordering.on_registered(stranger, answer, b.context()), Refused)
    assert isinstance(ordering.on_registered(None, answer, b.context()), Refused)


def test_supplier_without_offers_sells_nothing_and_stops_nobody() -> None:
    """It is known, and nothing more: what only it might sell needs a quote, everything else is bought."""
    known = b.sourcing(b.offer_changed("farol", "A"), suppliers=[b.supplier_changed("farol")])
    idle = b.sourcing(b.offer_changed("idle", "Z"), suppliers=[b.supplier_changed("idle")])
    reference = replace(known, suppliers={**known.suppliers, **idle.suppliers})
    wanted = b.order_ready(items=(b.item(1, "B"),))
    decision = b.decided(sourcing.on_order_ready(None, wanted, b.context(reference)))
    assert [type(event) for event in decision.events] == [QuoteNeeded]
    other = b.order_ready(items=(b.item(1, "A"),))
    bought = b.state(sourcing.on_order_ready(None, other, b.context(reference)))
    assert [po.supplier.supplier_id for po in bought.purchase_orders] == ["farol"]


def test_supplier_without_offers_that_changes_wakes_orders_that_then_wait_on() -> None:
    changed = waking.on_supplier_changed(None, b.supplier_changed("idle"), b.context([WaitingOrder("O-1", 0)]))
    assert changed.events == [SourcingRetryDue(order_id="O-1")]
    reference = b.sourcing(b.offer_changed("farol", "A"))
    waits = b.state(sourcing.on_order_ready(None, b.order_ready(), b.context(reference)))
    again = b.decided(sourcing.on_retry_due(waits, SourcingRetryDue(order_id="O-1"), b.context(reference)))
    assert (b.state(again), again.events) == (waits, [])


def test_po_and_shortage_are_told_in_their_order_by_replicas_whose_clocks_differ() -> None:
    """The one that buys is 36 seconds behind the one that said what was lacking; then the same the other way round."""
    lacking = b.sourcing(b.offer_changed("farol", "A"), b.offer_changed("norte", "B", stock=0), has_erp=False)
    enough = b.sourcing(*b.TWO_SUPPLIERS, has_erp=False)
    behind = b.NOW - timedelta(seconds=36)
    retry = SourcingRetryDue(order_id="O-1")
    waits = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(lacking)))
    bought = b.decided(sourcing.on_retry_due(waits.state, retry, b.context(enough, now=behind)))
    [short, *created] = [*waits.events, *bought.events]
    assert isinstance(short, OutOfStock)
    assert [short.at < po.created_at for po in created if isinstance(po, PurchaseOrderCreated)] == [True, True]
    state = b.state(bought)
    void = tuple(po.model_copy(update={"void": Void(cause="refused", at=b.NOW)}) for po in state.purchase_orders)
    open_again = state.model_copy(update={"purchase_orders": void})
    again = b.decided(sourcing.on_retry_due(open_again, retry, b.context(lacking, now=behind)))
    [told] = again.events
    assert isinstance(told, OutOfStock)
    assert all(told.at > po.created_at for po in created if isinstance(po, PurchaseOrderCreated))
