"""The private stack: a PostgreSQL and a RabbitMQ in a folder of their own, or the real servers that the settings name.

Several stacks run side by side, each in its folder. Ports, passwords and data survive between runs; a later run finds
the servers of its folder again. A server that this code did not start is never touched.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from deploy.local import settings
from deploy.local.lock import Use, exclusive
from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import Rabbitmq
from deploy.local.settings import Settings

STACKS = Path(__file__).resolve().parents[2] / ".stack"
DEMO = STACKS / "demo"


class Addresses(BaseModel):
    """Where the servers are: AMQP and management of an administrator, the database `fleet` of a superuser."""

    model_config = ConfigDict(frozen=True)

    amqp_url: str
    management_url: str
    database_url: str


class NotOurs(RuntimeError):
    """The server was named by a FLEET_ variable: it is not started, stopped or killed from here."""


class Stack:
    """A started stack. `keep` says whether the servers stay when the last process that uses them leaves."""

    def __init__(self, folder: Path, settings: Settings, *, keep: bool) -> None:
        folder = self.folder = Path(os.path.abspath(folder))  # kept across a change of the working folder
        self.settings = settings
        self.keep = keep
        self._postgres = None if settings.database_url else Postgres(folder / "postgres")
        self._rabbitmq = None if settings.amqp_url else Rabbitmq(folder / "rabbitmq")
        self._use = Use(folder / "use.lock")

    @property
    def postgres(self) -> Postgres:
        """The private database server. Raises NotOurs."""
        if self._postgres is None:
            raise NotOurs("FLEET_DATABASE_URL names the database server")
        return self._postgres

    @property
    def rabbitmq(self) -> Rabbitmq:
        """The private broker. Raises NotOurs."""
        if self._rabbitmq is None:
            raise NotOurs("FLEET_AMQP_URL names the broker")
        return self._rabbitmq

    @property
    def addresses(self) -> Addresses:
        return Addresses(
            amqp_url=self.settings.amqp_url or self.rabbitmq.url,
            management_url=self.settings.management_url or self.rabbitmq.management_url,
            database_url=self.settings.database_url or self.postgres.url,
        )

    async def start(self) -> None:
        """Start what is not running, both at the same time. Call it under the folder's lock."""
        if self._postgres:
            self._postgres.renew_port()
        if self._rabbitmq:
            self._rabbitmq.renew_ports()
        await both(*(server.start() for server in (self._postgres, self._rabbitmq) if server))

    async def stop(self) -> None:
        """Stop the private servers in order, whoever uses them. Their data stays."""
        await both(*(server.stop() for server in (self._postgres, self._rabbitmq) if server))

    async def leave(self) -> None:
        """End this process's use: stops the servers unless they are to be kept or another process uses them."""
        async with exclusive(self.folder / "start.lock"):
            await self.end_use()

    async def end_use(self) -> None:
        """As `leave`, for a caller that has the folder's lock."""
        if self._use.end() and not self.keep:
            await self.stop()


async def start(folder: Path = DEMO, *, keep: bool = False) -> Stack:
    """Start the stack of a folder, or go on with the one that runs there. End with `leave()` or `stop()`.

    Raises RabbitMQMissing, ServerFailed, WrongSettings.
    """
    async with exclusive(folder / "start.lock"):
        stack = Stack(folder, settings.load(), keep=keep)
        try:
            await stack.start()
        except BaseException:
            await stack.end_use()
            raise
        return stack


@asynccontextmanager
async def running(folder: Path = DEMO, *, keep: bool = False) -> AsyncIterator[Stack]:
    """The stack of a folder for the length of the block."""
    stack = await start(folder, keep=keep)
    try:
        yield stack
    finally:
        await stack.leave()


async def wipe(folder: Path) -> None:
    """Stop the servers of a folder, whoever uses them, and remove it with all its data."""
    async with exclusive(folder / "start.lock"):
        await Stack(folder, Settings(amqp_url=None, management_url=None, database_url=None), keep=False).stop()
        shutil.rmtree(folder)


async def both(*steps: Awaitable[None]) -> None:
    """Do them at the same time, to the end of all, then raise the first error: no server is left half started."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
