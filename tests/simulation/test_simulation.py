"""A few hundred of the seeds; `make simulation` runs ten thousand. A failing one prints how to see it again."""

import gc
import json
import os
import subprocess
import sys
import weakref
from typing import Any

import pytest

from schemas.sourcing import SourcingRetryDue
from tests.simulation.__main__ import main
from tests.simulation.event import Saying
from tests.simulation.invariants import Invariants, Violated
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.replica import Replica
from tests.simulation.scheduler import START
from tests.simulation.store import Store
from tests.simulation.world import Parts, World, run

CHUNKS, SEEDS, ORDERS = 8, 25, 2
ENOUGH = 40
"""Seeds within which every mutant is caught; most need fewer than five."""


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_orders_reach_their_end_whatever_happens_on_the_way(chunk: int) -> None:
    for seed in range(chunk * SEEDS, (chunk + 1) * SEEDS):
        outcome = run(seed, ORDERS)
        assert not outcome.problems, (
            f"seed {seed}: {outcome.problems[:5]}; "
            f"see `python -m tests.simulation --seed {seed} --orders {ORDERS} --trace`"
        )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_part_is_noticed_within_few_seeds(mutant: Mutant) -> None:
    parts = mutant.parts()
    assert any(run(seed, ORDERS, parts).problems for seed in range(ENOUGH))


def test_what_a_commit_says_again_is_noticed_though_it_is_the_same() -> None:
    invariants, saying = Invariants(), Saying("po_dispatch", START, wire=False)
    saying.add(SourcingRetryDue(order_id="O-1"), id="once")
    invariants.hear(saying.events)
    with pytest.raises(Violated, match="said by two commits"):
        invariants.hear(saying.events)


def test_the_same_seed_gives_the_same_trace() -> None:
    first, again = World(11, ORDERS, show=True).run(), World(11, ORDERS, show=True).run()
    assert first.last == again.last
    assert (first.digest, first.steps) == (again.digest, again.steps)
    assert run(11, ORDERS).digest == first.digest
    assert run(12, ORDERS).digest != first.digest


def test_another_process_sees_the_same_trace() -> None:
    """Nothing depends on the order of sets or dicts of strings, which differs from process to process."""
    command = [sys.executable, "-m", "tests.simulation", "--seed", "11", "--orders", str(ORDERS), "--json"]
    said = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert json.loads(said.stdout)["digest"] == run(11, ORDERS).digest


def test_seeds_inject_every_kind_of_fault() -> None:
    outcomes = [run(seed, ORDERS) for seed in range(40)]
    faults = set().union(*(outcome.faults for outcome in outcomes))
    places = ("handling taken", "handling decided", "handling committed", "sending published", "sending publishing")
    assert {f"killed: {place}" for place in places} <= faults
    assert {"duplicated", "delayed", "starved", "cut off: sending publishing"} <= faults


def test_a_world_whose_seed_is_over_leaves_nothing_to_the_garbage_collector() -> None:
    """Looking through many worlds for it took up to a tenth of the time."""
    seen: list[weakref.ref[Any]] = []

    class WatchedStore(Store):
        def __init__(self, *of: Any) -> None:
            super().__init__(*of)
            seen.append(weakref.ref(self))

    class WatchedReplica(Replica):
        def __init__(self, *of: Any) -> None:
            super().__init__(*of)
            seen.append(weakref.ref(self))

    gc.disable()
    try:
        run(11, ORDERS, Parts(store=WatchedStore, replica=WatchedReplica))
        assert seen
        assert [part() for part in seen if part() is not None] == []
    finally:
        gc.enable()


def test_command_line_says_how_a_seed_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", "--orders", "1", "--json"]) == 0
    assert '"failed": {}' in capsys.readouterr().out
