"""What tests of outages share: how they look at a worker from outside, and how they break what it stands on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aio_pika
import aiohttp
import asyncpg

from shared import metrics
from tests.integration.worker.bench import NAME, Bench, events_in


def sessions_lost() -> float:
    return float(metrics.SESSIONS_LOST._value.get())


def causes(bench: Bench) -> set[str]:
    """The events that the worker has said something about."""
    return {fact["causationid"] for fact in bench.facts}


async def readyz(port: int) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/readyz") as response:
        return response.status, await response.json()


async def ready_metric(port: int, part: str) -> float | None:
    """What `/metrics` says of a part: 1 ready, 0 waited for, None not mentioned."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as response:
        lines = (await response.text()).splitlines()
    said = [line.rpartition(" ")[2] for line in lines if line.startswith(f'fleet_ready{{part="{part}"}}')]
    return float(said[0]) if said else None


async def execute(bench: Bench, statement: str) -> None:
    admin = await asyncpg.connect(bench.admin_url)
    try:
        await admin.execute(statement)
    finally:
        await admin.close()


async def end_connections(bench: Bench) -> int:
    """Ends the service's connections, as an administrator or a fail-over does (57P01); how many."""
    admin = await asyncpg.connect(bench.admin_url)
    try:
        rows = await admin.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name = $1",
            NAME,
        )
    finally:
        await admin.close()
    return len(rows)


@asynccontextmanager
async def broken_saving(bench: Bench) -> AsyncIterator[None]:
    """In the block saving a tally raises the SQLSTATE in `public.broken`, as long as there is one."""
    await execute(
        bench,
        f"""
        create table public.broken (state text);
        insert into public.broken values (null);
        create function public.break() returns trigger language plpgsql security definer as $$
        declare wanted text := (select state from public.broken);
        begin
            if wanted is not null then raise exception 'broken by the test' using errcode = wanted; end if;
            return new;
        end $$;
        create trigger broken before insert or update on {NAME}.tally for each row execute function public.break();
        """,
    )
    try:
        yield
    finally:
        await execute(bench, "drop function public.break cascade; drop table public.broken")


async def waits_for_lock(bench: Bench) -> bool:
    """Whether somebody in this database does; other tests have theirs on the same server."""
    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(await bench.rows(waiting))


async def blocked(bench: Bench) -> bool:
    """Whether the broker says that the worker's connection is blocked."""
    url = f"{bench.vhost.management_url}/api/vhosts/{quote(bench.vhost.name, safe='')}/connections"
    async with aiohttp.ClientSession(raise_for_status=True) as http, http.get(url) as response:
        return any(c.get("state") == "blocked" for c in await response.json())


async def drain(bench: Bench, queue: str) -> list[dict[str, Any]]:
    """All events that lie in a queue, by a connection of its own."""
    found: list[dict[str, Any]] = []
    async with await aio_pika.connect(bench.vhost.amqp_url) as connection:
        channel = await connection.channel()
        source = await channel.get_queue(queue, ensure=False)
        async with asyncio.timeout(20):
            while (message := await source.get(no_ack=True, fail=False)) is not None:
                found += events_in(message.body)
    return found
