"""Filled databases that take long to fill: one may stay on the bench's private server for the next run."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from shared.migrate import RUNTIME
from tests.conftest import execute, with_path

Fill = Callable[[str], Awaitable[None]]
"""Fills the empty database of a superuser's URL."""


@asynccontextmanager
async def filled(
    superuser_url: str, name: str, made_of: Sequence[object], fill: Fill, keep: bool
) -> AsyncIterator[str]:
    """A superuser's URL of the database: the one that an earlier run kept, or a new one. `made_of` is what a kept one
    must have been made of: folders of migrations and modules by their files' bytes, anything else as it is written."""
    whole = f"{name}_{_digest(made_of)}"
    known = await _databases(superuser_url, name)
    for other in known - {whole}:
        await execute(superuser_url, f"drop database {other} with (force)")
    if whole not in known:
        await execute(superuser_url, f"create database {name}_draft")
        await fill(with_path(superuser_url, f"{name}_draft"))
        await execute(superuser_url, f"alter database {name}_draft rename to {whole}")
    try:
        yield with_path(superuser_url, whole)
    finally:
        if not keep:
            await execute(superuser_url, f"drop database {whole} with (force)")


async def _databases(superuser_url: str, name: str) -> set[str]:
    """Those of the name, drafts that were not finished included."""
    con = await asyncpg.connect(superuser_url)
    try:
        rows = await con.fetch("select datname from pg_database where starts_with(datname, $1)", f"{name}_")
    finally:
        await con.close()
    return {row["datname"] for row in rows}


def _digest(made_of: Sequence[object]) -> str:
    found = hashlib.blake2b(digest_size=6)
    for part in (RUNTIME, *made_of):
        files = [part] if isinstance(part, Path) and part.is_file() else []
        files = sorted(part.glob("*.sql")) if isinstance(part, Path) and part.is_dir() else files
        for file in files:
            found.update(file.read_bytes())
        found.update(b"" if files else str(part).encode())
    return found.hexdigest()
