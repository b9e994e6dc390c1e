"""Stores: the retailer's shops and their settings."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from schemas.model import Dated, Model
from schemas.values import Company, Email, Id, Span, Text

Criterion = Literal["shipments", "priority", "cost", "lead_time"]
"""What routing compares: fewest shipments, the suppliers' priority, landed cost, lead time."""


def _each_once(criteria: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
    if len(set(criteria)) != len(criteria):
        raise ValueError(
            "a criterion decides only once: name each of shipments, priority, cost, lead_time once at most"
        )
    return criteria


class Deadlines(Model):
    """How long a store waits for each thing, before it reminds, gives up or alerts."""

    confirmation: Span = timedelta(hours=24)
    """A supplier's word on a PO; half of it without a word: reminded. After it the PO is cancelled and routed again."""
    supplier_nf: Span = timedelta(hours=48)
    """S2 after the PO was sent; then `purchase_order.late`."""
    dispatch: Span = timedelta(hours=24)
    """All goods of a PO after its R was issued, as the customer was promised; then `purchase_order.late`."""
    prepayment: Span = timedelta(hours=72)
    """A prepaid supplier's payment; then the PO is cancelled and routed again."""
    quote: Span = timedelta(days=5)
    """A product without a supplier; then the order is cancelled and refunded."""
    stock: Span = timedelta(days=5)
    """A product without stock; then the order is cancelled and refunded."""
    late_payment: Span | None = None
    """A payment that may still come after all have expired; then the order is cancelled. None: it waits."""
    difference: Span = timedelta(hours=24)
    """What is lacking where the order grew while the customer paid; then the change is taken back."""


class StoreChanged(Dated):
    """A store and its settings, as they hold from `valid_from` on: for the orders that are placed from then on."""

    TYPE = "store.changed.v1"
    SUBJECT = "store_id"

    store_id: Id
    name: Text
    seller: Company
    invoice_per: Literal["po", "order"] = "po"
    return_window_days: Annotated[int, Field(ge=0, le=90)] = 7
    """Days after delivery during which an order does not complete."""
    has_erp: bool = True
    mail_sender: Email
    mail_language: Literal["pt", "en"] = "pt"
    fulfils: Literal["unfulfilled", "all"] = "unfulfilled"
    """Which orders enter fulfilment once they are paid: those that the channel calls unfulfilled, or all."""
    late_payment: Literal["accept", "cancel"] = "accept"
    """What follows when an expired slip is paid after all: the order goes on, or is cancelled and refunded."""
    cancellation: Literal["until_sent", "until_invoiced", "until_shipped"] = "until_shipped"
    """How far an order may have come (its most advanced PO) for a cancellation to be tried."""
    deadlines: Deadlines = Deadlines()
    routing: Annotated[tuple[Criterion, ...], AfterValidator(_each_once)] = (
        "shipments",
        "priority",
        "cost",
        "lead_time",
    )
    """What decides between suppliers, the first criterion first."""
    split_lines: bool = False
    """Whether a line of which no supplier has enough may be bought in portions from several."""
