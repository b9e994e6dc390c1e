"""How many deliveries a session holds: each close counts as a delivery of all of them, and the fifth is the last."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from shared.broker.link import Delivery
from shared.worker.intake import HARMLESS
from shared.worker.session import Session, State, Wake


class Link:
    """Notes the prefetch of each consumer."""

    def __init__(self) -> None:
        self.prefetched: list[int] = []

    async def consume(self, queue: str, prefetch: int, on_delivery: Callable[[Delivery], None]) -> None:
        self.prefetched.append(prefetch)


def delivery(count: int) -> Delivery:
    headers = {"x-delivery-count": count}
    return Delivery(1, "billing", "", "order.placed.v2", "text/plain", headers, b"{}", count > 0)


async def session() -> tuple[Session, Link]:
    """One that has begun, and has completed a delivery."""
    link = Link()
    desk: Any = SimpleNamespace(service=SimpleNamespace(name="billing", queues=(), adopt=None), routes=None)
    runtime: Any = SimpleNamespace(
        retention_days=21, prefetch=512, prefetch_bytes=2**20, batch_events=256, gather_seconds=0.1
    )
    transactor: Any = SimpleNamespace(paused=False, wary=False)
    begun = Session(desk, link, transactor, runtime, Wake())  # type: ignore[arg-type]
    begun._has_acked = True
    await begun._consume(State.CAREFUL)
    return begun, link


async def takes(one: Session, count: int, times: int = 1) -> None:
    """So many deliveries come one after the other, each delivered `count` times before."""
    for _ in range(times):
        one.intake.deliver(delivery(count))
        await one._adapt()
        one.intake.opened(one.intake._waiting.popleft())


async def test_deliveries_given_back_once_open_the_prefetch() -> None:
    one, link = await session()
    await takes(one, 1)
    assert link.prefetched == [1, 512]


async def test_suspect_deliveries_keep_it_at_one_until_many_in_a_row_are_not() -> None:
    one, link = await session()
    for _ in range(3):
        await takes(one, 2)
        await takes(one, 1, HARMLESS - 1)
    assert link.prefetched == [1]
    await takes(one, 1, 2)
    assert link.prefetched == [1, 512]


async def test_suspect_delivery_that_another_replica_left_narrows_it_again() -> None:
    one, link = await session()
    await takes(one, 0)
    await takes(one, 2)
    assert link.prefetched == [1, 512, 1]
    assert one.state is State.CAREFUL
