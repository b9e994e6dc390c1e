"""What the tests of the worker and of its partner calls share: one place, prepared once, emptied after each test."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.stack import Stack
from tests.conftest import VirtualHost, fresh_database, fresh_vhost
from tests.integration.worker.bench import prepare


@pytest.fixture(scope="session")
async def prepared(stack: Stack) -> AsyncIterator[tuple[VirtualHost, str]]:
    async with (
        fresh_vhost(stack.addresses) as vhost,
        fresh_database(stack.addresses.database_url) as database,
    ):
        await prepare(vhost, database)
        yield vhost, database
