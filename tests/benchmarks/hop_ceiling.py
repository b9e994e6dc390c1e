"""The cycle with no broker at all: decode, transaction and encode of the real session. Run as a process.

    python -m tests.benchmarks.hop_ceiling EVENTS WARM single|packed

Deliveries come from memory as fast as the prefetch lets them, and every publish is confirmed at once. Prints its
figures as JSON. It is what the cycle costs; the rest of a hop is the broker's and its client's.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import psutil
import uvloop

from schemas import envelope
from schemas.order import OrderPlaced
from shared import logs
from shared.broker.link import Delivery, Link, OnDelivery
from shared.broker.outgoing import Outgoing
from shared.database import open_pool
from shared.health import Health
from shared.service import release_version
from shared.settings import Runtime, read
from shared.worker.batch import Desk
from shared.worker.routes import Routes
from shared.worker.session import Session, Wake
from shared.worker.transact import Transactor
from tests.benchmarks.hop_orders import bodies
from tests.benchmarks.hop_service import NAME, SERVICE
from tests.benchmarks.window import Window


class Memory:
    """In the place of the link: hands out deliveries up to the prefetch, counts what is published."""

    is_up = True

    def __init__(self, deliveries: Sequence[Delivery], window: Window, stop: asyncio.Event) -> None:
        self._ready = deque(deliveries)
        self._window = window
        self._stop = stop
        self._prefetch = self._handed = self._acked = 0
        self._on_delivery: OnDelivery | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def consume(self, queue: str, prefetch: int, on_delivery: OnDelivery) -> None:
        self._prefetch, self._on_delivery = prefetch, on_delivery
        self._hand_out()

    async def ack_up_to(self, tag: int) -> None:
        self._acked = tag
        self._hand_out()

    def _hand_out(self) -> None:
        while self._on_delivery and self._ready and self._handed - self._acked < self._prefetch:
            self._handed += 1
            self._on_delivery(self._ready.popleft())

    async def publish(self, messages: Sequence[Outgoing], deadline: float = 0.0) -> None:
        self._window.count(sum(m.body.count(b'"specversion"') for m in messages))
        if self._window.over:
            self._stop.set()

    async def stop_consuming(self) -> None:
        self._on_delivery = None

    async def give_back(self) -> None:
        self._ready.clear()


def deliveries(count: int, packed: bool) -> list[Delivery]:
    content_type = envelope.PACK if packed else envelope.EVENT
    found = envelope.pack(bodies(count)) if packed else bodies(count)
    return [
        Delivery(n, NAME, "fleet.inbound", OrderPlaced.TYPE, content_type, {}, body, False)
        for n, body in enumerate(found, 1)
    ]


async def main(events: int, warm: int, packed: bool) -> None:
    runtime = read(Runtime)
    logs.configure(NAME, runtime.log_level, "json")
    stop, health = asyncio.Event(), Health()
    window = Window(warm, events, psutil.Process())
    desk = Desk(SERVICE, Routes(SERVICE), release_version(), runtime.ladder_seconds)
    async with open_pool(runtime.database_url, NAME, health, stop) as pool:
        link: Any = Memory(deliveries(events, packed), window, stop)
        transactor = Transactor(desk, pool, health, runtime.pause_after)
        await Session(desk, cast(Link, link), transactor, runtime, Wake()).run(stop)
    print(json.dumps(asdict(window.figures())), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "packed"))
