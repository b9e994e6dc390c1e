"""Servers that are away, killed, blocked, stalled or closed to us: the worker waits, says so, and goes on by itself."""

import json

import asyncpg

from deploy.local.ports import free_ports
from deploy.local.stack import Stack
from shared.broker import topology
from shared.broker.apply import apply
from shared.broker.link import Delivery
from tests.integration.outages.outage import (
    blocked,
    broken_saving,
    causes,
    drain,
    end_connections,
    execute,
    readyz,
    sessions_lost,
    waits_for_lock,
)
from tests.integration.worker.bench import NAME, Bench, event, payment, until
from tests.integration.worker.proxy import proxied


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


async def test_database_away_at_start_is_waited_for_and_shown(bench: Bench, own: Stack) -> None:
    await bench.publish(event(payment()))
    await own.postgres.kill()
    port = free_ports(1)[0]
    async with bench.working(health_port=port):
        try:
            await until(lambda: len(bench.health.told("database", "Error")) >= 2)
            assert (await readyz(port))[0] == 503
            assert await bench.queue_depth_is(1), "nothing is taken that could not be stored"
        finally:
            await own.postgres.start()
        await until(lambda: len(bench.facts) == 1)
        assert (await readyz(port))[0] == 200


async def test_database_killed_in_the_middle_of_work_keeps_the_session_and_loses_nothing(
    bench: Bench, own: Stack, deliveries: list[Delivery]
) -> None:
    await bench.publish(*(event(payment(f"ORD-{n % 50}", f"P{n}"), f"e{n}") for n in range(400)))
    lost = sessions_lost()
    async with bench.working(batch_events=4):
        await until(lambda: len(bench.facts) >= 20)
        await own.postgres.kill()
        try:
            assert len(bench.facts) < 400
            await until(lambda: bench.health.reasons.get("database"))
        finally:
            await own.postgres.start()
        await until(lambda: causes(bench) == {f"e{n}" for n in range(400)}, 40)
        await until(lambda: not bench.health.reasons)
        await until(lambda: bench.queue_depth_is(0))
        assert sessions_lost() == lost
    assert len(bench.facts) == 400, "nothing was said twice"
    assert len(deliveries) == 400
    assert not any(d.redelivered for d in deliveries)
    for order in range(50):
        assert await bench.tally(f"ORD-{order}") == tuple(f"P{n}" for n in range(order, 400, 50))


async def test_database_lost_while_idle_shows_and_comes_back(bench: Bench, own: Stack) -> None:
    async with bench.working():
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1)
        await own.postgres.kill()
        try:
            await until(lambda: bench.health.reasons, why="no event is needed to see it")
        finally:
            await own.postgres.start()
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
            await execute(bench, f"alter role fleet_{NAME} password 'secret'")
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
            await execute(bench, f"alter role fleet_{NAME} password 'secret'")
        await until(lambda: len(bench.facts) == 1)


async def test_broker_killed_in_the_middle_of_work_loses_and_doubles_nothing(bench: Bench, own: Stack) -> None:
    wanted = {f"e{n}" for n in range(300)}
    await bench.publish(*(event(payment(f"ORD-{n}"), f"e{n}") for n in range(300)))
    names = [queue.name for queue in topology.whole().queues]
    await until(lambda: all(own.rabbitmq.would_survive_a_crash(name, bench.vhost.name) for name in names))
    async with bench.working(batch_events=4):
        await until(lambda: len(bench.facts) >= 20)
        await own.rabbitmq.kill()
        try:
            assert len(bench.facts) < 300
            await until(lambda: bench.health.reasons.get("broker"))
        finally:
            await own.rabbitmq.start()
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


async def test_blocked_connection_keeps_its_session_and_goes_on(
    bench: Bench, own: Stack, deliveries: list[Delivery]
) -> None:
    """The broker's memory alarm lasts several times longer than a confirm may take."""
    lost = sessions_lost()
    async with bench.working(batch_events=1, confirm_seconds=1.0):
        await until(lambda: not bench.health.reasons)
        stuck = await alarm_with_work_waiting(bench, own)
        try:
            await until(lambda: blocked(bench))

            async def waits() -> bool:
                return bool(await bench.rows("select 1 from outgoing where at < now() - interval '3.5 s'"))

            await until(waits)
            assert len(bench.facts) < stuck
            assert sessions_lost() == lost
        finally:
            await own.rabbitmq.control("set_vm_memory_high_watermark", "0.4")
        await until(lambda: len(bench.facts) == stuck)
        await until(lambda: bench.queue_depth_is(0))
        assert sessions_lost() == lost
    assert await bench.tally() == tuple(f"P{n}" for n in range(stuck)), "once each"
    assert not any(d.redelivered for d in deliveries)


async def alarm_with_work_waiting(bench: Bench, own: Stack) -> int:
    """Raises the alarm while a lock in the database keeps the worker from publishing; how many events wait."""
    rival = await asyncpg.connect(bench.admin_url)
    await rival.execute("begin; lock table order_intake.tally")
    await bench.publish(*(event(payment(payment=f"P{n}")) for n in range(5)))
    await own.rabbitmq.control("set_vm_memory_high_watermark", "0.00001")
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
