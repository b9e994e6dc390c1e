"""`fleet orders settle`: the journal knows that a person must decide, and the decision goes out to the fleet."""

import json
from typing import Any

import aio_pika
import asyncpg

from schemas.order import OrderCancellationDecided
from tests.integration.control_room.conftest import Room, fleet_cli
from tests.integration.control_room.test_journal import journaling, kept, say
from tests.integration.worker.bench import until
from tests.unit.control_room.builders import event

ENTRY = "42260712ABC34501DE35550010000001231123456781"
KEY = "35261111122233300018155001000000001112345678"
SETTLE = ("settle", "ORD-1", "--as", "returned", "--why", "the customer sent it back", "--actor", "marina")


def told(id: str, type: str, second: int, **data: Any) -> dict[str, Any]:
    return event(id=id, type=type, time=f"2026-11-22T12:00:{second:02d}+00:00", data={"order_id": "ORD-1", **data})


STARTED = told("1", "order.cancellation_started.v1", 1)
KEPT = told("2", "billing.stopped.v1", 2, invoices_in_force=[KEY])


async def decisions(room: Room) -> list[OrderCancellationDecided]:
    """What billing would hear; its queue is not consumed here."""
    found: list[OrderCancellationDecided] = []
    async with await aio_pika.connect(room.vhost.amqp_url) as connection:
        queue = await (await connection.channel()).get_queue("billing", ensure=False)
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            if message.routing_key == OrderCancellationDecided.TYPE:
                found.append(OrderCancellationDecided.model_validate(json.loads(message.body)["data"]))
    return found


async def test_cancellation_that_waits_for_a_person_is_settled(room: Room, pool: asyncpg.Pool) -> None:
    async with journaling(room, pool):
        await say(room, STARTED, KEPT)
        await until(lambda: kept(pool, 2))
        done = await fleet_cli(room, "orders", *SETTLE)
        assert (done.exit_code, done.stdout) == (0, "order ORD-1: told to be cancelled and refunded\n")
        await until(lambda: kept(pool, 3))
    [decided] = await decisions(room)
    assert (decided.decision, decided.decided_by, decided.reason) == ("returned", "marina", SETTLE[5])


async def test_settled_order_is_told_as_one_json_document(room: Room, pool: asyncpg.Pool) -> None:
    async with journaling(room, pool):
        await say(room, STARTED, KEPT)
        await until(lambda: kept(pool, 2))
        done = await fleet_cli(room, "orders", *SETTLE, "--entry-nf", ENTRY, "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["order_id"], said["decision"], said["decided_by"]) == ("ORD-1", "returned", "marina")
    assert said["entry_nf_keys"] == [ENTRY]
    assert [decided.entry_nf_keys for decided in await decisions(room)] == [(ENTRY,)]


async def test_invoice_of_goods_that_do_not_come_is_settled_while_its_order_goes_on(
    room: Room, pool: asyncpg.Pool
) -> None:
    problems = [{"code": "bills_void_goods"}, {"code": "501"}]
    in_force = told("1", "invoice.refused.v1", 1, invoice_id="r-1", series=1, number=7, problems=problems)
    async with journaling(room, pool):
        await say(room, in_force)
        await until(lambda: kept(pool, 1))
        done = await fleet_cli(room, "orders", *SETTLE[:3], "continue", *SETTLE[4:])
        assert (done.exit_code, done.stdout) == (0, "order ORD-1: told to go on\n")
        await until(lambda: kept(pool, 2))
        await say(room, told("3", "invoice.cancelled.v1", 3, invoice_id="r-1", how="entry_nf"))
        await until(lambda: kept(pool, 3))
        again = await fleet_cli(room, "orders", *SETTLE)
    assert "nothing to settle" in again.stderr
    assert [decided.decision for decided in await decisions(room)] == ["continue"]


async def test_order_that_waits_for_nobody_is_not_settled(room: Room, pool: asyncpg.Pool) -> None:
    async with journaling(room, pool):
        await say(room, STARTED)
        await until(lambda: kept(pool, 1))
        done = await fleet_cli(room, "orders", *SETTLE)
    assert done.exit_code == 1
    assert "nothing to settle" in done.stderr
    assert "knows no order" in (await fleet_cli(room, "orders", "settle", "ORD-9", *SETTLE[2:])).stderr
    assert await decisions(room) == []
