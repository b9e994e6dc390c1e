"""The locks of a batch, and the transaction that holds them."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from asyncpg import Connection


@asynccontextmanager
async def locked(con: Connection, service: str, keys: Iterable[str]) -> AsyncIterator[None]:
    """A transaction that holds the keys' advisory locks, taken in one order everywhere.

    The locks are a statement of their own: under READ COMMITTED the next one sees what their last holder committed.
    It goes with BEGIN in one round trip.
    """
    salt = hashlib.blake2b(service.encode(), digest_size=8).digest()
    hashes = sorted({_hash(key, salt) for key in keys})
    try:
        await con.execute(
            f"begin; select count(pg_advisory_xact_lock(k)) from unnest('{{{','.join(map(str, hashes))}}}'::bigint[]) k"
        )
        yield
    except BaseException:
        with suppress(Exception):  # what went wrong first counts (a cancellation above all); the pool drops the rest
            await con.execute("rollback")
        raise
    await con.execute("commit")


def _hash(key: str, salt: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, salt=salt).digest(), "big", signed=True)
