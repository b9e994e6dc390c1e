from collections.abc import AsyncIterator

import pytest

from tests.conftest import VirtualHost
from tests.integration.worker.bench import Bench, bench_on


@pytest.fixture
async def bench(vhost: VirtualHost, database: str) -> AsyncIterator[Bench]:
    async with bench_on(vhost, database) as one:
        yield one
