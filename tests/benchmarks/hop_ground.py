"""Where the hops run: a virtual host with the fleet's topology, a database with both contenders' tables.

The journal's queue is taken away, so that one message published is one message in one quorum queue, for everybody.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
import psutil
from aiormq.abc import DeliveredMessage

from deploy.local.stack import STACKS, Stack, running
from schemas import envelope
from schemas.order import OrderPlaced
from shared.broker import management, topology
from shared.broker.apply import apply
from shared.broker.link import Link, open_link
from shared.broker.outgoing import Outgoing
from shared.migrate import migrate, service_url
from tests.benchmarks.hop_orders import bodies
from tests.benchmarks.hop_peer import TABLES
from tests.benchmarks.hop_service import NAME
from tests.benchmarks.window import Figures, Window
from tests.conftest import PASSWORD, execute, fresh_database, with_path

MIGRATIONS = Path(__file__).parent / "migrations"
LOGS = STACKS / "bench" / "logs"
TO_FILL, PATIENCE = 250, 120.0
OUT = "channel_sync"
"""The queue that `order.accepted` ends in."""


class WrongCount(Exception):
    """A contender did not handle each event exactly once: its speed means nothing."""


class Ground:
    """Runs one contender at a time, as a process of its own, and watches what it publishes."""

    def __init__(
        self,
        amqp_url: str,
        management_url: str,
        server_url: str,
        database_url: str,
        link: Link,
        servers: Sequence[psutil.Process],
    ) -> None:
        self.amqp_url = amqp_url
        self.server_url = server_url
        self.environment = {
            **os.environ,
            "FLEET_AMQP_URL": amqp_url,
            "FLEET_MANAGEMENT_URL": management_url,
            "FLEET_HEALTH_HOST": "127.0.0.1",
            "FLEET_HEALTH_PORT": "0",
        }
        self.use(database_url)
        self._link = link
        self._servers = servers
        self._window: Window | None = None
        self._over = asyncio.Event()

    def use(self, database_url: str) -> None:
        """From now on the contenders work there; the URL is a superuser's."""
        self.database_url = database_url
        self.environment["FLEET_DATABASE_URL"] = service_url(database_url, NAME, PASSWORD)

    async def on_outgoing(self, message: DeliveredMessage) -> None:
        """Counts what is published."""
        if self._window is not None:
            self._window.count(message.body.count(b'"specversion"'))
            if self._window.over:
                self._over.set()

    async def fill(self, events: int, content_type: str) -> None:
        """Puts so many orders into the queue of the hop; as packs where the content type is that of packs."""
        packed = content_type == envelope.PACK
        found = iter(envelope.pack(bodies(events)) if packed else bodies(events))
        while some := list(islice(found, TO_FILL)):
            await self._link.publish(
                [Outgoing("fleet.inbound", OrderPlaced.TYPE, content_type, body, uuid4().hex) for body in some]
            )

    async def hop(
        self, module: str, *arguments: str, events: int, warm: int, tables: tuple[str, str], workers: int = 1
    ) -> Figures:
        """Runs the contender, in so many processes, on the filled queue. The rows of both tables (each may be followed
        by a condition) must be as many more as there were events. Raises WrongCount, TimeoutError."""
        self._over.clear()
        before = await self._counts(tables)
        async with AsyncExitStack() as running:
            processes = [
                await running.enter_async_context(process(module, *arguments, environment=self.environment))
                for _ in range(workers)
            ]
            self._window = Window(
                warm, events, *(psutil.Process(worker.pid) for worker in processes), servers=self._servers
            )
            ends = [asyncio.create_task(worker.wait()) for worker in processes]
            ends.append(asyncio.create_task(self._over.wait()))
            await asyncio.wait(ends, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if not self._over.is_set():
                raise WrongCount(f"{module} published {self._window.done} of {events} events; see {LOGS}")
            figures = self._window.figures()
        added = [after - was for after, was in zip(await self._counts(tables), before, strict=True)]
        repeated = self._window.done - events  # a replica that starts sends what waits for its confirm once more
        if added != [events] * 2 or repeated < 0 or (repeated and workers == 1):
            raise WrongCount(f"{module}: {added} rows and {self._window.done} messages of {events} events")
        return figures

    async def _counts(self, tables: tuple[str, str]) -> list[int]:
        return [int(await self.value(f"select count(*) from {table}")) for table in tables]

    async def clear(self, inbox: bool = True, checkpoint: bool = True) -> None:
        """Empty tables (the inbox too, or as it is), and after a checkpoint nothing of the last contender left to be
        written to disk during the next one."""
        tables = [f"{NAME}.outgoing", f"{NAME}.hop_order", *([f"{NAME}.inbox"] if inbox else [])]
        await execute(self.database_url, f"truncate {', '.join(tables)}, peer_inbox, peer_order, peer_outbox")
        if checkpoint:
            await execute(self.database_url, "checkpoint")

    async def value(self, query: str) -> Any:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """On the private stack in `.stack/bench`."""
    async with running(STACKS / "bench") as stack, fresh_database(stack.addresses.database_url) as database:
        name = f"bench-{uuid4().hex}"
        amqp_url = with_path(stack.addresses.amqp_url, name)
        async with management.connect(amqp_url, stack.addresses.management_url) as api:
            await api.put("vhosts", name, body={})
            await apply(amqp_url, stack.addresses.management_url)
            await api.delete("queues", name, topology.JOURNAL)
            await prepare(database)
            try:
                async with open_link(amqp_url, "benchmark") as link, await aio_pika.connect(amqp_url) as watching:
                    addresses = stack.addresses
                    one = Ground(
                        amqp_url,
                        addresses.management_url,
                        addresses.database_url,
                        database,
                        link,
                        server_processes(stack),
                    )
                    channel = await (await watching.channel()).get_underlay_channel()
                    await channel.basic_consume(OUT, one.on_outgoing, no_ack=True)
                    yield one
            finally:
                await api.delete("vhosts", name)


def server_processes(servers: Stack) -> list[psutil.Process]:
    """Of broker and database."""
    records = (servers.rabbitmq.record, servers.postgres.record)
    return [psutil.Process(record.process.pid) for record in records if record.process is not None]


async def prepare(database: str) -> None:
    """Both contenders' tables."""
    await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
    await execute(database, TABLES)


@asynccontextmanager
async def process(
    module: str, *arguments: str, environment: dict[str, str], output: int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The module as a process, its log in a file; ended at the end of the block."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{module.rpartition('.')[2]}.log").open("ab") as log:
        command = [sys.executable, "-m", module, *arguments]
        child = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output or log, stderr=log)
        try:
            yield child
        finally:
            if child.returncode is None:
                child.terminate()
            await child.wait()
