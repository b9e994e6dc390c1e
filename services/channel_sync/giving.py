"""What a channel's queue gives of an order, compared with what it gave before. Pure.

A queue gives an order whole, again until it is confirmed, and again when it changed there. The first time it is placed;
what is otherwise later is asked for as a change, which order_intake makes or refuses; it is cancelled once, however
often the channel says so. Payments are told each time: order_intake knows them by their ids. What was given earlier and
comes later than something newer changes nothing.
"""

import hashlib
import json
from collections.abc import Iterator

from schemas.channel import ChannelOrderGiven
from schemas.decision import Context, Decision
from schemas.model import Message
from schemas.order import OrderChangeRequested, OrderPlaced
from services.channel_sync.state import ChannelOrder, Given

CHANGEABLE = ("customer", "ship_to", "items", "freight", "discount", "total")
PAYMENTS = "payments"


def on_order_given(order: ChannelOrder | None, event: ChannelOrderGiven, ctx: Context[None]) -> Decision[ChannelOrder]:
    known = order or ChannelOrder(order_id=event.order_id)
    before = known.given or Given(fields={})
    is_old = before.at is not None and event.given_at < before.at
    said = [event.placed] if known.given is None else [] if is_old else list(_otherwise(before, event))
    wish = None if before.cancelled else event.cancelled
    given = Given(
        fields=before.fields if is_old else digests(event.placed),
        at=before.at if is_old else event.given_at,
        changes=before.changes + sum(isinstance(one, OrderChangeRequested) for one in said),
        cancelled=before.cancelled or wish is not None,
    )
    events = [*said, *event.approved, *([wish] if wish else [])]
    return Decision(known.model_copy(update={"given": given}), events=events)


def _otherwise(before: Given, event: ChannelOrderGiven) -> Iterator[Message]:
    """What cannot be changed is said as it is: order_intake refuses it, where a person sees it."""
    now = digests(event.placed)
    other = [name for name in now if now[name] != before.fields.get(name)]
    if any(name not in CHANGEABLE for name in other):
        yield event.placed
    elif other:
        yield OrderChangeRequested(
            order_id=event.order_id,
            change_id=f"channel-{before.changes + 1}",
            requested_at=event.given_at,
            **{name: getattr(event.placed, name) for name in other},
        )


def digests(placed: OrderPlaced) -> dict[str, str]:
    """By field; the payments, which are told apart, are left out."""
    fields = placed.model_dump(mode="json", exclude={PAYMENTS})
    return {
        name: hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest() for name, said in fields.items()
    }
