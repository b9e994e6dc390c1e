"""Two releases side by side, and replicas that are restarted one after the other under load: nobody notices."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any

import aiohttp
import pytest

from deploy.local.ports import free_ports
from tests.integration.outages.outage import readyz
from tests.integration.worker.bench import Bench, event, payment, until
from tests.integration.worker.newer import PaymentApprovedV2
from tests.integration.worker.test_process import all_done, causes, ends, process

NEWER = "tests.integration.worker.newer"
LADDER = json.dumps([1.0] * 60)
GRACE = 25.0
STOPS_WITHIN = 10.0


@asynccontextmanager
async def replica(bench: Bench, **settings: Any) -> AsyncIterator["Replica"]:
    port = free_ports(1)[0]
    settings = {"FLEET_HEALTH_PORT": str(port), "FLEET_GRACE_SECONDS": str(GRACE), **settings}
    async with process(bench, **settings) as running:
        yield Replica(running, port)


class Replica:
    def __init__(self, running: asyncio.subprocess.Process, port: int) -> None:
        self.running = running
        self.port = port

    async def is_ready(self) -> bool:
        try:
            return (await readyz(self.port))[0] == 200
        except aiohttp.ClientError:
            return False

    async def says(self, what: str) -> bool:
        try:
            return what in str((await readyz(self.port))[1])
        except aiohttp.ClientError:
            return False

    async def stop(self) -> float:
        """Ends it as a deployment does; how many seconds it took."""
        started = monotonic()
        self.running.send_signal(signal.SIGTERM)
        assert await ends(self.running, GRACE) == 0
        return monotonic() - started


def newer(number: int) -> bytes:
    fields = payment(f"NEW-{number}", f"P{number}").model_dump()
    return event(PaymentApprovedV2(**fields, acquirer="bank"), f"v2-{number}")


async def applied(bench: Bench) -> None:
    """The newer release's topology, applied as its deployment does first."""
    settings = {"FLEET_MANAGEMENT_URL": bench.vhost.management_url}
    async with process(bench, module=f"{NEWER} apply", **settings) as applying:
        assert await ends(applying) == 0


async def forget_newer(bench: Bench) -> None:
    queue = await bench.channel.get_queue("order_intake", ensure=False)
    await queue.unbind("fleet.routed", "payment.noted.*")


async def test_newer_release_refuses_to_start_before_its_topology_is_applied(bench: Bench) -> None:
    settings = {"FLEET_MANAGEMENT_URL": bench.vhost.management_url}
    try:
        async with replica(bench, module=NEWER, **settings) as new:
            await until(lambda: new.says("binding fleet.routed -> order_intake with 'payment.noted.*'"), 60)
            await bench.publish(newer(1), key=PaymentApprovedV2.TYPE)
            assert not await new.is_ready()
            assert bench.facts == []
            await applied(bench)
            await until(new.is_ready, 60)
            await until(lambda: things(bench) == {"P1", "noted-P1"}, 30)
    finally:
        await forget_newer(bench)


async def test_what_the_old_release_does_not_know_waits_for_the_new_one(bench: Bench) -> None:
    settings = {"FLEET_LADDER_SECONDS": LADDER}
    await applied(bench)
    try:
        async with replica(bench, **settings) as old, AsyncExitStack() as later:
            await bench.publish(*(newer(n) for n in range(10)), key=PaymentApprovedV2.TYPE)
            await until(
                lambda: waiting(bench, "unknown_version", 10), 60, "the old release keeps what it does not know"
            )
            assert bench.facts == []
            new = await later.enter_async_context(replica(bench, module=NEWER, **settings))
            await until(new.is_ready, 60)
            for n in range(10, 60):
                await bench.publish(newer(n), key=PaymentApprovedV2.TYPE)
                await bench.publish(event(payment(f"OLD-{n}", f"Q{n}"), f"v1-{n}"))
            await until(lambda: waiting(bench, "unknown_type", 1), 30, "the old release got a type of the new one")
            assert old.running.returncode is None
            await old.stop()
            every = {f"v2-{n}" for n in range(60)} | {f"v1-{n}" for n in range(10, 60)}
            await until(lambda: causes(bench) == every | noted(bench), 60)
            await all_done(bench, every | noted(bench))
            await until(lambda: all_said(bench), 30)
            assert not await bench.kept()
    finally:
        await forget_newer(bench)
    assert {f"P{n}" for n in range(60)} | {f"Q{n}" for n in range(10, 60)} <= things(bench)
    await each_once(bench)
    assert bench.dead == []
    by_old = {f"Q{n}" for n in range(10, 60)} - {t.removeprefix("noted-") for t in things(bench) if "noted-Q" in t}
    assert by_old, "both releases had their part"


async def test_a_state_that_the_new_release_wrote_waits_for_it_too(bench: Bench) -> None:
    settings = {"FLEET_LADDER_SECONDS": LADDER}
    await applied(bench)
    try:
        async with replica(bench, module=NEWER, **settings) as new:
            await bench.publish(newer(1), key=PaymentApprovedV2.TYPE)
            await until(lambda: things(bench) == {"P1", "noted-P1"}, 60)
            await new.stop()
        async with replica(bench, **settings), AsyncExitStack() as later:
            await bench.publish(event(payment("NEW-1", "Q1"), "v1-1"), event(payment("OTHER", "Q2"), "v1-2"))
            await until(lambda: waiting(bench, "unknown_version", 1), 60, "the old release cannot read the new state")
            await until(lambda: things(bench) == {"P1", "noted-P1", "Q2"}, 30, "nothing else is held up")
            await later.enter_async_context(replica(bench, module=NEWER, **settings))
            await until(lambda: things(bench) >= {"Q1", "noted-Q1"}, 60, "the old one leaves it to the new one")
            await until(lambda: all_said(bench), 30)
    finally:
        await forget_newer(bench)
    await each_once(bench)
    assert bench.dead == []


def things(bench: Bench) -> set[str]:
    """What `order.completed` facts say was counted."""
    return {fact["data"]["channel_id"] for fact in bench.facts if fact["type"] == "order.completed.v1"}


def noted(bench: Bench) -> set[str]:
    """Ids of the messages of the new type."""
    return {fact["id"] for fact in bench.facts if fact["type"] == "payment.noted.v1"}


async def waiting(bench: Bench, reason: str, count: int) -> bool:
    return [(row["status"], row["reason"]) for row in await bench.kept()].count(("waiting", reason)) >= count


async def all_said(bench: Bench) -> bool:
    """Whether a fact has come of each payment that is counted, also of those that were only noted late."""
    rows = await bench.rows("select body ->> 'seen' as seen from tally")
    return {one for row in rows for one in json.loads(row["seen"])} <= things(bench)


async def each_once(bench: Bench) -> None:
    """Every fact is of another effect, under one id, and the states counted each payment once."""
    said = {fact["id"]: fact["data"]["channel_id"] for fact in bench.facts if fact["type"] == "order.completed.v1"}
    assert len(set(said.values())) == len(said)
    rows = await bench.rows("select body ->> 'seen' as seen from tally")
    seen = [one for row in rows for one in json.loads(row["seen"])]
    assert sorted(seen) == sorted(said.values())


@pytest.mark.timeout(300)
async def test_rolling_restarts_of_two_replicas_under_load_lose_and_repeat_nothing(bench: Bench) -> None:
    wanted: set[str] = set()
    took: list[float] = []
    enough = asyncio.Event()

    async def load() -> None:
        while not enough.is_set():
            n = len(wanted)
            await bench.publish(event(payment(f"ORD-{n}"), f"e{n}"))
            wanted.add(f"e{n}")
            await asyncio.sleep(0.01)

    publishing = asyncio.create_task(load())
    async with AsyncExitStack() as stack:
        pair = [await stack.enter_async_context(replica(bench)) for _ in range(2)]
        for _ in range(3):
            for place in (0, 1):
                await until(lambda: both_ready(pair), 60)
                before = len(bench.facts)
                await until(lambda b=before: len(bench.facts) > b + 20, 30, "there is work under way")
                took.append(await pair[place].stop())
                pair[place] = await stack.enter_async_context(replica(bench))
        await until(lambda: both_ready(pair), 60)
        enough.set()
        await publishing
        await all_done(bench, wanted)
    assert len(took) == 6
    assert max(took) < STOPS_WITHIN, f"stop times: {[round(t, 2) for t in took]} s"
    rows = await bench.rows("select key, version, body ->> 'seen' as seen from tally")
    assert {(row["version"], row["seen"]) for row in rows} == {(1, '["P1"]')}
    assert len(rows) == len({fact["id"] for fact in bench.facts}) == len(wanted)
    assert bench.dead == []


async def both_ready(pair: list[Replica]) -> bool:
    return all([await one.is_ready() for one in pair])
