"""Servers that these tests may kill, also where the settings name real ones: started once, emptied after each test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import Rabbitmq
from deploy.local.stack import Addresses, Stack
from shared.broker.link import Delivery
from shared.worker import intake
from tests.conftest import VirtualHost, fresh_database, fresh_vhost
from tests.integration.worker.bench import Bench, bench_at, empty, prepare

Place = tuple[VirtualHost, str]


@pytest.fixture(scope="session")
async def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rabbitmq]:
    own = Rabbitmq(tmp_path_factory.mktemp("outages"))
    try:
        await own.start()
        yield own
    finally:
        await own.stop()


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    folder = tmp_path_factory.mktemp("outages")
    folder.chmod(0o700)
    own = Postgres(folder / "postgres")
    try:
        await own.start()
        yield own
    finally:
        await own.stop()


@pytest.fixture(scope="session")
async def broker_place(stack: Stack, rabbitmq: Rabbitmq) -> AsyncIterator[Place]:
    """A broker of its own beside the database server that other tests use too."""
    own = Addresses(
        amqp_url=rabbitmq.url, management_url=rabbitmq.management_url, database_url=stack.addresses.database_url
    )
    async with fresh_vhost(own) as vhost, fresh_database(own.database_url) as database:
        await prepare(vhost, database)
        yield vhost, database


@pytest.fixture(scope="session")
async def database_place(stack: Stack, postgres: Postgres) -> AsyncIterator[Place]:
    """A database server of its own beside the broker that other tests use too."""
    async with fresh_vhost(stack.addresses) as vhost, fresh_database(postgres.url) as database:
        await prepare(vhost, database)
        yield vhost, database


@pytest.fixture
async def bench_of_broker(broker_place: Place) -> AsyncIterator[Bench]:
    async with bench_at(*broker_place) as one:
        yield one
    await empty(*broker_place)


@pytest.fixture
async def bench_of_database(database_place: Place) -> AsyncIterator[Bench]:
    async with bench_at(*database_place) as one:
        yield one
    await empty(*database_place)


@pytest.fixture
def deliveries(monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    """Every delivery that a session takes, as the broker made it."""
    seen: list[Delivery] = []
    decode = intake.decode  # type: ignore[attr-defined]

    def noting(delivery: Delivery, *rest: Any) -> Any:
        seen.append(delivery)
        return decode(delivery, *rest)

    monkeypatch.setattr(intake, "decode", noting)
    return seen
