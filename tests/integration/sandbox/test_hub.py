"""channel_sync's hub calls against the sandbox's hub, over HTTP; and the rest of the hub's contract."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from deploy.local.partners import hub
from deploy.local.partners.hub import create_app
from deploy.local.partners.sandbox import Sandbox
from services.channel_sync.partners.hub import Hub
from services.channel_sync.requests import (
    Access,
    ConfirmOrder,
    FetchOrder,
    TellCancellation,
    TellDelivery,
    TellInvoice,
    TellRefund,
    TellShipment,
)
from shared.partner.errors import Rejected, Unavailable, Uncertain
from tests.integration.sandbox.serving import NOW, SECRETS, Partners, partners_at_work
from tests.unit.channel_sync.builders import XML, access_key
from tests.unit.channel_sync.test_polling import HUB_ORDER

CLIENT = Hub(SECRETS)
TOKEN = {"X-User-Token": "t0ken"}


@pytest.fixture
async def partners() -> AsyncIterator[Partners]:
    async with partners_at_work({hub.NAME: create_app}) as running:
        yield running


def access(partners: Partners, token_ref: str = "magalu") -> Access:
    return Access(api_url=f"{partners.url}/hub", token_ref=token_ref)


def invoice(partners: Partners, **fields: Any) -> TellInvoice:
    asked = TellInvoice(
        access=access(partners),
        order_code="MAG-1",
        access_key=access_key(),
        series=1,
        number=1,
        issued_at=NOW,
        xml=XML,
    )
    return asked.model_copy(update=fields)


def shipment(partners: Partners, **fields: Any) -> TellShipment:
    asked = TellShipment(
        access=access(partners),
        order_code="MAG-1",
        carrier="Transportes Sul",
        tracking_code="TRK1",
        tracking_url=None,
        invoice_key=access_key(),
        dispatched_at=NOW,
    )
    return asked.model_copy(update=fields)


def delivery(partners: Partners, **fields: Any) -> TellDelivery:
    asked = TellDelivery(
        access=access(partners), order_code="MAG-1", po_id="po-1", tracking_codes=("TRK1",), delivered_at=NOW
    )
    return asked.model_copy(update=fields)


async def test_facts_told_in_order_are_confirmed_and_shown(partners: Partners) -> None:
    assert (await CLIENT.tell_invoice(invoice(partners), partners.attempt("c1"))).confirmed
    assert (await CLIENT.tell_shipment(shipment(partners), partners.attempt("c2"))).confirmed
    assert (await CLIENT.tell_delivery(delivery(partners), partners.attempt("c3"))).confirmed
    shown = await partners.get("/hub/orders/MAG-1", **TOKEN)
    assert shown["status"] == "delivered"
    assert shown["invoices"][0] == {
        "key": access_key(),
        "number": 1,
        "series": 1,
        "issueDate": NOW.isoformat(),
        "xml": XML,
    }
    assert shown["shipments"][0]["invoiceKey"] == access_key()
    assert partners.effects() == [
        ("invoice", f"MAG-1/{access_key()}", 1),
        ("shipments", "MAG-1/TRK1", 1),
        ("delivery", "MAG-1/TRK1", 1),
    ]


async def test_same_call_again_is_done_once(partners: Partners) -> None:
    for number in (1, 2):
        assert (await CLIENT.tell_invoice(invoice(partners), partners.attempt("c1", number))).confirmed
    assert len((await partners.get("/hub/orders/MAG-1", **TOKEN))["invoices"]) == 1
    assert partners.effects() == [("invoice", f"MAG-1/{access_key()}", 2)]


async def test_two_calls_for_one_fact_are_seen_as_two(partners: Partners) -> None:
    for call_id in ("c1", "c2"):
        await CLIENT.tell_invoice(invoice(partners), partners.attempt(call_id))
    assert len(partners.effects()) == 2


async def test_order_of_two_parcels_is_delivered_when_both_are(partners: Partners) -> None:
    await CLIENT.tell_invoice(invoice(partners), partners.attempt("c1"))
    for code in ("TRK1", "TRK2"):
        await CLIENT.tell_shipment(shipment(partners, tracking_code=code), partners.attempt(code))
    await CLIENT.tell_delivery(delivery(partners), partners.attempt("c2"))
    assert (await partners.get("/hub/orders/MAG-1", **TOKEN))["status"] == "shipped"
    await CLIENT.tell_delivery(delivery(partners, tracking_codes=("TRK2",)), partners.attempt("c3"))
    assert (await partners.get("/hub/orders/MAG-1", **TOKEN))["status"] == "delivered"


async def test_bad_key_is_refused_in_the_hubs_words(partners: Partners) -> None:
    answer = await CLIENT.tell_invoice(invoice(partners, access_key="3526 1111"), partners.attempt())
    assert (answer.confirmed, answer.code) == (False, "invalid_key")
    assert "44 characters" in answer.detail
    assert partners.effects() == []


async def test_shipment_of_an_unknown_nf_and_delivery_of_an_unknown_parcel_are_refused(partners: Partners) -> None:
    answer = await CLIENT.tell_shipment(shipment(partners), partners.attempt())
    assert (answer.confirmed, answer.code) == (False, "unknown_invoice")
    answer = await CLIENT.tell_delivery(delivery(partners), partners.attempt())
    assert (answer.confirmed, answer.code) == (False, "unknown_tracking")


async def test_unknown_token_is_rejected_and_a_missing_secret_waits(partners: Partners) -> None:
    stranger = Hub({"channel:magalu": "wrong"})
    with pytest.raises(Rejected, match="401"):
        await stranger.tell_invoice(invoice(partners), partners.attempt())
    with pytest.raises(Unavailable, match="no secret named channel:amazon"):
        await CLIENT.tell_invoice(invoice(partners, access=access(partners, "amazon")), partners.attempt())


async def test_yes_that_changes_nothing_is_not_believed(partners: Partners) -> None:
    def deaf(sandbox: Sandbox) -> web.Application:
        async def agree(request: web.Request) -> web.Response:
            return web.json_response({"code": "MAG-1"}, status=201)

        async def show(request: web.Request) -> web.Response:
            return web.json_response({"code": "MAG-1", "invoices": []})

        app = web.Application()
        app.add_routes([web.post("/orders/{code}/invoice", agree), web.get("/orders/{code}", show)])
        return app

    async with partners_at_work({hub.NAME: deaf}) as other:
        with pytest.raises(Unavailable, match="does not show it"):
            await CLIENT.tell_invoice(invoice(other), other.attempt())


async def test_lost_answer_is_uncertain_and_the_next_try_finds_it_done(partners: Partners) -> None:
    faults = partners.sandbox.faults["hub"]
    faults.lost_answer = 1.0
    with pytest.raises(Uncertain):
        await CLIENT.tell_invoice(invoice(partners), partners.attempt("c1"))
    assert faults.injected["lost_answer"] == 1
    faults.lost_answer = 0.0
    assert (await CLIENT.tell_invoice(invoice(partners), partners.attempt("c1", 2))).confirmed
    assert partners.effects() == [("invoice", f"MAG-1/{access_key()}", 2)]


async def test_calls_above_the_rate_are_told_to_wait(partners: Partners) -> None:
    partners.sandbox.faults["hub"].rate = 9.0
    results = await asyncio.gather(
        *(CLIENT.tell_invoice(invoice(partners, order_code=f"M-{n}"), partners.attempt(f"c{n}")) for n in range(15)),
        return_exceptions=True,
    )
    waiting = [r for r in results if isinstance(r, Unavailable)]
    assert waiting
    assert waiting[0].retry_after == 1.0
    assert partners.sandbox.faults["hub"].injected["rate"] >= len(waiting)
    assert len(partners.effects()) >= 9


async def test_queue_gives_one_order_until_it_is_confirmed() -> None:
    def impatient(sandbox: Sandbox) -> web.Application:
        return create_app(sandbox, confirm_within=0.0)

    async with partners_at_work({hub.NAME: impatient}) as partners:
        queue = f"{partners.url}/hub/queue/orders"
        async with partners.session.get(queue, headers=TOKEN) as response:
            assert response.status == 204
        for code in ("A", "B"):
            async with partners.session.post(queue, json={"code": code, "total": "1.00"}) as response:
                assert response.status == 201
        for _ in range(2):
            assert (await partners.get("/hub/queue/orders", **TOKEN))["code"] == "A"
        async with partners.session.delete(f"{queue}/A", headers=TOKEN) as response:
            assert response.status == 204
        assert (await partners.get("/hub/queue/orders", **TOKEN))["code"] == "B"


async def test_order_that_is_out_is_not_given_to_another(partners: Partners) -> None:
    queue = f"{partners.url}/hub/queue/orders"
    await partners.session.post(queue, json={"code": "A"})
    async with partners.session.delete(f"{queue}/A", headers=TOKEN) as response:
        assert response.status == 404
    assert (await partners.get("/hub/queue/orders", **TOKEN))["code"] == "A"
    async with partners.session.get(queue, headers=TOKEN) as response:
        assert response.status == 204


async def test_cancellation_is_confirmed_when_the_hub_shows_it(partners: Partners) -> None:
    asked = TellCancellation(access=access(partners), order_code="MAG-1", reason="cancelled by the seller")
    assert (await CLIENT.tell_cancellation(asked, partners.attempt("c1"))).confirmed
    assert (await partners.get("/hub/orders/MAG-1", **TOKEN))["status"] == "cancelled"


def refund(partners: Partners, **fields: Any) -> TellRefund:
    asked = TellRefund(
        access=access(partners),
        order_code="MAG-1",
        refund_id="r-1",
        payment_id="pay-1",
        amount=Decimal("49.95"),
        reason="paid twice",
    )
    return asked.model_copy(update=fields)


async def test_refund_is_paid_once_by_the_hub_and_shown(partners: Partners) -> None:
    for number in (1, 2):
        assert (await CLIENT.tell_refund(refund(partners), partners.attempt("c1", number))).confirmed
    assert (await CLIENT.tell_refund(refund(partners, refund_id="r-2"), partners.attempt("c2"))).confirmed
    shown = await partners.get("/hub/orders/MAG-1", **TOKEN)
    assert [(r["refundId"], r["paymentId"], r["amount"]) for r in shown["refunds"]] == [
        ("r-1", "pay-1", "49.95"),
        ("r-2", "pay-1", "49.95"),
    ]
    assert partners.effects() == [("refund", "MAG-1/r-1", 2), ("refund", "MAG-1/r-2", 1)]


async def test_refund_of_nothing_or_of_a_cancelled_order_is_refused(partners: Partners) -> None:
    answer = await CLIENT.tell_refund(refund(partners, amount=Decimal("0.00")), partners.attempt("c1"))
    assert (answer.confirmed, answer.code) == (False, "invalid_amount")
    cancel = TellCancellation(access=access(partners), order_code="MAG-1", reason="cancelled by the seller")
    await CLIENT.tell_cancellation(cancel, partners.attempt("c2"))
    answer = await CLIENT.tell_refund(refund(partners), partners.attempt("c3"))
    assert (answer.confirmed, answer.code) == (False, "order_cancelled")
    assert [effect for effect in partners.effects() if effect[0] == "refund"] == []


async def test_order_is_fetched_from_the_queue_confirmed_and_then_gone(partners: Partners) -> None:
    fetch = FetchOrder(access=access(partners), channel_id="magalu", store_id="store-1")
    assert (await CLIENT.fetch_order(fetch, partners.attempt("f1"))).code is None
    await partners.session.post(f"{partners.url}/hub/queue/orders", json=HUB_ORDER)
    fetched = await CLIENT.fetch_order(fetch, partners.attempt("f2"))
    assert fetched.placed is not None
    assert str(fetched.placed.total) == "110.00"
    confirm = ConfirmOrder(access=access(partners), channel_id="magalu", code="MAG-7")
    for attempt in ("c1", "c2"):
        assert (await CLIENT.confirm_order(confirm, partners.attempt(attempt))).code == "MAG-7"
    assert (await CLIENT.fetch_order(fetch, partners.attempt("f3"))).code is None
