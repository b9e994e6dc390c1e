"""The connection pool of a process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg
import structlog

from shared.backoff import LONGEST_AWAY, Backoff
from shared.health import Health

log = structlog.get_logger()

COMMAND_SECONDS = 60.0
"""No statement waits longer; a batch that met this is tried again."""


@asynccontextmanager
async def connection(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool. (The pool hands out proxies, which have a type of their own.)

    Raises InterfaceError also where asyncpg says InternalClientError, of a connection that the server ended in the
    middle of an answer. Such a one is not given back: nobody knows what its next answer belongs to.
    """
    try:
        async with pool.acquire() as proxy:
            try:
                yield cast(asyncpg.Connection, proxy)
            except asyncpg.InternalClientError:
                proxy.terminate()
                raise
    except asyncpg.InternalClientError as error:
        raise asyncpg.InterfaceError(f"lost in the middle of an answer: {error}") from error


class StoppedWaiting(Exception):
    """The process was told to stop before the database was there."""


@asynccontextmanager
async def open_pool(
    url: str, name: str, health: Health, stop: asyncio.Event, size: int = 6
) -> AsyncIterator[asyncpg.Pool]:
    """The pool, once the database is there; until then it waits and says so. Raises StoppedWaiting."""
    health.not_ready("database", "not connected yet")
    backoff = Backoff(longest=LONGEST_AWAY)
    while True:
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                command_timeout=COMMAND_SECONDS,
                timeout=10,
                server_settings={"application_name": name},
                reset=_as_it_is,
            )
            break
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            health.not_ready("database", f"{type(error).__name__}: {error}")
            log.warning("database.unreachable", error=f"{type(error).__name__}: {error}")
        waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(backoff.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if stop.is_set():
            raise StoppedWaiting
    health.ready("database")
    try:
        yield pool
    finally:
        pool.terminate()


async def _as_it_is(_: asyncpg.Connection) -> None:
    """Nobody here changes a session's settings or holds a session lock: the round trip of a reset can be saved."""
