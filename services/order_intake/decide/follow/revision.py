"""Changes of an order before its fulfilment begins: which are made, and what the order is with them. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.model import Message
from schemas.order import OrderChanged, OrderChangeRefused, OrderChangeRequested, OrderPlaced
from schemas.values import Problem
from services.order_intake.state import Change, Order

TICK = timedelta(microseconds=1)
"""Between two changes that are answered at once: others take the newer one."""
FIELDS = ("customer", "ship_to", "items", "freight", "discount", "total")


def answer(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """With every change that waits for it answered: made or refused, those that were asked for first before others."""
    events: list[Message] = []
    if all(change.accepted is not None for change in order.changes.values()):
        return order, events
    for change in _in_order(order.changes.values()):
        if change.accepted is None and (placed := order.placed) is not None:
            order, event = _answer_one(order, placed, change.event, now + len(events) * TICK)
            events.append(event)
    return order, events


def _answer_one(
    order: Order, placed: OrderPlaced, event: OrderChangeRequested, now: datetime
) -> tuple[Order, OrderChanged | OrderChangeRefused]:
    revised = _revised(placed, [*_made(order), event])
    problems = tuple(_problems(order, revised, event))
    changes = {**order.changes, event.change_id: Change(event=event, accepted=not problems)}
    names = {name: getattr(placed, name) for name in ("order_id", "store_id", "channel_id")}
    if problems:
        refused = OrderChangeRefused(**names, change_id=event.change_id, reasons=problems, refused_at=now)
        return order.model_copy(update={"changes": changes}), refused
    content = {name: getattr(revised, name) for name in FIELDS}
    changed = OrderChanged(**names, change_id=event.change_id, changed_at=now, **content)
    return order.model_copy(update={"changes": changes, "revised": revised}), changed


def _made(order: Order) -> list[OrderChangeRequested]:
    return [change.event for change in order.changes.values() if change.accepted]


def _in_order(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: (change.event.requested_at, change.event.change_id))


def _revised(placed: OrderPlaced, events: list[OrderChangeRequested]) -> OrderPlaced:
    """The order with these changes. Each field is as the last one asked for wants it, whichever was heard of last."""
    for event in sorted(events, key=lambda event: (event.requested_at, event.change_id)):
        wanted: dict[str, Any] = {name: getattr(event, name) for name in FIELDS}
        placed = placed.model_copy(update={name: value for name, value in wanted.items() if value is not None})
    return placed


def _problems(order: Order, revised: OrderPlaced, event: OrderChangeRequested) -> Iterator[Problem]:
    if order.cancelled_at is not None or order.is_being_cancelled:
        yield Problem(code="cancelled", detail="the order is cancelled, or being cancelled")
    elif order.ready_at is not None:
        yield Problem(code="in_fulfilment", detail=f"the goods are being bought since {order.ready_at.isoformat()}")
    if len({item.line for item in revised.items}) != len(revised.items):
        yield Problem(code="line_twice", where="items", detail="two items have the same line number")
    expected = sum((item.total for item in revised.items), Decimal(0)) + revised.freight - revised.discount
    if expected != revised.total:
        yield Problem(code="total_differs", where="total", expected=str(expected), found=str(revised.total))
    sale = order.sale
    if order.approvals and sale is not None and revised.total != sale.total:
        yield Problem(
            code="paid_amount_differs",
            where="total",
            detail="a part of the order is paid already",
            expected=str(sale.total),
            found=str(revised.total),
        )
