"""What goes into a batch together, and what alone, whenever it comes."""

from typing import Any

from shared.broker.link import Delivery
from shared.settings import Runtime
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
    assert alone.suspect is not None
    assert alone.suspect.tag == 2
    assert alone.items == []
    into.fill()
    assert not into.is_empty, "the others wait until it is dealt with"
    into.dealt_with(alone)
    into.fill()
    assert [item.delivery.tag for item in (await into.next_batch()).items if item.delivery] == [3]
    into.fill()
    last = await into.next_batch()
    assert last.suspect is not None
    assert last.suspect.tag == 4
