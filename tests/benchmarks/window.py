"""The part of a run that is measured: after so many warm-up events, until the last one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil

from tests.benchmarks.usage import usage

BURST = 0.005
"""Seconds: what comes this soon after the warm-up's last event came with it, and is not counted as done since then."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave."""

    per_second: float
    cpu_us: float
    """CPU of the worker processes, user and system, per event."""
    peak_mb: float
    """Resident memory of the largest worker process at its highest."""
    system_us: float = 0.0
    """CPU of worker, broker and database per event: what else the machine does is not in it."""


class Window:
    """Counts events as they are done and takes time and CPU at both ends."""

    def __init__(
        self, warm: int, total: int, *processes: psutil.Process, servers: Sequence[psutil.Process] = ()
    ) -> None:
        self._warm = warm
        self._total = total
        self._processes = processes
        self._servers = servers
        self._begun = self._ended = (0.0, 0.0, 0.0)
        self._from = 0
        self.done = 0

    @property
    def over(self) -> bool:
        return self.done >= self._total

    def count(self, events: int) -> None:
        """So many more events are done."""
        was_over = self.over
        self.done += events
        now = perf_counter()
        if not self._from and self.done >= self._warm:
            self._begun = (now, self._cpu(), self._cpu_of_servers())
        if self.done >= self._warm and now - self._begun[0] < BURST:
            self._from = self.done
        if self.over and not was_over:
            self._ended = (now, self._cpu(), self._cpu_of_servers())

    def _cpu(self) -> float:
        return sum(float(t.user + t.system) for t in (process.cpu_times() for process in self._processes))

    def _cpu_of_servers(self) -> float:
        return sum(usage(server).cpu for server in self._servers)

    def figures(self) -> Figures:
        events = self.done - self._from
        seconds, cpu, servers = (end - begin for begin, end in zip(self._begun, self._ended, strict=True))
        peak = max(peak_mb(p) for p in self._processes)
        return Figures(events / seconds, cpu / events * 1e6, peak, (cpu + servers) / events * 1e6)


def peak_mb(process: psutil.Process) -> float:
    """The most that was resident since the process began, in MB. (rusage's maximum would include its parent's.)"""
    status = Path(f"/proc/{process.pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) * 1024 / 1e6
