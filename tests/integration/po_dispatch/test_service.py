"""The whole service on a real broker and database, buying from the sandbox's suppliers over real HTTP.

The test speaks for the other services: it publishes order.ready, R, the matched S1 and the marketplace's words.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
from aiohttp import web

import services.po_dispatch
from deploy.local import world
from schemas import catalogue, envelope
from schemas.billing import InvoiceIssued
from schemas.channel import DeliveryReported, Label, LabelAvailable
from schemas.model import Message
from schemas.nota_fiscal import RemittanceNfMatched
from schemas.order import OrderPlaced, OrderPlacedV1, OrderReady, upcast_placed_v1
from schemas.supplier import SupplierChanged
from services.po_dispatch.__main__ import service
from services.po_dispatch.settings import Settings
from services.po_dispatch.state import WOKEN_AT_ONCE
from shared.broker.apply import apply
from shared.migrate import migrate, service_url
from shared.service import serve
from shared.settings import Runtime
from tests.conftest import PASSWORD, VirtualHost
from tests.integration.po_dispatch.parties import SECRETS, Parties, parties, seller_nf
from tests.integration.worker.bench import collect, event, until
from tests.unit.po_dispatch import builders as b

NAME = "po_dispatch"
MIGRATIONS = Path(services.po_dispatch.__file__).parent / "migrations"
ORDERS = 12


class Fleet:
    """What the rest of the fleet publishes and sees."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self.channel = channel
        self.facts: list[dict[str, Any]] = []
        self.dead: list[dict[str, Any]] = []

    async def publish(self, data: Message) -> None:
        entry = catalogue.by_type()[data.TYPE]
        exchange = await self.channel.get_exchange(
            "fleet.inbound" if entry.kind == "inbound" else "fleet.events", ensure=False
        )
        message = aio_pika.Message(event(data), content_type=envelope.EVENT, delivery_mode=2)
        await exchange.publish(message, data.TYPE)

    async def forward(self, path: str, body: dict[str, Any]) -> None:
        """A partner's callback, as the gateway passes it on."""
        _, _, kind, name, _ = path.split("/")
        entry = catalogue.newest(body["type"])
        assert entry is not None
        named = {"supplier_id" if kind == "suppliers" else "carrier": name}
        await self.publish(entry.model.model_validate({**named, **body["data"]}))

    def said(self, family: str) -> list[dict[str, Any]]:
        return [fact["data"] for fact in self.facts if catalogue.family_of(fact["type"]) == family]


@asynccontextmanager
async def buying(vhost: VirtualHost, database: str) -> AsyncIterator[tuple[Fleet, Parties, str]]:
    """po_dispatch runs for the block, knowing the demo's stores, suppliers and offers."""
    await apply(vhost.amqp_url, vhost.management_url)
    await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
    url = service_url(database, NAME, PASSWORD)
    connection = await aio_pika.connect(vhost.amqp_url)
    fleet = Fleet(await connection.channel())
    seen = await fleet.channel.declare_queue("", exclusive=True)
    await seen.bind("fleet.events", "#")
    await seen.consume(collect(fleet.facts), no_ack=True)
    letters = await fleet.channel.get_queue(f"{NAME}.dead", ensure=False)
    await letters.consume(collect(fleet.dead), no_ack=True)
    stop = asyncio.Event()
    async with parties(erp(), fleet.forward) as them:
        settings = Settings(erp_url=f"{them.base_url}/erp", secrets=SECRETS)
        runtime = Runtime(
            amqp_url=vhost.amqp_url,
            database_url=url,
            health_host="127.0.0.1",
            health_port=0,
            ladder_seconds=(0.2, 0.5, 1, 2, 4),
        )
        task = asyncio.create_task(serve(service(settings), runtime, stop))
        try:
            yield fleet, them, url
        finally:
            stop.set()
            await task
            await connection.close()


def erp() -> web.Application:
    """As much of an ERP as po_dispatch needs: a number for each PO, the same for the same idempotency key."""
    numbers: dict[str, str] = {}
    following = count(1)

    async def register(request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        if key not in numbers:
            numbers[key] = f"PC{next(following):08d}"
        return web.json_response({"numero": numbers[key]}, status=201)

    app = web.Application()

    async def cancel(request: web.Request) -> web.Response:
        assert request.match_info["numero"] in numbers.values()
        return web.json_response({"numero": request.match_info["numero"], **await request.json()})

    app.router.add_post("/pedidos-compra", register)
    app.router.add_post("/pedidos-compra/{numero}/situacao", cancel)
    return app


def ready(order: OrderPlaced) -> OrderReady:
    now = datetime.now(UTC)
    known = order.model_dump(exclude={"payments", "fulfilment"})
    return OrderReady(**known, payments=order.payments, erp_order_number="SO1", ready_at=now)


def issued(orders: dict[str, OrderReady], po: dict[str, Any], number: int) -> InvoiceIssued:
    order = orders[po["order_id"]]
    key, xml = seller_nf(number)
    return InvoiceIssued(
        order_id=order.order_id,
        store_id=order.store_id,
        channel_id=order.channel_id,
        invoice_id=f"R{number}",
        po_ids=(po["po_id"],),
        series=1,
        number=number,
        access_key=key,
        protocol="135260000000001",
        issued_at=datetime.now(UTC),
        total=order.total,
        xml=xml,
    )


async def label(fleet: Fleet, them: Parties, order: OrderReady) -> None:
    """The marketplace labels the order, and reports its delivery once the supplier has handed the parcel over."""
    code = f"MEL-{order.order_id}"

    async def carry() -> None:
        await fleet.publish(
            DeliveryReported(order_id=order.order_id, channel_id=order.channel_id, delivered_at=datetime.now(UTC))
        )

    them.sandbox.labelled(code, carry)
    made = Label(carrier="Mercado Envios", tracking_code=code, content_type="application/zpl", content="XlhB")
    await fleet.publish(
        LabelAvailable(order_id=order.order_id, channel_id=order.channel_id, label=made, at=datetime.now(UTC))
    )


async def match_remittances(fleet: Fleet, them: Parties, pos: list[dict[str, Any]]) -> None:
    """nf_reconciliation's word on every S1 that the suppliers posted."""
    by_number = {po["po_number"]: po for po in pos}
    for document in them.documents():
        if document.lines[0].cfop.endswith("923"):
            po = by_number[document.lines[0].po_number or ""]
            await fleet.publish(
                RemittanceNfMatched(
                    order_id=po["order_id"],
                    po_id=po["po_id"],
                    po_number=po["po_number"],
                    supplier_id=po["supplier_id"],
                    access_key=document.access_key,
                    invoice_key=document.cites[0],
                    issued_at=document.issued_at,
                )
            )


async def test_ready_orders_are_bought_handed_over_shipped_and_delivered_once(
    vhost: VirtualHost, database: str
) -> None:
    placed = [m for m in world.orders(ORDERS, 1) if isinstance(m, OrderPlaced | OrderPlacedV1)]
    orders = {o.order_id: ready(upcast_placed_v1(o) if isinstance(o, OrderPlacedV1) else o) for o in placed}
    async with buying(vhost, database) as (fleet, them, url):
        reference = world.reference_data(them.base_url)
        for message in reference:
            if NAME in catalogue.by_type()[message.TYPE].consumers:
                await fleet.publish(message)
        await until(lambda: _offers_known(url), why="offers known")
        for order in orders.values():
            await fleet.publish(order)
        await until(lambda: all_created(fleet), why="all POs created")
        pos = fleet.said("purchase_order.created")
        await until(lambda: len(fleet.said("purchase_order.confirmed")) == len(pos), why="confirmed")
        for number, po in enumerate(pos, 1):
            if orders[po["order_id"]].logistics.label_by == "channel":
                await label(fleet, them, orders[po["order_id"]])
            await fleet.publish(issued(orders, po, number))
        await until(lambda: len(fleet.said("shipment.delivered")) == len(pos), why="delivered")
        await match_remittances(fleet, them, pos)
        await until(lambda: _no_reminder(url), why="the shipping gate is forgotten")
    told = Counter(catalogue.family_of(fact["type"]) for fact in fleet.facts if fact["source"].endswith(NAME))
    each = ("purchase_order.created", "purchase_order.sent", "purchase_order.confirmed")
    assert told == dict.fromkeys((*each, "invoice.handed_over", "shipment.dispatched", "shipment.delivered"), len(pos))
    assert len(pos) > ORDERS
    assert {po["supplier_id"] for po in pos} == {"farol-sul", "auto-leste", "pecas-norte", "nova-era"}
    assert all(len(po["order_po_ids"]) == sum(o["order_id"] == po["order_id"] for o in pos) for po in pos)
    assert fleet.dead == []


async def test_stock_wakes_all_that_it_is_enough_for_oldest_first_however_many_wait(
    vhost: VirtualHost, database: str
) -> None:
    """Their own reminders are taken away: those who are woken are woken by the stock."""
    many, enough = 2 * WOKEN_AT_ONCE + 50, 2 * WOKEN_AT_ONCE + 30
    of_one = (b.item(1, "A"),)
    async with buying(vhost, database) as (fleet, them, url):
        maker = next(m for m in world.reference_data(them.base_url) if isinstance(m, SupplierChanged))
        offer = b.offer_changed(maker.supplier_id, stock=0)
        for message in (b.store_changed(has_erp=False), maker, offer):
            await fleet.publish(message)
        await until(lambda: _value(url, "select exists (select 1 from offer) and exists (select 1 from supplier)"))
        for n in range(many):
            placed_at = b.NOW + timedelta(seconds=n)
            await fleet.publish(b.order_ready(order_id=f"O-{n:04}", items=of_one, placed_at=placed_at))
        await until(lambda: len(fleet.said("sourcing.out_of_stock")) == many, why="all wait")
        await _value(url, "delete from reminder")
        await fleet.publish(b.offer_changed(maker.supplier_id, stock=enough))
        await until(
            lambda: len(fleet.said("purchase_order.created")) == enough, why="as many as the stock is enough for"
        )
        await until(lambda: len(fleet.said("purchase_order.sent")) == enough, why="sent")
    bought = {po["order_id"] for po in fleet.said("purchase_order.created")}
    assert bought == {f"O-{n:04}" for n in range(enough)}
    assert fleet.dead == []


def all_created(fleet: Fleet) -> bool:
    """Each order has as many POs as each of them says."""
    pos = fleet.said("purchase_order.created")
    announced = {po_id for po in pos for po_id in po["order_po_ids"]}
    return len({po["order_id"] for po in pos}) == ORDERS and announced == {po["po_id"] for po in pos}


async def _offers_known(url: str) -> bool:
    return bool(await _value(url, "select (select count(*) from offer) = 32 and (select count(*) from supplier) = 4"))


async def _no_reminder(url: str) -> bool:
    return bool(await _value(url, "select not exists (select 1 from reminder)"))


async def _value(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
