"""A bench for each test, on what all of them share."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import VirtualHost
from tests.integration.partner.partner import Partner, serving
from tests.integration.worker.bench import Bench, bench_at, empty


@pytest.fixture
async def bench(prepared: tuple[VirtualHost, str]) -> AsyncIterator[Bench]:
    async with bench_at(*prepared) as one:
        yield one
    await empty(*prepared)


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with serving() as one:
        yield one
