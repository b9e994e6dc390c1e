"""The control room's slice on a real database, the fleet's topology on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import asyncpg
import pytest

import services.control_room
from services.control_room.settings import Settings
from shared.broker.apply import apply
from shared.health import Health
from shared.migrate import migrate, service_url
from shared.service import serve
from shared.settings import Runtime
from shared.worker.subscription import Service
from tests.conftest import PASSWORD, VirtualHost

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
            "FLEET_DATABASE_URL": self.url,
            "COLUMNS": "250",
            **self.changed,
        }

    @asynccontextmanager
    async def running(self, what: Service, url: str) -> AsyncIterator[None]:
        """A service's worker for the length of the block."""
        runtime = Runtime(
            amqp_url=self.broker(what.name),
            database_url=url,
            health_host="127.0.0.1",
            health_port=0,
            log_level="error",
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


@pytest.fixture
async def room(vhost: VirtualHost, database: str) -> Room:
    await apply(vhost.amqp_url, vhost.management_url, dict.fromkeys(USERS, PASSWORD))
    await asyncio.to_thread(migrate, database, "control_room", [MIGRATIONS], PASSWORD)
    return Room(vhost, service_url(database, "control_room", PASSWORD), database)


@pytest.fixture
async def pool(room: Room) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(room.url, min_size=1, max_size=4) as made:
        yield made


@pytest.fixture
async def con(room: Room) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(room.url)
    yield connection
    await connection.close()
