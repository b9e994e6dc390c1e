"""The command line against real servers."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import pytest

from schemas.catalogue import SERVICES
from schemas.export import EXAMPLES
from shared.broker import management, topology, users
from shared.migrate import service_url
from tests.conftest import PASSWORD, VirtualHost

ROOT = Path(__file__).resolve().parents[2]
PASSWORDS = {user.name: PASSWORD for user in users.table()}


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str


async def fleet(*arguments: str, **environment: str) -> Done:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLEET_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", *arguments),
        env={**kept, **environment, "FLEET_PASSWORDS": json.dumps(PASSWORDS), "COLUMNS": "200"},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return Done(process.returncode, stdout.decode(), stderr.decode())


def broker(vhost: VirtualHost, user: str | None = None) -> dict[str, str]:
    url = vhost.amqp_url
    if user:
        place = url.rpartition("@")[2]
        url = f"amqp://{user}:{PASSWORDS[user]}@{place}"
    return {"FLEET_AMQP_URL": url, "FLEET_MANAGEMENT_URL": vhost.management_url}


async def bodies(vhost: VirtualHost, queue: str) -> list[Any]:
    """What lies in a queue, taken out."""
    async with await aio_pika.connect(vhost.amqp_url) as connection:
        source = await (await connection.channel()).get_queue(queue)
        found = []
        while (message := await source.get(no_ack=True, fail=False)) is not None:
            found.append((message.routing_key, message.content_type, json.loads(message.body)))
        return found


@pytest.fixture
async def applied(vhost: VirtualHost) -> VirtualHost:
    done = await fleet("topology", "apply", **broker(vhost))
    assert done.code == 0, done.stderr
    return vhost


async def test_topology_is_applied_checked_and_found_different(vhost: VirtualHost) -> None:
    assert (await fleet("topology", "check", **broker(vhost))).code == 1
    done = await fleet("topology", "apply", **broker(vhost))
    assert "created queue billing" in done.stdout
    assert (await fleet("topology", "apply", **broker(vhost))).stdout == "nothing to change\n"
    assert (await fleet("topology", "check", **broker(vhost))).stdout == "the broker is as the table says\n"
    async with management.connect(vhost.amqp_url, vhost.management_url) as api:
        await api.delete("queues", vhost.name, "billing.dead")
    done = await fleet("topology", "check", "--json", **broker(vhost))
    assert done.code == 1
    things = [difference["thing"] for difference in json.loads(done.stdout)]
    assert things == ["queue billing.dead", "binding fleet.dead -> billing.dead with 'billing.dead'"]


async def test_topology_with_other_arguments_is_reported_and_not_replaced(vhost: VirtualHost) -> None:
    async with management.connect(vhost.amqp_url, vhost.management_url) as api:
        await api.put("queues", vhost.name, "billing", body={"durable": True})
    done = await fleet("topology", "apply", **broker(vhost))
    assert done.code == 1
    assert done.stderr.startswith("fleet: queue billing: expected ")
    assert "drain it, delete it" in done.stderr


async def test_migrate_makes_every_service_ready_and_then_has_nothing_to_do(database: str) -> None:
    done = await fleet("migrate", "--json", FLEET_DATABASE_URL=database)
    assert done.code == 0, done.stderr
    applied = json.loads(done.stdout)
    assert {name: names[0] for name, names in applied.items()} == dict.fromkeys(SERVICES, "0001_runtime")
    for service in SERVICES:
        connection = await asyncpg.connect(service_url(database, service, PASSWORDS[service]))
        assert await connection.fetchval("select count(*) from inbox") == 0
        await connection.close()
    done = await fleet("migrate", FLEET_DATABASE_URL=database)
    assert done.stdout.splitlines() == [f"{service}: nothing to apply" for service in SERVICES]


async def test_files_are_published_by_the_upstream_user(applied: VirtualHost, tmp_path: Path) -> None:
    first, second = (json.loads((EXAMPLES / f"order.placed.{v}.json").read_text()) for v in ("v1", "v2"))
    (tmp_path / "two.json").write_text(json.dumps([first, second]))
    done = await fleet("publish", "--json", str(tmp_path / "two.json"), **broker(applied, "upstream"))
    assert (done.code, json.loads(done.stdout)["published"]) == (0, 2)
    expected = [(event["type"], "application/cloudevents+json", event) for event in (first, second)]
    assert await bodies(applied, "order_intake") == expected


async def test_one_invalid_event_keeps_all_from_being_published_unless_skipped(
    applied: VirtualHost, tmp_path: Path
) -> None:
    valid = json.loads((EXAMPLES / "order.placed.v2.json").read_text())
    (tmp_path / "mixed.json").write_text(json.dumps([valid, {**valid, "data": {}}]))
    done = await fleet("publish", str(tmp_path / "mixed.json"), **broker(applied, "upstream"))
    assert (done.code, done.stdout) == (1, "1 valid, 1 invalid, 0 published to fleet.inbound\n")
    assert "mixed.json[1]: data.order_id: Field required" in done.stderr
    assert await bodies(applied, topology.JOURNAL) == []
    done = await fleet("publish", "--skip-invalid", str(tmp_path / "mixed.json"), **broker(applied, "upstream"))
    assert (done.code, done.stdout) == (1, "1 valid, 1 invalid, 1 published to fleet.inbound\n")
    assert len(await bodies(applied, topology.JOURNAL)) == 1


async def test_event_that_the_user_may_not_publish_is_refused_clearly(applied: VirtualHost) -> None:
    done = await fleet("publish", str(EXAMPLES / "supplier.shipped.v1.json"), **broker(applied, "upstream"))
    assert done.code == 1
    assert "0 of 1 events are confirmed" in done.stderr
    assert "Traceback" not in done.stderr


async def test_wrong_password_of_the_broker_is_said_clearly(applied: VirtualHost) -> None:
    place = applied.amqp_url.rpartition("@")[2]
    done = await fleet(
        "publish", str(EXAMPLES / "order.placed.v2.json"), FLEET_AMQP_URL=f"amqp://upstream:wrong@{place}"
    )
    assert done.code == 1
    assert "no broker takes us" in done.stderr
    assert "Traceback" not in done.stderr
