"""The mixed scenario on the whole fleet: each case once, exact, also with every service killed in the middle."""

from pathlib import Path

import pytest

from deploy.local.demo import Progress, Summary, run
from deploy.local.fleet import Fleet
from deploy.local.mixed.cases import CASES
from deploy.local.stack import STACKS
from schemas.catalogue import GATEWAY, SERVICES
from tests.integration.worker.bench import until

FOLDER: Path = STACKS / "test-mixed"
pytestmark = pytest.mark.timeout(500)


def quiet(progress: Progress) -> None:
    pass


def must_be_exact(summary: Summary) -> None:
    assert summary.problems == ()
    assert {row.case: row.exact for row in summary.cases} == dict.fromkeys(CASES, 1)
    assert summary.ok


async def test_each_case_once_ends_exactly_as_expected() -> None:
    must_be_exact(await run(len(CASES), 11, FOLDER, quiet, scenario="mixed"))


async def test_every_service_killed_in_the_middle_changes_no_end() -> None:
    victims = [*SERVICES, GATEWAY]

    async def kill_all(fleet: Fleet, progress: Progress) -> None:
        """One after the other, each while messages flow; the next when the last one has been started again."""
        for number, name in enumerate(victims):
            start = progress.messages
            await until(lambda s=start: progress.messages > s + 100, 120)
            fleet.kill(name)
            await until(lambda n=number: sum(fleet.restarts.values()) > n, 30)

    summary = await run(len(CASES), 12, FOLDER, quiet, scenario="mixed", meanwhile=kill_all)
    assert summary.restarts == dict.fromkeys(victims, 1), "every kill took effect"
    must_be_exact(summary)
