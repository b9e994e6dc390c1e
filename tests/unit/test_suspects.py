"""How often a message was delivered, as each release of the broker tells it, and when it is proven to kill."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.broker.link import Delivery
from shared.worker.incoming import Attempt
from shared.worker.suspects import is_suspect, message_of, proven


def delivered(headers: dict[str, Any], redelivered: bool = True, body: bytes = b"{}") -> Delivery:
    return Delivery(7, "billing", "fleet.inbound", "order.placed.v1", "text/plain", headers, body, redelivered)


COUNTS = [
    pytest.param({}, False, 0, id="first"),
    pytest.param({"x-delivery-count": 9, "x-acquired-count": 9}, False, 0, id="first, with headers of its publisher"),
    pytest.param({"x-delivery-count": 3}, True, 3, id="3.10 to 4.2: every return"),
    pytest.param({"x-acquired-count": 3}, True, 3, id="4.3: given back with nacks only"),
    pytest.param({"x-delivery-count": 1, "x-acquired-count": 4}, True, 4, id="4.3: one close, three nacks"),
    pytest.param({"x-acquired-count": "many"}, True, 1, id="no number"),
    pytest.param({}, True, 1, id="redelivered, not counted"),
]


@pytest.mark.parametrize(("headers", "redelivered", "count"), COUNTS)
def test_delivery_counts_what_came_before_it(headers: dict[str, Any], redelivered: bool, count: int) -> None:
    assert delivered(headers, redelivered).count == count


def test_third_delivery_is_the_first_suspect_one() -> None:
    assert [is_suspect(delivered({"x-delivery-count": n})) for n in (1, 2, 3)] == [False, True, True]


def test_message_is_known_again_whatever_the_broker_writes_on_it() -> None:
    assert message_of(delivered({"x-delivery-count": 2})) == message_of(delivered({"x-delivery-count": 3}))
    assert message_of(delivered({}, body=b"{} ")) != message_of(delivered({}))


def test_deliveries_alone_prove_nothing() -> None:
    often = delivered({"x-delivery-count": 900})
    assert proven(often, None) is None
    assert proven(often, Attempt(2, "host/1", datetime.now(UTC))) is None


def test_three_marked_attempts_prove_it_and_say_who_made_the_last() -> None:
    fault = proven(delivered({"x-delivery-count": 5}), Attempt(3, "host/1", datetime(2026, 1, 2, tzinfo=UTC)))
    assert fault is not None
    assert fault.reason == "delivery_limit"
    assert "host/1 at 2026-01-02T00:00:00+00:00" in fault.error
