"""The real PostgreSQL under a state machine: a loop of its own, and a pool whose connections can be cut on demand.

The machines are synchronous, as hypothesis wants them; every rule runs its coroutine to the end.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from shared.migrate import migrate, service_url
from tests.integration.worker.bench import MIGRATIONS, NAME

T = TypeVar("T")
TABLES = ("outgoing", "inbox", "inbox_kept", "tally")
STATEMENTS = ("execute", "executemany", "fetch", "fetchrow", "fetchval")


class Killed(BaseException):
    """The process is gone in the middle of a statement."""


@dataclass(frozen=True)
class Cut:
    """The connection breaks at a statement of the transaction: before it reached the server, or after it was done."""

    statement: int
    after: bool
    killed: bool
    """The whole process dies; otherwise it goes on and meets a lost connection."""


async def prepare(database: str, password: str) -> None:
    await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], password)


class Place:
    """Runs coroutines; looks into the tables."""

    def __init__(self, database: str, password: str) -> None:
        self._loop = asyncio.new_event_loop()
        url = service_url(database, NAME, password)
        # What is tested is what survives a process, not what survives the server: commits need not wait for the disk.
        settings = {"synchronous_commit": "off"}

        async def connect() -> tuple[asyncpg.Pool, asyncpg.Connection]:
            pool = await asyncpg.create_pool(url, min_size=1, max_size=3, server_settings=settings)
            return pool, await asyncpg.connect(url, server_settings=settings)

        pool, self._eye = self.run(connect())
        self.pool = CutPool(pool)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = self.run(self._eye.fetch(query, *arguments))
        return found

    def empty(self) -> None:
        for table in TABLES:
            self.run(self._eye.execute(f"delete from {table}"))

    def close(self) -> None:
        self.run(self._eye.close())
        self.pool.real.terminate()
        self.run(asyncio.sleep(0))
        self._loop.close()


class CutPool:
    """The pool, until `cut` says where the next transaction ends."""

    def __init__(self, real: asyncpg.Pool) -> None:
        self.real = real
        self.cut: Cut | None = None
        self.cuts = 0
        """That really happened."""

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self.real.acquire() as connection:
            yield Cuttable(connection, self)


class Cuttable:
    """A connection that counts its statements and breaks at the chosen one."""

    def __init__(self, connection: Any, pool: CutPool) -> None:
        self._connection = connection
        self._pool = pool
        self._seen = 0
        self._gone = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._connection, name)
        return self._counted(real) if name in STATEMENTS else real

    def _counted(self, statement: Any) -> Any:
        async def run(*arguments: Any, **options: Any) -> Any:
            if self._gone:
                raise asyncpg.ConnectionDoesNotExistError("the connection is gone")
            cut = self._pool.cut
            self._seen += 1
            if cut is None or self._seen <= cut.statement:
                return await statement(*arguments, **options)
            self._pool.cut = None
            self._pool.cuts += 1
            self._gone = True
            if cut.after:
                await statement(*arguments, **options)
            self._connection.terminate()
            raise Killed if cut.killed else asyncpg.ConnectionDoesNotExistError("cut in the middle of the operation")

        return run
