"""Which version of a store, a channel and a tax profile bills an order."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.billing import TaxProfileChanged
from schemas.channel import ChannelChanged
from schemas.decision import NotYet
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.billing import decide
from services.billing.reference import Reference
from tests.unit.billing import builders as b
from tests.unit.billing.run import Run

PLACED = b.order_ready().placed_at
BEFORE, AFTER = PLACED - timedelta(minutes=1), PLACED + timedelta(minutes=1)


def store(**newer: object) -> Timeline[StoreChanged]:
    return Timeline[StoreChanged](versions=(b.store_changed(), b.store_changed(**newer)))


def channel(**newer: object) -> Timeline[ChannelChanged]:
    return Timeline[ChannelChanged](versions=(b.channel_changed(), b.channel_changed(**newer)))


ONE_R = (
    lambda at: {"store": store(valid_from=at, invoice_per="order")},
    lambda at: {"channel": channel(valid_from=at, one_invoice_only=True)},
)


@pytest.mark.parametrize("changed", ONE_R)
def test_settings_that_change_after_the_order_was_placed_hold_no_second_invoice_back(changed: object) -> None:
    run = Run().hear(b.order_ready(), b.po_created("po-a"), b.po_created("po-b"), b.nf_matched("po-a")).authorise_all()
    run.known = b.reference(**changed(AFTER))  # type: ignore[operator]
    run.hear(b.nf_matched("po-b")).authorise_all()
    assert [invoice.po_ids for invoice in run.now.invoices] == [("po-a",), ("po-b",)]


@pytest.mark.parametrize("changed", ONE_R)
@pytest.mark.parametrize(("at", "invoices"), [(BEFORE, [("po-a", "po-b")]), (AFTER, [("po-a",), ("po-b",)])])
def test_an_order_is_billed_as_was_agreed_when_it_was_placed(
    changed: object, at: object, invoices: list[tuple[str, ...]]
) -> None:
    run = Run(b.reference(**changed(at)))  # type: ignore[operator]
    run.hear(b.order_ready(), b.po_created("po-a"), b.po_created("po-b"), b.nf_matched("po-a"), b.nf_matched("po-b"))
    assert [invoice.po_ids for invoice in run.now.invoices] == invoices


def test_settings_that_are_heard_of_late_leave_no_po_without_an_invoice() -> None:
    """They held when the order was placed, and came after its first R."""
    run = Run().hear(b.order_ready(), b.po_created("po-a"), b.po_created("po-b"), b.nf_matched("po-a")).authorise_all()
    run.known = b.reference(store=store(valid_from=BEFORE, invoice_per="order"))
    run.hear(b.nf_matched("po-b")).authorise_all()
    assert [invoice.po_ids for invoice in run.now.invoices] == [("po-a",), ("po-b",)]


def with_profile(*versions: TaxProfileChanged) -> Reference:
    return b.reference(tax_profile=Timeline[TaxProfileChanged](versions=versions))


def test_tax_profile_that_is_not_in_force_yet_writes_no_invoice() -> None:
    known = with_profile(b.tax_profile_changed(valid_from=b.NOW + timedelta(days=3)))
    run = Run(known).hear(b.order_ready(), b.only_po())
    outcome = decide.on_supplier_nf_matched(run.bill, b.nf_of_only_po(), run.context())
    assert isinstance(outcome, NotYet)
    assert outcome.missing == "tax_profile.changed"


def test_invoice_is_written_by_the_tax_profile_in_force_and_not_by_that_of_the_order() -> None:
    """The order was placed under series 1; since then series 2 holds, and series 3 will."""
    in_three_days = b.NOW + timedelta(days=3)
    versions = [b.tax_profile_changed(series=n, valid_from=at) for n, at in ((2, AFTER), (3, in_three_days))]
    known = with_profile(b.tax_profile_changed(), *versions)
    run = Run(known).hear(b.order_ready(), b.only_po(), b.nf_of_only_po())
    assert [invoice.series for invoice in run.now.invoices] == [2]


def test_store_that_opens_tomorrow_bills_its_first_order_today() -> None:
    """Its orders are taken, bought and billed by the settings that are to come."""
    opens = b.store_changed(valid_from=b.NOW + timedelta(days=1), invoice_per="order")
    known = replace(b.reference(), store=Timeline[StoreChanged](versions=(opens,)))
    run = Run(known).hear(b.order_ready(), b.po_created("po-a"), b.po_created("po-b"), b.nf_matched("po-a"))
    assert not run.now.invoices
    run.hear(b.nf_matched("po-b"))
    assert [invoice.po_ids for invoice in run.now.invoices] == [("po-a", "po-b")]
