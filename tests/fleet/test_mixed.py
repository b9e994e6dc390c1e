"""The mixed scenario on the whole fleet: each case once, exact, also with every service killed in the middle."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from deploy.local.mixed.cases import CASES
from deploy.local.stack import STACKS
from tests.fleet.mixed import play
from tests.fleet.moves import Move, unseen

FOLDER: Path = STACKS / "test-mixed"


@pytest.mark.timeout(900)
async def test_each_case_ends_exactly_as_expected_and_together_they_make_every_move_of_the_table() -> None:
    """Untroubled, and with every service killed once: then a fact may overtake another, and a status is passed over."""
    seen: set[Move] = set()
    for seed, kills in ((11, False), (12, True)):
        summary, wrong = await play(len(CASES), seed, FOLDER, kills=kills)
        assert wrong == [], f"every service killed once: {kills}"
        assert {row.case: row.exact for row in summary.cases} == dict.fromkeys(CASES, 1)
        assert [*map(tuple, json.loads(json.dumps(asdict(summary)))["moves"])] == [*summary.moves], "--json has them"
        seen |= {*summary.moves}
    assert unseen(seen) == set()
