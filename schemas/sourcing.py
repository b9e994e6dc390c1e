"""What of an order is bought, cannot be bought now, or never: as po_dispatch publishes it, and says it to itself."""

from typing import Annotated

from pydantic import Field

from schemas.model import Message, Model
from schemas.purchase_order import OrderLineQuantity
from schemas.values import Id, Time, Uf


class SourcingRetryDue(Message):
    """po_dispatch to itself: lines of the order are open again, or what it waits for may have come; route them."""

    TYPE = "sourcing.retry_due.v1"
    SUBJECT = "order_id"

    order_id: Id
    offer_id: Id | None = None


class LastWoken(Model):
    """The order up to which those that wait were woken, oldest first."""

    placed_at: Time
    order_id: Id


class OfferWakingDue(Message):
    """po_dispatch to itself: an offer may help more waiting orders than were woken at once; go on behind them."""

    TYPE = "sourcing.offer_waking_due.v1"
    SUBJECT = "offer_id"

    offer_id: Id
    sku: Id
    stock: Annotated[int, Field(ge=0)]
    """What is left of it for them."""
    ufs: tuple[Uf, ...] = ()
    """Where it is offered; empty: everywhere."""
    after: LastWoken


class SupplierWakingDue(Message):
    """po_dispatch to itself: a supplier may help more waiting orders than were woken at once; go on behind them."""

    TYPE = "sourcing.supplier_waking_due.v1"
    SUBJECT = "supplier_id"

    supplier_id: Id
    after: LastWoken


class QuoteNeeded(Message):
    """Lines of the order have no offer at all."""

    TYPE = "sourcing.quote_needed.v1"
    SUBJECT = "order_id"

    order_id: Id
    order_lines: tuple[int, ...]
    at: Time


class OutOfStock(Message):
    """Lines of the order have offers, but none with stock for it."""

    TYPE = "sourcing.out_of_stock.v1"
    SUBJECT = "order_id"

    order_id: Id
    order_lines: tuple[int, ...]
    at: Time


class SourcingGivenUp(Message):
    """So much of the order will not be bought any more: it is neither waited for nor billed, and is paid back."""

    TYPE = "sourcing.given_up.v1"
    SUBJECT = "order_id"

    order_id: Id
    lines: Annotated[tuple[OrderLineQuantity, ...], Field(min_length=1)]
    """All that was given up of the order by now."""
    order_po_ids: tuple[Id, ...]
    """The POs that the order has now."""
    at: Time
