"""An order of which a line is given up is billed for the rest, and what is paid back makes the books even."""

from decimal import Decimal

import pytest

from schemas.purchase_order import OrderLineQuantity
from schemas.refund import RefundReported, RefundRequested
from schemas.sourcing import SourcingGivenUp
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.billing import decide
from services.billing.ledger import Account
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run

GIVEN_UP = SourcingGivenUp(
    order_id="order-1", lines=(OrderLineQuantity(order_line=2, quantity=2),), order_po_ids=("po-a",), at=b.NOW
)
REPORTED = RefundReported(refund_id="r-1", outcome="settled", bank_reference="B1", reported_at=b.NOW)
ONLY_A = b.po_created("po-a", order_po_ids=("po-a",))


@pytest.mark.parametrize("given_up_first", [True, False])
def test_one_invoice_for_the_whole_order_waits_no_longer_for_what_is_given_up(given_up_first: bool) -> None:
    store = Timeline[StoreChanged](versions=(b.store_changed(invoice_per="order"),))
    run = Run(b.reference(store=store)).hear(b.order_ready(), ONLY_A)
    if given_up_first:
        run.hear(GIVEN_UP, b.nf_matched("po-a"))
    else:
        run.hear(b.nf_matched("po-a"))
        assert not run.now.invoices
        run.hear(GIVEN_UP)
    assert [(i.po_ids, i.total) for i in run.now.invoices] == [(("po-a",), Decimal("150.00"))]
    again = decide.on_given_up(run.bill, GIVEN_UP, run.context())
    assert b.decided(again).events == ()


def test_what_no_invoice_bills_and_is_paid_back_leaves_nothing_owed_to_the_customer() -> None:
    run = Run().hear(b.order_ready(), ONLY_A, GIVEN_UP, b.nf_matched("po-a")).authorise_all()
    kept = sum((invoice.total for invoice in run.now.invoices), Decimal(0))
    back = RefundRequested(
        order_id="order-1", store_id="store-1", channel_id="channel-1", refund_id="r-1", payment_id="pay-1",
        method="marketplace", amount=Decimal("300.00") - kept, reason="line 2", requested_at=b.NOW,
    )  # fmt: skip
    run.hear(back, REPORTED)
    assert run.moved(Account.CUSTOMER_ADVANCE) == 0
    assert run.moved(Account.REVENUE) == -kept
