"""PURE. The order book gives lines up: what is open of them is not bought any more."""

from typing import Any

from schemas.decision import Context, Decision, Outcome, later, unchanged
from schemas.order import OrderLinesGivenUp
from schemas.purchase_order import OrderLineQuantity, SourcingGivenUp
from services.po_dispatch.state import Fulfilment


def on_lines_given_up(
    fulfilment: Fulfilment | None, event: OrderLinesGivenUp, ctx: Context[Any]
) -> Outcome[Fulfilment]:
    """What was bought meanwhile stays bought; where all was, nothing is said. Each wish is answered once."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    if fulfilment.given_up_at is not None and event.given_up_at <= fulfilment.given_up_at:
        return unchanged(fulfilment)
    gone = {line.line: line.quantity for line in fulfilment.open_lines if line.line in event.order_lines}
    known = fulfilment.given_up
    given_up = {line: known.get(line, 0) + gone.get(line, 0) for line in sorted({*known, *gone})}
    settled = fulfilment.model_copy(
        update={
            "given_up": given_up,
            "given_up_at": event.given_up_at,
            "waiting": tuple(line for line in fulfilment.waiting if line.line not in gone),
            "lines_without_offer": tuple(line for line in fulfilment.lines_without_offer if line not in gone),
            "lines_without_stock": tuple(line for line in fulfilment.lines_without_stock if line not in gone),
        }
    )
    if not gone:
        return Decision(settled)
    lines = tuple(OrderLineQuantity(order_line=line, quantity=quantity) for line, quantity in given_up.items())
    at = settled.after_all(ctx.now)
    told = SourcingGivenUp(order_id=settled.order_id, lines=lines, order_po_ids=settled.po_ids, at=at)
    return Decision(settled.model_copy(update={"told_at": at}), events=[told])
