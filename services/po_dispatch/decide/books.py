"""PURE. The ERP's books: what became of a PO that it numbered, by whatever way, is told to it, once: it is void, or its
supplier does not deliver all of it."""

from collections.abc import Callable
from typing import Any

from schemas.decision import Call, Context, Decision, Outcome
from services.po_dispatch.decide.making import ERP
from services.po_dispatch.state import Fulfilment, RevisePurchaseOrder, VoidPurchaseOrder

Decide = Callable[[Fulfilment | None, Any, Context[Any]], Outcome[Fulfilment]]


def keeping_books(decide: Decide) -> Decide:
    """The decision, with what the ERP must be told of what it made of the state."""

    def decided(fulfilment: Fulfilment | None, event: Any, ctx: Context[Any]) -> Outcome[Fulfilment]:
        outcome = decide(fulfilment, event, ctx)
        if not isinstance(outcome, Decision) or outcome.state is None or outcome.state is fulfilment:
            return outcome
        return _with_books(outcome, fulfilment, outcome.state)

    return decided


def _with_books(decision: Decision[Fulfilment], before: Fulfilment | None, state: Fulfilment) -> Decision[Fulfilment]:
    calls: list[Call] = []
    for po in state.purchase_orders:
        if po.number is None or po.erp != "open":
            continue
        known = before.po(po.po_id) if before is not None else None
        if po.void is not None:
            calls.append(Call(ERP, VoidPurchaseOrder(po_id=po.po_id, number=po.number)))
            state = state.with_po(po.model_copy(update={"erp": "void"}))
        elif known is not None and known.lines != po.lines:
            revised = RevisePurchaseOrder(po_id=po.po_id, number=po.number, lines=po.lines, total=po.total)
            calls.append(Call(ERP, revised))
    if not calls:
        return decision
    return Decision(
        state,
        events=decision.events,
        calls=[*decision.calls, *calls],
        reminders=decision.reminders,
        forget=decision.forget,
        rows=decision.rows,
    )
