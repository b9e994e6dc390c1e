"""Broker or database away for long: the worker says which, tries seldom, costs nothing, and comes back by itself."""

import asyncio
import signal
from collections.abc import AsyncIterator

import psutil
import pytest

from deploy.local.ports import free_ports
from tests.conftest import VirtualHost
from tests.integration.outages.outage import causes, ready_metric, readyz
from tests.integration.worker.bench import Bench, bench_at, empty, event, payment, until
from tests.integration.worker.proxy import Proxy, proxied
from tests.integration.worker.test_process import ends, process

MINUTES = [10, pytest.param(180, marks=[pytest.mark.slow, pytest.mark.timeout(400)])]
CPU = 0.05
"""Of one core, at most, while something is away."""
ATTEMPTS = {"broker": (10, 15.0), "database": (24, 0.75)}
"""New connections at most: so many while the backoffs grow, then one in so many seconds. Of the session there is one
in 15 s at least; of the database tick and batch ask, each in 2.5 s at least, and asyncpg knocks twice (TLS, plain)."""


@pytest.fixture
async def bench(prepared: tuple[VirtualHost, str]) -> AsyncIterator[Bench]:
    async with bench_at(*prepared) as one:
        yield one
    await empty(*prepared)


@pytest.mark.parametrize("seconds", MINUTES)
@pytest.mark.parametrize("part", ["broker", "database"])
async def test_part_that_is_away_for_long_costs_nothing_and_is_found_again(
    bench: Bench, part: str, seconds: float
) -> None:
    port = free_ports(1)[0]
    async with proxied(bench.vhost.amqp_url) as broker, proxied(bench.url) as database:
        settings = {
            "FLEET_AMQP_URL": broker.through(bench.vhost.amqp_url),
            "FLEET_DATABASE_URL": database.through(bench.url),
            "FLEET_HEALTH_PORT": str(port),
            "FLEET_LOG_LEVEL": "critical",
        }
        gone = {"broker": broker, "database": database}[part]
        async with process(bench, **settings) as worker:
            await bench.publish(event(payment(payment="P1"), "e1"))
            await until(lambda: len(bench.facts) == 1, 60)
            gone.leave()
            await bench.publish(event(payment(payment="P2"), "e2"))
            await until(lambda: gone.refused > 0, 30, "it tries again")
            await until(lambda: waited_for(port, part), 30)
            assert await ready_metric(port, part) == 0
            used = await cpu_seconds(worker.pid, gone, seconds)
            assert used < CPU * seconds
            first, pace = ATTEMPTS[part]
            assert 1 < gone.refused <= first + seconds / pace
            assert causes(bench) == {"e1"}
            gone.come_back()
            await until(lambda: causes(bench) == {"e1", "e2"}, 60, "the worker comes back by itself")
            await until(lambda: ready(port), 30)
            assert await ready_metric(port, part) == 1
            worker.send_signal(signal.SIGTERM)
            assert await ends(worker) == 0
    assert await bench.tally() == ("P1", "P2")
    assert bench.dead == []


async def cpu_seconds(pid: int, gone: Proxy, seconds: float) -> float:
    """What a process uses in that time, during which something stays away."""
    times = psutil.Process(pid).cpu_times()
    await asyncio.sleep(seconds)  # the length of the outage is what is tested
    after = psutil.Process(pid).cpu_times()
    assert not gone.connections
    return after.user + after.system - times.user - times.system


async def waited_for(port: int, part: str) -> bool:
    status, said = await readyz(port)
    return status == 503 and part in said["for"]


async def ready(port: int) -> bool:
    return (await readyz(port))[0] == 200
