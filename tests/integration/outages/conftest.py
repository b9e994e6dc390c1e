"""Servers that these tests may kill, also where the settings name real ones: started once, emptied after each test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.stack import Stack, running
from shared.broker.link import Delivery
from shared.worker import session
from tests.conftest import VirtualHost, fresh_database, fresh_vhost
from tests.integration.worker.bench import Bench, bench_at, empty, prepare


@pytest.fixture(scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("outages")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AMQP_URL", "MANAGEMENT_URL", "DATABASE_URL"):
            patch.delenv(f"FLEET_{name}", raising=False)
        async with running(folder) as stack:
            yield stack


@pytest.fixture(scope="session")
async def own_place(own: Stack) -> AsyncIterator[tuple[VirtualHost, str]]:
    async with fresh_vhost(own.addresses) as vhost, fresh_database(own.addresses.database_url) as database:
        await prepare(vhost, database)
        yield vhost, database


@pytest.fixture
async def bench(own_place: tuple[VirtualHost, str]) -> AsyncIterator[Bench]:
    async with bench_at(*own_place) as one:
        yield one
    await empty(*own_place)


@pytest.fixture
def deliveries(monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    """Every delivery that a session takes, as the broker made it."""
    seen: list[Delivery] = []
    decode = session.decode

    def noting(delivery: Delivery, *rest: Any) -> Any:
        seen.append(delivery)
        return decode(delivery, *rest)

    monkeypatch.setattr(session, "decode", noting)
    return seen
