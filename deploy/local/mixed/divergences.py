"""Cases of a supplier's NF that does not agree with its PO: corrected, in parts, or the end of the order."""

from deploy.local.mixed.expected import completed
from deploy.local.mixed.sale import Place, placed
from deploy.local.mixed.script import Cue, Script, nothing, told

_MOVED = "order.status_changed.v1"
_DIVERGED = Cue(_MOVED, nothing, {"status": "invoice_divergent"}, visit=told("correction"))


def corrected(case: str, place: Place) -> Script:
    """A tenth too dear; the next one is right, and only that one is owed."""
    order = placed(place, {"DIV-1": 2})
    through = ("po_dispatched", "supplier_invoice_received", "invoice_divergent", "awaiting_invoice", "delivered")
    return Script(case, order.order_id, completed(1, {"S2 diverged": 1}, through=through), [order], cues=[_DIVERGED])


def in_parts(case: str, place: Place) -> Script:
    """The NF of the first line comes before SEFAZ's protocol, then with it; R waits for the NF of the second."""
    order = placed(place, {"DIV-2": 1, "VIDRO-1": 2})
    received = "supplier_invoice_received"
    rest = Cue(_MOVED, nothing, {"status": received}, times=2, visit=told("correction"))
    more = {"S2": 2, "S2 diverged": 1, "supplier paid": 2}
    through = (received, "invoice_divergent", received, "awaiting_invoice", "delivered")
    return Script(case, order.order_id, completed(1, more, through=through), [order], cues=[_DIVERGED, rest])
