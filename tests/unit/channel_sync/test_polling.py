"""A channel's queue: one call at a time, confirmed after it was published, and bad orders hold nobody up."""

from datetime import timedelta
from typing import Any
from uuid import uuid5

import pytest

from schemas.channel import ChannelOrderGiven, ChannelPollDue, ChannelSyncRequested
from schemas.decision import Answered, Cause, Context, Decision, Exhausted, NotYet, Numbers
from schemas.envelope import reference
from schemas.order import OrderPlaced, OrderRefused
from schemas.payment import PaymentApproved
from schemas.timeline import Timeline
from schemas.values import Problem
from services.channel_sync import polling
from services.channel_sync.partners.hub_order import read_order
from services.channel_sync.requests import ConfirmOrder, FetchOrder, OrderConfirmed, OrderFetched
from services.channel_sync.state import Queue
from shared.partner.errors import Rejected
from tests.unit.channel_sync import builders as b

POLLED = b.channel_changed(polls=True, store_id="store-1")
DUE = ChannelPollDue(channel_id="magalu")
HUB_ORDER: dict[str, Any] = {
    "code": "MAG-7",
    "status": "approved",
    "placedAt": "2026-11-20T11:00:00Z",
    "customer": {"name": "Joana Lima", "document": "52998224725", "email": "joana@example.org"},
    "shippingAddress": {
        "street": "Rua A", "number": "1", "neighborhood": "Centro", "city": "São Paulo", "ibge": "3550308",
        "state": "SP", "zip": "01504000",
    },
    "items": [{"sku": "S1", "name": "Pastilha", "qty": 2, "price": "50.00"}],
    "shippingCost": "10.00",
    "total": "110.00",
    "payments": [{"id": "p-1", "method": "pix", "value": "110.00", "approvedAt": "2026-11-20T11:01:00Z"}],
}  # fmt: skip


def context(what: Any, channel: Any = POLLED) -> Context[Any]:
    id_ = str(uuid5(reference("test", "test"), repr(what)))
    cause = Cause(id=id_, source="t", type="t.v1", subject="magalu", time=b.NOW, ref=reference("t", id_))
    known: Any = Timeline(versions=(channel,)) if channel else None
    return Context(now=b.NOW, cause=cause, reference=known, numbers=Numbers({}), key="magalu")


def poll(queue: Queue | None = None, channel: Any = POLLED) -> Decision[Queue]:
    outcome = polling.on_poll_due(queue, DUE, context(DUE, channel))
    assert isinstance(outcome, Decision)
    return outcome


def fetched(answer: OrderFetched, queue: Queue | None = None) -> Decision[Queue]:
    asked = poll(queue)
    request: Any = asked.calls[0].request
    outcome = polling.on_fetched(asked.state, Answered("call-1", request, answer, b.NOW), context(answer))
    assert isinstance(outcome, Decision)
    return outcome


def test_channel_with_a_queue_is_polled_from_its_first_word_on() -> None:
    assert list(polling.on_channel_changed(None, POLLED, context("c")).events) == [DUE]
    assert not polling.on_channel_changed(None, b.channel_changed(), context("c")).events


def test_queue_is_asked_once_however_often_it_is_due() -> None:
    first = poll()
    assert [type(call.request) for call in first.calls] == [FetchOrder]
    assert not poll(first.state).calls


def test_empty_queue_is_left_alone_for_a_while_and_at_once_where_somebody_asked_meanwhile() -> None:
    (reminder,) = fetched(OrderFetched()).reminders
    assert reminder.due == b.NOW + timedelta(seconds=30)
    asked = poll(poll().state)
    request: Any = FetchOrder(access=b_access(), channel_id="magalu", store_id="store-1")
    again = polling.on_fetched(asked.state, Answered("c", request, OrderFetched(), b.NOW), context("again"))
    assert isinstance(again, Decision)
    assert [r.due for r in again.reminders] == [b.NOW]


def b_access() -> Any:
    return poll().calls[0].request.access  # type: ignore[attr-defined]


def test_order_is_published_and_confirmed_in_one_decision_then_the_next_is_asked_for() -> None:
    decision = fetched(read_order(HUB_ORDER, "magalu", "store-1"))
    (given,) = decision.events
    assert isinstance(given, ChannelOrderGiven)
    placed, (approved,) = given.placed, given.approved
    assert isinstance(placed, OrderPlaced)
    assert isinstance(approved, PaymentApproved)
    assert placed.order_id == approved.order_id == "magalu-MAG-7"
    (confirm,) = (call.request for call in decision.calls)
    assert isinstance(confirm, ConfirmOrder)
    confirmed = Answered("call-2", confirm, OrderConfirmed(code="MAG-7"), b.NOW)
    following = polling.on_confirmed(decision.state, confirmed, context(confirmed))
    assert isinstance(following, Decision)
    assert list(following.events) == [DUE]


def test_order_says_the_same_before_and_after_it_was_paid() -> None:
    unpaid = HUB_ORDER | {"payments": [{"id": "p-1", "method": "pix", "value": "110.00"}]}
    before, after = read_order(unpaid, "magalu", "store-1"), read_order(HUB_ORDER, "magalu", "store-1")
    assert before.placed == after.placed
    assert (len(before.approved), len(after.approved)) == (0, 1)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param({"items": []}, "items", id="no items"),
        pytest.param({"total": "1.00"}, "", id="total does not add up"),
        pytest.param({"customer": None}, "", id="no customer"),
        pytest.param({"shippingAddress": HUB_ORDER["shippingAddress"] | {"state": "XX"}}, "ship_to/uf", id="no state"),
        pytest.param({"fulfilled": "false"}, "", id="fulfilled or not"),
    ],
)
def test_order_that_cannot_be_read_is_refused_once_and_not_confirmed(change: dict[str, Any], where: str) -> None:
    answer = read_order(HUB_ORDER | change, "magalu", "store-1")
    decision = fetched(answer)
    (refused,) = decision.events
    assert isinstance(refused, OrderRefused)
    assert refused.channel_order_code == "MAG-7"
    assert where in [problem.where for problem in refused.reasons] or not where
    assert not decision.calls
    assert decision.reminders[0].due == b.NOW
    again = fetched(answer, decision.state)
    assert not again.events
    assert again.reminders[0].due > b.NOW


def test_order_that_was_mended_at_the_channel_is_taken() -> None:
    refused = fetched(read_order(HUB_ORDER | {"total": "1.00"}, "magalu", "store-1"))
    assert fetched(read_order(HUB_ORDER, "magalu", "store-1"), refused.state).calls


def test_something_that_is_no_order_at_all_is_rejected() -> None:
    with pytest.raises(Rejected, match="no order"):
        read_order(["?"], "magalu", "store-1")


def test_queue_that_is_not_reached_is_asked_again_after_its_pause() -> None:
    asked = poll()
    request: Any = asked.calls[0].request
    outcome = polling.on_queue_unreachable(asked.state, Exhausted("c", request, "away", b.NOW), context("x"))
    assert isinstance(outcome, Decision)
    assert outcome.reminders[0].due == b.NOW + timedelta(seconds=30)


def test_channel_that_has_no_queue_any_more_is_not_asked() -> None:
    stopped = poll(channel=b.channel_changed())
    assert not stopped.calls
    assert not stopped.reminders


def test_sync_is_asked_of_the_stores_channels_or_of_the_one_that_is_named() -> None:
    def asked(channel_id: str | None) -> list[str]:
        event = ChannelSyncRequested(store_id="store-1", channel_id=channel_id, requested_at=b.NOW)
        ctx: Context[tuple[str, ...]] = Context(b.NOW, context("s").cause, ("hub", "magalu"), Numbers({}))
        outcome = polling.on_sync_requested(Timeline(versions=(b.store_changed(),)), event, ctx)
        assert isinstance(outcome, Decision)
        return [e.channel_id for e in outcome.events if isinstance(e, ChannelPollDue)]

    assert (asked(None), asked("hub"), asked("other")) == (["hub", "magalu"], ["hub"], [])


def test_sync_of_a_store_that_nobody_described_waits() -> None:
    event = ChannelSyncRequested(store_id="store-1", requested_at=b.NOW)
    ctx: Context[tuple[str, ...]] = Context(b.NOW, context("s").cause, (), Numbers({}))
    assert isinstance(polling.on_sync_requested(None, event, ctx), NotYet)


def test_long_codes_make_ids_that_fit_and_stay_apart() -> None:
    ids = {polling.order_id("magalu", "x" * 64), polling.order_id("magalu", "x" * 63)}
    assert len(ids) == 2
    assert all(len(id) <= 64 for id in ids)


def test_problems_are_kept_as_they_were_said() -> None:
    assert isinstance(read_order(HUB_ORDER | {"items": [1]}, "magalu", "s").problems[0], Problem)
