"""A channel's queue: one call at a time, confirmed after it was published, and bad orders hold nobody up."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid5

import pytest

from schemas.channel import ChannelOrderGiven, ChannelOrderUnreadable, ChannelPollDue, ChannelSyncRequested
from schemas.decision import Answered, Cause, Context, Decision, Exhausted, NotYet, Numbers
from schemas.envelope import reference
from schemas.order import OrderPlaced
from schemas.payment import PaymentApproved
from schemas.timeline import Timeline
from schemas.values import MOST_ORIGINAL
from services.channel_sync import polling
from services.channel_sync.partners import operations
from services.channel_sync.partners.hub_order import read_order
from services.channel_sync.requests import ConfirmOrder, FetchOrder, OrderConfirmed, OrderFetched
from services.channel_sync.settings import Settings
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
        pytest.param({"items": HUB_ORDER["items"] * 501}, "items", id="501 items"),
        pytest.param({"items": [1]}, "items/0", id="an item that is none"),
        pytest.param({"items": [{"sku": "S1"}]}, "items/0/qty", id="half an item"),
        pytest.param({"items": [HUB_ORDER["items"][0] | {"qty": 10**400}]}, "items/0/quantity", id="too many"),
        pytest.param({"total": "1.00"}, "", id="total does not add up"),
        pytest.param({"total": 110.0}, "total", id="total as a float"),
        pytest.param({"customer": None}, "customer", id="no customer"),
        pytest.param({"customer": HUB_ORDER["customer"] | {"name": "J\ud800"}}, "customer/name", id="half a character"),
        pytest.param({"shippingAddress": HUB_ORDER["shippingAddress"] | {"state": "XX"}}, "ship_to/uf", id="no state"),
        pytest.param(
            {"shippingAddress": HUB_ORDER["shippingAddress"] | {"complement": "a\0"}},
            "shippingAddress/complement",
            id="NUL",
        ),
        pytest.param({"placedAt": "2026"}, "placedAt", id="a number for a time"),
        pytest.param({"placedAt": "2026-11-20T11:00:00"}, "placed_at", id="a time somewhere"),
        pytest.param({"fulfilled": "false"}, "fulfilled", id="fulfilled or not"),
        pytest.param({"labelByChannel": "no"}, "labelByChannel", id="whose label"),
        pytest.param({"status": ["approved"]}, "status", id="several statuses"),
        pytest.param({"payments": [None]}, "payments/0", id="a payment that is none"),
        pytest.param({"payments": [{"id": "p-1", "value": "-1.00"}]}, "payments/0/amount", id="negative payment"),
    ],
)
def test_order_that_cannot_be_read_is_told_with_the_reasons_not_confirmed_and_passed_over(
    change: dict[str, Any], where: str
) -> None:
    decision = fetched(read_order(HUB_ORDER | change, "magalu", "store-1"))
    unreadable, due = decision.events
    assert isinstance(unreadable, ChannelOrderUnreadable)
    assert (unreadable.order_id, unreadable.channel_order_code) == ("magalu-MAG-7", "MAG-7")
    assert where in [problem.where for problem in unreadable.problems]
    assert due == DUE
    assert not decision.calls


BAD = {"total": "1.00"}


def test_unreadable_order_that_is_given_again_before_any_other_is_told_whole_and_confirmed() -> None:
    said = HUB_ORDER | BAD | {"customer": HUB_ORDER["customer"] | {"name": "J\ud800\0"}}
    bad = read_order(said, "magalu", "store-1")
    aside = fetched(bad, fetched(bad).state)
    [unreadable], [confirm] = aside.events, aside.calls
    assert isinstance(unreadable, ChannelOrderUnreadable)
    assert unreadable.original is not None
    assert json.loads(unreadable.original) == said
    assert ChannelOrderUnreadable.model_validate_json(unreadable.model_dump_json()) == unreadable
    assert isinstance(confirm.request, ConfirmOrder)
    assert confirm.request.code == "MAG-7"


@pytest.mark.parametrize("said", [{"code": "a\0b"}, {"cancelReason": "x" * MOST_ORIGINAL}], ids=["no name", "too long"])
def test_queue_is_left_alone_where_it_gives_one_again_that_cannot_be_set_aside(said: dict[str, Any]) -> None:
    bad = read_order(HUB_ORDER | BAD | said, "magalu", "store-1")
    again = fetched(bad, fetched(bad).state)
    assert not again.events
    assert [r.due for r in again.reminders] == [b.NOW + timedelta(seconds=30)]


@pytest.mark.parametrize("seconds", [1, 4], ids=["once a second", "slowly"])
def test_order_behind_a_thousand_unreadable_ones_is_reached_though_each_comes_again_after_five_minutes(
    seconds: int,
) -> None:
    out_until = {f"BAD-{n}": 0 for n in range(1000)} | {"MAG-7": 0}
    queue: Queue | None = None
    for now in range(0, 3000 * seconds, seconds):
        code = next((code for code, until in out_until.items() if until <= now), None)
        if code == "MAG-7":
            return
        said = OrderFetched() if code is None else read_order(HUB_ORDER | BAD | {"code": code}, "magalu", "store-1")
        decision = fetched(said, queue)
        queue = decision.state
        out_until |= {code: now + 300} if code else {}
        for call in decision.calls:
            assert isinstance(call.request, ConfirmOrder)
            del out_until[call.request.code]
            confirmed = Answered("c", call.request, OrderConfirmed(code=call.request.code), b.NOW)
            following = polling.on_confirmed(decision.state, confirmed, context(confirmed))
            assert isinstance(following, Decision)
            queue = following.state
    pytest.fail(f"{len(out_until)} orders are left, and the good one was never given")


def test_orders_that_nobody_mends_do_not_keep_the_queue_from_giving_others() -> None:
    """Each comes back after five minutes: with a pause after each, ten of them would be all that it ever gives."""
    queue: Queue | None = None
    for n in range(20):
        passed = fetched(read_order(HUB_ORDER | BAD | {"code": f"BAD-{n}"}, "magalu", "store-1"), queue)
        assert not passed.reminders
        queue = passed.state
    assert fetched(read_order(HUB_ORDER, "magalu", "store-1"), queue).calls
    told_again = fetched(read_order(HUB_ORDER | BAD | {"code": "BAD-0"}, "magalu", "store-1"), empty(queue)).events
    assert isinstance(told_again[0], ChannelOrderUnreadable)


def test_hundred_unreadable_orders_stay_in_the_queue_and_no_more() -> None:
    queue = Queue(channel_id="magalu", passed=tuple(f"BAD-{n}" for n in range(polling.MOST_PASSED)))
    bad = read_order(HUB_ORDER | BAD, "magalu", "store-1")
    assert fetched(bad, queue).calls
    assert not fetched(bad, queue.model_copy(update={"passed": queue.passed[1:]})).calls


def empty(queue: Queue | None) -> Queue | None:
    """The queue after it gave nothing."""
    return fetched(OrderFetched(), queue).state


def test_order_that_was_mended_at_the_channel_is_taken() -> None:
    told = fetched(read_order(HUB_ORDER | BAD, "magalu", "store-1"))
    assert fetched(read_order(HUB_ORDER, "magalu", "store-1"), told.state).calls


@pytest.mark.parametrize("code", ["", " x", "x" * 65, "a\0b", "a\ud800", "..", 5, ["MAG-7"]], ids=ascii)
def test_order_whose_code_names_nothing_is_told_under_a_name_of_our_own(code: Any) -> None:
    """Its confirmation, and all that the hub is told of an order, goes to a path with the code."""
    first, second = (read_order(HUB_ORDER | {"code": code}, "magalu", "store-1") for _ in range(2))
    assert first == second
    assert first.code is not None
    assert first.code.startswith("?")
    assert [(p.code, p.found) for p in first.problems] == [("unusable_code", ascii(code)[:200])]
    assert OrderFetched.model_validate_json(first.model_dump_json()) == first
    assert isinstance(fetched(first).events[0], ChannelOrderUnreadable)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"cancelReason": "comprou\nerrado\0"}, "comprou errado"),
        ({"cancelReason": "x" * 1000}, "x" * 250),
        ({"cancelReason": 5, "cancelledAt": "yesterday"}, "cancelled by the channel"),
        ({"items": [], "total": "0.00"}, "cancelled by the channel"),
    ],
    ids=["lines", "long", "no words", "nothing left of it"],
)
def test_cancellation_is_read_whatever_else_cannot_be(said: dict[str, Any], reason: str) -> None:
    cancelled = read_order(HUB_ORDER | {"status": "cancelled"} | said, "magalu", "store-1").cancelled
    assert cancelled is not None
    assert (cancelled.order_id, cancelled.reason) == ("magalu-MAG-7", reason)


@pytest.mark.parametrize("said", [["?"], None, {"error": "maintenance"}, "MAG-7"])
def test_something_that_is_no_order_at_all_is_rejected(said: Any) -> None:
    with pytest.raises(Rejected, match="no order"):
        read_order(said, "magalu", "store-1")


FREE = {"shippingCost": "0.00", "total": "100.00"}


def test_what_a_hub_leaves_empty_is_as_if_it_were_not_there() -> None:
    nothing = dict.fromkeys(("shippingCost", "discount", "payments", "logistics", "shipmentId", "fulfilled"))
    item = HUB_ORDER["items"][0] | {"discount": None, "ean": None}
    placed = read_order(HUB_ORDER | FREE | nothing | {"items": [item]}, "magalu", "store-1").placed
    assert placed is not None
    assert placed == read_order(HUB_ORDER | {"payments": []} | FREE, "magalu", "store-1").placed


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


def test_queue_is_another_partner_than_the_channel_that_is_told() -> None:
    """Each with its own rate and its own circuit: a queue that is away holds back no update."""
    [asked] = poll().calls
    assert asked.partner == "queue:magalu"
    rates = {
        operation.name: operation.policy.rate
        for operation in operations(Settings(smtp_url="smtp://localhost", secrets={}))
    }
    assert {name: rates[name] for name in ("FetchOrder", "ConfirmOrder", "TellInvoice", "TellDelivery")} == {
        "FetchOrder": 1.0, "ConfirmOrder": 9.0, "TellInvoice": 9.0, "TellDelivery": 9.0,
    }  # fmt: skip
