"""The topology and its rights on a real RabbitMQ."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError, ChannelClosed

from deploy.local.stack import Stack
from schemas import catalogue
from shared.broker import management, topology, users
from shared.broker.apply import apply
from shared.broker.check import check, check_own_part
from shared.broker.difference import TopologyWrong
from shared.broker.management import ManagementFailed
from tests.conftest import PASSWORD, VirtualHost, with_path

PASSWORDS = {user.name: PASSWORD for user in users.table()}


@pytest.fixture
async def applied(vhost: VirtualHost) -> VirtualHost:
    await apply(vhost.amqp_url, vhost.management_url, PASSWORDS)
    return vhost


@pytest.fixture(scope="module")
async def ready(stack: Stack) -> AsyncIterator[VirtualHost]:
    """An applied virtual host for tests that change nothing of it and count no messages."""
    name = f"test-{uuid4().hex}"
    vhost = VirtualHost(name, with_path(stack.addresses.amqp_url, name), stack.addresses.management_url)
    async with management.connect(vhost.amqp_url, vhost.management_url) as api:
        await api.put("vhosts", name)
        await apply(vhost.amqp_url, vhost.management_url, PASSWORDS)
        yield vhost
        await api.delete("vhosts", name)


def as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{PASSWORDS[user]}@{place}"))


def anonymous(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@asynccontextmanager
async def channel(vhost: VirtualHost, user: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(as_user(vhost.amqp_url, user))
    async with connection:
        yield await connection.channel(publisher_confirms=True)


async def publish(vhost: VirtualHost, user: str, exchange: str, key: str) -> None:
    """Raises ChannelClosed (403 ACCESS_REFUSED) or DeliveryError."""
    async with channel(vhost, user) as open_channel:
        message = aio_pika.Message(b"{}", message_id=uuid4().hex)
        target = await open_channel.get_exchange(exchange, ensure=False) if exchange else open_channel.default_exchange
        await target.publish(message, key, mandatory=True, timeout=10)


async def refused(vhost: VirtualHost, user: str, exchange: str, key: str) -> None:
    with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
        await publish(vhost, user, exchange, key)


async def count(vhost: VirtualHost, queue: str) -> int:
    connection = await aio_pika.connect(vhost.amqp_url)
    async with connection:
        declared = await (await connection.channel()).declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


async def test_applied_topology_has_no_difference_and_applies_again(applied: VirtualHost) -> None:
    assert await check(applied.amqp_url, applied.management_url) == []
    assert await apply(applied.amqp_url, applied.management_url, PASSWORDS) == []
    assert await check(applied.amqp_url, applied.management_url) == []


async def test_empty_virtual_host_misses_everything(vhost: VirtualHost) -> None:
    found = {d.thing for d in await check(vhost.amqp_url, vhost.management_url)}
    whole = topology.whole()
    assert {f"queue {q.name}" for q in whole.queues} < found
    assert {f"exchange {e.name}" for e in whole.exchanges} < found


async def test_queue_with_other_arguments_is_reported_and_nothing_is_changed(vhost: VirtualHost) -> None:
    async with management.connect(vhost.amqp_url, vhost.management_url) as api:
        await api.put("queues", vhost.name, "billing", body={"durable": True, "arguments": {"x-queue-type": "quorum"}})
    with pytest.raises(TopologyWrong, match=r"queue billing: expected .*x-delivery-limit=1000.*found .*no x-delivery"):
        await apply(vhost.amqp_url, vhost.management_url)
    async with management.connect(vhost.amqp_url, vhost.management_url) as api:
        assert await api.get("exchanges", vhost.name, topology.EVENTS) is None
    assert any(d.thing == "queue billing" for d in await check(vhost.amqp_url, vhost.management_url))


async def test_exchange_of_another_kind_is_reported(vhost: VirtualHost) -> None:
    async with management.connect(vhost.amqp_url, vhost.management_url) as api:
        await api.put("exchanges", vhost.name, topology.EVENTS, body={"type": "fanout", "durable": True})
    with pytest.raises(TopologyWrong, match=r"exchange fleet\.events: expected type='topic', found type='fanout'"):
        await apply(vhost.amqp_url, vhost.management_url)


async def test_missing_and_extra_bindings_are_found_and_mended(applied: VirtualHost) -> None:
    where = ("bindings", applied.name, "e", topology.ROUTED, "q", "billing")
    async with management.connect(applied.amqp_url, applied.management_url) as api:
        await api.delete(*where, "order.ready.*")
        await api.post(*where, body={"routing_key": "order.#"})
    found = {d.thing: d for d in await check(applied.amqp_url, applied.management_url)}
    missing, extra = (f"binding fleet.routed -> billing with {key!r}" for key in ("order.ready.*", "order.#"))
    assert set(found) == {missing, extra}
    assert await apply(applied.amqp_url, applied.management_url) == [f"created {missing}"]
    assert [d.thing for d in await check(applied.amqp_url, applied.management_url)] == [extra]
    assert await apply(applied.amqp_url, applied.management_url, prune=True) == [f"removed {extra}"]
    assert await check(applied.amqp_url, applied.management_url) == []


async def test_changed_rights_are_found_and_mended(applied: VirtualHost) -> None:
    async with management.connect(applied.amqp_url, applied.management_url) as api:
        await api.put(
            "permissions", applied.name, "billing", body={"configure": ".*", "write": ".*", "read": "^(billing)$"}
        )
        await api.delete("topic-permissions", applied.name, "upstream")
    found = {d.thing for d in await check(applied.amqp_url, applied.management_url)}
    assert found == {
        "user billing, permission to configure",
        "user billing, permission to write",
        "user upstream, topic permission to write on fleet.inbound",
        "user upstream, topic permission to read on fleet.inbound",
    }
    await apply(applied.amqp_url, applied.management_url)
    assert await check(applied.amqp_url, applied.management_url) == []


@pytest.mark.parametrize("service", [*catalogue.SERVICES, catalogue.GATEWAY])
async def test_own_part_is_checked_with_the_services_own_user(ready: VirtualHost, service: str) -> None:
    url = as_user(ready.amqp_url, service)
    assert await check_own_part(url, service) == []
    assert await check_own_part(url, service, anonymous(ready.management_url)) == []


async def test_own_part_without_its_queue_says_so(applied: VirtualHost) -> None:
    async with management.connect(applied.amqp_url, applied.management_url) as api:
        await api.delete("queues", applied.name, "billing")
    (difference,) = await check_own_part(as_user(applied.amqp_url, "billing"), "billing")
    assert str(difference).startswith("queue billing: expected to exist, found nothing; run `fleet topology apply`")


async def test_own_part_with_a_missing_binding_is_seen_through_the_management_api(applied: VirtualHost) -> None:
    async with management.connect(applied.amqp_url, applied.management_url) as api:
        await api.delete("bindings", applied.name, "e", topology.ROUTED, "q", "billing", "order.ready.*")
    url = as_user(applied.amqp_url, "billing")
    assert await check_own_part(url, "billing") == []
    (difference,) = await check_own_part(url, "billing", anonymous(applied.management_url))
    assert difference.thing == "binding fleet.routed -> billing with 'order.ready.*'"


async def test_own_part_with_other_arguments_is_seen_through_the_management_api(applied: VirtualHost) -> None:
    async with management.connect(applied.amqp_url, applied.management_url) as api:
        await api.delete("queues", applied.name, "billing")
        await api.put("queues", applied.name, "billing", body={"durable": True, "arguments": {}})
    url = as_user(applied.amqp_url, "billing")
    found = await check_own_part(url, "billing", anonymous(applied.management_url))
    assert found[0].thing == "queue billing"
    assert "x-queue-type='quorum'" in found[0].expected


async def test_newer_version_of_a_known_message_reaches_its_consumers_and_the_journal(applied: VirtualHost) -> None:
    await publish(applied, "upstream", topology.INBOUND, "order.placed.v9")
    assert [await count(applied, q) for q in ("order_intake", topology.JOURNAL, "billing", topology.UNROUTED)] == [
        1,
        1,
        0,
        0,
    ]


async def test_message_that_no_service_takes_is_kept_as_unrouted(applied: VirtualHost) -> None:
    connection = await aio_pika.connect(applied.amqp_url)
    async with connection:
        exchange = await (await connection.channel()).get_exchange(topology.EVENTS)
        await exchange.publish(aio_pika.Message(b"{}"), "nobody.knows.v1", mandatory=True)
    assert [await count(applied, q) for q in (topology.UNROUTED, topology.JOURNAL)] == [1, 1]


async def test_rejected_delivery_reaches_the_dead_letter_queue(applied: VirtualHost) -> None:
    await publish(applied, "billing", topology.to("billing"), "reminder.due.v1")
    async with channel(applied, "billing") as own:
        message = await (await own.get_queue("billing", ensure=False)).get(timeout=10)
        await message.reject(requeue=False)
    async with channel(applied, "control_room") as reader:
        queue = await reader.get_queue("billing.dead", ensure=False)
        received = await queue.get(timeout=10, fail=False) or await _wait(queue)
        await received.ack()


async def _wait(queue: aio_pika.abc.AbstractQueue) -> aio_pika.abc.AbstractIncomingMessage:
    async with queue.iterator(timeout=10) as messages:
        return await anext(messages)


@pytest.mark.parametrize("service", catalogue.SERVICES)
async def test_service_writes_its_facts_its_own_commands_and_dead_letters_only(
    ready: VirtualHost, service: str
) -> None:
    for family in topology.families_of(service, topology.EVENTS):
        await publish(ready, service, topology.EVENTS, f"{family}.v1")
    await publish(ready, service, topology.to(service), "reminder.due.v1")
    await publish(ready, service, topology.DEAD, topology.dead(service))
    await refused(ready, service, topology.EVENTS, "order.placed.v2")
    await refused(ready, service, topology.ROUTED, "order.ready.v1")
    await refused(ready, service, "", service)


@pytest.mark.parametrize("service", catalogue.CONSUMERS)
async def test_service_reads_its_own_queue_only(ready: VirtualHost, service: str) -> None:
    other = next(name for name in catalogue.CONSUMERS if name != service)
    async with channel(ready, service) as own:
        await (await own.get_queue(service, ensure=False)).get(timeout=10, fail=False)
    for queue in (other, topology.JOURNAL, topology.dead(service)):
        async with channel(ready, service) as own:
            with pytest.raises(ChannelClosed, match="ACCESS_REFUSED"):
                await (await own.get_queue(queue, ensure=False)).get(timeout=10, fail=False)
    await refused(ready, service, topology.to(other), "reminder.due.v1")


async def test_service_may_declare_and_bind_nothing(ready: VirtualHost) -> None:
    async with channel(ready, "billing") as own:
        with pytest.raises(ChannelClosed, match="ACCESS_REFUSED"):
            await own.declare_queue("mine", durable=True, arguments={"x-queue-type": "quorum"})
    async with channel(ready, "billing") as own:
        queue = await own.get_queue("billing", ensure=False)
        with pytest.raises(ChannelClosed, match="ACCESS_REFUSED"):
            await queue.bind(topology.EVENTS, "#")


async def test_control_room_reads_every_dead_letter_queue_and_commands_every_service(ready: VirtualHost) -> None:
    async with channel(ready, "control_room") as own:
        for name in topology.reads_of("control_room"):
            await (await own.get_queue(name, ensure=False)).get(timeout=10, fail=False)
    for service in catalogue.SERVICES:
        await publish(ready, "control_room", topology.to(service), "dead_letter.replay_requested.v1")
    await refused(ready, "control_room", topology.EVENTS, "order.ready.v1")


async def test_outside_users_write_their_own_routing_keys_only(ready: VirtualHost) -> None:
    for user, own, foreign in (
        ("upstream", "order.placed.v1", "supplier.nf_issued.v1"),
        ("gateway", "supplier.nf_issued.v1", "order.placed.v1"),
        ("channel_sync", "order.placed.v2", "store.changed.v1"),
    ):
        await publish(ready, user, topology.INBOUND, own)
        await refused(ready, user, topology.INBOUND, foreign)
        await refused(ready, user, topology.INBOUND, f"x.{own}")
        await refused(ready, user, "", "billing")
    await refused(ready, "upstream", topology.EVENTS, "order.placed.v1")


async def test_engineer_orders_actions_of_control_room_ends_cancellations_and_nothing_else(ready: VirtualHost) -> None:
    await publish(ready, "engineer", topology.to("control_room"), "replay.campaign_ordered.v1")
    await publish(ready, "engineer", topology.INBOUND, "order.cancellation_decided.v1")
    await refused(ready, "engineer", topology.INBOUND, "order.placed.v2")
    await refused(ready, "engineer", topology.to("billing"), "dead_letter.replay_requested.v1")
    async with channel(ready, "engineer") as own:
        with pytest.raises(ChannelClosed, match="ACCESS_REFUSED"):
            await (await own.get_queue(topology.JOURNAL, ensure=False)).get(timeout=10, fail=False)


async def test_password_of_an_unknown_user_is_refused(vhost: VirtualHost) -> None:
    with pytest.raises(ValueError, match="nobody"):
        await apply(vhost.amqp_url, vhost.management_url, {"nobody": "x"})


async def test_virtual_host_that_does_not_exist_is_named(vhost: VirtualHost) -> None:
    with pytest.raises(ManagementFailed, match="no virtual host 'elsewhere'"):
        await check(vhost.amqp_url.replace(vhost.name, "elsewhere"), vhost.management_url)


async def test_wrong_password_of_the_management_api_is_named(vhost: VirtualHost) -> None:
    parts = urlsplit(vhost.management_url)
    wrong = urlunsplit(parts._replace(netloc="fleet:wrong@" + parts.netloc.rpartition("@")[2]))
    with pytest.raises(ManagementFailed, match="FLEET_MANAGEMENT_URL"):
        await check(vhost.amqp_url, wrong)
