"""Waiting longer after each failure, never in step with others.

>>> [round(ceiling(n), 1) for n in range(6)]
[0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
>>> ceiling(50)
30.0
"""

import asyncio
import random

FIRST = 0.2
LONGEST = 30.0
LONGEST_AWAY = 5.0
"""Seconds between two looks at a database that is away, at most: the work waits in memory for it."""


def ceiling(failures: int, first: float = FIRST, longest: float = LONGEST) -> float:
    """The longest wait in seconds after so many failures."""
    return float(min(longest, first * 2.0 ** min(failures, 40)))


def jittered(failures: int, first: float = FIRST, longest: float = LONGEST) -> float:
    """A wait in seconds between half the ceiling and the ceiling."""
    return ceiling(failures, first, longest) * random.uniform(0.5, 1.0)


class Backoff:
    """Counts failures in a row."""

    def __init__(self, first: float = FIRST, longest: float = LONGEST) -> None:
        self.failures = 0
        self._first = first
        self._longest = longest

    def reset(self) -> None:
        self.failures = 0

    async def wait(self) -> None:
        seconds = jittered(self.failures, self._first, self._longest)
        self.failures += 1
        await asyncio.sleep(seconds)
