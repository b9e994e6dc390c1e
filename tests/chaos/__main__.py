"""`python -m tests.chaos`: the whole fleet under load while things break.

Exit code 0 only if every fault took effect, and nothing was lost or done twice.
"""

import argparse
import asyncio
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from deploy.local.stack import STACKS
from tests.chaos.faults import FAULTS
from tests.chaos.play import Outcome, Plan, names_of, play


def main() -> None:
    asked = _asked()
    seed = random.randrange(1, 9000) if asked.seed is None else asked.seed
    started = monotonic()

    def say(what: str) -> None:
        print(f"{monotonic() - started:6.1f} s  {what}", file=sys.stderr, flush=True)

    try:
        faults = tuple(dict.fromkeys(names_of(asked.faults.split(",")))) if asked.faults else tuple(FAULTS)
    except KeyError as unknown:
        sys.exit(f"no fault begins with {unknown}; there are: {', '.join(FAULTS)}")
    plan = Plan(
        seed=seed,
        orders=asked.orders,
        faults=faults,
        minutes=asked.minutes,
        doubled=lambda service: asked.replicas > 1,
        keep=asked.keep,
    )
    say(f"seed {seed}, {len(faults)} faults")
    outcome = asyncio.run(play(plan, asked.folder, say))
    print(json.dumps(shown(outcome), indent=2, ensure_ascii=False))
    if not outcome.ok:
        say(f"FAILED; to repeat it: {repeat(plan)}; logs in {asked.folder / 'logs'}")
        sys.exit(1)
    say("nothing was lost, nothing was done twice")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="the same seed makes the same orders and schedule (default: random)")
    parser.add_argument("--orders", type=int, default=100, help="at least so many; more while faults go on")
    parser.add_argument("--minutes", type=float, default=0.0, help="repeat the faults for so long (default: once)")
    parser.add_argument("--faults", default="", help=f"names or beginnings of names, with commas: {', '.join(FAULTS)}")
    parser.add_argument("--replicas", type=int, choices=(1, 2), default=2, help="of each service")
    parser.add_argument("--folder", type=Path, default=STACKS / "chaos")
    parser.add_argument("--keep", action="store_true", help="leave the servers up for a look")
    return parser.parse_args()


def shown(outcome: Outcome) -> dict[str, object]:
    plan, summary = outcome.plan, outcome.summary
    return {
        "ok": outcome.ok,
        "seed": plan.seed,
        "faults": [{"name": name, "proof": proof} for name, proof in outcome.injected],
        "problems": outcome.problems,
        "upstream": outcome.upstream,
        "wires": outcome.wires,
        "summary": None if summary is None else asdict(summary) | {"problems": len(summary.problems)},
    }


def repeat(plan: Plan) -> str:
    whole = "" if set(plan.faults) == set(FAULTS) else f" --faults {','.join(plan.faults)}"
    minutes = f" --minutes {plan.minutes:g}" if plan.minutes else ""
    replicas = "" if plan.doubled("") else " --replicas 1"
    return f"python -m tests.chaos --seed {plan.seed} --orders {plan.orders}{minutes}{replicas}{whole}"


if __name__ == "__main__":
    main()
