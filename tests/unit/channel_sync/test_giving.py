"""What a channel's queue gives of an order: told where it is new or otherwise, not where the channel has it of us."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.channel import ChannelOrderGiven, ChannelOrderUnreadable, Label
from schemas.decision import Decision
from schemas.model import Message
from schemas.order import OrderChangeRefused, OrderChangeRequested, OrderPlaced, OrderRefused
from schemas.values import Address, Problem
from services.channel_sync import decide as channel_sync
from services.channel_sync import giving
from services.channel_sync.partners.hub_order import read_order
from services.channel_sync.state import ChannelOrder
from tests.unit.channel_sync import builders as b
from tests.unit.channel_sync.test_polling import HUB_ORDER

UNPAID = {"payments": [{"id": "p-1", "method": "pix", "value": "110.00"}]}
MOVED = UNPAID | {"shippingAddress": HUB_ORDER["shippingAddress"] | {"street": "Rua B"}}
MORE = UNPAID | {"items": [HUB_ORDER["items"][0] | {"qty": 3}], "total": "160.00"}
FULFILLED = [{"fulfilled": True}, {"status": "shipped"}, {"status": "delivered"}]
LABEL = Label(carrier="Correios", tracking_code="TRK1", content_type="application/pdf", content=b.XML)


def given(content: dict[str, Any], seconds: float = 0) -> ChannelOrderGiven:
    fetched = read_order(HUB_ORDER | content, "magalu", "store-1")
    assert fetched.placed is not None, fetched.problems
    return ChannelOrderGiven(
        order_id=fetched.placed.order_id,
        channel_id="magalu",
        placed=fetched.placed,
        approved=fetched.approved,
        cancelled=fetched.cancelled,
        given_at=b.NOW + timedelta(seconds=seconds),
    )


def decide(order: ChannelOrder | None, event: ChannelOrderGiven) -> Decision[ChannelOrder]:
    return giving.on_order_given(order, event, b.context(event))


def told(*contents: dict[str, Any]) -> list[list[Message]]:
    """What is told of an order that the queue gave so, one after the other."""
    order: ChannelOrder | None = None
    events: list[list[Message]] = []
    for content in contents:
        decision = decide(order, given(content))
        order = decision.state
        events.append(list(decision.events))
    return events


def types(events: list[Message]) -> list[str]:
    return [type(event).__name__ for event in events]


def known(content: dict[str, Any], **facts: Any) -> ChannelOrder:
    """An order that the queue gave so, and what became known of it since."""
    order = decide(None, given(content)).state
    assert order is not None
    return order.model_copy(update=facts)


def with_a_parcel() -> ChannelOrder:
    heard = channel_sync.on_shipment_dispatched(known(UNPAID), b.dispatched(), b.context())
    order, _, _ = b.decided(heard)
    return order


def test_order_is_placed_once_however_often_it_is_given() -> None:
    first, second = told({}, {})
    assert types(first) == ["OrderPlaced", "PaymentApproved"]
    assert types(second) == ["PaymentApproved"]


def test_order_that_changed_at_the_channel_is_a_change_of_what_is_otherwise() -> None:
    _, (change,), (back,), again = told(UNPAID, MOVED, UNPAID, UNPAID)
    assert isinstance(change, OrderChangeRequested)
    assert isinstance(back, OrderChangeRequested)
    assert change.model_fields_set - {"order_id", "change_id", "requested_at"} == {"ship_to"}
    assert change.ship_to is not None
    assert (change.ship_to.street, change.change_id, back.change_id) == ("Rua B", "channel-1", "channel-2")
    assert again == []


def test_order_that_grew_at_the_channel_asks_for_items_and_total() -> None:
    _, (change,) = told(UNPAID, MORE)
    assert isinstance(change, OrderChangeRequested)
    assert (change.items and change.items[0].quantity, str(change.total)) == (3, "160.00")


def test_what_was_given_before_something_newer_and_comes_after_it_changes_nothing() -> None:
    first = decide(None, given(MOVED, seconds=1))
    assert not decide(first.state, given(UNPAID)).events


def test_what_cannot_be_changed_is_said_as_it_is_once_for_a_person_to_see() -> None:
    _, second, third = told(UNPAID, UNPAID | {"fulfilled": True}, UNPAID | {"fulfilled": True})
    assert (types(second), third) == (["OrderPlaced"], [])


def test_order_that_the_channel_cancelled_asks_for_its_cancellation_once_however_often_it_is_given() -> None:
    gone = {"status": "cancelled"}
    placed, first, second = told({}, gone, gone)
    assert types(placed) == ["OrderPlaced", "PaymentApproved"]
    assert types(first) == ["PaymentApproved", "OrderCancellationRequested"]
    assert types(second) == ["PaymentApproved"]


@pytest.mark.parametrize("said", FULFILLED, ids=str)
def test_order_that_we_shipped_and_the_channel_calls_fulfilled_says_nothing(said: dict[str, Any]) -> None:
    assert not decide(with_a_parcel(), given(UNPAID | said)).events


@pytest.mark.parametrize("facts", [{"label": LABEL}, {"marketplace_delivered_at": b.NOW}], ids=["label", "delivered"])
def test_order_that_the_channels_own_logistics_have_says_nothing_when_it_is_fulfilled(facts: dict[str, Any]) -> None:
    assert not decide(known(UNPAID, **facts), given(UNPAID | {"fulfilled": True})).events


@pytest.mark.parametrize("said", FULFILLED, ids=str)
def test_order_of_which_nothing_left_and_the_channel_calls_fulfilled_is_said_for_a_person(said: dict[str, Any]) -> None:
    (placed,) = decide(known(UNPAID), given(UNPAID | said)).events
    assert isinstance(placed, OrderPlaced)
    assert placed.fulfilment == "fulfilled"


def test_order_that_we_shipped_and_that_moved_at_the_channel_still_asks_for_the_change() -> None:
    (change,) = decide(with_a_parcel(), given(MOVED | {"status": "delivered"})).events
    assert isinstance(change, OrderChangeRequested)
    assert change.ship_to is not None


def test_order_that_we_shipped_and_whose_code_of_logistics_changed_at_the_channel_is_said_for_a_person() -> None:
    said = given(UNPAID | {"status": "delivered", "logistics": "full"})
    assert types(list(decide(with_a_parcel(), said).events)) == ["OrderPlaced"]


def test_order_that_we_cancelled_and_the_channel_calls_cancelled_asks_for_nothing() -> None:
    assert not decide(known(UNPAID, cancellation="done"), given(UNPAID | {"status": "cancelled"})).events


SPOILT = Problem(code="missing", where="items/0/qty")
GONE = {"status": "cancelled"}


def unreadable(content: dict[str, Any], *problems: Problem, seconds: float = 0) -> ChannelOrderUnreadable:
    fetched = read_order(HUB_ORDER | {"total": "1.00"} | content, "magalu", "store-1")
    return ChannelOrderUnreadable(
        order_id="magalu-MAG-7",
        store_id="store-1",
        channel_id="magalu",
        channel_order_code="MAG-7",
        problems=problems or fetched.problems,
        cancelled=fetched.cancelled,
        given_at=b.NOW + timedelta(seconds=seconds),
    )


def hear(order: ChannelOrder | None, *events: ChannelOrderUnreadable) -> list[list[Message]]:
    """What is told of each in turn."""
    told = []
    for event in events:
        decision = giving.on_order_unreadable(order, event, b.context(event))
        order = decision.state
        told.append(list(decision.events))
    return told


def test_order_that_was_never_taken_and_cannot_be_read_is_refused_once_for_each_set_of_reasons() -> None:
    first, again, otherwise = hear(None, unreadable({}), unreadable({}), unreadable({}, SPOILT))
    assert (types(first), again, types(otherwise)) == (["OrderRefused"], [], ["OrderRefused"])
    assert isinstance(first[0], OrderRefused)
    assert (first[0].channel_order_code, first[0].reasons) == ("MAG-7", unreadable({}).problems)


def test_order_that_is_passed_over_and_set_aside_by_turns_is_refused_once_for_its_reasons_and_once_whole() -> None:
    passed = unreadable({}, Problem(code="missing", where="total"))
    aside = passed.model_copy(update={"original": "{}"})
    heard = hear(None, passed, aside, passed, aside, passed, aside)
    assert [len(events) for events in heard] == [1, 1, 0, 0, 0, 0]


def test_order_that_was_taken_and_cannot_be_read_now_stays_and_its_change_is_refused_once() -> None:
    first, again, otherwise = hear(known(UNPAID), unreadable({}), unreadable({}), unreadable({}, SPOILT))
    assert (types(first), again, types(otherwise)) == (["OrderChangeRefused"], [], ["OrderChangeRefused"])
    ids = [refused.change_id for refused in (*first, *otherwise) if isinstance(refused, OrderChangeRefused)]
    assert ids == ["channel-1", "channel-2"]


def test_order_that_was_taken_and_is_cancelled_asks_for_it_once_though_it_cannot_be_read_any_more() -> None:
    first, again = hear(known(UNPAID), unreadable(GONE), unreadable(GONE))
    assert (types(first), again) == (["OrderChangeRefused", "OrderCancellationRequested"], [])


def test_order_that_was_never_taken_and_is_cancelled_and_unreadable_asks_for_nothing() -> None:
    (told,) = hear(None, unreadable(GONE))
    assert types(told) == ["OrderRefused"]


def test_order_that_can_be_read_again_is_taken_and_refused_anew_where_it_is_spoilt_again() -> None:
    spoilt = giving.on_order_unreadable(known(UNPAID), unreadable({}), b.context()).state
    mended = decide(spoilt, given(UNPAID))
    assert not mended.events
    (told,) = hear(mended.state, unreadable({}))
    assert types(told) == ["OrderChangeRefused"]


def test_unreadable_order_that_is_older_than_what_was_read_says_nothing() -> None:
    assert hear(decide(None, given(UNPAID, seconds=1)).state, unreadable(GONE)) == [[]]


class AddressToCome(Address):
    landmark: str = ""


class OrderToCome(OrderPlaced):
    """As a later release may know it: two optional fields more."""

    ship_to: AddressToCome
    gift_note: str = ""


def to_come(**fields: Any) -> OrderToCome:
    return OrderToCome.model_validate(given(UNPAID).placed.model_dump() | fields)


def given_to_come(placed: OrderToCome) -> ChannelOrderGiven:
    return given(UNPAID).model_copy(update={"placed": placed})


def test_field_that_a_release_added_makes_no_order_another() -> None:
    assert not decide(known(UNPAID), given_to_come(to_come())).events


def test_field_that_a_release_added_and_the_channel_always_said_is_compared_from_then_on() -> None:
    first = decide(known(UNPAID), given_to_come(to_come(gift_note="Feliz Natal")))
    assert not first.events
    assert first.state is not None
    assert types(list(decide(first.state, given_to_come(to_come(gift_note="Boa Páscoa"))).events)) == ["OrderToCome"]


def test_field_that_goes_back_to_what_it_is_when_nobody_says_it_is_a_change() -> None:
    (change,) = decide(known(UNPAID), given(UNPAID | {"shippingCost": "0.00", "total": "100.00"})).events
    assert isinstance(change, OrderChangeRequested)
    assert change.freight == 0


def test_amounts_and_times_that_are_written_otherwise_are_the_same() -> None:
    item = HUB_ORDER["items"][0] | {"price": "50.000"}
    assert not decide(known(UNPAID), given(UNPAID | {"placedAt": "2026-11-20T08:00:00-03:00", "items": [item]})).events


KEPT = {
    "order_id": "67f902db",
    "store_id": "b5df3e8b",
    "channel_id": "2bf1fa7f",
    "channel_order_code": "d94f8a74",
    "placed_at": "952e9f1b",
    "customer": "9e5c097f",
    "ship_to": "8d933b53",
    "items": "4a3a378a",
    "freight": "53654959",
    "discount": "74234e98",
    "total": "d6d3c631",
    "logistics": "74234e98",
    "fulfilment": "74234e98",
}
"""The digests' beginnings as they are kept in databases."""


def test_digests_stay_as_earlier_releases_kept_them() -> None:
    """Where this fails, each order that a queue gives again after a deployment looks changed: compare by both forms."""
    now = giving.digests(given(UNPAID).placed)
    assert {name: now[name][:8] for name in KEPT} == KEPT
