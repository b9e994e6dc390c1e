"""What of the topology is missing, different or too much on the live broker."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import aio_pika
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from shared.broker import management, rights, topology
from shared.broker.difference import APPLY, PRUNE, REPLACE, Difference
from shared.broker.link import connected
from shared.broker.management import Management, ManagementFailed
from shared.broker.topology import Binding, Exchange, Queue, Topology


async def check(amqp_url: str, management_url: str) -> list[Difference]:
    """Everything that differs: objects, arguments, bindings, users and rights. Needs an administrator's URLs."""
    async with management.connect(amqp_url, management_url) as api:
        await ensure_vhost(api)
        found = await declared(api, topology.whole())
        return [*found, *await bound(api), *await rights.allowed(api)]


async def check_own_part(amqp_url: str, service: str, management_url: str | None = None) -> list[Difference]:
    """What one service misses at its start, asked with its own user.

    Without the management API only whether its queues and exchanges exist (a passive declare ignores arguments).
    Raises ManagementFailed, AMQPError or OSError where the broker does not answer.
    """
    part = topology.part_of(service)
    missing = await _missing(amqp_url, part)
    if missing or management_url is None:
        return missing
    async with management.connect(amqp_url, management_url) as api:
        bindings = [b for q in part.queues for b in await _bindings(api, "queues", api.vhost, q.name, "bindings")]
        return [*await declared(api, part), *_unbound(part.bindings, bindings)]


async def ensure_vhost(api: Management) -> None:
    """Raises ManagementFailed where the virtual host of the AMQP URL does not exist."""
    if await api.get("vhosts", api.vhost) is None:
        raise ManagementFailed(f"the broker has no virtual host {api.vhost!r} (the path of FLEET_AMQP_URL)")


async def declared(api: Management, wanted: Topology) -> list[Difference]:
    """Queues and exchanges that are missing or have other arguments."""
    differences = [_exchange(e, await api.get("exchanges", api.vhost, e.name)) for e in wanted.exchanges]
    differences += [_queue(q, await api.get("queues", api.vhost, q.name)) for q in wanted.queues]
    return [difference for difference in differences if difference is not None]


async def bound(api: Management) -> list[Difference]:
    """Bindings of our objects that are missing, or that the table does not have."""
    wanted = topology.whole()
    found = ours(await _bindings(api, "bindings", api.vhost))
    extra = sorted(set(found) - set(wanted.bindings))
    return [*_unbound(wanted.bindings, found), *(Difference(name(b), "no binding", "one", PRUNE) for b in extra)]


def ours(bindings: Iterable[Binding]) -> list[Binding]:
    """The bindings that touch one of our exchanges or queues."""
    wanted = topology.whole()
    names = {*(e.name for e in wanted.exchanges), *(q.name for q in wanted.queues)}
    return [b for b in bindings if b.source in names or (b.source and b.destination in names)]


def _exchange(wanted: Exchange, found: Mapping[str, Any] | None) -> Difference | None:
    expected = {"type": wanted.kind, "durable": True, **wanted.arguments}
    return _compare(f"exchange {wanted.name}", expected, found, ("type", "durable"))


def _queue(wanted: Queue, found: Mapping[str, Any] | None) -> Difference | None:
    return _compare(f"queue {wanted.name}", {"durable": True, **wanted.arguments}, found, ("durable",))


def _compare(
    thing: str, expected: Mapping[str, Any], found: Mapping[str, Any] | None, own: tuple[str, ...]
) -> Difference | None:
    if found is None:
        return Difference(thing, "to exist", "nothing", APPLY)
    live = {**{name: found.get(name) for name in own}, **(found.get("arguments") or {})}
    if live == expected:
        return None
    names = sorted(name for name in expected.keys() | live.keys() if expected.get(name) != live.get(name))
    return Difference(thing, _listed(names, expected), _listed(names, live), REPLACE)


def _listed(names: Iterable[str], values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={values[name]!r}" if name in values else f"no {name}" for name in names)


def _unbound(wanted: Iterable[Binding], found: Iterable[Binding]) -> list[Difference]:
    present = set(found)
    return [Difference(name(b), "to exist", "nothing", APPLY) for b in wanted if b not in present]


def name(binding: Binding) -> str:
    """How a binding is called in a difference."""
    return f"binding {binding.source} -> {binding.destination} with {binding.key!r}"


def binding(row: Mapping[str, Any]) -> Binding:
    """A binding as the management API shows it."""
    return Binding(row["source"], row["destination"], row["routing_key"], row["destination_type"])


async def _bindings(api: Management, *path: str) -> list[Binding]:
    return [binding(row) for row in await api.get(*path) or ()]


async def _missing(amqp_url: str, part: Topology) -> list[Difference]:
    """By passive declares, each on a channel of its own: a refusal closes the channel."""
    async with connected(amqp_url, "check") as connection:
        things = [*(("exchange", e.name) for e in part.exchanges), *(("queue", q.name) for q in part.queues)]
        absent = [f"{kind} {name}" for kind, name in things if not await _exists(connection, kind, name)]
        return [Difference(thing, "to exist", "nothing", APPLY) for thing in absent]


async def _exists(connection: aio_pika.abc.AbstractConnection, kind: str, name: str) -> bool:
    channel = await connection.channel()
    try:
        if kind == "queue":
            await channel.declare_queue(name, passive=True)
        else:
            await channel.get_exchange(name, ensure=True)
    except ChannelNotFoundEntity:
        return False
    with contextlib.suppress(AMQPError):
        await channel.close()
    return True
