"""Cases of a supplier's NF that does not agree with its PO: corrected, in parts, or the end of the order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deploy.local.mixed.expected import completed
from deploy.local.mixed.sale import Place, placed
from deploy.local.mixed.script import Cue, Script, nothing, told
from deploy.local.mixed.stores import untaxed
from deploy.local.mixed.suppliers import CHOOSY, PRODUCTS, supplier_sku
from deploy.local.world_taxes import tax_profiles
from schemas.billing import TaxProfileChanged

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


def of_the_replacement(case: str, place: Place) -> Script:
    """All is invoiced, and R waits for the taxes of its store, when the supplier finds that a line is damaged; the NF
    of who replaces it is too dear. The taxes come when it is."""
    store = untaxed(f"refeita-{place.seed}-{place.number:06d}")
    order = placed(place, {"VIDRO-1": 1, "DIV-REP": 2}, store=store.store_id)
    damaged = supplier_sku(CHOOSY, PRODUCTS["DIV-REP"].part)

    def tax(now: datetime) -> list[TaxProfileChanged]:
        return tax_profiles([store.store_id])

    cues = [
        Cue(_MOVED, nothing, {"status": "awaiting_invoice"}, visit=told(f"refusal?sku={damaged}")),
        Cue(_MOVED, tax, {"status": "invoice_divergent"}, visit=_correction),
    ]
    through = ("awaiting_invoice", "invoice_divergent", "awaiting_invoice", "invoiced", "delivered")
    end = completed(2, {"PO refused": 1, "PO rerouted": 1, "S2 diverged": 1}, through=through)
    return Script(case, order.order_id, end, [order], [store], cues)


def _correction(moved: Mapping[str, Any]) -> str:
    """Where the supplier whose NF diverges is told so."""
    [po] = [po for po in moved["purchase_orders"] if po["status"] == "invoice_divergent"]
    return f"/suppliers/{po['supplier_id']}/purchase-orders/{po['po_number']}/correction"
