"""The whole fleet, every service a process of its own: the happy path, and with services killed in the middle."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from deploy.local.demo import Progress, run
from deploy.local.fleet import Fleet
from deploy.local.stack import STACKS
from deploy.local.summary import Summary
from schemas.catalogue import GATEWAY, SERVICES
from tests.integration.worker.bench import until

FOLDER: Path = STACKS / "test-fleet"
pytestmark = pytest.mark.timeout(400)


def quiet(progress: Progress) -> None:
    pass


def must_be_whole(summary: Summary, orders: int) -> None:
    assert summary.problems == ()
    assert summary.ok
    assert summary.completed == summary.orders == orders
    assert summary.purchase_orders == summary.supplier_nfs == summary.remittance_nfs == summary.invoices
    assert summary.dead_letters == summary.unrouted == 0
    assert summary.ledger_balanced


async def test_demo_of_ten_orders_ends_with_every_count_exact() -> None:
    summary = await run(10, 1, FOLDER, quiet)
    must_be_whole(summary, 10)
    assert json.loads(json.dumps(asdict(summary)))["orders"] == 10, "--json shows it"


async def test_every_service_killed_in_the_middle_changes_nothing() -> None:
    victims = [GATEWAY, *SERVICES]

    async def kill_all(fleet: Fleet, progress: Progress) -> None:
        """One after the other, each while messages flow; the next when the last one has been started again."""
        for number, name in enumerate(victims):
            start = progress.messages
            await until(lambda s=start: progress.messages > s + 30 or finished(progress), 120)
            fleet.kill(name)
            await until(lambda n=number: sum(fleet.restarts.values()) > n, 30)

    summary = await run(30, 2, FOLDER, quiet, meanwhile=kill_all)
    assert summary.restarts == dict.fromkeys(victims, 1), "every kill took effect"
    must_be_whole(summary, 30)


def finished(progress: Progress) -> bool:
    return progress.statuses.get("completed", 0) == progress.orders


async def test_orders_of_another_seed_complete_too() -> None:
    must_be_whole(await run(5, 7, FOLDER, quiet), 5)
