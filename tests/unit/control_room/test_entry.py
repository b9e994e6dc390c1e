"""The journal reads what it can and keeps the rest as bytes."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import envelope
from services.control_room.entry import OrderSeen, described, entries, named, opaque, order_seen
from tests.unit.control_room.builders import delivery, event


def test_event_is_an_entry_with_its_attributes() -> None:
    [entry] = entries(delivery(event(correlationid="c", causationid="p")))
    assert entry.ref == envelope.reference("/dropfleet/order_intake", "e-1")
    assert (entry.type, entry.subject, entry.order_id) == ("order.status_changed.v1", "ORD-1", "ORD-1")
    assert (entry.correlation, entry.causation) == ("c", "p")
    assert entry.time == datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_pack_is_an_entry_for_each_event_with_its_own_bytes() -> None:
    found = entries(delivery([event(id="1"), event(id="2")]))
    assert [entry.id for entry in found] == ["1", "2"]
    assert all(b'"id": "' + (entry.id or "").encode() in entry.body for entry in found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"{",
        b"7",
        b"[]",
        b'{"a": 1}',
        b"[" * 100_000,
        b'{"id":"\\u0000","source":"s","type":"t"}',
        event(id="\ud800"),
    ],
)
@pytest.mark.parametrize("content_type", [envelope.EVENT, envelope.PACK, "text/plain", ""])
def test_what_cannot_be_read_is_one_entry_without_a_type(body: Any, content_type: str) -> None:
    arrived = delivery(body, content_type=content_type)
    [entry] = entries(arrived)
    assert (entry.type, entry.body) == (None, arrived.body)


def test_same_rubbish_twice_is_the_same_entry() -> None:
    assert opaque(delivery(b"{")).ref == opaque(delivery(b"{")).ref != opaque(delivery(b"}")).ref


@pytest.mark.parametrize("time", [None, 7, "yesterday", "2026-11-22T12:00:00", "0001-01-01T00:00:00+14:00"])
def test_time_that_is_none_is_left_out(time: Any) -> None:
    [entry] = entries(delivery(event(time=time)))
    assert (entry.type, entry.time) == ("order.status_changed.v1", None)


def test_order_that_does_not_fit_is_found_by_its_subject() -> None:
    [entry] = entries(delivery(event(type="order.placed.v2", data={"order": 1})))
    assert entry.order_id == "ORD-1"


@given(st.binary(max_size=200), st.sampled_from([envelope.EVENT, envelope.PACK, "x"]))
def test_any_bytes_are_at_least_one_entry(body: bytes, content_type: str) -> None:
    assert entries(delivery(body, content_type=content_type))


def seen(**changes: Any) -> OrderSeen | None:
    exchange = changes.pop("exchange", "fleet.events")
    return order_seen(entries(delivery(event(**changes), exchange=exchange))[0])


def test_status_is_seen_with_its_time() -> None:
    found = seen()
    assert found is not None
    assert (found.status, found.status_at) == ("payment_confirmed", datetime(2026, 11, 22, 12, tzinfo=UTC))


def test_accepted_order_is_seen_with_what_it_is_worth() -> None:
    data = {"order_id": "ORD-1", "total": "199.90", "accepted_at": "2026-11-22T12:00:00Z", "channel_id": "hub"}
    found = seen(type="order.accepted.v1", data=data)
    assert found is not None
    assert (found.total, found.channel_id, found.status) == (Decimal("199.90"), "hub", None)


@pytest.mark.parametrize("total", [7, "NaN", "x", "1e30", None])
def test_total_that_is_none_is_left_out(total: Any) -> None:
    found = seen(type="order.accepted.v1", data={"order_id": "ORD-1", "total": total})
    assert found is not None
    assert found.total is None


def test_status_said_by_an_outsider_is_not_believed() -> None:
    assert seen(exchange="fleet.inbound") is None


def test_order_has_the_names_that_the_fleet_gives_it_and_no_others() -> None:
    def names(**changes: Any) -> list[tuple[str, str]]:
        data = {"order_id": "ORD-1", "po_number": "1042", "tracking_code": 7, **changes.pop("data", {})}
        [entry] = entries(delivery(event(type="purchase_order.created.v1", data=data, **changes), **ways))
        return [(one.name, one.order_id) for one in named(entry)]

    ways: dict[str, Any] = {"exchange": "fleet.events"}
    assert names() == [("po_number:1042", "ORD-1")]
    assert names(data={"order_id": None}) == [], "it says of no order"
    assert names(data={"po_number": "a\0b"}) == [("po_number:a\ufffdb", "ORD-1")]
    assert names(time="yesterday") == []
    ways = {"exchange": "fleet.inbound"}
    assert names() == [], "outsiders name nothing"


def test_other_messages_say_nothing_of_the_status() -> None:
    assert seen(type="invoice.issued.v1") is None


@pytest.mark.parametrize("name", ["NaN", "-Infinity", "1e999"])
def test_description_with_a_number_that_is_none_is_left_out(name: str) -> None:
    body = json.dumps(event(type="store.changed.v1", data={"name": 1})).replace('"name": 1', f'"name": {name}')
    assert [described(entry) for entry in entries(delivery(body.encode()))] == [None]


def test_description_with_text_that_a_database_refuses_is_kept_without_it() -> None:
    [entry] = entries(delivery(event(type="store.changed.v1", data={"name": "a\0b\ud800c"})))
    found = described(entry)
    assert found is not None
    assert json.loads(found.data) == {"name": "a\ufffdb?c"}
