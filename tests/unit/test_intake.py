"""What goes into a batch together, and what alone, whenever it comes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.broker.link import Delivery
from shared.settings import Runtime
from shared.worker.incoming import Fault, Kept
from shared.worker.intake import Intake
from shared.worker.routes import Routes
from shared.worker.subscription import Service

TWICE_GIVEN_BACK = {"x-delivery-count": 2}


def delivery(tag: int, headers: dict[str, Any] | None = None) -> Delivery:
    return Delivery(tag, "billing", "fleet.events", "nobody.knows.v1", "text/plain", headers or {}, b"?", bool(headers))


def intake() -> Intake:
    settings = Runtime(amqp_url="amqp://nobody@localhost", database_url="postgresql://nobody@localhost")
    return Intake(Routes(Service(name="billing", subscriptions=())), settings)


def come(into: Intake, *deliveries: Delivery) -> None:
    for one in deliveries:
        into.deliver(one)
    into.fill()


async def test_suspect_that_came_during_another_batch_stays_alone_and_is_not_lost() -> None:
    into = intake()
    come(into, delivery(1))
    busy = await into.next_batch()
    come(into, delivery(2, TWICE_GIVEN_BACK))
    into.dealt_with(busy)
    come(into, delivery(3), delivery(4, TWICE_GIVEN_BACK))
    alone = await into.next_batch()
    assert isinstance(alone.suspect, Delivery)
    assert alone.suspect.tag == 2
    assert alone.items == []
    into.fill()
    assert not into.is_empty, "the others wait until it is dealt with"
    into.dealt_with(alone)
    into.fill()
    assert [item.delivery.tag for item in (await into.next_batch()).items if item.delivery] == [3]
    into.fill()
    last = await into.next_batch()
    assert isinstance(last.suspect, Delivery)
    assert last.suspect.tag == 4


async def test_kept_event_that_is_overdue_by_more_than_a_minute_stays_alone() -> None:
    into = intake()
    late, now = kept(timedelta(minutes=2)), kept(timedelta(seconds=2))
    into.offer([now, late])
    into.fill()
    assert [item.ref for item in (await into.next_batch()).items] == [now.ref]
    into.fill()
    alone = await into.next_batch()
    assert alone.suspect == late
    [item] = into.refused(late, Fault("delivery_limit", "it kills"))
    assert (item.ref, item.kept, item.raw) == (late.ref, late, late.body)


def kept(overdue: timedelta) -> Kept:
    now = datetime.now(UTC)
    source, type = "/upstream/test", "nobody.knows.v1"
    return Kept(
        uuid4(), "waiting", source, "e", type, "s", None, 1, now - overdue, None, None, None, now, now, None, "{}", b"?"
    )
