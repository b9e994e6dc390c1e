"""order_intake whole: a real broker, a real database, the sandbox's ERP over HTTP; the other services are the test."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.partners import erp
from deploy.local.partners.sandbox import Sandbox
from schemas.model import Message
from services.order_intake.__main__ import service
from services.order_intake.settings import Settings
from shared.migrate import migrate
from tests.builders import HOME, PAYMENT, order_placed, store_changed
from tests.conftest import PASSWORD, VirtualHost
from tests.integration.order_intake.test_store import MIGRATIONS
from tests.integration.worker.bench import NAME, Bench, bench_on, event, until
from tests.unit.order_intake import builders as b

HISTORY = [
    "payment_confirmed", "ready_to_order", "po_dispatched", "supplier_invoice_received", "awaiting_invoice", "invoiced",
    "awaiting_shipment", "shipped", "delivered", "completed",
]  # fmt: skip


@dataclass
class Fleet:
    bench: Bench
    sandbox: Sandbox
    settings: Settings

    async def tell(self, *messages: Message) -> None:
        for message in messages:
            await self.bench.publish(event(message), key=message.TYPE)

    def said(self, type_: str) -> list[dict[str, Any]]:
        return [fact["data"] for fact in self.bench.facts if fact["type"] == type_]

    def effects(self) -> list[tuple[str, str]]:
        return [(effect.operation, effect.key) for effect in self.sandbox.effects.values()]


@pytest.fixture
async def fleet(vhost: VirtualHost, database: str) -> AsyncIterator[Fleet]:
    sandbox = Sandbox("http://127.0.0.1:1", {"erp": "secret"})
    app = web.Application()
    app.add_subapp("/erp", erp.create_app(sandbox))
    async with bench_on(vhost, database) as bench, TestServer(app) as server:
        await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
        yield Fleet(bench, sandbox, Settings(erp_url=str(server.make_url("/erp"))))


ORDER = b.two_lines(payments=[PAYMENT | {"amount": "199.80"}])


def milestones() -> list[Message]:
    makers: list[Any] = [b.sent, b.confirmed, b.s2_matched, b.handed_over, b.s1_matched, b.dispatched, b.delivered]
    created = [b.created("a", 1), b.created("b", 2)]
    return [*created, b.invoice_issued("a", "b"), *(make(po) for make in makers for po in ("a", "b"))]


@pytest.mark.parametrize("seed", [1, 2])
async def test_shuffled_and_repeated_milestones_complete_the_order_once_in_order(fleet: Fleet, seed: int) -> None:
    dice = random.Random(seed)
    shuffled = [*milestones(), *dice.sample(milestones(), k=8)]
    dice.shuffle(shuffled)
    async with fleet.bench.working(service(fleet.settings)):
        await fleet.tell(b.payment_approved(amount="199.80"), ORDER, store_changed(return_window_days=0))
        await until(lambda: fleet.said("order.ready.v1"))
        await fleet.tell(*shuffled, ORDER)
        await until(lambda: fleet.said("order.completed.v1"))
        await until(lambda: ("concluido", "order-1") in fleet.effects())
        await until(lambda: fleet.bench.queue_depth_is(0))
        rows = await until(lambda: fleet.bench.rows("select 1 from sales_order where (body->>'closed_in_erp')::bool"))
    assert len(rows) == 1
    told = [moved["status"] for moved in fleet.said("order.status_changed.v1")]
    assert [status for status in told if status in HISTORY] == HISTORY
    assert [len(fleet.said(f"order.{fact}.v1")) for fact in ("accepted", "ready", "completed")] == [1, 1, 1]
    assert fleet.said("order.ready.v1")[0]["erp_order_number"].startswith("SO")
    assert sorted(fleet.effects()) == [("concluido", "order-1"), ("pedido-venda", "order-1")]
    assert fleet.bench.dead == []


async def test_order_placed_again_with_other_content_is_a_dead_letter_and_the_order_goes_on(fleet: Fleet) -> None:
    async with fleet.bench.working(service(fleet.settings)):
        await fleet.tell(store_changed(), order_placed())
        await until(lambda: fleet.said("order.accepted.v1"))
        await fleet.tell(order_placed(channel_order_code="C-2"), b.payment_approved())
        await until(lambda: fleet.said("order.ready.v1"))
        [letter] = await until(lambda: fleet.bench.dead)
    assert letter["data"]["reason"] == "refused"
    assert "channel_order_code" in letter["data"]["error"]
    assert len(fleet.said("order.accepted.v1")) == 1


async def test_erp_that_fails_and_loses_answers_gets_the_order_once(fleet: Fleet) -> None:
    faults = fleet.sandbox.faults["erp"]
    faults.lost_answer = 1.0
    async with fleet.bench.working(service(fleet.settings)):
        await fleet.tell(store_changed(), b.payment_approved(), order_placed())
        await until(lambda: faults.injected["lost_answer"])
        faults.lost_answer = 0.0
        await until(lambda: fleet.said("order.ready.v1"), 40)
    assert fleet.effects() == [("pedido-venda", "order-1")]


async def test_changed_order_is_ready_only_when_the_erp_has_the_change(fleet: Fleet) -> None:
    async with fleet.bench.working(service(fleet.settings)):
        await fleet.tell(store_changed(), order_placed(), b.change(ship_to=HOME | {"street": "Rua Nova"}))
        await until(lambda: ("alteracao-pedido-venda", "order-1") in fleet.effects())
        await fleet.tell(b.payment_approved())
        [ready] = await until(lambda: fleet.said("order.ready.v1"))
        await fleet.tell(b.change(change_id="change-2", ship_to=HOME))
        [refused] = await until(lambda: fleet.said("order.change_refused.v1"))
    assert ready["ship_to"]["street"] == "Rua Nova"
    assert [reason["code"] for reason in refused["reasons"]] == ["in_fulfilment"]
    assert fleet.bench.dead == []


async def test_order_given_up_at_the_stores_limit_is_asked_for_then_cancelled_and_refunded(fleet: Fleet) -> None:
    limit = store_changed(deadlines={"stock": "PT1S"})
    async with fleet.bench.working(service(fleet.settings)):
        await fleet.tell(limit, b.payment_approved(), order_placed(), b.out_of_stock())
        [started] = await until(lambda: fleet.said("order.cancellation_started.v1"))
        assert fleet.said("order.cancelled.v1") == []
        await fleet.tell(b.fulfilment_stopped(), b.billing_stopped())
        [refund] = await until(lambda: fleet.said("refund.requested.v1"))
        await until(lambda: ("cancelado", "order-1") in fleet.effects())
        await fleet.tell(b.refund_ordered(), b.refund_settled(), b.wish())
        await until(lambda: fleet.bench.queue_depth_is(0))
    told = [moved["status"] for moved in fleet.said("order.status_changed.v1")]
    assert told[-2:] == ["out_of_stock", "cancelled"]
    assert started["cause"] == "no_stock"
    assert (refund["payment_id"], refund["amount"], refund["method"]) == ("pay-1", "99.90", "pix")
    assert refund["erp_order_number"].startswith("SO")
    assert len(fleet.said("order.cancelled.v1")) == len(fleet.said("order.cancellation_started.v1")) == 1
    assert fleet.bench.dead == []
