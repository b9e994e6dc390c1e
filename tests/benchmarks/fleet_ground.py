"""Where the whole fleet is measured: private servers, all services and sandbox partners as processes, made-up orders.

The sandbox partners answer and act at once (pace 0), so that what is measured is work and not their waiting.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, islice
from time import perf_counter

import aiohttp
import asyncpg
import psutil

from deploy.local import fleet, site, stack, store, world
from deploy.local.demo import publish
from deploy.local.fleet import Fleet
from deploy.local.site import Site
from schemas.catalogue import CONSUMERS, UPSTREAM, by_type
from schemas.model import Message
from schemas.order import OrderPlaced, OrderPlacedV1
from shared.broker.publisher import Publisher
from shared.broker.publisher import running as publishing
from tests.benchmarks import ages, peer_script
from tests.benchmarks.ages import Ages
from tests.benchmarks.hop_ground import process
from tests.benchmarks.peer_script import Script
from tests.benchmarks.window import Figures
from tests.conftest import fresh_database

PATIENCE = 300.0
PEER_WARM = 8


class NotDone(Exception):
    """Orders did not complete: their speed means nothing."""


class Ground:
    """A fleet that is ready, and knows the demo's stores, suppliers and offers."""

    def __init__(
        self, place: Site, members: Fleet, con: asyncpg.Connection, publisher: Publisher, database_url: str
    ) -> None:
        self._site = place
        self._members = members
        self._con = con
        self._publisher = publisher
        self._database_url = database_url
        self.processes: dict[str, psutil.Process] = {}
        self._seed = 0
        self._completed = 0

    async def through(self, orders: int, per_second: float | None = None) -> float:
        """Publishes so many new orders, at once or at a pace; seconds until all are completed and nothing is open.

        Raises NotDone.
        """
        self._seed += 1
        wanted = self._completed + orders
        messages = world.orders(orders, self._seed)
        started = perf_counter()
        sending = asyncio.create_task(self._publish(messages, per_second))
        last = started
        while (done := await self._count_completed()) < wanted or await store.load_open_work(self._con):
            if done > self._completed:
                last, self._completed = perf_counter(), done
            if perf_counter() - last > PATIENCE:
                raise NotDone(f"{wanted - done} of {orders} orders are not completed; see {self._site.logs}")
            await asyncio.sleep(0.1)
        await sending
        self._completed = wanted
        return perf_counter() - started

    async def _publish(self, messages: list[Message], per_second: float | None) -> None:
        if per_second is None:
            await publish(self._publisher, messages)
            return
        started, orders = perf_counter(), 0
        for message in messages:
            orders += isinstance(message, OrderPlaced | OrderPlacedV1)
            await asyncio.sleep(max(0.0, started + orders / per_second - perf_counter()))
            await publish(self._publisher, [message])

    async def _count_completed(self) -> int:
        return int(
            await self._con.fetchval("select count(*) from control_room.order_summary where status = 'completed'")
        )

    async def count_events(self) -> int:
        """Events that the journal has."""
        return await store.load_message_count(self._con)

    async def ages(self) -> Ages:
        """Of all events that the services have handled so far."""
        found: Ages = {}
        async with aiohttp.ClientSession() as session:
            for service in CONSUMERS:
                url = self._members.members[service].ready_url.replace("/readyz", "/metrics")
                async with session.get(url) as answer:
                    found |= ages.read(service, await answer.text())
        return found

    async def scripts(self, orders: int) -> list[Script]:
        """What the fleet did for the orders that it completed last."""
        return await peer_script.load_from(self._con, orders)

    async def peer(self, scripts: Sequence[Script], concurrency: int) -> Figures:
        """The same again as DBOS workflows, in an empty database of the same server; the fleet waits meanwhile. A
        few more go first to warm up."""
        file = self._site.folder / "scripts.jsonl"
        peer_script.save(file, [*islice(cycle(scripts), PEER_WARM), *scripts])
        environment = {**os.environ}
        for service in CONSUMERS:
            environment |= self._members.members[service].environment
        async with fresh_database(self._database_url) as url:
            arguments = (url, str(file), str(PEER_WARM), str(concurrency))
            pipe = asyncio.subprocess.PIPE
            module = "tests.benchmarks.peer_order"
            async with process(module, *arguments, environment=environment, output=pipe) as child:
                said, _ = await child.communicate()
        return Figures(**json.loads(said.splitlines()[-1]))

    async def load_world(self) -> None:
        """Publishes stores, suppliers, offers and channels, and waits until every service knows them."""
        reference = world.reference_data(self._members.sandbox_url)
        await publish(self._publisher, reference)
        wanted = {s: sum(s in by_type()[m.TYPE].consumers for m in reference) for s in CONSUMERS}
        async with asyncio.timeout(PATIENCE):
            while True:
                handled = await store.load_handled(self._con)
                if all(handled[service] >= count for service, count in wanted.items()):
                    return
                await asyncio.sleep(0.1)

    def find_processes(self, servers: stack.Stack) -> None:
        """By name: the fleet's members, `broker`, `database`, and this one as `benchmark`."""
        self.processes["benchmark"] = psutil.Process()
        for name, member in self._members.members.items():
            assert member.process is not None
            self.processes[name] = psutil.Process(member.process.pid)
        for name, record in (("broker", servers.rabbitmq.record), ("database", servers.postgres.record)):
            assert record.process is not None
            self.processes[name] = psutil.Process(record.process.pid)


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    folder = stack.STACKS / "bench-fleet"
    async with stack.running(folder) as servers:
        place = await site.prepare(servers.addresses, folder, "bench", afresh=True)
        con = await asyncpg.connect(place.database_url)
        try:
            async with (
                fleet.running(place, pace=0.0) as members,
                publishing(Publisher(place.amqp_url_of(UPSTREAM), UPSTREAM)) as publisher,
            ):
                made = Ground(place, members, con, publisher, servers.addresses.database_url)
                made.find_processes(servers)
                await made.load_world()
                yield made
        finally:
            await con.close()
