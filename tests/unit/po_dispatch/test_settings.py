"""Which version of a store an order is bought by: the one that held when it was placed."""

from datetime import timedelta

from schemas.decision import Decision
from schemas.purchase_order import PurchaseOrderCreated
from schemas.sourcing import SourcingRetryDue
from schemas.store import Deadlines, StoreChanged
from schemas.timeline import Timeline
from services.po_dispatch.decide import sourcing
from services.po_dispatch.state import RegisterPurchaseOrder, Sourcing
from tests.unit.po_dispatch import builders as b

PLACED = b.NOW - timedelta(hours=1)


def known(*versions: StoreChanged, stock: int = 10) -> Sourcing:
    one = b.sourcing(b.offer_changed("farol", "A", stock=stock), b.offer_changed("farol", "B"))
    return Sourcing(Timeline[StoreChanged](versions=versions), one.offers, one.suppliers)


def test_store_that_opens_tomorrow_buys_its_first_order_today() -> None:
    reference = known(b.store_changed(valid_from=b.NOW + timedelta(days=1)))
    decision = b.decided(sourcing.on_order_ready(None, b.order_ready(), b.context(reference)))
    assert [type(call.request) for call in decision.calls] == [RegisterPurchaseOrder]


def test_order_is_bought_and_waited_for_as_was_agreed_when_it_was_placed() -> None:
    """Since then the store has no ERP any more, gives suppliers two hours, and sells as another company."""
    seller = b.company("12ABC34501DE35", "New Seller")
    newer = b.store_changed(
        valid_from=b.NOW, has_erp=False, deadlines=Deadlines(confirmation=timedelta(hours=2)), seller=seller
    )
    order = b.order_ready(placed_at=PLACED)
    decision = b.decided(sourcing.on_order_ready(None, order, b.context(known(b.store_changed(), newer))))
    assert [type(call.request) for call in decision.calls] == [RegisterPurchaseOrder]
    bought = b.state(decision).order
    assert bought is not None
    assert bought.deadlines == Deadlines()
    assert bought.buyer == seller, "who buys is the store as it is now"


def test_order_that_waited_is_bought_as_was_agreed_when_it_was_placed() -> None:
    old, newer = b.store_changed(has_erp=False), b.store_changed(valid_from=b.NOW)
    order = b.order_ready(placed_at=PLACED)
    waiting = b.state(sourcing.on_order_ready(None, order, b.context(known(old, newer, stock=0))))
    retry = SourcingRetryDue(order_id="O-1", offer_id="farol:A")
    decision = sourcing.on_retry_due(waiting, retry, b.context(known(old, newer)))
    assert isinstance(decision, Decision)
    [created] = [event for event in decision.events if isinstance(event, PurchaseOrderCreated)]
    assert (created.po_number, created.placed_at) == ("PO0000000001", PLACED)
