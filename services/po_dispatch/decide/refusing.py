"""PURE. What a supplier does not deliver leaves the PO and is routed again: the whole PO, lines, or quantities.

Also once R is issued, until the goods leave: R bills what does not come, so billing cancels it, or shows it to a
person. What has left in a parcel stays; the rest may still be refused.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.decision import Context, Decision, Outcome, Refused, later, unchanged
from schemas.purchase_order import LostParcel, OrderLineQuantity, PoLine, PurchaseOrderRefused, RefusedLine
from schemas.supplier import RefusedPoLine, SupplierPoRefused
from services.po_dispatch import parcels
from services.po_dispatch.decide.making import line_total
from services.po_dispatch.decide.ordering import not_its_po
from services.po_dispatch.decide.voiding import reopened, stopped
from services.po_dispatch.machine import PoStatus
from services.po_dispatch.purchase_order import PurchaseOrder, RefusalSaid
from services.po_dispatch.state import Fulfilment, Reroute

TICK = timedelta(microseconds=1)


def on_refused(fulfilment: Fulfilment | None, event: SupplierPoRefused, ctx: Context[None]) -> Outcome[Fulfilment]:
    """What crosses our cancellation counts too: of what it refuses nothing is left to cancel."""
    po = fulfilment.po_numbered(event.po_number) if fulfilment else None
    if fulfilment is None or po is None:
        return later("purchase_order.created")
    if event.supplier_id != po.supplier.supplier_id:
        return not_its_po(event.supplier_id, event.po_number)
    known = any((said.at, said.lines) == (event.refused_at, event.lines) for said in po.refusals)
    if po.void is not None or po.status is PoStatus.AGREED or known:
        return unchanged(fulfilment)
    if (problem := _impossible(po, event)) is not None:
        return problem
    said = RefusalSaid(at=event.refused_at, lines=event.lines, heard_at=next_word(po, ctx.now))
    noted = po.model_copy(update={"refusals": (*po.refusals, said)})
    refused = _refused_lines(po, event.lines, event.reason, _open(po))
    return _without(fulfilment, noted, refused, ctx) if refused else Decision(fulfilment.with_po(noted))


def next_word(po: PurchaseOrder, now: datetime) -> datetime:
    """`now`, but after every word before it on what the PO loses."""
    return max([now, *(refusal.heard_at + TICK for refusal in po.refusals)])


def _impossible(po: PurchaseOrder, event: SupplierPoRefused) -> Refused | None:
    if po.ordered_at is None:
        return Refused("not_sent", f"PO {event.po_number} was not sent to its supplier yet")
    numbers = {line.line for line in po.lines}
    unknown = sorted({line.line for line in event.lines} - numbers)
    if unknown and not po.refusals:
        return Refused("unknown_line", f"PO {event.po_number} has no line {unknown[0]}")
    return _of_what_has_left(po, event) if po.shipments else None


def _of_what_has_left(po: PurchaseOrder, event: SupplierPoRefused) -> Refused | None:
    """As a whole, where a part of it names pieces that have left, or nothing of the PO would remain: its parcels hold
    other goods than it has then."""
    open_pieces = _open(po)
    for line in po.lines:
        pieces = [named.quantity for named in event.lines if named.line == line.line]
        left = open_pieces.get(line.line, 0)
        if pieces and (not left or sum(piece or 0 for piece in pieces) > left):
            return Refused("already_shipped", f"line {line.line} of PO {event.po_number} has left, or a part of it")
    if not open_pieces:
        return Refused("already_shipped", f"the goods of PO {event.po_number} have left")
    refused = _refused_lines(po, event.lines, event.reason, open_pieces)
    if refused and not _remaining(po, refused):
        return Refused("already_shipped", f"parcels of PO {event.po_number} have left, of other goods than it has")
    return None


def _open(po: PurchaseOrder) -> dict[int, int]:
    """The pieces that have not left, by line."""
    return parcels.not_left(po.lines, po.shipments)


def _refused_lines(
    po: PurchaseOrder, said: Sequence[RefusedPoLine], reason: str, open_pieces: Mapping[int, int]
) -> tuple[RefusedLine, ...]:
    """Never more than what has not left; no line named: all of that."""
    reasons = {line.line: line.reason for line in said}
    refused: dict[int, int] = defaultdict(int)
    for named in said:
        refused[named.line] += named.quantity if named.quantity is not None else 10**6
    return tuple(
        RefusedLine(
            line=line.line,
            order_line=line.order_line,
            quantity=min(left, refused[line.line]) if said else left,
            reason=reasons.get(line.line) or reason,
        )
        for line in po.lines
        if (left := open_pieces.get(line.line, 0)) and (not said or refused[line.line])
    )


def _without(
    fulfilment: Fulfilment, po: PurchaseOrder, refused: Sequence[RefusedLine], ctx: Context[None]
) -> Decision[Fulfilment]:
    changed, told = reduced(fulfilment, po, refused, po.refusals[-1].heard_at, ctx)
    open_again = tuple(OrderLineQuantity(order_line=line.order_line, quantity=line.quantity) for line in refused)
    changed, rerouted = reopened(changed, Reroute(po_id=po.po_id, lines=open_again, cause="refused"), ctx)
    changed, ended = stopped(changed, ctx)
    return Decision(changed, events=[told, *rerouted, *ended])


def reduced(
    fulfilment: Fulfilment,
    po: PurchaseOrder,
    refused: Sequence[RefusedLine],
    at: datetime,
    ctx: Context[Any],
    lost_parcels: tuple[LostParcel, ...] = (),
) -> tuple[Fulfilment, PurchaseOrderRefused]:
    """The PO without these; void where nothing remains. `at`: later than any such word on it before."""
    assert po.number is not None  # a supplier speaks of it by its number
    lines = _remaining(po, refused)
    total = sum((line.total for line in lines), Decimal("0.00"))
    rest = po.model_copy(update={"lines": lines, "total": total}) if lines else po.with_void("refused", ctx.now)
    changed = fulfilment.with_po(rest)
    told = PurchaseOrderRefused(
        order_id=changed.order_id,
        po_id=po.po_id,
        po_number=po.number,
        order_po_ids=changed.po_ids,
        supplier_id=po.supplier.supplier_id,
        refused=tuple(refused),
        lines=lines,
        total=total,
        dispatched_at=min((parcel.dispatched_at for parcel in rest.shipments), default=None),
        has_left=bool(lines) and rest.has_left,
        has_arrived=bool(lines) and rest.status is PoStatus.DELIVERED,
        lost_parcels=lost_parcels,
        refused_at=at,
    )
    return changed, told


def _remaining(po: PurchaseOrder, refused: Sequence[RefusedLine]) -> tuple[PoLine, ...]:
    less = {line.line: line.quantity for line in refused}
    quantities = ((line, line.quantity - less.get(line.line, 0)) for line in po.lines)
    return tuple(
        line.model_copy(update={"quantity": quantity, "total": line_total(quantity, line.unit_cost)})
        for line, quantity in quantities
        if quantity
    )
