"""Runs one after the other, each with the next seed, on servers that stay up in between: is it so every time?"""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

from deploy.local import stack
from tests.chaos.faults import FAULTS
from tests.chaos.play import Outcome, Plan, Say, play


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and how many seconds it took from servers to check."""

    outcome: Outcome
    seconds: float

    def __str__(self) -> str:
        outcome, summary = self.outcome, self.outcome.summary
        what = f"seed {outcome.plan.seed}: {'passed' if outcome.ok else 'FAILED'}, {self.seconds:.0f} s"
        if summary is not None:
            restarts = sum(summary.restarts.values())
            what += f", {len(outcome.injected)} faults, {restarts} processes started again, {summary.orders} orders"
            what += f", {summary.messages} messages"
        return "\n    ".join((what, *outcome.problems))


async def one(plan: Plan, folder: Path, say: Say) -> Run:
    started = monotonic()
    outcome = await play(plan, folder, say)
    return Run(outcome, monotonic() - started)


async def many(plan: Plan, runs: int, folder: Path, tell: Callable[[str], None], *, go_on: bool = False) -> list[Run]:
    """So many runs with following seeds, or up to the first that fails. `tell` gets a line for each.

    What happened in each is in `runs/seed-N.log` and `.json`; where one failed, the services' logs lie beside them.
    """
    notes = folder / "runs"
    shutil.rmtree(notes, ignore_errors=True)
    notes.mkdir(parents=True)
    done: list[Run] = []
    try:
        for n in range(runs):
            run = await _noted(replace(plan, seed=plan.seed + n, keep=True), folder, notes)
            done.append(run)
            tell(f"{n + 1} of {runs}  {run}")
            if not run.outcome.ok and not go_on:
                break
    finally:
        if not plan.keep:
            async with stack.running(folder):  # whoever leaves last stops them
                pass
    return done


async def _noted(plan: Plan, folder: Path, notes: Path) -> Run:
    name = f"seed-{plan.seed}"
    with (notes / f"{name}.log").open("w") as log:
        started = monotonic()

        def say(what: str) -> None:
            print(f"{monotonic() - started:6.1f} s  {what}", file=log, flush=True)

        run = await one(plan, folder, say)
    (notes / f"{name}.json").write_text(json.dumps(shown(run.outcome), indent=2, ensure_ascii=False))
    if not run.outcome.ok:
        await asyncio.to_thread(shutil.copytree, folder / "logs", notes / f"{name}-logs")
    return run


def summary(runs: list[Run]) -> str:
    """All runs in a line or two; how to repeat the first that failed."""
    failed = [run.outcome for run in runs if not run.outcome.ok]
    faults = sum(len(run.outcome.injected) for run in runs)
    seconds = sum(run.seconds for run in runs)
    text = f"{len(runs) - len(failed)} of {len(runs)} runs passed; {faults} faults in {seconds / 60:.0f} minutes"
    return f"{text}; to repeat the first that failed: {repeat(failed[0].plan)}" if failed else text


def shown(outcome: Outcome) -> dict[str, object]:
    """As a JSON document."""
    plan, found = outcome.plan, outcome.summary
    return {
        "ok": outcome.ok,
        "seed": plan.seed,
        "faults": [{"name": name, "proof": proof} for name, proof in outcome.injected],
        "problems": outcome.problems,
        "upstream": outcome.upstream,
        "wires": outcome.wires,
        "summary": None if found is None else asdict(found) | {"problems": len(found.problems)},
    }


def repeat(plan: Plan) -> str:
    whole = "" if set(plan.faults) == set(FAULTS) else f" --faults {','.join(plan.faults)}"
    minutes = f" --minutes {plan.minutes:g}" if plan.minutes else ""
    replicas = "" if plan.doubled("") else " --replicas 1"
    return f"python -m tests.chaos --seed {plan.seed} --orders {plan.orders}{minutes}{replicas}{whole}"
