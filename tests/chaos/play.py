"""One run: orders flow, faults come in a seeded order, and at the end the ledger is checked."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from deploy.local.summary import Summary
from tests.chaos import ledger
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.field import Field, prepared

STALLED_SECONDS = 75.0
"""Without a new message for so long, after the last fault, the run is given up and checked as it is."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen. The same seed makes the same orders and the same schedule."""

    seed: int
    orders: int
    faults: tuple[str, ...]
    under_way: int = 20
    """Orders that are kept on their way while things break."""
    minutes: float = 0.0
    """The schedule is repeated in another order until so many minutes are over."""
    doubled: Callable[[str], bool] = lambda service: True
    """Which services have two replicas."""
    keep: bool = False
    """Whether the servers stay up."""

    def lanes(self, round: int) -> dict[str, list[Fault]]:
        """Faults by lane, in the order of this round."""
        chosen = [FAULTS[name] for name in self.faults]
        Random(f"{self.seed}/{round}").shuffle(chosen)
        chosen = _in_turns(chosen)
        return {lane: [f for f in chosen if f.lane == lane] for lane in dict.fromkeys(f.lane for f in chosen)}


def _in_turns(faults: Sequence[Fault]) -> list[Fault]:
    """Nobody is the victim for the second time before everybody was it once, and so on."""
    before: Counter[str] = Counter()
    turns = []
    for fault in faults:
        turns.append((before[fault.victim], fault))
        before[fault.victim] += bool(fault.victim)
    return [fault for _, fault in sorted(turns, key=lambda one: one[0])]


@dataclass(slots=True)
class Outcome:
    """What happened. `injected`: the proof of each fault, in the order of their ends."""

    plan: Plan
    injected: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    summary: Summary | None = None
    upstream: dict[str, int] = field(default_factory=dict)
    wires: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        wanted = set(self.plan.faults)
        return not self.problems and self.summary is not None and {name for name, _ in self.injected} >= wanted


async def play(plan: Plan, folder: Path, say: Say) -> Outcome:
    """Everything from servers to check. Raises what starting servers or services raises."""
    outcome = Outcome(plan)
    say("starting servers and services")
    async with prepared(folder, plan.seed, plan.doubled, keep=plan.keep) as ground:
        say("orders on their way")
        started = monotonic()
        async with _beside(ground.watch()), _beside(ground.mend()), _beside(_tell(ground, say)):
            feeding = asyncio.create_task(ground.feed(plan.orders, plan.under_way))
            await _break_things(plan, ground, outcome, say)
            ground.feeding = False
            await feeding
            say("all faults are over; waiting for the last order")
            seconds = await _until_done(ground, started)
        say("checking the ledger")
        outcome.summary, problems = await ledger.check(ground, seconds)
        outcome.problems += problems
        outcome.problems += _careful_upstream(ground)
        outcome.upstream = ground.upstream.counts()
        outcome.wires = {name: dict(wire.injected) for name, wire in ground.wires.items() if wire.injected}
        say("stopping services and servers")
    return outcome


async def _break_things(plan: Plan, ground: Field, outcome: Outcome, say: Say) -> None:
    """All lanes side by side, round after round."""
    end = monotonic() + plan.minutes * 60
    round = 0
    while True:
        lanes = plan.lanes(round)
        await asyncio.gather(*(_lane(plan, round, faults, ground, outcome, say) for faults in lanes.values()))
        round += 1
        if monotonic() >= end:
            return


async def _lane(plan: Plan, round: int, faults: Sequence[Fault], ground: Field, outcome: Outcome, say: Say) -> None:
    for fault in faults:
        random = Random(f"{plan.seed}/{round}/{fault.name}")
        started = monotonic()
        try:
            proof = await fault.inject(ground, random)
        except Exception as error:
            outcome.problems.append(f"{fault.name} was not injected: {type(error).__name__}: {error}")
            say(outcome.problems[-1])
            continue
        outcome.injected.append((fault.name, proof))
        say(f"{fault.name} ({monotonic() - started:.1f} s): {proof}")


async def _until_done(ground: Field, started: float) -> float:
    """Seconds until every order is completed and nothing is under way, or until nothing moves any more."""
    ground.moved_at = monotonic()
    while monotonic() - ground.moved_at < STALLED_SECONDS:
        if ground.completed == len(ground.placed) and not await ground.open_work():
            break
        await asyncio.sleep(0.25)
    return monotonic() - started


def _careful_upstream(ground: Field) -> list[str]:
    """The input's faults are that it is doubled, shuffled, packed and now and then wrong; it must have been."""
    counts = ground.upstream.counts()
    return [f"the input had no {what}" for what in ("doubles", "out_of_order", "packs", "wrong") if not counts[what]]


async def _tell(ground: Field, say: Say) -> None:
    while True:
        await asyncio.sleep(5)
        under_way = ", ".join(f"{n} {s}" for s, n in sorted(ground.statuses.items()) if s != "completed")
        say(f"  {ground.completed} of {len(ground.placed)} completed, {ground.messages} messages; {under_way}")


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def names_of(patterns: Sequence[str]) -> Iterator[str]:
    """The faults that begin with one of the patterns. KeyError: nothing does."""
    for pattern in patterns:
        found = [name for name in FAULTS if name.startswith(pattern)]
        if not found:
            raise KeyError(pattern)
        yield from found
