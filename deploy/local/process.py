"""A server's process: started in a session of its own, found again by a later run, ended.

A process id alone proves nothing, because ids are given out again: a process is ours when it started when ours did.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

CLOCK_TOLERANCE = 2.0  # seconds; the kernel's start times shift a little when the clock is set


class Process(BaseModel):
    """The lasting identity of a process: its id and when it started (seconds since 1970)."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float

    def find(self) -> psutil.Process | None:
        """The running process, or None when it has ended, also if its id belongs to another one now."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > CLOCK_TOLERANCE:
                return None
            if process.status() != psutil.STATUS_ZOMBIE:
                return process
        except psutil.NoSuchProcess:
            return None
        reap(self.pid)
        return None

    async def end(self, request: signal.Signals, patience: float) -> None:
        """Ask it to end with a signal; kill it when it has not after `patience` seconds."""
        if process := self.find():
            process.send_signal(request)
            if await survivors([process], patience):
                await self.kill()
            reap(self.pid)

    async def kill(self) -> None:
        """SIGKILL it and all its descendants, as a crash of the machine would; return when they are gone."""
        if process := self.find():
            family = [process, *process.children(recursive=True)]
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            left = await survivors(family, 20)
            reap(self.pid)
            if left:
                raise RuntimeError(f"processes survived SIGKILL: {left}")


def spawn(command: list[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a server with its output in `log`, in a session of its own: Ctrl-C in the terminal does not reach it."""
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],
    )
    return Process(pid=pid, started=psutil.Process(pid).create_time())


async def survivors(processes: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Those that have not ended after `patience` seconds."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=patience)
    return list(alive)


def reap(pid: int) -> None:
    """Forget an ended child; a process that another one started is not ours to reap."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
