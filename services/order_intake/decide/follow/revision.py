"""Changes of an order before its fulfilment begins: which are made, and what the order is with them. Pure.

A change that makes the order dearer may cross the payment of what it was. Then the difference is waited for as long as
the store's terms say; after that the change is taken back, and the order goes on as it was paid.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.model import Message
from schemas.order import OrderChanged, OrderChangeRefused, OrderChangeRequested, OrderPlaced
from schemas.values import Problem
from services.order_intake.decide.invoiceable import unsayable
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
    if problems:
        refused = OrderChangeRefused(**_names(placed), change_id=event.change_id, reasons=problems, refused_at=now)
        return order.model_copy(update={"changes": changes}), refused
    order = order.model_copy(update={"changes": changes, "revised": revised})
    return order, _changed(order, placed, event.change_id, now)


def unpaid(order: Order) -> tuple[OrderChangeRequested, ...]:
    """The changes without which the order would be paid as it was before them, the newest first; empty where it is
    paid, bought already, not wanted, or would not be paid without them either."""
    stopped = order.is_being_cancelled or order.cancelled_at is not None or order.ready_at is not None
    if order.placed is None or order.paid or stopped:
        return ()
    made = _made(order)
    priced = sorted((e for e in made if _is_about_money(e)), key=lambda e: (e.requested_at, e.change_id), reverse=True)
    money = sum((approval.amount for approval in order.approvals.values()), Decimal(0))
    for number in range(1, len(priced) + 1):
        without = _revised(order.placed, [event for event in made if event not in priced[:number]])
        if without.total <= money and without.total == _expected(without):
            return tuple(priced[:number])
    return ()


def take_back(order: Order, now: datetime) -> tuple[Order, list[Message]]:
    """Without the changes that nobody paid: each is refused after all, and the order is told as it is."""
    placed, sale, gone = order.placed, order.sale, unpaid(order)
    if placed is None or sale is None or not gone:
        return order, []
    paid = sum((approval.amount for approval in order.approvals.values()), Decimal("0.00"))
    why = Problem(code="difference_not_paid", where="total", expected=str(sale.total), found=str(paid))
    changes = dict(order.changes)
    for event in gone:
        changes[event.change_id] = changes[event.change_id].model_copy(update={"taken_back": True})
    order = order.model_copy(update={"changes": changes})
    order = order.model_copy(update={"revised": _revised(placed, _made(order))})
    names = _names(placed)
    refused = [OrderChangeRefused(**names, change_id=e.change_id, reasons=(why,), refused_at=now) for e in gone]
    return order, [*refused, _changed(order, placed, gone[-1].change_id, now)]


def _is_about_money(event: OrderChangeRequested) -> bool:
    return any(getattr(event, name) is not None for name in ("items", "freight", "discount", "total"))


def _expected(sale: OrderPlaced) -> Decimal:
    """What the total must be."""
    return sum((item.total for item in sale.items), Decimal(0)) + sale.freight - sale.discount


def _changed(order: Order, placed: OrderPlaced, change_id: str, at: datetime) -> OrderChanged:
    content = {name: getattr(order.sale, name) for name in FIELDS}
    return OrderChanged(**_names(placed), change_id=change_id, changed_at=at, **content)


def _names(placed: OrderPlaced) -> dict[str, str]:
    return {name: getattr(placed, name) for name in ("order_id", "store_id", "channel_id")}


def _made(order: Order) -> list[OrderChangeRequested]:
    return [change.event for change in order.changes.values() if change.holds]


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
    yield from unsayable(revised)
    expected = _expected(revised)
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
