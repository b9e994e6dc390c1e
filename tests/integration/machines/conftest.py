"""State machines run for a few seconds by default; `make machines` runs the profile `deep`."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from deploy.local.stack import Stack
from tests.conftest import PASSWORD, fresh_database
from tests.integration.machines.place import Place, prepare

FINDS = (Phase.explicit, Phase.reuse, Phase.generate)
SHORT = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=20, stateful_step_count=20)
settings.register_profile("short", SHORT, phases=FINDS, print_blob=True)
settings.register_profile("deep", SHORT, max_examples=600, stateful_step_count=40, phases=(*FINDS, Phase.shrink))
"""Only the deep one makes a failing example smaller: that takes minutes."""


@pytest.fixture(scope="session")
async def machine_database(stack: Stack) -> AsyncIterator[str]:
    async with fresh_database(stack.addresses.database_url) as url:
        await prepare(url, PASSWORD)
        yield url


@pytest.fixture
def place(machine_database: str) -> Iterator[Place]:
    one = Place(machine_database, PASSWORD)
    yield one
    one.close()


@pytest.fixture
def bounds() -> settings:
    """The chosen profile, or the short one."""
    deep = settings.get_current_profile_name() == "deep"
    return settings.get_profile("deep" if deep else "short")
