"""R and label on their way to the supplier."""

from schemas.billing import InvoiceCancelled
from schemas.decision import NotYet, Refused
from schemas.purchase_order import InvoiceHandedOver, PurchaseOrderLate
from schemas.runtime import ReminderDue
from services.po_dispatch.decide import deadlines, gate, hand_over, reminders, shipping
from services.po_dispatch.state import Fulfilment, HandOverInvoice
from tests.unit.po_dispatch import builders as b


def by_channel() -> Fulfilment:
    order = b.order_ready(logistics=b.BY_CHANNEL)
    return b.created(b.offer_changed("farol", "A"), b.offer_changed("farol", "B"), order=order)


def test_invoice_of_one_po_goes_to_its_supplier_only_and_once() -> None:
    before = b.created()
    event = b.invoice_issued(before, "PC2")
    decision = b.decided(hand_over.on_invoice_issued(before, event, b.context()))
    [call] = decision.calls
    assert call.partner == "supplier:norte"
    assert isinstance(call.request, HandOverInvoice)
    assert (call.request.number, call.request.xml) == ("PC2", event.xml)
    assert b.state(decision).held_invoices == ()
    again = b.decided(hand_over.on_invoice_issued(decision.state, event, b.context()))
    assert (again.state, again.calls) == (decision.state, ())


def test_invoice_of_the_whole_order_goes_to_every_supplier() -> None:
    before = b.created()
    decision = b.decided(hand_over.on_invoice_issued(before, b.invoice_issued(before), b.context()))
    assert [call.partner for call in decision.calls] == ["supplier:farol", "supplier:norte"]


def test_second_invoice_for_a_po_waits_for_the_cancellation_of_the_first() -> None:
    before = b.created()
    billed = b.state(hand_over.on_invoice_issued(before, b.invoice_issued(before), b.context()))
    outcome = hand_over.on_invoice_issued(billed, b.invoice_issued(before, access_key=b.key(2)), b.context())
    assert outcome == NotYet("invoice.cancelled")


def test_invoice_too_early_waits_and_of_an_unknown_po_is_refused() -> None:
    known = b.created()
    event = b.invoice_issued(known)
    assert isinstance(hand_over.on_invoice_issued(None, event, b.context()), NotYet)
    numberless = b.purchased()
    assert isinstance(hand_over.on_invoice_issued(numberless, b.invoice_issued(numberless), b.context()), NotYet)
    assert isinstance(
        hand_over.on_invoice_issued(known, b.invoice_issued(known, po_ids=("other",)), b.context()), Refused
    )


def test_invoice_before_the_label_is_held_until_it_comes() -> None:
    before = by_channel()
    invoiced = b.decided(hand_over.on_invoice_issued(before, b.invoice_issued(before), b.context()))
    assert not invoiced.calls
    labelled = b.decided(hand_over.on_label_available(invoiced.state, b.label_available(), b.context()))
    [call] = labelled.calls
    assert isinstance(call.request, HandOverInvoice)
    assert call.request.label == b.label()
    assert b.state(labelled).held_invoices == ()
    again = b.decided(hand_over.on_label_available(labelled.state, b.label_available(), b.context()))
    assert (again.state, again.calls) == (labelled.state, ())


def test_label_before_the_invoice_goes_with_it() -> None:
    before = by_channel()
    labelled = b.decided(hand_over.on_label_available(before, b.label_available(), b.context()))
    assert not labelled.calls
    invoiced = b.decided(hand_over.on_invoice_issued(labelled.state, b.invoice_issued(before), b.context()))
    [call] = invoiced.calls
    assert isinstance(call.request, HandOverInvoice)
    assert call.request.label == b.label()


def test_new_label_replaces_one_not_handed_over_and_is_refused_after() -> None:
    before = by_channel()
    replaced = b.state(
        hand_over.on_label_available(
            b.state(hand_over.on_label_available(before, b.label_available(), b.context())),
            b.label_available("ML2"),
            b.context(),
        )
    )
    assert replaced.label == b.label("ML2")
    handed = b.state(hand_over.on_invoice_issued(replaced, b.invoice_issued(before), b.context()))
    outcome = hand_over.on_label_available(handed, b.label_available("ML3"), b.context())
    assert isinstance(outcome, Refused)


def test_label_for_an_order_that_we_label_is_refused() -> None:
    assert isinstance(hand_over.on_label_available(b.created(), b.label_available(), b.context()), Refused)


def test_handed_over_invoice_is_told_once() -> None:
    before = b.created()
    invoiced = b.state(hand_over.on_invoice_issued(before, b.invoice_issued(before), b.context()))
    decision = b.decided(hand_over.on_handed_over(invoiced, b.handed_over(invoiced), b.context()))
    assert [type(event) for event in decision.events] == [InvoiceHandedOver]
    assert decision.forget == ()
    again = b.decided(hand_over.on_handed_over(decision.state, b.handed_over(invoiced), b.context()))
    assert (again.state, again.events) == (decision.state, ())


def test_matched_sale_nf_is_noted_once() -> None:
    before = b.created()
    once = b.state(hand_over.on_supplier_nf_matched(before, b.sale_nf_matched(before), b.context()))
    po = once.po_numbered("PC1")
    assert po is not None
    assert po.sale_nf_keys == (b.key(7),)
    assert b.state(hand_over.on_supplier_nf_matched(once, b.sale_nf_matched(before), b.context())) == once


def test_last_missing_document_after_the_parcel_left_forgets_the_gate() -> None:
    before = b.created(b.offer_changed("farol", "A"), b.offer_changed("farol", "B"))
    invoiced = b.state(hand_over.on_invoice_issued(before, b.invoice_issued(before), b.context()))
    left = b.state(shipping.on_shipped(invoiced, b.shipped(), b.context()))
    handed = b.decided(hand_over.on_handed_over(left, b.handed_over(left), b.context()))
    assert handed.forget == ()
    matched = b.decided(hand_over.on_remittance_nf_matched(handed.state, b.remittance_nf_matched(left), b.context()))
    assert matched.forget == (gate.GATE,)
    again = b.decided(hand_over.on_remittance_nf_matched(matched.state, b.remittance_nf_matched(left), b.context()))
    assert (again.state, again.forget) == (matched.state, ())


def test_second_invoice_has_a_deadline_of_its_own_and_is_late_again() -> None:
    known = b.created()
    late: list[PurchaseOrderLate] = []
    for number in (1, 2):
        issued = b.invoice_issued(known, "PC1", access_key=b.key(number))
        known = b.state(hand_over.on_invoice_issued(known, issued, b.context()))
        known = b.state(hand_over.on_handed_over(known, b.handed_over(known, invoice_key=b.key(number)), b.context()))
        [due] = [one for one in deadlines.pending(known) if one.what == "dispatch"]
        fired = ReminderDue(name=reminders.DEADLINE, key="O-1", due=due.due)
        over = deadlines.on_deadline_due(known, fired, b.context(now=due.due))
        late += [e for e in over.events if isinstance(e, PurchaseOrderLate) and e.what == "dispatch"]
        cancelled = InvoiceCancelled(
            order_id="O-1", store_id="shop", channel_id="shop", invoice_id=f"r-{number}", po_ids=issued.po_ids,
            access_key=issued.access_key, protocol="135260000000002", cancelled_at=b.NOW,
        )  # fmt: skip
        known = b.state(hand_over.on_invoice_cancelled(b.state(over), cancelled, b.context()))
    assert len(late) == 2


def test_invoice_that_comes_after_its_cancellation_and_after_the_next_one_is_not_waited_with() -> None:
    before = b.created()
    first, second = b.invoice_issued(before), b.invoice_issued(before, access_key=b.key(2))
    cancelled = InvoiceCancelled(
        order_id="O-1", store_id="shop", channel_id="shop", invoice_id="r-1", po_ids=first.po_ids,
        access_key=first.access_key, protocol="135260000000002", cancelled_at=b.NOW,
    )  # fmt: skip
    known = b.state(hand_over.on_invoice_cancelled(before, cancelled, b.context()))
    known = b.state(hand_over.on_invoice_issued(known, second, b.context()))
    late = b.decided(hand_over.on_invoice_issued(known, first, b.context()))
    assert (late.state, late.calls) == (known, ())
