"""Time and turns. Everything that happens is a task's step or a timer; which one comes next, the seed decides.

Tasks are generators: whatever lies between two `yield`s happens at once, and at a `yield` the world may end for them.
"""

import heapq
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from zlib import crc32

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
IDLE: Final = "idle"
"""What a task yields that has nothing to do until somebody wakes it. It has looked for that since it last went on, so
that whoever wakes a task that is awake need not be remembered."""
OVER: Final = "over"
"""Where a task is that has ended."""
Steps = Generator[str, None, None]


class Task:
    """One thread of steps; `at` is where it stands."""

    __slots__ = ("at", "awake", "name", "number", "over", "steps")

    def __init__(self, number: int, name: str, steps: Steps) -> None:
        self.number = number
        self.name = name
        self.steps = steps
        self.at = "begun"
        self.awake = False
        self.over = False


class Scheduler:
    """Seconds since `START`, the tasks that could go on, and what is to happen later."""

    def __init__(self, random: Random, tick: float = 0.01) -> None:
        self.random = random
        self._random = random.random
        self.seconds = 0.0
        self._tick = tick
        self._now, self._now_at = START, 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._awake: list[Task] = []
        self.steps = 0
        self.digest = 0
        """Of who went on in which order, and where to."""
        self.starved = ""
        """Tasks whose name begins so get a turn only when nobody else wants one."""
        self.quiet: Callable[[], None] = lambda: None
        """Told when no task can go on, before time is let pass: it may wake some."""
        self.told: Callable[[Task], None] | None = None
        """Told of each task that went on and did something."""

    @property
    def now(self) -> datetime:
        if self._now_at != self.seconds:
            self._now_at, self._now = self.seconds, START + timedelta(seconds=self.seconds)
        return self._now

    def spawn(self, name: str, steps: Steps) -> Task:
        self._count += 1
        task = Task(self._count, name, steps)
        self.wake(task)
        return task

    def wake(self, task: Task) -> None:
        if not task.awake and not task.over:
            task.awake = True
            self._awake.append(task)

    def end(self, task: Task) -> None:
        """Cuts the task off where it stands, as a crash does: it only gives back what it holds."""
        task.over = True
        if task.awake:
            task.awake = False
            self._awake.remove(task)
        task.steps.close()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._timers, (self.seconds + seconds, self._count, do))

    def run(self, before: int) -> bool:
        """Step by step, up to the one of this number. False: nothing is left to happen, which takes a step to see."""
        awake, timers, random, tick = self._awake, self._timers, self._random, self._tick
        steps, digest = self.steps, self.digest
        try:
            while (steps := steps + 1) < before:
                self.seconds += tick
                if not awake:
                    self.quiet()
                if timers and (not awake or timers[0][0] <= self.seconds):
                    self._fire()
                    continue
                if not awake:
                    return False
                place = self._pick() if self.starved else int(random() * len(awake))
                task = awake[place]
                at = task.at = next(task.steps, OVER)
                if at is IDLE:
                    self._sleep(task, place)
                    continue
                digest = crc32(at.encode(), digest + task.number)
                if self.told is not None:
                    self.told(task)
                if at is OVER:
                    task.over = True
                    self._sleep(task, place)
            steps -= 1
            return True
        finally:
            self.steps, self.digest = steps, digest

    def _fire(self) -> None:
        due, _, do = heapq.heappop(self._timers)
        self.seconds = max(self.seconds, due)
        do()

    def _pick(self) -> int:
        place = int(self.random.random() * len(self._awake))
        if self._awake[place].name.startswith(self.starved):
            fed = [n for n, task in enumerate(self._awake) if not task.name.startswith(self.starved)]
            place = self.random.choice(fed) if fed else place
        return place

    def _sleep(self, task: Task, place: int) -> None:
        """The task's own step may have changed the list, but only at its end."""
        last = self._awake.pop()
        if last is not task:
            self._awake[place] = last
        task.awake = False
