"""Refusals, cancellations and payments of one order, crossing each other in any order between three services."""

from collections import Counter
from collections.abc import Collection, Iterator
from decimal import Decimal

import pytest

from schemas.order import OrderCancellationStarted, OrderLinesGivenUp, OrderStatusChanged
from schemas.purchase_order import PurchaseOrderRefused
from schemas.shipment import ShipmentDelivered, ShipmentResumed
from services.billing.state import InvoiceStatus
from services.po_dispatch.purchase_order import PurchaseOrder
from tests.unit.trio import Trio

CHUNKS, SEEDS = 8, 25
OF_SUPPLIERS = {"already_shipped", "po_is_void", "not_asked", "not_sent"}
"""What a supplier says against what it did or said before."""
OF_PEOPLE = {"not_being_cancelled", "nothing_to_decide", "decided_otherwise"}
"""A decision on what is not to be decided any more."""


def problems(trio: Trio) -> Iterator[str]:
    yield from (f"refused: {code}" for code in trio.letters if code not in OF_SUPPLIERS | OF_PEOPLE)
    yield from (f"waits for ever: {service} {what!r:.200}" for service, _, what in trio.waiting)
    if trio.bill is not None:
        yield from trio.balance().wrong
        yield from ("R in force waits for a person" for invoice in trio.bill.unsettled)
        if trio.order.ready_at is not None and trio.balance().customer_paid != trio.paid:
            yield f"paid {trio.balance().customer_paid}, by the ledger, of {trio.paid}"
        undone = {i.access_key for i in trio.bill.invoices if i.status is InvoiceStatus.UNDONE}
        yield from (f"PO {po.po_id} has an R that was taken back" for po in pos_with(trio, undone))
        yield from (f"R {key} stands with the order" for key in undone if not trio.order.invoices[key].cancelled)
    yield from of_parcels(trio)
    void = sorted(po.po_id for po in trio.fulfilment.purchase_orders if po.void is not None) if trio.fulfilment else []
    if sorted(trio.voided_in_erp) != void:
        yield f"the ERP was told that {trio.voided_in_erp} are void, and {void} are"
    if trio.fulfilment is not None:
        wrong = [po.po_id for po in trio.fulfilment.living if trio.books.get(po.po_id, po.lines) != po.lines]
        yield from (f"the ERP has other lines of PO {po_id}" for po_id in wrong)
    asked_twice = [po_id for po_id, times in Counter(trio.sent).items() if times > 1]
    if asked_twice:
        yield f"sent twice: {asked_twice}"
    if trio.order.cancelled_at is not None:
        yield from of_cancelled(trio)
    elif trio.order.is_being_cancelled:
        yield "its cancellation does not end"
    elif trio.order.ready_at is None:
        if trio.paid >= Decimal("300.00"):
            yield f"paid {trio.paid} of {trio.order.sale.total}, and not ready"
    elif not OF_SUPPLIERS & {*trio.letters}:
        yield from of_delivered(trio)


def pos_with(trio: Trio, invoices: Collection[str]) -> Iterator[PurchaseOrder]:
    yield from (po for po in trio.fulfilment.purchase_orders if po.invoice_key in invoices)


def of_parcels(trio: Trio) -> Iterator[str]:
    """Of all POs that an order had when it was delivered the last parcel had arrived."""
    arrived: set[str] = set()
    for event in trio.events:
        if isinstance(event, ShipmentDelivered | PurchaseOrderRefused) and _has_arrived(event):
            arrived.add(event.po_id)
        elif isinstance(event, OrderStatusChanged) and event.status == "delivered":
            missing = {po.po_id for po in event.purchase_orders} - arrived
            yield from (f"delivered without {po_id}" for po_id in sorted(missing))


def _has_arrived(event: ShipmentDelivered | PurchaseOrderRefused) -> bool:
    return not event.open_lines if isinstance(event, ShipmentDelivered) else event.has_arrived


def of_cancelled(trio: Trio) -> Iterator[str]:
    if trio.fulfilment is not None and trio.fulfilment.living:
        yield "cancelled, with living POs"
    if trio.bill is not None and any(invoice.in_force for invoice in trio.bill.invoices):
        yield "cancelled, with an R in force"
    if trio.paid and (trio.bill is None or trio.balance().refunded != trio.paid):
        yield "cancelled, and not refunded"


def of_delivered(trio: Trio) -> Iterator[str]:
    if trio.order.status in ("quote_pending", "out_of_stock"):
        yield "waits for ever for a supplier, or for stock"
    if trio.fulfilment.waiting or trio.fulfilment.open_lines:
        yield from () if trio.fulfilment.waiting else ("lines that nobody buys",)
        return
    in_force = [invoice for invoice in trio.bill.invoices if invoice.in_force]
    billed = sum((invoice.billed for invoice in in_force), Decimal(0))
    given_up = trio.bill.given_up or trio.order.given_up
    if given_up and trio.balance().owed_to_customer:
        yield f"owes {trio.balance().owed_to_customer} for what was given up"
    if not given_up and billed != trio.order.sale.total:
        yield f"billed {[str(i.billed) for i in in_force]}"
    if trio.paid - trio.balance().refunded != billed:
        yield f"billed {billed} of an order of which {trio.paid} was paid and {trio.balance().refunded} paid back"
    living = {po.po_id for po in trio.fulfilment.living}
    if {part.po_id for invoice in in_force for part in invoice.parts} != living:
        yield "R bills other POs than there are"
    if any(parcel.is_in_trouble for po in trio.fulfilment.living for parcel in po.shipments):
        return
    if trio.order.status not in ("delivered", "completed"):
        yield f"it ends as {trio.order.status}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_order_ends_whole_or_cancelled_whatever_crosses(chunk: int) -> None:
    for seed in range(chunk * SEEDS, (chunk + 1) * SEEDS):
        trio = Trio(seed).run()
        assert not list(problems(trio)), f"seed {seed}"


def test_order_with_goods_in_parts_and_parcels_that_go_on_ends_the_same_way() -> None:
    events = []
    for seed in range(2 * SEEDS):
        trio = Trio(seed, parts=True).run()
        assert not list(problems(trio)), f"seed {seed}"
        events += trio.events
    assert any(isinstance(event, ShipmentDelivered) and event.open_lines for event in events)
    assert any(isinstance(event, ShipmentResumed) for event in events)


def test_order_of_which_a_supplier_finds_no_more_after_the_first_parcel_ends_whole_too() -> None:
    rests = []
    for seed in range(1000, 1000 + 4 * SEEDS):
        trio = Trio(seed, parts=True).run()
        assert not list(problems(trio)), f"seed {seed}"
        rests += [event for event in trio.events if isinstance(event, PurchaseOrderRefused) and event.dispatched_at]
    assert {(rest.has_left, rest.has_arrived) for rest in rests} >= {(True, False), (True, True)}


def test_what_was_lost_is_given_up_where_the_rest_has_arrived_and_the_order_ends() -> None:
    lost = []
    for seed in range(2000, 2000 + 4 * SEEDS):
        trio = Trio(seed, parts=True).run().without_what_was_lost()
        assert not list(problems(trio)), f"seed {seed}"
        in_trouble = [s for po in trio.fulfilment.living for s in po.shipments if s.is_in_trouble] if trio.bill else []
        assert not in_trouble, f"seed {seed}"
        lost += [event for event in trio.events if isinstance(event, OrderLinesGivenUp) and event.lost_po_ids]
    assert lost


def test_what_the_store_gives_up_before_it_is_known_what_else_arrived_is_given_up_all_the_same() -> None:
    """The order is to be cancelled then, which is refused, and what was lost goes back in money."""
    crossed = []
    for seed in range(3100, 3100 + 4 * SEEDS):
        trio = Trio(seed, parts=True, gives_up_at_once=True).run()
        assert not list(problems(trio)), f"seed {seed}"
        assert not left_in_trouble(trio), f"seed {seed}"
        attempted = any(isinstance(event, OrderCancellationStarted) and event.cause == "lost" for event in trio.events)
        given_up = any(isinstance(event, OrderLinesGivenUp) and event.lost_po_ids for event in trio.events)
        crossed += [seed] if attempted and given_up else []
    assert crossed


def left_in_trouble(trio: Trio) -> set[str]:
    """Parcels that the store gave up and that the order still waits for."""
    if trio.bill is None or trio.order.cancelled_at is not None:
        return set()
    in_trouble = {s.shipment_id for po in trio.fulfilment.living for s in po.shipments if s.is_in_trouble}
    return in_trouble & trio.asked_for
