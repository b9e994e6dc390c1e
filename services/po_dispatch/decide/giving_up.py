"""PURE. The order book gives lines up: what is open of them, and nobody has, is not bought any more.

What was open only because it is bought with them, as a whole, is bought now.
"""

from typing import Any

from schemas.decision import Context, Decision, Outcome, later, unchanged
from schemas.model import Message
from schemas.order import OrderLinesGivenUp
from schemas.purchase_order import OrderLineQuantity, SourcingGivenUp, SourcingRetryDue
from services.po_dispatch.state import Fulfilment


def on_lines_given_up(
    fulfilment: Fulfilment | None, event: OrderLinesGivenUp, ctx: Context[Any]
) -> Outcome[Fulfilment]:
    """What was bought meanwhile stays bought, and what was not tried yet, or somebody has, is tried. Where nothing is
    given up nothing is said. Each wish is answered once."""
    if fulfilment is None or fulfilment.order is None:
        return later("order.ready")
    if fulfilment.given_up_at is not None and event.given_up_at <= fulfilment.given_up_at:
        return unchanged(fulfilment)
    lacking = {*fulfilment.lines_without_offer, *fulfilment.lines_without_stock} & {*event.order_lines}
    gone = {line.line: line.quantity for line in fulfilment.open_lines if line.line in lacking}
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
    rest: tuple[Message, ...] = (SourcingRetryDue(order_id=settled.order_id),) if settled.open_lines else ()
    if not gone:
        return Decision(settled, events=rest)
    lines = tuple(OrderLineQuantity(order_line=line, quantity=quantity) for line, quantity in given_up.items())
    at = settled.after_all(ctx.now)
    told = SourcingGivenUp(order_id=settled.order_id, lines=lines, order_po_ids=settled.po_ids, at=at)
    return Decision(settled.model_copy(update={"told_at": at}), events=[told, *rest])
