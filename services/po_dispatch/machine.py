"""Where a purchase order stands, and which step may follow which: data, checked whenever a PO changes.

Milestones of a PO come in any order (a parcel may be heard of before the confirmation), so a PO may skip what it has
not heard of; what is void stays void. Only `invoice.cancelled` leads back, and a supplier that says "too late". What
has left is cancelled, or "refused", only where it was lost on its way.
"""

from collections.abc import Mapping
from enum import StrEnum


class PoStatus(StrEnum):
    REGISTERING = "registering"
    """The ERP was asked for its number; nobody else knows of it."""
    CREATED = "created"
    """Numbered; the supplier gets it when it is paid."""
    ORDERED = "ordered"
    """On its way to the supplier."""
    SENT = "sent"
    CONFIRMED = "confirmed"
    HANDED_OVER = "handed_over"
    """The supplier has R."""
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLING = "cancelling"
    """The supplier was asked to cancel and has not answered."""
    AGREED = "agreed"
    """The supplier delivers nothing of it; void as soon as all POs of the order can be, or the order goes on."""
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """The supplier delivers nothing of it, of its own accord."""


_S = PoStatus
_ENDS = frozenset({_S.SHIPPED, _S.CANCELLING, _S.AGREED, _S.CANCELLED})
"""The goods leave; or the supplier is asked, and agrees: also after it said "too late"."""

TRANSITIONS: Mapping[PoStatus, frozenset[PoStatus]] = {
    _S.REGISTERING: frozenset({_S.CREATED, _S.ORDERED, _S.CANCELLED}),
    _S.CREATED: frozenset({_S.ORDERED, _S.CANCELLED}),
    _S.ORDERED: _ENDS | {_S.SENT, _S.CONFIRMED, _S.HANDED_OVER, _S.REFUSED},
    _S.SENT: _ENDS | {_S.CONFIRMED, _S.HANDED_OVER, _S.REFUSED},
    _S.CONFIRMED: _ENDS | {_S.HANDED_OVER, _S.REFUSED},
    _S.HANDED_OVER: _ENDS | {_S.ORDERED, _S.SENT, _S.CONFIRMED, _S.REFUSED},
    _S.SHIPPED: frozenset({_S.DELIVERED, _S.CANCELLED, _S.REFUSED}),
    _S.DELIVERED: frozenset({_S.SHIPPED}),
    _S.CANCELLING: frozenset(
        {_S.SHIPPED, _S.AGREED, _S.CANCELLED, _S.REFUSED, _S.ORDERED, _S.SENT, _S.CONFIRMED, _S.HANDED_OVER}
    ),
    _S.AGREED: frozenset({_S.CANCELLED, _S.SHIPPED}),
    _S.CANCELLED: frozenset(),
    _S.REFUSED: frozenset(),
}
"""What may follow each status, beside itself."""


class ForbiddenTransition(Exception):
    """A purchase order would go from one status to another that may not follow it."""


def check(po_id: str, old: PoStatus, new: PoStatus) -> None:
    if old is not new and new not in TRANSITIONS[old]:
        raise ForbiddenTransition(f"PO {po_id} cannot go from {old} to {new}")
