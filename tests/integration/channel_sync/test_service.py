"""channel_sync whole: its worker on the real broker and database, its calls to the sandbox's partners."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
import pytest

import services.channel_sync
from deploy.local.partners import hub, mercado_livre
from schemas import envelope
from schemas.channel import ChannelSyncRequested, ReleaseRule
from schemas.model import Message
from schemas.order import OrderCancelled
from services.channel_sync.__main__ import service
from services.channel_sync.partners import HUB_RATE, LISTING_RATE
from services.channel_sync.settings import Settings
from shared.broker.apply import apply
from shared.health import Health
from shared.migrate import migrate, service_url
from shared.service import serve
from shared.settings import Runtime
from tests.conftest import PASSWORD, VirtualHost
from tests.integration.sandbox.serving import SECRETS, Partners, partners_at_work
from tests.integration.sandbox.test_hub import TOKEN
from tests.integration.worker.bench import collect, event, until
from tests.unit.channel_sync import builders as b
from tests.unit.channel_sync.test_polling import HUB_ORDER

NAME = "channel_sync"
MIGRATIONS = Path(services.channel_sync.__file__).parent / "migrations"


class Fleet:
    """Publishes what the rest of the fleet says, and hears what channel_sync says."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection, partners: Partners) -> None:
        self.connection = connection
        self.partners = partners
        self.facts: list[dict[str, Any]] = []
        self.dead: list[dict[str, Any]] = []

    async def say(self, *messages: Message, source: str = "fleet.events") -> None:
        channel = await self.connection.channel()
        exchange = await channel.get_exchange(source, ensure=False)
        for message in messages:
            await exchange.publish(aio_pika.Message(event(message), content_type=envelope.EVENT), message.TYPE)

    def said(self, type_: str) -> list[tuple[str, ...]]:
        """What channel_sync published of a type: fact and reference, or status of a label."""
        return [
            (f["data"].get("fact", ""), f["data"].get("reference", ""))
            for f in self.facts
            if f["type"] == type_ and f["source"].endswith(NAME)
        ]


@pytest.fixture
async def fleet(vhost: VirtualHost, database: str) -> AsyncIterator[Fleet]:
    async with (
        partners_at_work({hub.NAME: hub.create_app, mercado_livre.NAME: mercado_livre.create_app}) as partners,
        working(vhost, database, partners),
        hearing(vhost, partners) as fleet,
    ):
        yield fleet


@asynccontextmanager
async def hearing(vhost: VirtualHost, partners: Partners) -> AsyncIterator[Fleet]:
    async with await aio_pika.connect(vhost.amqp_url) as connection:
        fleet = Fleet(connection, partners)
        channel = await connection.channel()
        heard = await channel.declare_queue("", exclusive=True)
        await heard.bind("fleet.events", "#")
        await heard.bind("fleet.inbound", "order.placed.v2")
        await heard.bind("fleet.inbound", "payment.approved.v1")
        await heard.consume(collect(fleet.facts), no_ack=True)
        letters = await channel.get_queue(f"{NAME}.dead", ensure=False)
        await letters.consume(collect(fleet.dead), no_ack=True)
        yield fleet


@asynccontextmanager
async def working(vhost: VirtualHost, database: str, partners: Partners) -> AsyncIterator[None]:
    await apply(vhost.amqp_url, vhost.management_url)
    await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
    runtime = Runtime(
        amqp_url=vhost.amqp_url,
        database_url=service_url(database, NAME, PASSWORD),
        health_host="127.0.0.1",
        health_port=0,
        ladder_seconds=(0.2, 0.3, 1, 5),
        log_level="error",
    )
    stop = asyncio.Event()
    settings = Settings(smtp_url=partners.smtp_url, secrets=SECRETS)
    task = asyncio.create_task(serve(service(settings), runtime, stop, Health()))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_order_is_told_to_its_hub_and_its_customer_once_for_each_fact(fleet: Fleet) -> None:
    rule = ReleaseRule(nf_key="with_tracking", tracking="releases_nf")
    await fleet.say(
        b.channel_changed(api_url=f"{fleet.partners.url}/hub", rules=(rule,)),
        b.store_changed(),
        source="fleet.inbound",
    )
    story = [b.dispatched(), b.invoiced(), b.accepted(), b.status_changed(), b.delivered()]
    await fleet.say(*story, *story)
    await until(lambda: len(fleet.said("channel.updated.v1")) == 3, why=f"{fleet.facts} {fleet.dead}")
    assert fleet.said("channel.updated.v1") == [
        ("invoice", b.access_key()),
        ("shipment", "TRK1"),
        ("delivered", "ship-1"),
    ]
    await until(lambda: len(fleet.said("customer.notified.v1")) == 3)
    mails = await fleet.partners.get("/mail")
    assert [m["subject"] for m in mails] == [
        "Pedido MAG-1 confirmado",
        "Nota fiscal do pedido MAG-1 emitida",
        "Pedido MAG-1 enviado",
    ]
    effects = [e for e in fleet.partners.effects() if e[0] != "send"]
    assert [(operation, key) for operation, key, _ in effects] == [
        ("invoice", f"MAG-1/{b.access_key()}"),
        ("shipments", "MAG-1/TRK1"),
        ("delivery", "MAG-1/TRK1"),
    ]
    assert fleet.dead == []


async def test_xml_goes_to_mercado_livre_and_its_label_and_delivery_come_back(fleet: Fleet) -> None:
    rule = ReleaseRule(needs_xml=True, tracking="from_label", delivered_by="marketplace")
    await fleet.say(
        b.channel_changed(
            channel_id="mercado-livre",
            name="Mercado Livre",
            api="mercado_livre",
            api_url=f"{fleet.partners.url}/mercado-livre",
            token_ref="mercado-livre",
            rules=(rule,),
        ),
        b.store_changed(),
        source="fleet.inbound",
    )
    xml = (
        '<nfeProc xmlns="http://www.portalfiscal.inf.br/nfe"><protNFe><infProt>'
        f"<chNFe>{b.access_key()}</chNFe><cStat>100</cStat></infProt></protNFe></nfeProc>"
    )
    await fleet.say(
        b.accepted(
            channel_id="mercado-livre", channel_order_code="MER-1", logistics={"type": "me2", "shipment_id": "MER-1"}
        ),
        b.invoiced(xml=b64encode(xml.encode()).decode()),
    )
    await pass_on_report(fleet)
    await until(lambda: fleet.said("channel.label_available.v1"), why=f"{fleet.dead}")
    await until(lambda: fleet.said("channel.updated.v1") == [("invoice", b.access_key())])
    label = next(f["data"]["label"] for f in fleet.facts if f["type"] == "channel.label_available.v1")
    assert fleet.partners.sandbox.shipped(label["tracking_code"])
    await pass_on_report(fleet)
    await until(lambda: fleet.said("channel.delivery_reported.v1"), why=f"{fleet.dead}")
    assert fleet.dead == []


async def test_partial_refund_is_told_to_its_hub_once_and_the_customer_what_does_not_come(fleet: Fleet) -> None:
    await fleet.say(b.channel_changed(api_url=f"{fleet.partners.url}/hub"), b.store_changed(), source="fleet.inbound")
    story = [b.given_up({1: 1}), b.refund_ordered(), b.refund_ordered(2, by="erp"), b.accepted()]
    await fleet.say(*story, *story)
    await until(lambda: fleet.said("channel.updated.v1"), why=f"{fleet.facts} {fleet.dead}")
    given_up_at = b.NOW.isoformat()
    await until(lambda: fleet.said("customer.notified.v1") == [("given_up", given_up_at)], why=f"{fleet.facts}")
    cancelled = OrderCancelled(
        order_id="order-1", store_id="store-1", channel_id="magalu", cause="lost", reason="x", cancelled_at=b.NOW
    )
    await fleet.say(b.refund_ordered(3, cause="cancelled"), cancelled)
    await until(lambda: len(fleet.said("channel.updated.v1")) == 2, why=f"{fleet.facts} {fleet.dead}")
    assert fleet.said("channel.updated.v1") == [("refunded", "r-1"), ("cancelled", "")]
    effects = [e for e in fleet.partners.effects() if e[0] != "send"]
    assert [(operation, key) for operation, key, _ in effects] == [("refund", "MAG-1/r-1"), ("cancel", "MAG-1/")]
    assert fleet.dead == []


async def pass_on_report(fleet: Fleet) -> None:
    """What the gateway does with the marketplace's next callback."""
    _, body = await fleet.partners.door.next()
    report = b.reported(**body["data"] | {"channel_id": "mercado-livre"})
    await fleet.say(report, source="fleet.inbound")


async def test_orders_of_a_queue_are_placed_once_each_and_a_bad_one_holds_nobody_up(fleet: Fleet) -> None:
    queue = f"{fleet.partners.url}/hub/queue/orders"
    for order in (HUB_ORDER | {"code": "BAD", "total": "1.00"}, HUB_ORDER, HUB_ORDER | {"code": "MAG-8"}):
        await fleet.partners.session.post(queue, json=order)
    polled = b.channel_changed(api_url=f"{fleet.partners.url}/hub", polls=True, store_id="store-1", poll_every="PT1S")
    await fleet.say(polled, b.store_changed(), source="fleet.inbound")
    await until(lambda: len(placed(fleet)) >= 2, why=f"{fleet.facts} {fleet.dead}")
    await fleet.partners.session.post(queue, json=HUB_ORDER | {"code": "MAG-9"})
    await fleet.say(ChannelSyncRequested(store_id="store-1", requested_at=b.NOW), source="fleet.inbound")
    await until(lambda: len(placed(fleet)) >= 3, why=f"{fleet.facts} {fleet.dead}")
    assert placed(fleet) == ["magalu-MAG-7", "magalu-MAG-8", "magalu-MAG-9"]
    refused = [f["data"] for f in fleet.facts if f["type"] == "order.refused.v1"]
    assert [(r["channel_order_code"], r["reasons"][0]["code"]) for r in refused] == [("BAD", "value_error")]
    assert fleet.dead == []


async def test_unreadable_orders_that_their_hub_gives_until_they_are_confirmed_starve_nobody(
    vhost: VirtualHost, database: str
) -> None:
    """It gives the head of its queue again at once; what was set aside is in `order.refused`, whole."""
    impatient = partial(hub.create_app, confirm_within=0.0)
    bad = [HUB_ORDER | {"code": f"BAD-{n}", "total": "1.00"} for n in range(2)]
    async with (
        partners_at_work({hub.NAME: impatient}) as partners,
        working(vhost, database, partners),
        hearing(vhost, partners) as fleet,
    ):
        for order in (*bad, HUB_ORDER):
            await partners.session.post(f"{partners.url}/hub/queue/orders", json=order)
        polled = b.channel_changed(api_url=f"{partners.url}/hub", polls=True, store_id="store-1", poll_every="PT1S")
        await fleet.say(polled, b.store_changed(), source="fleet.inbound")
        await until(lambda: placed(fleet), why=f"{fleet.facts} {fleet.dead}")
        originals = [f["data"].get("original") for f in fleet.facts if f["type"] == "order.refused.v1"]
        assert [json.loads(original) for original in originals if original] == [
            {"status": "approved", "invoices": [], "shipments": [], "refunds": [], "deliveredAt": None} | order
            for order in bad
        ]
        assert fleet.dead == []


async def test_order_that_the_hub_gives_again_after_we_delivered_it_is_taken_without_a_word(fleet: Fleet) -> None:
    queue = f"{fleet.partners.url}/hub/queue/orders"
    await fleet.partners.session.post(queue, json=HUB_ORDER)
    polled = b.channel_changed(api_url=f"{fleet.partners.url}/hub", polls=True, store_id="store-1", poll_every="PT1S")
    await fleet.say(polled, b.store_changed(), source="fleet.inbound")
    await until(lambda: placed(fleet), why=f"{fleet.facts} {fleet.dead}")
    ours: dict[str, Any] = {"order_id": "magalu-MAG-7"}
    sale = b.accepted(**ours, channel_order_code="MAG-7")
    await fleet.say(sale, b.invoiced(**ours), b.dispatched(**ours), b.delivered(**ours))
    await until(lambda: ("delivered", "ship-1") in fleet.said("channel.updated.v1"), why=f"{fleet.facts} {fleet.dead}")

    async def given_again() -> bool:
        await fleet.partners.session.post(queue, json={"code": "MAG-7"})  # nothing happens while it is not confirmed
        return told_of("payment.approved.v1", fleet).count("magalu-MAG-7") > 1

    await until(given_again, why=f"{fleet.facts} {fleet.dead}")
    assert (await fleet.partners.get("/hub/orders/MAG-7", **TOKEN))["status"] == "delivered"
    await fleet.partners.session.post(queue, json=HUB_ORDER | {"code": "MAG-8"})
    await fleet.say(ChannelSyncRequested(store_id="store-1", requested_at=b.NOW), source="fleet.inbound")
    await until(lambda: "magalu-MAG-8" in placed(fleet), why=f"{fleet.facts} {fleet.dead}")
    assert placed(fleet) == ["magalu-MAG-7", "magalu-MAG-8"]
    assert fleet.dead == []


def placed(fleet: Fleet) -> list[str]:
    return told_of("order.placed.v2", fleet)


def told_of(type_: str, fleet: Fleet) -> list[str]:
    return [f["data"]["order_id"] for f in fleet.facts if f["type"] == type_]


async def test_hub_that_takes_nine_calls_a_second_at_each_endpoint_refuses_none(fleet: Fleet) -> None:
    """It would answer 429 above that; without a rate of ours twenty updates at once are too many."""
    faults = fleet.partners.sandbox.faults[hub.NAME]
    faults.rate = HUB_RATE
    await fleet.say(b.channel_changed(api_url=f"{fleet.partners.url}/hub"), b.store_changed(), source="fleet.inbound")
    orders = [{"order_id": f"order-{n}", "channel_order_code": f"MAG-{n}"} for n in range(20)]
    started = asyncio.get_running_loop().time()
    await fleet.say(*(b.accepted(**order) for order in orders))
    await fleet.say(*(b.invoiced(order_id=order["order_id"]) for order in orders))
    await until(lambda: len(fleet.said("channel.updated.v1")) == len(orders), why=f"{fleet.dead}")
    assert faults.injected["rate"] == 0
    assert asyncio.get_running_loop().time() - started >= (len(orders) - HUB_RATE) / HUB_RATE


async def test_queue_is_listed_once_a_second_at_most_however_many_orders_it_has(fleet: Fleet) -> None:
    faults, url = fleet.partners.sandbox.faults[hub.NAME], f"{fleet.partners.url}/hub"
    for n in range(3):
        await fleet.partners.session.post(f"{url}/queue/orders", json=HUB_ORDER | {"code": f"MAG-{n}"})
    faults.rate = LISTING_RATE
    await fleet.say(
        b.channel_changed(api_url=url, polls=True, store_id="store-1", poll_every="PT1S"),
        b.store_changed(),
        source="fleet.inbound",
    )
    await until(lambda: len(placed(fleet)) == 3, why=f"{fleet.facts} {fleet.dead}")
    assert faults.injected["rate"] == 0
