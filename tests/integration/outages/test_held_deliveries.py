"""What a worker takes and does not get done with: the broker takes it back after a while, and counts it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.local.stack import Stack
from shared.broker.link import Delivery
from tests.integration.outages.outage import sessions_lost
from tests.integration.worker.bench import Bench, event, payment, service, until
from tests.integration.worker.test_failures import Switch

PATIENCE = 4
"""Seconds that a consumer may keep a delivery here; RabbitMQ's default is half an hour."""


@asynccontextmanager
async def impatient(own: Stack) -> AsyncIterator[None]:
    """Channels opened in the block are closed when they keep a delivery for longer than `PATIENCE`."""
    usual = await own.rabbitmq.control("eval", "{ok, Milliseconds} = application:get_env(rabbit, consumer_timeout).")
    assert "1800000" in usual
    await set_patience(own, PATIENCE * 1000, 500)
    try:
        yield
    finally:
        await set_patience(own, 1_800_000, 60_000)


async def set_patience(own: Stack, patience: int, tick: int) -> None:
    """Milliseconds."""
    await own.rabbitmq.control(
        "eval",
        f"application:set_env(rabbit, consumer_timeout, {patience}),"
        f"application:set_env(rabbit, channel_tick_interval, {tick}).",
    )


async def test_pause_longer_than_the_consumer_time_out_costs_one_delivery_however_long_it_is(
    bench: Bench, own: Stack, deliveries: list[Delivery]
) -> None:
    switch = Switch("raises")
    await bench.publish(*(event(payment(f"ORD-{n}", f"bad{n}")) for n in range(60)))
    lost = sessions_lost()
    async with impatient(own), bench.working(service(switch), pause_after=3, pause_seconds=1.0):
        await until(lambda: bench.health.told("broker", "acknowledgement"), why="the broker lost its patience")
        died = len(bench.dead)
        await until(lambda: len(bench.dead) >= died + 3 * PATIENCE, 60, "probes, for three times its patience")
        assert sessions_lost() == lost + 1, "nothing was held for so long again"
        assert bench.health.reasons.get("paused")
        switch.broken = None
        await until(lambda: len(bench.facts) + len(bench.dead) == 60)
        await until(lambda: not bench.health.reasons)
        await until(lambda: bench.queue_depth_is(0))
    assert {letter["data"]["reason"] for letter in bench.dead} == {"decision_raised"}
    assert max(delivery.count for delivery in deliveries) == 1
