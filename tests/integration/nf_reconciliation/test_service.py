"""The whole service on a real broker, a real PostgreSQL and the sandbox's ERP, told everything backwards and twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.partners import erp
from deploy.local.partners.sandbox import Sandbox
from schemas import envelope
from schemas.catalogue import by_type
from schemas.model import Message
from services.nf_reconciliation.__main__ import service
from services.nf_reconciliation.settings import Settings
from shared.broker.apply import apply
from shared.health import Health
from shared.migrate import migrate, service_url
from shared.service import serve
from shared.settings import Runtime
from tests.conftest import PASSWORD, VirtualHost
from tests.integration.nf_reconciliation.test_store import MIGRATIONS, NAME
from tests.integration.worker.bench import collect, event, until
from tests.unit.nf_reconciliation.builders import (
    invoice_issued,
    nf_issued,
    po_created,
    s1,
    s2,
    store_changed,
    supplier_changed,
)


def ours(facts: list[dict[str, Any]]) -> list[str]:
    """The types of what the service itself published, sorted."""
    return sorted(fact["type"] for fact in facts if fact["type"].startswith(("supplier_nf.", "remittance_nf.")))


@asynccontextmanager
async def sandbox_erp() -> AsyncIterator[tuple[Sandbox, str]]:
    sandbox = Sandbox("http://127.0.0.1:1", {})
    app = web.Application()
    app.add_subapp("/erp", erp.create_app(sandbox))
    async with TestServer(app) as server:
        yield sandbox, str(server.make_url("/erp"))
    await sandbox.close()


@asynccontextmanager
async def running(vhost: VirtualHost, database: str, erp_url: str) -> AsyncIterator[None]:
    await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
    runtime = Runtime(
        amqp_url=vhost.amqp_url,
        database_url=service_url(database, NAME, PASSWORD),
        health_host="127.0.0.1",
        health_port=0,
        log_level="error",
    )
    stop = asyncio.Event()
    task = asyncio.create_task(serve(service(Settings(erp_url=erp_url)), runtime, stop, Health()))
    try:
        yield
    finally:
        stop.set()
        await task


async def publish(channel: aio_pika.abc.AbstractChannel, *messages: Message) -> None:
    for message in messages:
        inbound = by_type()[message.TYPE].kind == "inbound"
        exchange = await channel.get_exchange("fleet.inbound" if inbound else "fleet.events", ensure=False)
        await exchange.publish(aio_pika.Message(event(message), content_type=envelope.EVENT), message.TYPE)


@pytest.mark.timeout(120)
async def test_everything_backwards_and_twice_matches_and_books_each_nf_once(vhost: VirtualHost, database: str) -> None:
    await apply(vhost.amqp_url, vhost.management_url)
    facts: list[dict[str, Any]] = []
    dead: list[dict[str, Any]] = []
    async with await aio_pika.connect(vhost.amqp_url) as connection:
        channel, watching = await connection.channel(), await connection.channel()
        seen = await watching.declare_queue("", exclusive=True)
        await seen.bind("fleet.events", "#")
        await seen.consume(collect(facts), no_ack=True)
        await (await watching.get_queue(f"{NAME}.dead", ensure=False)).consume(collect(dead), no_ack=True)
        backwards = (nf_issued(s1()), invoice_issued(), nf_issued(s2()), po_created())
        async with sandbox_erp() as (sandbox, erp_url), running(vhost, database, erp_url):
            await publish(channel, store_changed(), supplier_changed(), *backwards, *backwards)
            await until(lambda: len(ours(facts)) >= 2 and sandbox.effects)
            # a last document, handled after all the others: by then nothing has been said twice
            await publish(channel, nf_issued(b"not xml"))
            await until(lambda: "supplier_nf.refused.v1" in ours(facts))
            assert ours(facts) == ["remittance_nf.matched.v1", "supplier_nf.matched.v1", "supplier_nf.refused.v1"]
            [effect] = sandbox.effects.values()
            assert (effect.operation, effect.times) == ("nota-entrada", 1)
    assert dead == []
