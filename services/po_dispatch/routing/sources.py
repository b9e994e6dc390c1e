"""PURE. Where a line could come from, and what speaks against it."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from schemas.supplier import OfferChanged, SupplierChanged
from services.po_dispatch.state import OrderLine

Barred = Collection[tuple[int, str]]
"""Order line and supplier."""


class Source(NamedTuple):
    """An offer in force and who makes it; None where nobody told us of that supplier."""

    offer: OfferChanged
    supplier: SupplierChanged | None


Preference = tuple[Any, ...]
"""What the offers of one line are ordered by, the offer's id last: no two are equal."""
Prefer = Callable[[OfferChanged, SupplierChanged | None], Preference]


Option = tuple[Preference, OfferChanged, SupplierChanged | None]
"""A source with its place among those of its SKU; a plain tuple, because an order may have thousands."""
LookedAt = tuple[Option, str | None]
"""An option for a line, and what speaks against it."""


def objection(option: Option, line: OrderLine, uf: str, barred: Barred = frozenset()) -> str | None:
    """Why an offer cannot deliver a line by itself; None where it can."""
    _, offer, supplier = option
    if supplier is None:
        return "supplier unknown"
    if not (offer.active and supplier.active):
        return "not active"
    if offer.ufs and uf not in offer.ufs:
        return f"does not deliver to {uf}"
    if barred and (line.line, offer.supplier_id) in barred:
        return "did not deliver this line, and its offer has not changed since"
    return f"stock {offer.stock}, needed {line.quantity}" if offer.stock < line.quantity else None


def serves(option: Option, uf: str) -> bool:
    """Whether it is connected at all, with stock or without."""
    _, offer, supplier = option
    return supplier is not None and supplier.active and offer.active and (not offer.ufs or uf in offer.ufs)
