"""The decision on a wish to change an order. Kept until the order comes, where it comes first."""

from schemas.decision import Context, Outcome, Refused, unchanged
from schemas.order import OrderChangeRequested
from services.order_intake.decide.follow import follow
from services.order_intake.state import Change, Order


def on_change_requested(order: Order | None, event: OrderChangeRequested, ctx: Context[None]) -> Outcome[Order]:
    known = order or Order()
    before = known.changes.get(event.change_id)
    if before is not None and before.event != event:
        return Refused("changed_differently", f"change {event.change_id} was asked for before with other content")
    if before is not None or known.refused:
        return unchanged(known)
    changes = {**known.changes, event.change_id: Change(event=event)}
    return follow(order, known.model_copy(update={"changes": changes}), ctx)
