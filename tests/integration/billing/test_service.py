"""billing as it runs: two replicas on a real broker and database, with the sandbox's SEFAZ and ERP."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import services.billing
from deploy.local.partners import erp, sefaz
from deploy.local.partners.certificate import self_signed
from deploy.local.partners.sandbox import Sandbox
from schemas import envelope
from schemas.billing import SupplierPaymentReported
from schemas.model import Message
from services.billing.__main__ import service
from services.billing.balance import LedgerBalance, ledger_balance
from services.billing.nfe_signature import schema_problems
from services.billing.settings import Settings
from shared.broker.apply import apply
from shared.health import Health
from shared.migrate import migrate, service_url
from shared.service import serve
from shared.settings import Runtime
from tests.conftest import PASSWORD, VirtualHost
from tests.unit.billing import builders as b
from tests.unit.nf_builders import retailer

MIGRATIONS = Path(services.billing.__file__).parent / "migrations"
ORDERS = 6
FACTS = (
    "invoice.issued.v1",
    "payable.opened.v1",
    "supplier_payment.ordered.v1",
    "supplier_payment.settled.v1",
)
"""Of each there is one per PO."""


@dataclass
class World:
    """What billing has around it, and what it said."""

    runtime: Runtime
    settings: Settings
    sandbox: Sandbox
    channel: aio_pika.abc.AbstractChannel
    facts: list[dict[str, Any]] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)

    async def tell(self, *messages: Message) -> None:
        for message in messages:
            entry = "fleet.inbound" if message.TYPE.partition(".")[2].startswith("changed") else "fleet.events"
            if isinstance(message, SupplierPaymentReported):
                entry = "fleet.inbound"
            body = envelope.encode(message, id=uuid4().hex, source="/upstream/test", time=datetime.now(UTC))
            exchange = await self.channel.get_exchange(entry, ensure=False)
            await exchange.publish(aio_pika.Message(body, content_type=envelope.EVENT), message.TYPE)

    def said(self, type: str) -> list[dict[str, Any]]:
        """As a consumer knows it: what was sent again, under the same id, is one fact."""
        facts = {(fact["source"], fact["id"]): fact["data"] for fact in self.facts if fact["type"] == type}
        return list(facts.values())

    async def ledger(self) -> LedgerBalance:
        con = await asyncpg.connect(self.runtime.database_url)
        try:
            return await ledger_balance(con)
        finally:
            await con.close()

    async def rows(self, query: str) -> list[asyncpg.Record]:
        con = await asyncpg.connect(self.runtime.database_url)
        try:
            return await con.fetch(query)
        finally:
            await con.close()

    @asynccontextmanager
    async def replicas(self, count: int) -> AsyncIterator[None]:
        stop = asyncio.Event()
        running = [
            asyncio.create_task(serve(service(self.settings), self.runtime, stop, Health())) for _ in range(count)
        ]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*running)


@pytest.fixture
async def world(vhost: VirtualHost, database: str, tmp_path: Path) -> AsyncIterator[World]:
    await apply(vhost.amqp_url, vhost.management_url)
    await asyncio.to_thread(migrate, database, "billing", (MIGRATIONS,), PASSWORD)
    certificate = self_signed("LOJA", retailer().cnpj)
    (tmp_path / "key.pem").write_bytes(certificate.key_pem)
    (tmp_path / "cert.pem").write_bytes(certificate.cert_pem)
    sandbox = Sandbox("", {"erp": "secret"}, pace=0.0)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(await aio_pika.connect(vhost.amqp_url))
        channel = await connection.channel()
        server = await stack.enter_async_context(TestServer(partners(sandbox, lambda: known)))
        stack.push_async_callback(sandbox.close)
        sandbox.gateway_url = str(server.make_url("")).rstrip("/")
        settings = Settings(
            erp_url=str(server.make_url("/erp")),
            sefaz_url=str(server.make_url("/sefaz")),
            signing_key_file=tmp_path / "key.pem",
            signing_cert_file=tmp_path / "cert.pem",
        )
        runtime = Runtime(
            amqp_url=vhost.amqp_url,
            database_url=service_url(database, "billing", PASSWORD),
            health_host="127.0.0.1",
            health_port=0,
            ladder_seconds=(0.5,) * 40,
            log_level="error",
        )
        known = World(runtime, settings, sandbox, channel)
        await watch(connection, known)
        yield known


def partners(sandbox: Sandbox, known: Callable[[], World]) -> web.Application:
    """SEFAZ, the ERP, and a gateway that passes the ERP's reports on."""

    async def gateway(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        await known().tell(SupplierPaymentReported.model_validate(body["data"]))
        return web.Response(status=202)

    app = web.Application()
    app.add_subapp("/sefaz", sefaz.create_app(sandbox))
    app.add_subapp("/erp", erp.create_app(sandbox))
    app.router.add_post("/v1/erp/events", gateway)
    return app


async def watch(connection: aio_pika.abc.AbstractConnection, known: World) -> None:
    channel = await connection.channel()
    seen = await channel.declare_queue("", exclusive=True)
    await seen.bind("fleet.events", "#")
    await seen.consume(collect(known.facts), no_ack=True)
    letters = await channel.get_queue("billing.dead", ensure=False)
    await letters.consume(collect(known.dead), no_ack=True)


def collect(into: list[dict[str, Any]]) -> Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]]:
    async def on(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        said = json.loads(message.body)
        into.extend(said if isinstance(said, list) else [said])

    return on


async def sales_order(world: World, order_id: str) -> str:
    """The ERP's number of an order that it has."""
    form = {
        "pedido_externo": order_id, "loja": "store-1", "canal": "channel-1", "codigo_canal": "MKT-1",
        "cliente": {"nome": "Joana Pereira", "documento": "52998224725"},
        "itens": [{"sku": "SKU-1", "quantidade": 2, "preco": "150.00", "desconto": "0.00"}],
        "frete": "0.00", "desconto": "0.00", "total": "300.00",
    }  # fmt: skip
    url = f"{world.settings.erp_url}/pedidos-venda"
    async with world.sandbox.session.post(url, json=form, headers={"Idempotency-Key": order_id}) as response:
        return str((await response.json())["numero"])


async def order_messages(world: World, order_id: str) -> list[Message]:
    """Everything billing hears of an order with two POs, some of it twice."""
    said: list[Message] = [
        b.order_ready(order_id=order_id, erp_order_number=await sales_order(world, order_id)),
        *(b.po_created(po_id, order_id=order_id) for po_id in ("po-a", "po-b")),
        *(b.nf_matched(po_id, order_id=order_id) for po_id in ("po-a", "po-b")),
    ]
    return said + random.sample(said, 2)


async def until(condition: Callable[[], Awaitable[bool]], world: World, seconds: float = 120.0) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not await condition():
        if asyncio.get_running_loop().time() > end:
            kept = await world.rows("select status, type, key, error from inbox_kept")
            calls = await world.rows("select operation, status, error from partner_call where status <> 'closed'")
            raise AssertionError(f"not within {seconds} s: {kept} {calls} {await world.ledger()}")
        await asyncio.sleep(0.1)


async def test_orders_in_any_order_end_invoiced_paid_and_balanced_while_sefaz_loses_answers(world: World) -> None:
    faults = world.sandbox.faults["sefaz"]
    faults.lost_answer = 1.0
    messages = [m for n in range(ORDERS) for m in await order_messages(world, f"order-{n}")]
    random.shuffle(messages)
    reference = (
        b.store_changed(), b.channel_changed(), b.tax_profile_changed(),
        b.supplier_changed("supplier-a"), b.supplier_changed("supplier-b"),
    )  # fmt: skip
    half = len(messages) // 2

    async def settled() -> bool:
        found = await world.ledger()
        return found.settled and found.payments == Decimal("160.00") * ORDERS and found.revenue == 300 * ORDERS

    async with world.replicas(2):
        await world.tell(*messages[:half], *reference, *messages[half:])

        async def answers_lost() -> bool:
            return faults.injected["lost_answer"] >= 3

        await until(answers_lost, world)
        faults.lost_answer = 0.0
        await until(settled, world)

        async def all_said() -> bool:
            return all(len(world.said(type)) >= 2 * ORDERS for type in FACTS) and not await world.rows(
                "select 1 from partner_call where status in ('pending', 'leased', 'answered')"
            )

        await until(all_said, world)
    issued = world.said("invoice.issued.v1")
    assert sorted(i["number"] for i in issued) == list(range(1, 2 * ORDERS + 1))
    assert sum(Decimal(i["total"]) for i in issued) == 300 * ORDERS
    assert schema_problems(base64.b64decode(issued[0]["xml"])) == ()
    stored = await world.rows("select access_key, xml from invoice_document")
    assert {r["access_key"]: r["xml"] for r in stored} == {i["access_key"]: base64.b64decode(i["xml"]) for i in issued}
    for type in FACTS:
        assert len(world.said(type)) == 2 * ORDERS
    effects = [e.operation for e in world.sandbox.effects.values()]
    assert effects.count("autorizacao") == 2 * ORDERS
    assert effects.count("pagamento") == 2 * ORDERS
    assert effects.count("despachado") == ORDERS
    assert world.dead == []
