"""PURE. Where a line could come from, and what speaks against it."""

from collections.abc import Collection
from typing import Any, NamedTuple

from services.po_dispatch.catalogue import Offer, Supplier
from services.po_dispatch.state import OrderLine

Barred = Collection[tuple[int, str]]
"""Order line and supplier."""


class Source(NamedTuple):
    """An offer in force and who makes it; None where nobody told us of that supplier."""

    offer: Offer
    supplier: Supplier | None


Option = tuple[Any, ...]
"""A source: what those of one SKU are ordered by, the offer's id last (so no two are equal), and behind that what can
be asked for by `SUPPLIER_ID`, `STOCK`, `OFFER` and `SUPPLIER`. A plain tuple, because an order may have thousands."""
SUPPLIER_ID, STOCK, OFFER, SUPPLIER = -4, -3, -2, -1


def preference(option: Option) -> tuple[Any, ...]:
    """What it is ordered by."""
    return option[:SUPPLIER_ID]


def objection(option: Option, line: OrderLine, uf: str, barred: Barred = frozenset()) -> str | None:
    """Why an offer cannot deliver a line by itself; None where it can."""
    supplier_id, stock, offer, supplier = option[SUPPLIER_ID:]
    if supplier is None:
        return "supplier unknown"
    if not (offer.active and supplier.active):
        return "not active"
    if offer.ufs and uf not in offer.ufs:
        return f"does not deliver to {uf}"
    if barred and (line.line, supplier_id) in barred:
        return "did not deliver this line, and its offer has not changed since"
    return f"stock {stock}, needed {line.quantity}" if stock < line.quantity else None
