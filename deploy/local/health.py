"""Waiting for a server to answer, and the error when it does not."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

INTERVAL = 0.1  # seconds
LOG_LINES = 20


class ServerFailed(RuntimeError):
    """A private server did not start; the message ends with what it said last."""


async def until_healthy(
    name: str, healthy: Callable[[], Awaitable[bool]], running: Callable[[], bool], log: Path, patience: float
) -> None:
    """Return when `healthy` says so. Raises ServerFailed when the process ends or `patience` seconds are over."""
    try:
        async with asyncio.timeout(patience):
            while not await healthy():
                if not running():
                    raise ServerFailed(f"{name} ended while starting. The end of {log}:\n{last_lines(log)}")
                await asyncio.sleep(INTERVAL)
    except TimeoutError:
        raise ServerFailed(
            f"{name} did not answer for {patience:.0f} s. The end of {log}:\n{last_lines(log)}"
        ) from None


def last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:]) if log.exists() else "(no log)"
