"""A PO and the NFs that claim to be about it: claims wait until it can answer, quantities are given out once."""

from schemas.decision import Context, Decision, Outcome, Refused, later, unchanged
from schemas.model import Message
from schemas.nota_fiscal import NfInvoiceNoted, NfMatchRequested, NfMatchSettled, NfPoNoted
from schemas.purchase_order import PurchaseOrderCancelled, PurchaseOrderCreated, PurchaseOrderRefused
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from services.nf_reconciliation.decide.agreement import answer
from services.nf_reconciliation.state import Promise, PurchaseOrder


def on_purchase_order_created(
    po: PurchaseOrder | None, event: PurchaseOrderCreated, ctx: Context[Timeline[StoreChanged] | None]
) -> Outcome[PurchaseOrder]:
    """`ctx.reference` is its store: an S2 must be for its seller as that was when the PO was created, and is booked in
    the ERP that the store had when the customer ordered."""
    known = po or PurchaseOrder()
    if known.created is not None:
        if (known.created.po_id, known.created.lines) == (event.po_id, event.lines):
            return unchanged(known)
        return Refused("created_differently", f"PO {event.po_number} was created before with other content")
    if ctx.reference is None:
        return later("store.changed")
    seller = ctx.reference.current(event.created_at).seller
    agreed = ctx.reference.current(event.placed_at or event.created_at)
    created = known.model_copy(update={"created": event, "seller_cnpj": seller.cnpj, "has_erp": agreed.has_erp})
    noted = NfPoNoted(order_id=event.order_id, po_id=event.po_id, po_number=event.po_number)
    return _answer_pending(created, [noted])


def on_purchase_order_refused(
    po: PurchaseOrder | None, event: PurchaseOrderRefused, ctx: Context[None]
) -> Outcome[PurchaseOrder]:
    """What remains is what NFs must agree with from now on; of several refusals the newest holds."""
    known = po or PurchaseOrder()
    if known.refused_at is not None and event.refused_at <= known.refused_at:
        return unchanged(po)
    return _answer_pending(known.model_copy(update={"remaining": event.lines, "refused_at": event.refused_at}))


def on_purchase_order_cancelled(
    po: PurchaseOrder | None, event: PurchaseOrderCancelled, ctx: Context[None]
) -> Outcome[PurchaseOrder]:
    """NFs that wait for it diverge now, those to come will. What it promised before stays."""
    known = po or PurchaseOrder()
    if known.cancelled_at is not None:
        return unchanged(po)
    return _answer_pending(known.model_copy(update={"cancelled_at": event.cancelled_at}))


def on_match_requested(po: PurchaseOrder | None, event: NfMatchRequested, ctx: Context[None]) -> Outcome[PurchaseOrder]:
    known = po or PurchaseOrder()
    if known.knows(event.claim.access_key):
        return unchanged(known)
    return _answer_pending(known.model_copy(update={"pending": (*known.pending, event.claim)}))


def on_invoice_noted(po: PurchaseOrder | None, event: NfInvoiceNoted, ctx: Context[None]) -> Outcome[PurchaseOrder]:
    known = po or PurchaseOrder()
    key = event.invoice.invoice_key
    if key in known.withdrawn:
        return unchanged(known)
    if event.cancelled:
        left = tuple(invoice for invoice in known.invoices if invoice.invoice_key != key)
        without = known.model_copy(update={"invoices": left, "withdrawn": (*known.withdrawn, key)})
        return Decision(without.without_remittances(key))
    if event.invoice in known.invoices:
        return unchanged(known)
    return _answer_pending(known.model_copy(update={"invoices": (*known.invoices, event.invoice)}))


def on_match_settled(po: PurchaseOrder | None, event: NfMatchSettled, ctx: Context[None]) -> Outcome[PurchaseOrder]:
    """Keeps or gives back. Given back before the claim itself came: the claim will find that it is over."""
    known = po or PurchaseOrder()
    promise = known.promises.get(event.access_key)
    if promise is not None and promise.status != "reserved":
        return unchanged(known)
    if not event.kept:
        kind = promise.kind if promise is not None else "sale"
        return Decision(known.with_promise(event.access_key, Promise(kind=kind, status="released")))
    if promise is None:
        return Refused("never_promised", f"PO {event.po_number} has promised nothing to {event.access_key}")
    kept = known.with_promise(event.access_key, promise.model_copy(update={"status": "kept"}))
    return Decision(kept, _facts(kept, event))


def _facts(po: PurchaseOrder, event: NfMatchSettled) -> list[Message]:
    facts: list[Message] = []
    if event.sale is not None:
        facts.append(event.sale.model_copy(update={"open_lines": po.open_lines}))
    if event.remittance is not None:
        facts.append(event.remittance)
    return facts


def _answer_pending(po: PurchaseOrder, events: list[Message] | None = None) -> Decision[PurchaseOrder]:
    """Answers the claims that can be answered now, oldest first: what one reserves the next cannot have."""
    said = list(events or ())
    for claim in po.pending:
        if (answered := answer(po, claim)) is not None:
            message, promise = answered
            po = po.with_promise(claim.access_key, promise)
            said.append(message)
    return Decision(po, said)
