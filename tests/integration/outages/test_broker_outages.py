"""A broker that is away, killed, blocked, stalled or impatient: the worker waits, says so, and goes on by itself."""

import json

import asyncpg
import pytest

from deploy.local.ports import free_ports
from deploy.local.rabbitmq import Rabbitmq
from shared.broker import topology
from shared.broker.apply import apply
from shared.broker.link import Delivery
from tests.integration.outages.outage import (
    blocked,
    broken_saving,
    causes,
    drain,
    execute,
    ready_metric,
    readyz,
    sessions_lost,
    waits_for_lock,
)
from tests.integration.worker.bench import NAME, Bench, event, payment, service, until
from tests.integration.worker.proxy import proxied
from tests.integration.worker.test_failures import Switch


@pytest.fixture
def bench(bench_of_broker: Bench) -> Bench:
    return bench_of_broker


async def test_broker_away_at_start_is_waited_for_and_shown(bench: Bench) -> None:
    await bench.publish(event(payment()))
    async with proxied(bench.vhost.amqp_url, away=True) as proxy:
        port = free_ports(1)[0]
        async with bench.working(amqp_url=proxy.through(bench.vhost.amqp_url), health_port=port):
            await until(
                lambda: len(bench.health.told("broker", "Connect call failed")) >= 2, why="tries again and again"
            )
            status, said = await readyz(port)
            assert status == 503
            assert "Connect call failed" in said["for"]["broker"]
            await proxy.listen()
            await until(lambda: len(bench.facts) == 1)
            assert (await readyz(port))[0] == 200


async def test_broker_killed_in_the_middle_of_work_loses_and_doubles_nothing(bench: Bench, rabbitmq: Rabbitmq) -> None:
    wanted = {f"e{n}" for n in range(300)}
    await bench.publish(*(event(payment(f"ORD-{n}"), f"e{n}") for n in range(300)))
    names = [queue.name for queue in topology.whole().queues]
    await until(lambda: all(rabbitmq.would_survive_a_crash(name, bench.vhost.name) for name in names))
    async with bench.working(batch_events=4):
        await until(lambda: len(bench.facts) >= 20)
        await rabbitmq.kill()
        try:
            assert len(bench.facts) < 300
            await until(lambda: bench.health.reasons.get("broker"))
        finally:
            await rabbitmq.start()
        await until(lambda: not bench.health.reasons, 40)

        async def all_counted() -> bool:
            return len(await bench.rows("select 1 from tally")) == 300 and not await bench.rows(
                "select 1 from outgoing"
            )

        await until(all_counted, 40)
    journal = [e for e in await drain(bench, topology.JOURNAL) if e["type"].startswith("order.completed")]
    assert {fact["causationid"] for fact in journal} == wanted
    assert len({fact["id"] for fact in journal}) == 300, "what was sent twice has the same id"
    assert {tuple(json.loads(r["body"])["seen"]) for r in await bench.rows("select body from tally")} == {("P1",)}
    assert await drain(bench, topology.dead(NAME)) == []


async def test_deleted_queue_ends_the_session_until_the_topology_is_applied_again(bench: Bench) -> None:
    lost = sessions_lost()
    async with bench.working(management_url=bench.vhost.management_url):
        await bench.publish(event(payment(payment="P1")))
        await until(lambda: len(bench.facts) == 1)
        await bench.channel.queue_delete(NAME)
        await until(lambda: bench.health.told("broker", "cancelled"), why="basic.cancel")
        await until(lambda: bench.health.told("broker", f"queue {NAME}"), why="the check at start names the queue")
        assert sessions_lost() > lost
        await apply(bench.vhost.amqp_url, bench.vhost.management_url)
        await bench.publish(event(payment(payment="P2")))
        await until(lambda: len(bench.facts) == 2)
        await until(lambda: not bench.health.reasons)
    assert await bench.tally() == ("P1", "P2")


ALARMS = {
    "disk": ("set_disk_free_limit", "1000000GB", "50MB"),
    "memory": ("set_vm_memory_high_watermark", "0.00001", "0.4"),
}


@pytest.mark.parametrize("alarm", list(ALARMS))
async def test_blocked_connection_keeps_its_session_and_goes_on(
    bench: Bench, rabbitmq: Rabbitmq, deliveries: list[Delivery], alarm: str
) -> None:
    """The broker's alarm lasts several times longer than a confirm may take."""
    setting, raised, usual = ALARMS[alarm]
    lost, port = sessions_lost(), free_ports(1)[0]
    async with bench.working(batch_events=1, confirm_seconds=1.0, health_port=port):
        await until(lambda: not bench.health.reasons)
        stuck = await alarm_with_work_waiting(bench, rabbitmq, setting, raised)
        try:
            await until(lambda: blocked(bench))
            await until(lambda: bench.health.reasons.get("blocked"))
            assert (await readyz(port))[0] == 503
            assert await ready_metric(port, "blocked") == 0

            async def waits() -> bool:
                return bool(await bench.rows("select 1 from outgoing where at < now() - interval '3.5 s'"))

            await until(waits)
            assert len(bench.facts) < stuck
            assert sessions_lost() == lost
        finally:
            await rabbitmq.control(setting, usual)
        await until(lambda: len(bench.facts) == stuck)
        await until(lambda: bench.queue_depth_is(0))
        await until(lambda: not bench.health.reasons)
        assert await ready_metric(port, "blocked") == 1
        assert sessions_lost() == lost
    assert await bench.tally() == tuple(f"P{n}" for n in range(stuck)), "once each"
    assert not any(d.redelivered for d in deliveries)


async def alarm_with_work_waiting(bench: Bench, rabbitmq: Rabbitmq, setting: str, raised: str) -> int:
    """Raises the alarm while a lock in the database keeps the worker from publishing; how many events wait."""
    rival = await asyncpg.connect(bench.admin_url)
    await rival.execute("begin; lock table order_intake.tally")
    await bench.publish(*(event(payment(payment=f"P{n}")) for n in range(5)))
    await rabbitmq.control(setting, raised)
    assert bench.facts == []
    await rival.close()
    return 5


async def test_stalled_connection_is_dropped_and_its_messages_are_sent_again_under_their_ids(bench: Bench) -> None:
    lost = sessions_lost()
    async with proxied(bench.vhost.amqp_url) as proxy:
        url = proxy.through(bench.vhost.amqp_url)
        rival = await asyncpg.connect(bench.admin_url)
        async with bench.working(amqp_url=url, confirm_seconds=1.0):
            await until(lambda: not bench.health.reasons)
            await rival.execute("begin; lock table order_intake.tally")
            await bench.publish(*(event(payment(f"ORD-{n}"), f"e{n}") for n in range(10)))
            await until(lambda: waits_for_lock(bench))
            proxy.stall()
            await rival.close()
            await until(lambda: any(c.held_back for c in proxy.connections), why="a confirm was held back")
            await until(lambda: bench.health.told("broker", "no confirm"))
            await until(lambda: causes(bench) == {f"e{n}" for n in range(10)}, 30)
            await until(lambda: not bench.health.reasons, 30)
            await until(lambda: bench.queue_depth_is(0))

            async def forgotten() -> bool:
                return not await bench.rows("select 1 from outgoing")

            await until(forgotten)
        assert sessions_lost() == lost + 1
    ids = [fact["id"] for fact in bench.facts]
    assert len(ids) > len(set(ids)) == 10, "sent twice, under the same ids"


async def test_silent_connection_is_given_up_though_nothing_is_published(bench: Bench) -> None:
    """A broker that vanished without a word, seen by the heartbeats that do not come."""
    async with (
        proxied(bench.vhost.amqp_url) as proxy,
        bench.working(amqp_url=f"{proxy.through(bench.vhost.amqp_url)}?heartbeat=1"),
    ):
        await bench.publish(event(payment(payment="P1"), "e1"))
        await until(lambda: len(bench.facts) == 1)
        proxy.stall()
        await until(lambda: bench.health.told("broker", "closed"), 30)
        await bench.publish(event(payment(payment="P2"), "e2"))
        await until(lambda: causes(bench) == {"e1", "e2"})
        await until(lambda: not bench.health.reasons)
    assert await bench.tally() == ("P1", "P2")


async def test_cut_connection_is_made_again_and_nothing_is_lost_or_doubled(bench: Bench) -> None:
    """A batch whose commit was under way when the session ended is found by the next session, not by the sweeper."""
    lost = sessions_lost()
    await bench.publish(*(event(payment(f"ORD-{n}"), f"e{n}") for n in range(200)))
    async with (
        proxied(bench.vhost.amqp_url) as proxy,
        bench.working(amqp_url=proxy.through(bench.vhost.amqp_url), batch_events=4),
    ):
        await until(lambda: len(bench.facts) >= 20)
        proxy.cut()
        assert len(bench.facts) < 200
        await until(lambda: len(causes(bench)) == 200)
        await until(lambda: bench.queue_depth_is(0))
    assert sessions_lost() == lost + 1
    assert len({fact["id"] for fact in bench.facts}) == 200
    assert bench.dead == []


PATIENCE = 4
"""Seconds that a consumer may keep a delivery here; RabbitMQ's default is half an hour."""


@pytest.fixture(scope="module")
async def impatient(rabbitmq: Rabbitmq) -> None:
    """Channels opened from now on are closed when they keep a delivery for longer than `PATIENCE`."""
    usual = await rabbitmq.control("eval", "{ok, Milliseconds} = application:get_env(rabbit, consumer_timeout).")
    assert "1800000" in usual
    settings = {"consumer_timeout": PATIENCE * 1000, "channel_tick_interval": 500}
    steps = [f"application:set_env(rabbit, {name}, {milliseconds})" for name, milliseconds in settings.items()]
    await rabbitmq.control("eval", f"{', '.join(steps)}.")


@pytest.mark.usefixtures("impatient")
async def test_pause_longer_than_the_consumer_time_out_costs_one_delivery_however_long_it_is(
    bench: Bench, deliveries: list[Delivery]
) -> None:
    switch = Switch("raises")
    await bench.publish(*(event(payment(f"ORD-{n}", f"bad{n}")) for n in range(60)))
    lost = sessions_lost()
    async with bench.working(service(switch), pause_after=3, pause_seconds=1.0):
        await until(lambda: bench.health.told("broker", "acknowledgement"), why="the broker lost its patience")
        died = len(bench.dead)
        await until(lambda: len(bench.dead) >= died + 2 * PATIENCE, 60, "probes, for twice its patience")
        assert sessions_lost() == lost + 1, "nothing was held for so long again"
        assert bench.health.reasons.get("paused")
        switch.broken = None
        await until(lambda: len(bench.facts) + len(bench.dead) == 60)
        await until(lambda: not bench.health.reasons)
        await until(lambda: bench.queue_depth_is(0))
    assert {letter["data"]["reason"] for letter in bench.dead} == {"decision_raised"}
    assert max(delivery.count for delivery in deliveries) == 1


@pytest.mark.usefixtures("impatient")
async def test_refusing_database_holds_one_delivery_only_past_the_consumer_time_out(
    bench: Bench, deliveries: list[Delivery]
) -> None:
    await bench.publish(*(event(payment(payment=f"P{n}")) for n in range(20)))
    async with broken_saving(bench), bench.working():
        await execute(bench, "update public.broken set state = '42501'")
        await until(lambda: bench.health.told("broker", "acknowledgement"), why="the broker lost its patience")
        await until(lambda: len(deliveries) >= 3, why="the next sessions")
        await execute(bench, "update public.broken set state = null")
        await until(lambda: len(bench.facts) == 20)
        await until(lambda: not bench.health.reasons)
    assert await bench.tally() == tuple(f"P{n}" for n in range(20))
    assert bench.dead == []
    assert sum(delivery.redelivered for delivery in deliveries) <= 3, "the first one, each time"
