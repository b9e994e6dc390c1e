"""PURE. Where a line could come from, and what speaks against it."""

from collections.abc import Collection
from typing import NamedTuple

from services.po_dispatch.catalogue import Offer, Supplier
from services.po_dispatch.state import OrderLine

Barred = Collection[tuple[int, str]]
"""Order line and supplier."""


class Source(NamedTuple):
    """An offer in force and who makes it; None where nobody told us of that supplier."""

    offer: Offer
    supplier: Supplier | None


def objection(
    offer: Offer, supplier: Supplier | None, line: OrderLine, uf: str, barred: Barred = frozenset()
) -> str | None:
    """Why an offer cannot deliver a line by itself; None where it can."""
    if supplier is None:
        return "supplier unknown"
    if not (offer.active and supplier.active):
        return "not active"
    if offer.ufs and uf not in offer.ufs:
        return f"does not deliver to {uf}"
    if barred and (line.line, offer.supplier_id) in barred:
        return "did not deliver this line, and its offer has not changed since"
    return f"stock {offer.stock}, needed {line.quantity}" if offer.stock < line.quantity else None
