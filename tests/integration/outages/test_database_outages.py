"""A database that is away, killed, or refuses: the worker waits with what it has, says so, and goes on by itself."""

import pytest

from deploy.local.ports import free_ports
from deploy.local.postgres import Postgres
from shared.broker.link import Delivery
from tests.conftest import PASSWORD
from tests.integration.outages.outage import (
    broken_saving,
    causes,
    end_connections,
    execute,
    readyz,
    sessions_lost,
)
from tests.integration.worker.bench import NAME, Bench, event, payment, until


@pytest.fixture
def bench(bench_of_database: Bench) -> Bench:
    return bench_of_database


async def test_database_away_at_start_is_waited_for_and_shown(bench: Bench, postgres: Postgres) -> None:
    await bench.publish(event(payment()))
    await postgres.kill()
    port = free_ports(1)[0]
    async with bench.working(health_port=port):
        try:
            await until(lambda: len(bench.health.told("database", "Error")) >= 2)
            assert (await readyz(port))[0] == 503
            assert await bench.queue_depth_is(1), "nothing is taken that could not be stored"
        finally:
            await postgres.start()
        await until(lambda: len(bench.facts) == 1)
        assert (await readyz(port))[0] == 200


async def test_database_killed_in_the_middle_of_work_keeps_the_session_and_loses_nothing(
    bench: Bench, postgres: Postgres, deliveries: list[Delivery]
) -> None:
    await bench.publish(*(event(payment(f"ORD-{n % 50}", f"P{n}"), f"e{n}") for n in range(400)))
    lost = sessions_lost()
    async with bench.working(batch_events=4):
        await until(lambda: len(bench.facts) >= 20)
        await postgres.kill()
        try:
            assert len(bench.facts) < 400
            await until(lambda: bench.health.reasons.get("database"))
        finally:
            await postgres.start()
        await until(lambda: causes(bench) == {f"e{n}" for n in range(400)}, 40)
        await until(lambda: not bench.health.reasons)
        await until(lambda: bench.queue_depth_is(0))
        assert sessions_lost() == lost
    assert len(bench.facts) == 400, "nothing was said twice"
    assert len(deliveries) == 400
    assert not any(d.redelivered for d in deliveries)
    for order in range(50):
        assert await bench.tally(f"ORD-{order}") == tuple(f"P{n}" for n in range(order, 400, 50))


async def test_database_lost_while_idle_shows_and_comes_back(bench: Bench, postgres: Postgres) -> None:
    async with bench.working():
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1)
        await postgres.kill()
        try:
            await until(lambda: bench.health.reasons, why="no event is needed to see it")
        finally:
            await postgres.start()
        await until(lambda: not bench.health.reasons)


WAITS = ("08006", "25006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "58030")


async def test_each_passing_error_of_the_database_is_waited_out_with_the_same_delivery(
    bench: Bench, deliveries: list[Delivery]
) -> None:
    lost = sessions_lost()
    async with broken_saving(bench), bench.working():
        for state in WAITS:
            await execute(bench, f"update public.broken set state = '{state}'")
            await bench.publish(event(payment(payment=state)))
            await until(lambda s=state: bench.health.told("database", s), why=state)
            await execute(bench, "update public.broken set state = null")
            await until(lambda s=state: len(bench.facts) == WAITS.index(s) + 1, why=state)
        await until(lambda: not bench.health.reasons)
    assert sessions_lost() == lost
    assert [d.redelivered for d in deliveries] == [False] * len(WAITS)
    assert await bench.tally() == WAITS
    assert bench.dead == []


async def test_connections_that_the_database_ends_are_replaced(bench: Bench, deliveries: list[Delivery]) -> None:
    await bench.publish(*(event(payment(payment=f"P{n}"), f"e{n}") for n in range(100)))
    ended = []
    async with bench.working(batch_events=2):
        for seen in (10, 40):
            await until(lambda s=seen: len(bench.facts) >= s)
            ended.append(await end_connections(bench))
        assert len(bench.facts) < 100
        await until(lambda: len(causes(bench)) == 100)
    assert min(ended) >= 1
    assert await bench.tally() == tuple(f"P{n}" for n in range(100))
    assert not any(d.redelivered for d in deliveries)


SETUP = ("28000", "3F000", "42501")


async def test_wrong_set_up_is_shown_and_waited_out_with_the_same_delivery(
    bench: Bench, deliveries: list[Delivery]
) -> None:
    """A new session each time would count as a delivery: the message would die of what is not its fault."""
    async with broken_saving(bench), bench.working():
        for state in SETUP:
            await execute(bench, f"update public.broken set state = '{state}'")
            await bench.publish(event(payment(payment=state)))
            await until(lambda s=state: len(bench.health.told("setup", s)) >= 3, why=state)
            assert bench.health.reasons.get("setup")
            await execute(bench, "update public.broken set state = null")
            await until(lambda s=state: len(bench.facts) == SETUP.index(s) + 1, why=state)
        await until(lambda: not bench.health.reasons)
    assert bench.dead == []
    assert [d.redelivered for d in deliveries] == [False] * len(SETUP)
    assert await bench.tally() == SETUP


async def test_wrong_password_is_shown_and_work_goes_on_when_it_is_mended(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment(payment="P1")))
        await until(lambda: len(bench.facts) == 1)
        await execute(bench, f"alter role fleet_{NAME} password 'another'")
        try:
            await end_connections(bench)
            await bench.publish(event(payment(payment="P2")))
            await until(lambda: any("28P01" in why or "password" in why for why in bench.health.reasons.values()))
            assert len(bench.facts) == 1
        finally:
            await execute(bench, f"alter role fleet_{NAME} password '{PASSWORD}'")
        await until(lambda: len(bench.facts) == 2)
        await until(lambda: not bench.health.reasons)
    assert await bench.tally() == ("P1", "P2")


async def test_wrong_password_at_start_is_shown_and_waited_out(bench: Bench) -> None:
    await bench.publish(event(payment()))
    await execute(bench, f"alter role fleet_{NAME} password 'another'")
    async with bench.working():
        try:
            await until(lambda: len(bench.health.told("database", "password")) >= 2)
        finally:
            await execute(bench, f"alter role fleet_{NAME} password '{PASSWORD}'")
        await until(lambda: len(bench.facts) == 1)
