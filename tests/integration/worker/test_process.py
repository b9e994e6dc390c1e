"""A worker as a process that is killed, killed by its own input, stopped, or wrongly set up."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.worker.bench import NAME, Bench, event, payment, until
from tests.integration.worker.victim import DEADLY

ROOT = Path(__file__).resolve().parents[3]
VICTIM = "tests.integration.worker.victim"


@asynccontextmanager
async def process(
    bench: Bench | None = None, module: str = VICTIM, **settings: str | None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker, set up for the bench or for nowhere; `None` leaves a variable out. Killed if it is still there."""
    wanted = {
        "FLEET_AMQP_URL": bench.vhost.amqp_url if bench else "amqp://user:secret@127.0.0.1:9",
        "FLEET_DATABASE_URL": bench.url if bench else "postgresql://user:secret@127.0.0.1:9",
        "FLEET_HEALTH_HOST": "127.0.0.1",
        "FLEET_HEALTH_PORT": "0",
        "FLEET_LOG_LEVEL": "error",
        "FLEET_BATCH_EVENTS": "8",
        **settings,
    }
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("FLEET_", "VICTIM_"))}
    environment = {**ours, "PYTHONPATH": str(ROOT), **{n: v for n, v in wanted.items() if v is not None}}
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *module.split(),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def ends(victim: asyncio.subprocess.Process, seconds: float = 30) -> int:
    async with asyncio.timeout(seconds):
        return await victim.wait()


async def all_done(bench: Bench, wanted: set[str]) -> None:
    """Every event has been handled and said, and nothing is left in the queue or in the database."""
    await until(lambda: causes(bench) == wanted, 30, "every event is said")
    await until(lambda: bench.queue_depth_is(0))

    async def sent() -> bool:
        return not await bench.rows("select 1 from outgoing")

    await until(sent, 30, "every outgoing row is sent and forgotten")


def causes(bench: Bench) -> set[str]:
    return {fact["causationid"] for fact in bench.facts}


async def publish(bench: Bench, count: int) -> set[str]:
    """So many events, each of an order of its own; their ids."""
    await bench.publish(*(event(payment(f"ORD-{n}"), f"e{n}") for n in range(count)))
    return {f"e{n}" for n in range(count)}


async def each_counted_once(bench: Bench, count: int) -> None:
    rows = await bench.rows("select key, version, body ->> 'seen' as seen from tally")
    assert {row["key"] for row in rows} == {f"ORD-{n}" for n in range(count)}
    assert {(row["version"], row["seen"]) for row in rows} == {(1, '["P1"]')}
    assert len({fact["id"] for fact in bench.facts}) == count, "one message for each event, under one id"


async def test_killed_between_commit_and_publish_nothing_is_lost_or_done_twice(bench: Bench) -> None:
    wanted = await publish(bench, 60)
    async with process(bench, VICTIM_DIES="publish:3") as victim:
        assert await ends(victim) == -signal.SIGKILL
    counted = len(await bench.rows("select 1 from tally"))
    assert 0 < len(causes(bench)) < counted < 60, "committed and not published"
    assert await bench.rows("select 1 from outgoing")
    async with process(bench) as victim:
        await all_done(bench, wanted)
        assert victim.returncode is None
    await each_counted_once(bench, 60)
    assert bench.dead == []


async def test_killed_between_publish_and_ack_nothing_is_lost_or_done_twice(bench: Bench) -> None:
    wanted = await publish(bench, 60)
    async with process(bench, VICTIM_DIES="ack:3") as victim:
        assert await ends(victim) == -signal.SIGKILL
    before = causes(bench)

    async def given_back() -> int | None:
        found = await bench.channel.declare_queue(NAME, passive=True)
        count = int(found.declaration_result.message_count or 0)
        return count if count + len(before) > 60 else None

    await until(given_back, why="events that were published come again")
    async with process(bench) as victim:
        await all_done(bench, wanted)
    assert 0 < len(before) < 60
    await each_counted_once(bench, 60)
    assert bench.dead == []


async def test_message_that_kills_the_process_is_dead_after_five_attempts_and_its_neighbours_live(bench: Bench) -> None:
    others = await publish(bench, 5)
    await bench.publish(event(payment("DEADLY", "deadly"), "killer"))
    await bench.publish(*(event(payment(f"ORD-{n}"), f"e{n}") for n in range(5, 10)))
    others |= {f"e{n}" for n in range(5, 10)}
    deaths = 0
    while not bench.dead and deaths < 7:
        async with process(bench) as victim:
            ended = asyncio.create_task(ends(victim))
            await until(lambda e=ended: e.done() or bench.dead, 30)
            if bench.dead:
                ended.cancel()
                await all_done_but_dead(bench, others)
                break
            assert ended.result() == DEADLY
            deaths += 1
    assert deaths == 5
    [letter] = [said["data"] for said in bench.dead]
    assert letter["reason"] == "delivery_limit"
    await each_counted_once(bench, 10)


async def all_done_but_dead(bench: Bench, wanted: set[str]) -> None:
    await all_done(bench, wanted)
    assert await bench.tally("DEADLY") == ()


async def test_stopped_under_load_it_ends_in_time_and_nothing_is_lost_or_said_twice(bench: Bench) -> None:
    wanted = await publish(bench, 200)
    for _ in range(2):
        async with process(bench, FLEET_GRACE_SECONDS="10") as victim:
            before = len(bench.facts)
            await until(lambda b=before: len(bench.facts) > b + 20, 30)
            victim.send_signal(signal.SIGTERM)
            assert await ends(victim, 10) == 0
        assert len(bench.facts) < 200, "it was stopped in the middle"
    async with process(bench, FLEET_BATCH_EVENTS="256") as victim:
        await all_done(bench, wanted)
        victim.send_signal(signal.SIGTERM)
        assert await ends(victim, 10) == 0
    await each_counted_once(bench, 200)
    assert len(bench.facts) == 200, "nothing was said twice"
    assert bench.dead == []


async def test_stopped_while_the_broker_is_away_it_ends_at_once(bench: Bench) -> None:
    async with process(bench, FLEET_AMQP_URL="amqp://127.0.0.1:9", FLEET_LOG_LEVEL="warning") as victim:
        assert victim.stdout is not None
        async with asyncio.timeout(30):
            while b"refused" not in await victim.stdout.readline():
                assert victim.returncode is None
        victim.send_signal(signal.SIGTERM)
        assert await ends(victim, 5) == 0


WRONG: list[tuple[dict[str, str | None], list[str]]] = [
    (
        {"FLEET_DATABASE_URL": None, "FLEET_AMQP_URL": "http://127.0.0.1", "FLEET_BATCH_EVENTS": "many"},
        ["FLEET_DATABASE_URL is not set", "FLEET_AMQP_URL is wrong", "FLEET_BATCH_EVENTS is wrong"],
    ),
    ({"FLEET_LADDER_SECONDS": "1,2"}, ["FLEET_LADDER_SECONDS is wrong"]),
]


@pytest.mark.parametrize(("settings", "said"), WRONG, ids=["several", "not JSON"])
async def test_wrong_settings_end_the_process_with_their_names(
    settings: dict[str, str | None], said: list[str]
) -> None:
    async with process(None, VICTIM, **settings) as victim:
        _, stderr = await victim.communicate()
    assert victim.returncode == os.EX_CONFIG
    for line in said:
        assert line in stderr.decode()
    assert "secret" not in stderr.decode(), "no password is shown"
