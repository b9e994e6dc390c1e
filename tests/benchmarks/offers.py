"""Offers in bulk. (How long routing over them takes: `routing_time`.)

    python -m tests.benchmarks.offers [--json] [--offers N]

So many `offer.changed` are put into po_dispatch's queue, through the broker, while the service runs; the time is from
the first publish until all are stored. The virtual host and the database are private, durability is as everywhere.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import psutil
import typer
from rich.console import Console
from rich.table import Table

import services.po_dispatch
from deploy.local.stack import STACKS, running
from schemas import envelope
from schemas.supplier import OfferChanged
from shared.broker import management
from shared.broker.apply import apply
from shared.broker.link import Link, open_link
from shared.broker.outgoing import Outgoing
from shared.migrate import migrate, service_url
from tests.benchmarks import routing_time
from tests.benchmarks.hop_ground import process
from tests.conftest import PASSWORD, fresh_database, with_path

NAME = "po_dispatch"
MIGRATIONS = Path(services.po_dispatch.__file__).parent / "migrations"
AT_ONCE = 100
"""Messages that are published before their confirms are awaited."""
PATIENCE = 240.0


def events(offers: int) -> Iterator[bytes]:
    """Each SKU at a hundred suppliers."""
    now = datetime.now(UTC)
    for n in range(offers):
        offer = routing_time.offer(n % routing_time.SUPPLIERS, n // routing_time.SUPPLIERS)
        yield envelope.encode(offer, id=str(uuid4()), source="/upstream/catalogue", time=now)


async def fill(link: Link, offers: int) -> None:
    """As an upstream that packs, which is how so many at once are meant to come."""
    packs = iter(envelope.pack(events(offers)))
    while some := list(islice(packs, AT_ONCE)):
        messages = [Outgoing("fleet.inbound", OfferChanged.TYPE, envelope.PACK, body, uuid4().hex) for body in some]
        await link.publish(messages)


async def load(offers: int) -> dict[str, Any]:
    """Seconds until all offers are stored, and what that took of the service's process."""
    async with running(STACKS / "bench") as stack, fresh_database(stack.addresses.database_url) as database:
        name = f"offers-{uuid4().hex}"
        amqp_url = with_path(stack.addresses.amqp_url, name)
        async with management.connect(amqp_url, stack.addresses.management_url) as api:
            await api.put("vhosts", name, body={})
            try:
                await apply(amqp_url, stack.addresses.management_url)
                await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
                return await _measured(offers, amqp_url, stack.addresses.management_url, database)
            finally:
                await api.delete("vhosts", name)


async def _measured(offers: int, amqp_url: str, management_url: str, database: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "FLEET_AMQP_URL": amqp_url,
        "FLEET_MANAGEMENT_URL": management_url,
        "FLEET_DATABASE_URL": service_url(database, NAME, PASSWORD),
        "FLEET_HEALTH_HOST": "127.0.0.1",
        "FLEET_HEALTH_PORT": "0",
        "FLEET_ERP_URL": "http://127.0.0.1:1",
        "FLEET_SECRETS": "{}",
    }
    async with (
        open_link(amqp_url, "benchmark") as link,
        process("services.po_dispatch", environment=environment) as one,
    ):
        watched = psutil.Process(one.pid)
        began = perf_counter()
        await fill(link, offers)
        filled = perf_counter() - began
        await _until_stored(database, offers)
        seconds = perf_counter() - began
        cpu = watched.cpu_times()
    return {
        "offers": offers,
        "seconds": round(seconds, 1),
        "per_second": round(offers / seconds),
        "published_after_seconds": round(filled, 1),
        "service_cpu_us_per_offer": round((cpu.user + cpu.system) / offers * 1e6),
    }


async def _until_stored(database: str, offers: int) -> None:
    """Raises TimeoutError."""
    connection = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(PATIENCE):
            while await connection.fetchval(f"select count(*) from {NAME}.offer") < offers:
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


def main(
    offers: Annotated[int, typer.Option(min=100, help="How many are loaded.")] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Load offers through the broker."""
    found = asyncio.run(load(offers))
    if as_json:
        print(json.dumps({"load": found}, indent=2))
        return
    table = Table("what", "figure")
    for name, figure in found.items():
        table.add_row(name.replace("_", " "), f"{figure:,}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
