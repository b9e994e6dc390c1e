"""Many seeds on all cores: chunk by chunk in processes of their own, reported in the order of the seeds."""

import gc
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from time import process_time
from typing import Any

from tests.simulation.world import run

CHUNK = 10
YOUNG = 100_000
"""Objects that come before the collector looks for garbage among them."""


def cores() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(slots=True)
class Tally:
    """How some seeds went."""

    totals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    failed: dict[int, list[str]] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        self.totals.update(other.totals)
        self.faults.update(other.faults)
        self.failed |= other.failed
        self.cpu_seconds += other.cpu_seconds

    def summary(self, seconds: float) -> dict[str, Any]:
        orders = self.totals["orders"]
        return {
            **self.totals,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "orders_per_second": round(orders / seconds, 1),
            "orders_per_cpu_second": round(orders / max(self.cpu_seconds, 1e-9), 1),
            "failed": {str(seed): problems[:3] for seed, problems in sorted(self.failed.items())},
            "faults": dict(sorted(self.faults.items())),
        }


def chunks(seeds: range, orders: int, jobs: int) -> Iterator[Tally]:
    """The seeds' outcomes, some at a time, in their order; the same whatever `jobs` is."""
    _settle()
    asked = [(seeds[at : at + CHUNK], orders) for at in range(0, len(seeds), CHUNK)]
    if jobs == 1:
        yield from map(_chunk, asked)
        return
    with get_context("fork").Pool(min(jobs, len(asked))) as pool:
        yield from pool.imap(_chunk, asked)


def _chunk(asked: tuple[Sequence[int], int]) -> Tally:
    seeds, orders = asked
    tally, began = Tally(), process_time()
    for seed in seeds:
        outcome = run(seed, orders)
        tally.totals.update(seeds=1, orders=outcome.orders, steps=outcome.steps, messages=outcome.messages)
        tally.faults += outcome.faults
        if outcome.problems:
            tally.failed[seed] = outcome.problems
    tally.cpu_seconds = process_time() - began
    return tally


def _settle() -> None:
    """Before the processes part: the collector need not look through all the code that is there for each world."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
