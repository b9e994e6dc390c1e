"""The servers that tests run on: real ones, private to this checkout, kept running between test sessions.

| fixture            | type          | what it is                                                                     |
| ------------------ | ------------- | ------------------------------------------------------------------------------ |
| `stack`            | `Stack`       | session: the stack in `.stack/test`; or the servers that FLEET_… variables name |
| `session_database` | `str`         | session: a superuser's URL of a database of this session's own                 |
| `database`         | `str`         | test: a superuser's URL of an empty database, dropped afterwards               |
| `vhost`            | `VirtualHost` | test: an empty RabbitMQ virtual host of the administrator's, deleted afterwards |

Nothing is started for tests that ask for none of them. Tests that kill or stop a server start one of their own
(`deploy.local.stack.running(tmp_path)`) instead of `stack`, which others use at the same time.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
import structlog

from deploy.local.stack import STACKS, Addresses, Stack, running

PASSWORD = "secret"
"""Of every role and user: they belong to a whole server, so tests that gave them others would lock each other out."""


@dataclass(frozen=True)
class VirtualHost:
    """A virtual host; both URLs are an administrator's, the AMQP one already names the virtual host."""

    name: str
    amqp_url: str
    management_url: str


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process logs to the stream of that test, which is closed after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with running(STACKS / "test", keep=True) as started:
        yield started


@pytest.fixture(scope="session")
async def session_database(stack: Stack) -> AsyncIterator[str]:
    async with fresh_database(stack.addresses.database_url) as url:
        yield url


@pytest.fixture
async def database(stack: Stack) -> AsyncIterator[str]:
    async with fresh_database(stack.addresses.database_url) as url:
        yield url


@pytest.fixture
async def vhost(stack: Stack) -> AsyncIterator[VirtualHost]:
    async with fresh_vhost(stack.addresses) as one:
        yield one


@asynccontextmanager
async def fresh_vhost(addresses: Addresses) -> AsyncIterator[VirtualHost]:
    """An empty virtual host for the block."""
    name = f"test-{uuid4().hex}"
    amqp_url = with_path(addresses.amqp_url, name)
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        path = f"{addresses.management_url}/api/vhosts/{name}"
        await session.put(path, json={})
        try:
            yield VirtualHost(name, amqp_url, addresses.management_url)
        finally:
            await session.delete(path)


@asynccontextmanager
async def fresh_database(superuser_url: str) -> AsyncIterator[str]:
    """An empty database for the block; connections that a test left open do not keep it from being dropped."""
    name = f"test_{uuid4().hex}"
    await execute(superuser_url, f"create database {name}")
    try:
        yield with_path(superuser_url, name)
    finally:
        await execute(superuser_url, f"drop database {name} with (force)")


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
