"""PURE. The decisions, by message family: `ordering` (to the confirmed PO), `hand_over` (R and label to the
supplier), `shipping` (parcels). State and message in, Decision out; anything may come twice, late or early.
"""

from schemas.decision import Context, Decision, unchanged
from schemas.model import Message
from services.po_dispatch.state import Fulfilment


def not_needed(fulfilment: Fulfilment | None, event: Message, ctx: Context[None]) -> Decision[Fulfilment]:
    """For documents and payments that were refused or diverged: the PO stands where it stood and waits for the
    right one; others show and settle them.
    """
    return unchanged(fulfilment)
