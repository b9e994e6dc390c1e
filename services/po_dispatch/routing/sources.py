"""PURE. Where a line could come from, and what speaks against it."""

from collections.abc import Collection
from typing import NamedTuple

from schemas.supplier import OfferChanged, SupplierChanged
from services.po_dispatch.state import OrderLine

Barred = Collection[tuple[int, str]]
"""Order line and supplier."""


class Source(NamedTuple):
    """An offer in force and who makes it; None where nobody told us of that supplier."""

    offer: OfferChanged
    supplier: SupplierChanged | None


def objection(source: Source, line: OrderLine, uf: str, barred: Barred = frozenset()) -> str | None:
    """Why an offer cannot deliver a line by itself; None where it can."""
    offer, supplier = source
    if supplier is None:
        return "supplier unknown"
    if not (supplier.active and offer.active):
        return "not active"
    if offer.ufs and uf not in offer.ufs:
        return f"does not deliver to {uf}"
    if barred and (line.line, offer.supplier_id) in barred:
        return "did not deliver this line, and its offer has not changed since"
    return f"stock {offer.stock}, needed {line.quantity}" if offer.stock < line.quantity else None


def serves(source: Source, uf: str) -> bool:
    """Whether it is connected at all, with stock or without."""
    offer, supplier = source
    return supplier is not None and supplier.active and offer.active and (not offer.ufs or uf in offer.ufs)
