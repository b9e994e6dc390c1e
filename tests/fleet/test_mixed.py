"""The mixed scenario on the whole fleet: each case once, exact, also with every service killed in the middle."""

from pathlib import Path

import pytest

from deploy.local.mixed.cases import CASES
from deploy.local.stack import STACKS
from tests.fleet.mixed import play

FOLDER: Path = STACKS / "test-mixed"
pytestmark = pytest.mark.timeout(500)


@pytest.mark.parametrize(("seed", "kills"), [(11, False), (12, True)], ids=["untroubled", "every service killed once"])
async def test_each_case_once_ends_exactly_as_expected(seed: int, kills: bool) -> None:
    summary, wrong = await play(len(CASES), seed, FOLDER, kills=kills)
    assert wrong == []
    assert {row.case: row.exact for row in summary.cases} == dict.fromkeys(CASES, 1)
