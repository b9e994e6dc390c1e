"""What a channel's queue gives of an order, compared with what it gave before. Pure.

A queue gives an order whole, again until it is confirmed, and again when it changed there. The first time it is placed;
what is otherwise later is asked for as a change, which order_intake makes or refuses; it is cancelled once, however
often the channel says so. Payments are told each time: order_intake knows them by their ids. What was given earlier and
comes later than something newer changes nothing. Nor does what the channel has from us: that an order of which parcels
left is fulfilled, that one which we cancelled is cancelled.
What cannot be read is refused with the reasons, once for each set of them: the order, where it was never taken, or else
what was wanted otherwise of it. That it is cancelled is asked for all the same.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from schemas.channel import ChannelOrderGiven, ChannelOrderUnreadable
from schemas.decision import Context, Decision, unchanged
from schemas.model import Message
from schemas.order import OrderChangeRefused, OrderChangeRequested, OrderPlaced, OrderRefused
from services.channel_sync.state import ChannelOrder, Given

CHANGEABLE = ("customer", "ship_to", "items", "freight", "discount", "total")
PAYMENTS = "payments"
FULFILMENT = "fulfilment"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def on_order_given(order: ChannelOrder | None, event: ChannelOrderGiven, ctx: Context[None]) -> Decision[ChannelOrder]:
    known = order or ChannelOrder(order_id=event.order_id)
    before = known.given or Given(fields={})
    is_old = before.at is not None and event.given_at < before.at
    said = [event.placed] if known.given is None else [] if is_old else list(_otherwise(known, before, event))
    wish = None if _is_cancelled(known, before) else event.cancelled
    given = Given(
        fields=before.fields if is_old else digests(event.placed),
        at=before.at if is_old else event.given_at,
        changes=before.changes + sum(isinstance(one, OrderChangeRequested) for one in said),
        cancelled=before.cancelled or wish is not None,
    )
    events = [*said, *event.approved, *([wish] if wish else [])]
    return Decision(known.model_copy(update={"given": given, "unreadable": ""}), events=events)


def on_order_unreadable(
    order: ChannelOrder | None, event: ChannelOrderUnreadable, ctx: Context[None]
) -> Decision[ChannelOrder]:
    known = order or ChannelOrder(order_id=event.order_id)
    before = known.given
    if before is not None and before.at is not None and event.given_at < before.at:
        return unchanged(known)
    known, is_new = _noted(known, event)
    if before is None:
        return Decision(known, events=[_not_taken(event)] if is_new else [])
    wish = None if _is_cancelled(known, before) else event.cancelled
    told: list[Message] = [_not_changed(before, event)] if is_new else []
    given = before.model_copy(
        update={"changes": before.changes + is_new, "cancelled": before.cancelled or wish is not None}
    )
    return Decision(known.model_copy(update={"given": given}), events=[*told, *([wish] if wish else [])])


def _noted(known: ChannelOrder, event: ChannelOrderUnreadable) -> tuple[ChannelOrder, bool]:
    """With what it cannot be read for, and whether that is new, or all that it was given as is for the first time."""
    why = _digest([problem.model_dump() for problem in event.problems])
    whole = known.set_aside if event.original is None else _digest([event.original])
    is_new = (why, whole) != (known.unreadable, known.set_aside)
    return known.model_copy(update={"unreadable": why, "set_aside": whole}), is_new


def _not_taken(event: ChannelOrderUnreadable) -> OrderRefused:
    return OrderRefused(
        order_id=event.order_id,
        store_id=event.store_id,
        channel_id=event.channel_id,
        channel_order_code=event.channel_order_code,
        reasons=event.problems,
        original=event.original,
    )


def _not_changed(before: Given, event: ChannelOrderUnreadable) -> OrderChangeRefused:
    return OrderChangeRefused(
        order_id=event.order_id,
        store_id=event.store_id,
        channel_id=event.channel_id,
        change_id=_change_id(before),
        reasons=event.problems,
        refused_at=event.given_at,
        original=event.original,
    )


def _change_id(before: Given) -> str:
    return f"channel-{before.changes + 1}"


def _is_cancelled(order: ChannelOrder, before: Given) -> bool:
    """Whether its cancellation was asked for, or is done."""
    return before.cancelled or order.cancellation == "done"


def _otherwise(order: ChannelOrder, before: Given, event: ChannelOrderGiven) -> Iterator[Message]:
    """What cannot be changed is said as it is: order_intake refuses it, where a person sees it."""
    other = [name for name in _changed(before, event.placed) if name != FULFILMENT or not _is_ours(order, event)]
    if any(name not in CHANGEABLE for name in other):
        yield event.placed
    elif other:
        yield OrderChangeRequested(
            order_id=event.order_id,
            change_id=_change_id(before),
            requested_at=event.given_at,
            **{name: getattr(event.placed, name) for name in other},
        )


def _changed(before: Given, placed: OrderPlaced) -> list[str]:
    """A field that a later release added is no change of the order: nobody compared it before."""
    return [name for name, now in digests(placed).items() if before.fields.get(name, now) != now]


def _is_ours(order: ChannelOrder, event: ChannelOrderGiven) -> bool:
    """Whether the channel calls it fulfilled because of us: it heard of our parcels, or its own logistics have them.

    Of several parcels the first is enough, since hubs differ in which one makes an order fulfilled.
    """
    parcels = order.shipments or order.label or order.marketplace_delivered_at
    return event.placed.fulfilment == "fulfilled" and bool(parcels)


def digests(placed: OrderPlaced) -> dict[str, str]:
    """By field; the payments, which are told apart, are left out.

    They are compared with those of earlier releases: what is left to its default counts as not said, so that an
    optional field added anywhere changes none. Equal amounts and instants are the same however they are written.
    """
    said = placed.model_dump(exclude_defaults=True)
    names = [name for name in type(placed).model_fields if name != PAYMENTS]
    return {name: _digest(said.get(name)) for name in names}


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> str:
    """Of what JSON does not know, which is amounts and instants. TypeError: anything else."""
    match value:
        case Decimal():
            return format(value.normalize(), "f")
        case datetime():
            return str(value - EPOCH)
        case _:
            raise TypeError(f"no canonical form of a {type(value).__name__}")
