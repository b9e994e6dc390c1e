"""PURE. The decisions, by theme. State and message in, Decision out; anything may come twice, late or early.

sourcing    an order is ready, or lines of it are open again: who delivers them (`making`: the POs that follow)
waking      an offer or a supplier changed: the orders that waited for it, oldest first
ordering    registered, sent, confirmed            payment    prepaid suppliers
refusing    what a supplier does not deliver       voiding    a PO is void, what it held is open again
cancelling  the order's cancellation, asked first and done last
deadlines   what is waited for and until when      reminders  the clockwork of deadlines and of retries
hand_over   R and label to the supplier            shipping   parcels            delaying   later than was told
"""

from schemas.decision import Context, Decision, unchanged
from schemas.model import Message
from services.po_dispatch.state import Fulfilment


def not_needed(fulfilment: Fulfilment | None, event: Message, ctx: Context[None]) -> Decision[Fulfilment]:
    """For documents that were refused or diverged: the PO stands where it stood and waits for the right one; others
    show and settle them.
    """
    return unchanged(fulfilment)
