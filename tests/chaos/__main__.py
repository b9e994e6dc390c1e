"""`python -m tests.chaos`: the whole fleet under load while things break.

Exit code 0 only if every fault took effect, and nothing was lost or done twice; with --runs: in every run.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
from pathlib import Path
from time import monotonic

from deploy.local.stack import STACKS
from tests.chaos.faults import FAULTS
from tests.chaos.play import Plan, names_of
from tests.chaos.series import many, one, repeat, shown, summary


def main() -> None:
    asked = _asked()
    logging.getLogger("aiormq").propagate = False  # that connections are lost is no news here
    logging.getLogger("aiormq").addHandler(logging.NullHandler())
    try:
        faults = tuple(dict.fromkeys(names_of(asked.faults.split(",")))) if asked.faults else tuple(FAULTS)
    except KeyError as unknown:
        sys.exit(f"no fault begins with {unknown}; there are: {', '.join(FAULTS)}")
    plan = Plan(
        seed=random.randrange(1, 9000) if asked.seed is None else asked.seed,
        orders=asked.orders,
        faults=faults,
        minutes=asked.minutes,
        doubled=lambda service: asked.replicas > 1,
        keep=asked.keep,
    )
    ok = _single(plan, asked.folder) if asked.runs == 1 else _series(plan, asked)
    sys.exit(0 if ok else 1)


def _single(plan: Plan, folder: Path) -> bool:
    started = monotonic()

    def say(what: str) -> None:
        print(f"{monotonic() - started:6.1f} s  {what}", file=sys.stderr, flush=True)

    say(f"seed {plan.seed}, {len(plan.faults)} faults")
    outcome = asyncio.run(one(plan, folder, say)).outcome
    print(json.dumps(shown(outcome), indent=2, ensure_ascii=False))
    if outcome.ok:
        say("nothing was lost, nothing was done twice")
    else:
        say(f"FAILED; to repeat it: {repeat(plan)}; logs in {folder / 'logs'}")
    return outcome.ok


def _series(plan: Plan, asked: argparse.Namespace) -> bool:
    def tell(line: str) -> None:
        print(line, flush=True)

    tell(f"{asked.runs} runs of {len(plan.faults)} faults from seed {plan.seed} on; notes in {asked.folder / 'runs'}")
    runs = asyncio.run(many(plan, asked.runs, asked.folder, tell, go_on=asked.go_on))
    tell(summary(runs))
    return len(runs) == asked.runs and all(run.outcome.ok for run in runs)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="the same seed makes the same orders and schedule (default: random)")
    parser.add_argument("--runs", type=int, default=1, help="so many runs, each with the next seed; a line for each")
    parser.add_argument("--go-on", action="store_true", help="with --runs: also after one that failed")
    parser.add_argument("--orders", type=int, default=100, help="at least so many; more while faults go on")
    parser.add_argument("--minutes", type=float, default=0.0, help="repeat the faults for so long (default: once)")
    parser.add_argument("--faults", default="", help=f"names or beginnings of names, with commas: {', '.join(FAULTS)}")
    parser.add_argument("--replicas", type=int, choices=(1, 2), default=2, help="of each service")
    parser.add_argument("--folder", type=Path, default=STACKS / "chaos")
    parser.add_argument("--keep", action="store_true", help="leave the servers up for a look")
    return parser.parse_args()


if __name__ == "__main__":
    main()
