"""CPU and memory of the processes of a fleet and of its servers, as the kernel counts them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process, with all that it started, has used so far."""

    cpu: float
    """Seconds, user and system."""
    resident_mb: float
    """At the moment. A database's backends share memory, which is counted once in each."""


def usage(process: psutil.Process, *, alone: bool = False) -> Usage:
    """With its children: those that run, and those that have ended and were waited for."""
    own = process.cpu_times()
    if alone:
        return Usage(own.user + own.system, process.memory_info().rss / 1e6)
    cpu = own.user + own.system + own.children_user + own.children_system
    resident = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            times = child.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            resident += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return Usage(cpu, resident / 1e6)


def of_all(processes: Mapping[str, psutil.Process]) -> dict[str, Usage]:
    """Of this process itself only what it does alone: the others are its children."""
    return {name: usage(process, alone=process.pid == os.getpid()) for name, process in processes.items()}


def cpu_between(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Seconds of CPU that each process used."""
    return {name: after[name].cpu - before[name].cpu for name in after}
