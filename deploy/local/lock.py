"""Locks on a stack's folder: one process at a time changes it, and the last one that uses it may stop it."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PATIENCE = 600.0  # seconds; the first start may install a package
INTERVAL = 0.05


@asynccontextmanager
async def exclusive(path: Path) -> AsyncIterator[None]:
    """Hold the lock file for the block. Raises TimeoutError when another process keeps it for ten minutes."""
    async with asyncio.timeout(PATIENCE):
        while (descriptor := attempt(path)) is None:  # noqa: ASYNC110 (the other holder is another process)
            await asyncio.sleep(INTERVAL)
    try:
        yield
    finally:
        os.close(descriptor)


def attempt(path: Path) -> int | None:
    """The descriptor of the locked file, or None when another has it, or when it was removed meanwhile."""
    descriptor = opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


class Use:
    """This process uses the folder's servers, and so others leave them running when they go."""

    def __init__(self, path: Path) -> None:
        self.descriptor = opened(path)
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def end(self) -> bool:
        """Whether this was the last use. Call it once."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(self.descriptor)
        return True
