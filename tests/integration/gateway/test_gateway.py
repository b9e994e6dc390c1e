"""The doors over real HTTP in front of a real broker: what is answered is what became of the message."""

import asyncio
import html
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue
from aiohttp import ClientResponse, ClientSession
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from deploy.local.partners.sandbox import signature
from schemas import openapi
from schemas.export import EXAMPLES
from services.gateway.__main__ import listening, serve
from services.gateway.app import create_app
from services.gateway.settings import Settings
from shared.broker.publisher import Publisher, running
from tests.conftest import VirtualHost

SECRETS = {"supplier:farol-sul": "s3cret", "erp": "erp-secret", "channel:hub": "hub-secret"}
PATH = "/v1/suppliers/farol-sul/events"


@dataclass(slots=True)
class Door:
    url: str
    session: ClientSession
    queue: AbstractQueue
    channel: AbstractChannel

    async def post(
        self, content: Any = None, *, path: str = PATH, secret: str = "s3cret", at: int | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], ClientResponse]:
        body = content if isinstance(content, bytes) else json.dumps(content or event()).encode()
        given = {**signature(secret, body, at), **{k.replace("_", "-"): v for k, v in headers.items()}}
        async with self.session.post(f"{self.url}{path}", data=body, headers=given) as response:
            return response.status, await response.json(content_type=None), response

    async def stored(self) -> list[dict[str, Any]]:
        """What the broker has confirmed, taken from the queue."""
        found = []
        while (message := await self.queue.get(no_ack=True, fail=False)) is not None:
            found.append(json.loads(message.body))
        return found


def event(**changes: Any) -> dict[str, Any]:
    data = {"po_number": "PC00000001", "confirmed_at": "2026-11-22T12:00:00Z"}
    return {"type": "supplier.po_confirmed", "data": data, **changes}


def settings(amqp_url: str, **changes: Any) -> Settings:
    ports = {"gateway_host": "127.0.0.1", "gateway_port": 0, "health_host": "127.0.0.1", "health_port": 0}
    return Settings(amqp_url=amqp_url, **{"secrets": SECRETS, **ports, **changes})


@asynccontextmanager
async def opened(vhost: VirtualHost, **changes: Any) -> AsyncIterator[Door]:
    configured = settings(vhost.amqp_url, **changes)
    async with (
        await aio_pika.connect(vhost.amqp_url) as connection,
        running(Publisher(vhost.amqp_url, "gateway", deadline=2.0)) as publisher,
        listening(create_app(configured, publisher.publish), configured) as port,
        ClientSession() as session,
    ):
        channel = await connection.channel()
        exchange = await channel.declare_exchange("fleet.inbound", "topic", durable=True)
        queue = await channel.declare_queue("taken", durable=True)
        await queue.bind(exchange, "#")
        yield Door(f"http://127.0.0.1:{port}", session, queue, channel)


@pytest.fixture
async def door(vhost: VirtualHost) -> AsyncIterator[Door]:
    async with opened(vhost) as at:
        yield at


async def test_signed_event_is_accepted_and_in_the_broker(door: Door) -> None:
    status, _, _ = await door.post()
    [stored] = await door.stored()
    assert status == 202
    assert (stored["type"], stored["source"]) == ("supplier.po_confirmed.v1", "/partners/suppliers/farol-sul")


def test_secret_that_does_not_say_whose_it_is_is_refused(vhost: VirtualHost) -> None:
    with pytest.raises(ValidationError, match="farol-sul"):
        settings(vhost.amqp_url, secrets={"farol-sul": "s3cret"})


async def test_repeated_event_is_the_same_message(door: Door) -> None:
    now = int(time.time())
    await door.post(at=now)
    await door.post(at=now - 5)
    first, again = await door.stored()
    assert (first["source"], first["id"]) == (again["source"], again["id"])


async def test_erp_and_channel_events_come_through_their_own_doors(door: Door) -> None:
    paid = {"payable_id": "p", "outcome": "settled", "bank_reference": "PG1", "reported_at": "2026-11-22T12:00:00Z"}
    told = {"channel_order_code": "c-1", "status": "delivered", "occurred_at": "2026-11-22T12:00:00Z"}
    erp = {"type": "supplier_payment.reported", "data": paid}
    hub = {"type": "channel.order_reported", "data": told}
    assert (await door.post(erp, path="/v1/erp/events", secret="erp-secret"))[0] == 202
    assert (await door.post(hub, path="/v1/channels/hub/events", secret="hub-secret"))[0] == 202
    assert [e["source"] for e in await door.stored()] == ["/partners/erp", "/partners/channels/hub"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"secret": "guess"}, 401),
        ({"at": 1_000_000_000}, 401),
        ({"path": "/v1/suppliers/nobody/events"}, 404),
        ({"path": "/v1/carriers/farol-sul/events"}, 404),
        ({"path": "/v1/suppliers/hub/events", "secret": "hub-secret"}, 404),
        ({"path": "/v1/nowhere"}, 404),
        ({"Content_Type": "text/plain"}, 415),
        ({"content": b"{"}, 400),
        ({"content": event(data={})}, 422),
        ({"content": b" " * (2 * 1024 * 1024 + 1)}, 413),
    ],
)
async def test_what_is_not_a_proper_event_is_a_problem_document(door: Door, change: Any, status: int) -> None:
    found, problem, response = await door.post(**change)
    assert (found, problem["status"]) == (status, status)
    assert response.content_type == "application/problem+json"
    assert await door.stored() == []


async def test_body_of_exactly_the_limit_is_read(door: Door) -> None:
    assert (await door.post(b" " * (2 * 1024 * 1024)))[0] == 400


async def test_suppliers_contract_is_served_as_a_page_and_as_its_document(door: Door) -> None:
    """Every operation, webhook and field of the OpenAPI 3.1 document is on the page. Nobody signs to read it."""
    async with door.session.get(f"{door.url}/docs/suppliers/openapi.json") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        document = await response.json()
    async with door.session.get(f"{door.url}/docs/suppliers") as response:
        assert (response.status, response.content_type, response.charset) == (200, "text/html", "utf-8")
        page = html.unescape(await response.text())
    assert (document["openapi"], "<script" in page) == ("3.1.0", False)
    assert "href='/docs/suppliers/openapi.json'" in page
    operations = document["paths"] | document["webhooks"]
    assert document["paths"].keys()
    assert document["webhooks"].keys()
    for where, methods in operations.items():
        assert methods.keys() - {"parameters"} == {"post"}
        assert where in page
        assert f"<h3>{methods['post']['summary']}</h3>" in page
        assert all(f"<code>{parameter['name']}</code>" in page for parameter in methods["post"]["parameters"])
    for name, schema in document["components"]["schemas"].items():
        assert f"<h3 id='{name}'>" in page
        assert all(f"<code>{field}</code>" in page for field in schema.get("properties", {}))


@pytest.mark.parametrize("path", ["/docs/suppliers", "/docs/suppliers/openapi.json"])
async def test_suppliers_contract_takes_no_post(door: Door, path: str) -> None:
    status, problem, response = await door.post(path=path)
    assert (status, problem["status"], response.headers["Allow"]) == (405, 405, "GET,HEAD")
    assert await door.stored() == []


def example(type_: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((EXAMPLES / f"{type_}.json").read_text())["data"]
    return data


@pytest.mark.parametrize("type_", [entry.type for entry in openapi.callbacks()])
async def test_example_of_every_callback_fits_the_served_document_and_is_taken(door: Door, type_: str) -> None:
    """As the page says it: the same body, posted to the path of the document, is a message."""
    async with door.session.get(f"{door.url}/docs/suppliers/openapi.json") as response:
        document = await response.json()
    [(path, methods)] = document["paths"].items()
    body = {"type": type_.rpartition(".")[0], "data": {**example(type_), "supplier_id": "farol-sul"}}
    schema = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(body)
    assert (await door.post(body, path=path.replace("{supplier_id}", "farol-sul")))[0] == 202
    assert [stored["type"] for stored in await door.stored()] == [type_]


async def test_other_methods_are_told_which_is_served(door: Door) -> None:
    async with door.session.get(f"{door.url}{PATH}") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_schema_errors_point_at_each_field(door: Door) -> None:
    _, problem, _ = await door.post(event(data={"po_number": ""}))
    assert [e["pointer"] for e in problem["errors"]] == ["#/data/po_number", "#/data/confirmed_at"]


async def test_event_that_no_queue_takes_is_to_be_posted_again(door: Door) -> None:
    await door.queue.delete()
    status, _, response = await door.post()
    assert (status, response.headers["Retry-After"]) == (503, "5")


async def test_event_that_a_queue_refuses_is_to_be_posted_again(door: Door) -> None:
    await door.queue.delete()
    full = await door.channel.declare_queue("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    await full.bind("fleet.inbound", "#")
    assert (await door.post())[0] == 503


async def test_confirm_that_does_not_come_ends_at_the_deadline(vhost: VirtualHost) -> None:
    asked = asyncio.Event()

    async def never(_: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    configured = settings(vhost.amqp_url, gateway_confirm_seconds=0.3)
    async with listening(create_app(configured, never), configured) as port, ClientSession() as session:
        body = json.dumps(event()).encode()
        url = f"http://127.0.0.1:{port}{PATH}"
        async with session.post(url, data=body, headers=signature("s3cret", body)) as response:
            assert (response.status, asked.is_set()) == (503, True)


async def test_more_requests_than_allowed_are_told_to_come_again(vhost: VirtualHost) -> None:
    inside, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Any) -> None:
        inside.set()
        await release.wait()

    configured = settings(vhost.amqp_url, gateway_requests=1)
    async with listening(create_app(configured, slow), configured) as port, ClientSession() as session:
        body = json.dumps(event()).encode()
        url, headers = f"http://127.0.0.1:{port}{PATH}", signature("s3cret", body)
        first = asyncio.create_task(session.post(url, data=body, headers=headers))
        await asyncio.wait_for(inside.wait(), 5)
        async with session.post(url, data=body, headers=headers) as second:
            assert second.status == 503
        release.set()
        async with await first as answered:
            assert answered.status == 202


async def test_partner_that_does_not_finish_its_body_is_let_go(vhost: VirtualHost) -> None:
    async def nothing(_: Any) -> None: ...

    configured = settings(vhost.amqp_url, gateway_body_seconds=0.3)
    async with listening(create_app(configured, nothing), configured) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode())
        writer.write(b"Content-Length: 100\r\n\r\n{")
        status = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
    assert b" 408 " in status


async def test_gateway_without_a_broker_serves_and_says_that_it_waits(unused_tcp_port_factory: Any) -> None:
    dead, port, health = (unused_tcp_port_factory() for _ in range(3))
    configured = settings(f"amqp://127.0.0.1:{dead}", gateway_port=port, health_port=health)
    stop = asyncio.Event()
    task = asyncio.create_task(serve(configured, stop))
    async with ClientSession() as session, asyncio.timeout(10):
        body = json.dumps(event()).encode()
        while not task.done():
            try:
                async with session.get(f"http://127.0.0.1:{health}/readyz") as ready:
                    assert (ready.status, list((await ready.json())["for"])) == (503, ["broker"])
                headers = signature("s3cret", body)
                async with session.post(f"http://127.0.0.1:{port}{PATH}", data=body, headers=headers) as response:
                    assert response.status == 503
                break
            except OSError:
                await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(task, 10)
