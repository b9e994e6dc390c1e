"""A short run of the chaos suite: a SIGKILL at each step of the cycle, each way of breaking a connection, and most of
what servers and partners can do. `make chaos` runs all of them, with two replicas each."""

import os
from pathlib import Path

import pytest

from deploy.local.stack import STACKS
from schemas.catalogue import BILLING, INTAKE
from tests.chaos.play import Plan, play
from tests.chaos.series import repeat

FOLDER: Path = STACKS / "test-chaos"
SHORT = (
    "kill-gateway-received",
    "kill-gateway-confirmed",
    "kill-order_intake-committed",
    "kill-po_dispatch-saved",
    "kill-po_dispatch-answered",
    "kill-nf_reconciliation-decoded",
    "kill-billing-called",
    "kill-billing-decided",
    "kill-channel_sync-published",
    "kill-control_room-committed",
    "broker-kill",
    "broker-reset",
    "database-kill",
    "database-half-open",
    "gateway-away",
    "partners-slow",
    "partners-error",
    "partners-too-many",
    "partners-late",
    "partners-lost-answer",
    "partners-duplicate-callback",
)
pytestmark = pytest.mark.timeout(500)


@pytest.fixture(autouse=True)
def _servers_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are killed here, also where the settings name real ones."""
    for name in [name for name in os.environ if name.startswith("FLEET_")]:
        monkeypatch.delenv(name)


async def test_fleet_under_faults_loses_nothing_and_does_nothing_twice() -> None:
    plan = Plan(seed=1, orders=10, faults=SHORT, under_way=10, doubled=lambda service: service in (INTAKE, BILLING))
    outcome = await play(plan, FOLDER, print)
    assert outcome.problems == [], repeat(plan)
    assert {name for name, _ in outcome.injected} == set(SHORT)
    assert outcome.ok
