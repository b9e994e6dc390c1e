"""`python -m tests.simulation --seed N [--orders K] [--trace]`: one seed again.
`--seeds N [--from M] [--jobs J]`: so many seeds, on all cores.

Exit code 1 where an invariant does not hold; what failed is printed with its seed and its last steps.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from time import monotonic

from tests.simulation.many import Tally, chunks, cores
from tests.simulation.world import Outcome, run

ORDERS = 2
SHOWN = 40
SHOWN_FAILURES = 10


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parse(arguments)
    if asked.seeds is None:
        return _one(asked.seed, asked.orders, asked.trace, asked.json)
    return _many(range(asked.start, asked.start + asked.seeds), asked.orders, asked.jobs or cores(), asked.json)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="one seed")
    which.add_argument("--seeds", type=int, help="so many seeds")
    parser.add_argument("--from", dest="start", type=int, default=0, help="the first of the seeds (0)")
    parser.add_argument("--orders", type=int, default=ORDERS, help=f"orders in each world ({ORDERS}, 30 at most)")
    parser.add_argument("--jobs", type=int, help="processes that run the seeds (as many as there are cores)")
    parser.add_argument("--trace", action="store_true", help="every step of the seed")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON document on stdout")
    return parser.parse_args(arguments)


def _one(seed: int, orders: int, trace: bool, as_json: bool) -> int:
    outcome = run(seed, orders, show=True)
    shown = outcome.last if trace else outcome.last[-SHOWN:] if outcome.problems else []
    _say("\n".join(shown))
    _say(_sentence(outcome))
    if as_json:
        print(
            json.dumps({"seed": seed, "steps": outcome.steps, "digest": outcome.digest, "problems": outcome.problems})
        )
    return 1 if outcome.problems else 0


def _many(seeds: range, orders: int, jobs: int, as_json: bool) -> int:
    began, tally = monotonic(), Tally()
    for part in chunks(seeds, orders, jobs):
        shown = len(tally.failed)
        tally.add(part)
        for seed in sorted(part.failed)[: max(0, SHOWN_FAILURES - shown)]:
            _one(seed, orders, False, False)
        done = tally.totals["seeds"]
        if done % 100 == 0 or done == len(seeds):
            rate = tally.totals["orders"] / (monotonic() - began)
            _say(f"{done}/{len(seeds)} seeds, {len(tally.failed)} failed, {rate:.0f} orders/s")
    summary = {"first_seed": seeds.start, **tally.summary(monotonic() - began)}
    print(json.dumps(summary, indent=2)) if as_json else _say(json.dumps(summary, indent=2))
    return 1 if tally.failed else 0


def _sentence(outcome: Outcome) -> str:
    verdict = "holds" if not outcome.problems else "FAILED:\n  " + "\n  ".join(outcome.problems[:20])
    again = f"python -m tests.simulation --seed {outcome.seed} --orders {outcome.orders} --trace"
    return (
        f"seed {outcome.seed}, {outcome.orders} orders, {outcome.steps} steps, digest {outcome.digest}: {verdict}"
        + (f"\nagain: {again}" if outcome.problems else "")
    )


def _say(text: str) -> None:
    """To people: not on stdout, where the JSON goes."""
    if text:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
