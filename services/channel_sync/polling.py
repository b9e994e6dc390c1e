"""Decisions on a channel's queue of orders: one is fetched, told, and confirmed after that is committed. Pure.

So an order is lost nowhere: a queue gives it again until it is confirmed (within five minutes), and it is confirmed by
a call of the same transaction that tells it (`channel.order_given`). Given twice it is told twice: `giving` knows what
is new. One call at a time: its answer leads to the next, and an empty queue to a pause. An order that
cannot be read is told too (`channel.order_unreadable`), stays in the queue, and is passed over: nobody is held up, and
nothing is lost. Only where that is not enough, since the queue gives it again before it was empty, or too many of them
are in it, it is set aside: told whole, and confirmed.
"""

import hashlib
from datetime import timedelta

from schemas.channel import (
    ChannelChanged,
    ChannelOrderGiven,
    ChannelOrderUnreadable,
    ChannelPollDue,
    ChannelSyncRequested,
)
from schemas.decision import Answered, Call, Context, Decision, Exhausted, Outcome, Reminder, later, unchanged
from schemas.runtime import ReminderDue
from schemas.store import StoreChanged
from schemas.timeline import Timeline, keep
from services.channel_sync.requests import Access, ConfirmOrder, FetchOrder, OrderConfirmed, OrderFetched
from services.channel_sync.state import Queue

POLL = "poll"
MOST_PASSED = 100
"""Unreadable orders that stay in the queue. A hub gives them again after five minutes, and is asked once a second: with
more of them it would never come to those behind."""
Channel = Timeline[ChannelChanged]
Ctx = Context[Channel | None]


def on_channel_changed(channel: Channel | None, event: ChannelChanged, ctx: Context[None]) -> Decision[Channel]:
    """A channel with a queue is polled from now on."""
    kept = keep(channel, event, ctx)
    due = [ChannelPollDue(channel_id=event.channel_id)] if event.polls and event.store_id else []
    return Decision(kept.state, events=due)


def on_sync_requested(
    store: Timeline[StoreChanged] | None, event: ChannelSyncRequested, ctx: Context[tuple[str, ...]]
) -> Outcome[Timeline[StoreChanged]]:
    """`ctx.reference` names the store's channels that have a queue."""
    if store is None:
        return later("store.changed")
    wanted = [id for id in ctx.reference if event.channel_id in (None, id)]
    return Decision(store, events=[ChannelPollDue(channel_id=id) for id in wanted])


def on_poll_due(queue: Queue | None, event: ChannelPollDue | ReminderDue, ctx: Ctx) -> Outcome[Queue]:
    known = queue or Queue(channel_id=ctx.key)
    if known.asked:
        again = known.again or isinstance(event, ChannelPollDue)
        return Decision(known.model_copy(update={"again": again}))
    channel = ctx.reference.at(ctx.now) if ctx.reference else None
    if channel is None or not channel.polls or channel.store_id is None:
        return _later_version(known, ctx)
    asked = known.model_copy(update={"asked": True, "again": False})
    request = FetchOrder(access=_access(channel), channel_id=channel.channel_id, store_id=channel.store_id)
    return Decision(asked, calls=[Call(_partner(known), request)], forget=[POLL])


def on_fetched(queue: Queue | None, event: Answered[FetchOrder, OrderFetched], ctx: Ctx) -> Outcome[Queue]:
    if queue is None or not queue.asked:
        return unchanged(queue)
    fetched = event.answer
    if fetched.code is None:
        return _rested(queue, ctx)
    if fetched.placed is None:
        return _passed_over(queue, event, ctx)
    given = ChannelOrderGiven(
        order_id=fetched.placed.order_id,
        channel_id=queue.channel_id,
        placed=fetched.placed,
        approved=fetched.approved,
        cancelled=fetched.cancelled,
        given_at=event.answered_at,
    )
    confirm = ConfirmOrder(access=event.request.access, channel_id=queue.channel_id, code=fetched.code)
    return Decision(queue, events=[given], calls=[Call(_partner(queue), confirm)])


def on_confirmed(queue: Queue | None, event: Answered[ConfirmOrder, OrderConfirmed], ctx: Ctx) -> Outcome[Queue]:
    """There may be more: it is asked again at once."""
    if queue is None or not queue.asked:
        return unchanged(queue)
    due = ChannelPollDue(channel_id=queue.channel_id)
    return Decision(queue.model_copy(update={"asked": False}), events=[due])


def on_queue_unreachable(
    queue: Queue | None, event: Exhausted[FetchOrder] | Exhausted[ConfirmOrder], ctx: Ctx
) -> Outcome[Queue]:
    """The dead letter tells; the queue is asked again after its pause. What was not confirmed is given again."""
    return unchanged(queue) if queue is None or not queue.asked else _rested(queue, ctx)


def _rested(queue: Queue, ctx: Ctx) -> Decision[Queue]:
    channel = ctx.reference.current(ctx.now) if ctx.reference else None
    pause = timedelta(0) if queue.again or channel is None else channel.poll_every
    rested = queue.model_copy(update={"asked": False, "again": False, "passed": ()})
    return Decision(rested, reminders=[Reminder(POLL, ctx.now + pause)])


def _later_version(queue: Queue, ctx: Ctx) -> Decision[Queue]:
    """It has no queue now; a version to come may."""
    versions = ctx.reference.versions if ctx.reference else ()
    starts = [v.valid_from for v in versions if v.valid_from > ctx.now and v.polls]
    return Decision(queue, reminders=[Reminder(POLL, min(starts))] if starts else [])


def _passed_over(queue: Queue, event: Answered[FetchOrder, OrderFetched], ctx: Ctx) -> Decision[Queue]:
    """The next one is asked for at once."""
    code, is_again = event.answer.code, event.answer.code in queue.passed
    assert code is not None
    if event.answer.original is not None and (is_again or len(queue.passed) >= MOST_PASSED):
        confirm = ConfirmOrder(access=event.request.access, channel_id=queue.channel_id, code=code)
        told = _unreadable(queue, code, event, event.answer.original)
        return Decision(queue, events=[told], calls=[Call(_partner(queue), confirm)])
    if is_again:
        return _rested(queue, ctx)
    passed = queue.model_copy(update={"asked": False, "passed": (*queue.passed, code)})
    return Decision(passed, events=[_unreadable(queue, code, event), ChannelPollDue(channel_id=queue.channel_id)])


def _unreadable(
    queue: Queue, code: str, event: Answered[FetchOrder, OrderFetched], original: str | None = None
) -> ChannelOrderUnreadable:
    return ChannelOrderUnreadable(
        order_id=order_id(queue.channel_id, code),
        store_id=event.request.store_id,
        channel_id=queue.channel_id,
        channel_order_code=code,
        problems=event.answer.problems,
        cancelled=event.answer.cancelled,
        original=original,
        given_at=event.answered_at,
    )


def order_id(channel_id: str, code: str) -> str:
    """Our id of an order that a channel's queue gave: the same however often it is given."""
    whole = f"{channel_id}-{code}"
    return whole if len(whole) <= 64 else f"{channel_id[:20]}-{hashlib.sha256(whole.encode()).hexdigest()[:40]}"


def _partner(queue: Queue) -> str:
    """Another one than who is told: a queue that is slow, or away, holds back no update, and has its own rate."""
    return f"queue:{queue.channel_id}"


def _access(channel: ChannelChanged) -> Access:
    return Access(api_url=channel.api_url, token_ref=channel.token_ref)
