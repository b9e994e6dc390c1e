"""The control room's slice on a real database, the fleet's topology on a real broker."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import asyncpg
import pytest
import structlog
import typer
from typer.testing import CliRunner

import services.control_room
from deploy.local.stack import Stack
from services.control_room import cli, console
from services.control_room.settings import Settings
from shared.broker import topology
from shared.broker.apply import apply
from shared.health import Health
from shared.migrate import migrate, reader_url, service_url
from shared.service import serve
from shared.settings import Runtime
from shared.worker.subscription import Service
from tests.conftest import PASSWORD, VirtualHost, fresh_database, fresh_vhost
from tests.integration.worker import bench

USERS = ("control_room", "order_intake", "engineer")
MIGRATIONS = Path(services.control_room.__file__).parent / "migrations"


@dataclass
class Room:
    """The control room's servers. `url` is its own role's, `admin_url` a superuser's."""

    vhost: VirtualHost
    url: str
    admin_url: str
    changed: dict[str, str] = field(default_factory=dict)
    """Variables of the command line that are to differ."""

    @property
    def settings(self) -> Settings:
        return Settings(amqp_url=self.broker("control_room"))

    def broker(self, user: str) -> str:
        """The broker, as one of its least-privileged users."""
        parts = urlsplit(self.vhost.amqp_url)
        return urlunsplit(parts._replace(netloc=f"{user}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}"))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FLEET_AMQP_URL": self.broker("engineer"),
            "FLEET_DATABASE_URL": reader_url(self.admin_url, "control_room", PASSWORD),
            "COLUMNS": "250",
            **self.changed,
        }

    @asynccontextmanager
    async def running(self, what: Service, url: str, **changes: Any) -> AsyncIterator[None]:
        """A service's worker for the length of the block."""
        runtime = Runtime(
            amqp_url=self.broker(what.name),
            database_url=url,
            health_host="127.0.0.1",
            health_port=0,
            log_level="error",
            **changes,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(serve(what, runtime, stop, Health()))
        try:
            yield
        finally:
            stop.set()
            await task

    async def publish(self, body: bytes, exchange: str, key: str, content_type: str, **more: Any) -> None:
        async with await aio_pika.connect(self.vhost.amqp_url) as connection:
            target = await (await connection.channel()).get_exchange(exchange, ensure=False)
            message = aio_pika.Message(body, content_type=content_type, delivery_mode=2, **more)
            await target.publish(message, key)


@pytest.fixture(scope="session")
async def prepared_room(stack: Stack) -> AsyncIterator[Room]:
    """Topology and tables of the control room and of one service: making them costs more than most tests."""
    async with fresh_vhost(stack.addresses) as vhost, fresh_database(stack.addresses.database_url) as database:
        await apply(vhost.amqp_url, vhost.management_url, dict.fromkeys(USERS, PASSWORD))
        await asyncio.to_thread(migrate, database, "control_room", [MIGRATIONS], PASSWORD, PASSWORD)
        await asyncio.to_thread(migrate, database, bench.NAME, [bench.MIGRATIONS], PASSWORD)
        yield Room(vhost, service_url(database, "control_room", PASSWORD), database)


@pytest.fixture
async def room(prepared_room: Room) -> AsyncIterator[Room]:
    """Empty, and empty again afterwards."""
    yield prepared_room
    await empty(prepared_room)


async def empty(room: Room) -> None:
    admin = await asyncpg.connect(room.admin_url)
    tables = await admin.fetch(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = any($1::text[]) "
        "and tablename !~ 'yoyo' and tablename !~ '^(journal|inbox)_[0-9]'",
        ["control_room", bench.NAME],
    )
    await admin.execute(f"truncate {', '.join(row['name'] for row in tables)}")
    await admin.close()
    async with await aio_pika.connect(room.vhost.amqp_url) as connection:
        channel = await connection.channel()
        for queue in topology.whole().queues:
            if queue.name.startswith(("control_room", bench.NAME, topology.UNROUTED)):
                await (await channel.get_queue(queue.name, ensure=False)).purge()


@pytest.fixture
async def pool(room: Room) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(room.url, min_size=1, max_size=4) as made:
        yield made


@pytest.fixture
async def con(room: Room) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(room.url)
    yield connection
    await connection.close()


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str


APPS: dict[str, typer.Typer] = {"dead-letters": cli.dead_letters, "orders": cli.orders}


async def fleet_cli(room: Room, app: str, *arguments: str, input: str = "") -> Result:
    """The command in this process, in a thread and with an event loop of its own."""
    environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("FLEET_")}
    environment |= room.environment
    log, console.out.width = structlog.get_config(), 250
    try:
        done = await asyncio.to_thread(
            CliRunner().invoke, APPS[app], list(arguments), input, environment, prog_name=f"fleet {app}"
        )
    finally:
        structlog.configure(**log)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Result(done.exit_code, done.stdout, done.stderr)


async def fleet_process(room: Room, app: str, *arguments: str, input: str = "") -> Result:
    """The command as a process of its own, as an engineer runs it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", app, *arguments),
        env={**os.environ, **room.environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate(input.encode())
    return Result(process.returncode or 0, stdout.decode(), stderr.decode())
