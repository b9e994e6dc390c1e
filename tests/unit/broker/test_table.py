"""The topology table and the users' rights, as they derive from the catalogue."""

import re

import pytest

from schemas import catalogue
from schemas.catalogue import CATALOGUE, Entry
from shared.broker import topology, users
from shared.broker.management import vhost_of
from shared.broker.topology import Binding
from shared.broker.users import User

BINDINGS = set(topology.whole().bindings)
RIGHTS = {user.name: user for user in users.table()}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_every_message_reaches_its_consumers(entry: Entry) -> None:
    family = catalogue.family_of(entry.type)
    for consumer in entry.consumers:
        match entry.kind:
            case "inbound" | "fact":
                assert Binding(topology.ROUTED, consumer, f"{family}.*") in BINDINGS
            case "command":
                exchange = topology.to(consumer)
                assert {Binding(exchange, queue, entry.type) for queue in (consumer, topology.JOURNAL)} <= BINDINGS
            case "dead_letter":
                expected = {Binding(topology.DEAD, topology.dead(p), topology.dead(p)) for p in entry.producers}
                assert expected <= BINDINGS


@pytest.mark.parametrize("entry", [e for e in CATALOGUE if e.kind in ("inbound", "fact")], ids=lambda e: e.type)
def test_every_message_may_be_written_by_its_producers_and_nobody_else(entry: Entry) -> None:
    """Rights do not tell versions apart."""
    versions = [e for e in CATALOGUE if catalogue.family_of(e.type) == catalogue.family_of(entry.type)]
    producers = {producer for e in versions for producer in e.producers}
    exchange = topology.INBOUND if entry.kind == "inbound" else topology.EVENTS
    for user in users.table():
        rights = [t.write for t in user.topics if t.exchange == exchange]
        allowed = re.search(user.write, exchange) and all(re.search(right, entry.type) for right in rights)
        assert bool(allowed) == (user.name in producers), user.name


def test_journal_is_bound_to_the_entries_so_that_it_hides_no_unrouted_message() -> None:
    sources = {b.source for b in BINDINGS if b.destination == topology.JOURNAL}
    assert {topology.INBOUND, topology.EVENTS} < sources
    assert topology.ROUTED not in sources


@pytest.mark.parametrize("user", users.table(), ids=lambda user: user.name)
def test_nobody_may_configure_anything_or_write_past_the_entries(user: User) -> None:
    whole = topology.whole()
    names = [*(e.name for e in whole.exchanges), *(q.name for q in whole.queues), "amq.default", "amq.topic"]
    assert not any(re.search(user.configure, name) for name in names)
    for name in ("amq.default", "amq.topic", topology.ROUTED, topology.UNROUTED):
        assert not re.search(user.write, name)


def test_user_with_a_topic_exchange_to_write_has_a_topic_permission_on_it() -> None:
    """Without one, RabbitMQ lets every routing key pass."""
    for user in users.table():
        topics = {e for e in (topology.INBOUND, topology.EVENTS) if re.search(user.write, e)}
        assert topics == {right.exchange for right in user.topics}


def test_work_queues_have_what_at_least_once_dead_lettering_needs() -> None:
    work = [q for q in topology.whole().queues if q.name in catalogue.SERVICES]
    assert len(work) == len(catalogue.SERVICES)
    for queue in work:
        assert dict(queue.arguments) == {
            "x-queue-type": "quorum",
            "x-delivery-limit": 1000,
            "x-dead-letter-exchange": "fleet.dead",
            "x-dead-letter-routing-key": f"{queue.name}.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


def test_upstream_sees_nothing_through_the_management_api() -> None:
    assert RIGHTS["upstream"].tags == ()
    assert RIGHTS["billing"].tags == ("management",)


@pytest.mark.parametrize(
    ("url", "name"),
    [("amqp://host", "/"), ("amqp://host/", "/"), ("amqp://host/shop", "shop"), ("amqp://h/%2Fshop%20a", "/shop a")],
)
def test_virtual_host_is_read_from_the_url(url: str, name: str) -> None:
    assert vhost_of(url) == name
