"""Makes the broker what the table says, as often as one likes.

What exists with other arguments is reported, not replaced.
"""

from collections.abc import Mapping

from shared.broker import check, management, topology, users
from shared.broker.difference import APPLY, REPLACE, Difference, TopologyWrong
from shared.broker.management import Management
from shared.broker.topology import Binding
from shared.broker.users import User


async def apply(
    amqp_url: str, management_url: str, passwords: Mapping[str, str] | None = None, *, prune: bool = False
) -> list[str]:
    """Declare everything in the virtual host of `amqp_url`; returns what was new, in words.

    `passwords` creates these users, or sets the password of those that exist; rights are set for every user that
    exists. `prune` removes bindings that the table does not have; nothing else is ever removed.
    Raises, before anything is changed, ValueError for the password of somebody who is not in the table, and
    TopologyWrong where an exchange or queue has other arguments; ManagementFailed where the API refuses or is away.
    """
    if unknown := (passwords or {}).keys() - {user.name for user in users.table()}:
        raise ValueError(f"a password for {', '.join(sorted(unknown))}, but there is no such user in the table")
    async with management.connect(amqp_url, management_url) as api:
        await check.ensure_vhost(api)
        differences = await check.declared(api, topology.whole())
        if wrong := [d for d in differences if d.remedy == REPLACE]:
            raise TopologyWrong(wrong)
        done = [f"created {d.thing}" for d in differences]
        await _declare(api)
        done += await _bind(api, await check.bound(api), prune=prune)
        return [*done, *await _allow(api, passwords or {})]


async def _declare(api: Management) -> None:
    wanted = topology.whole()
    for exchange in wanted.exchanges:
        body = {"type": exchange.kind, "durable": True, "auto_delete": False, "arguments": dict(exchange.arguments)}
        await api.put("exchanges", api.vhost, exchange.name, body=body)
    for queue in wanted.queues:
        body = {"durable": True, "auto_delete": False, "arguments": dict(queue.arguments)}
        await api.put("queues", api.vhost, queue.name, body=body)


async def _bind(api: Management, differences: list[Difference], *, prune: bool) -> list[str]:
    missing = {d.thing for d in differences if d.remedy == APPLY}
    for binding in topology.whole().bindings:
        if check.name(binding) in missing:
            await api.post(*_path(api, binding), body={"routing_key": binding.key})
    extra = [d.thing for d in differences if d.remedy != APPLY] if prune else []
    if extra:
        await _prune(api)
    return [f"created {thing}" for thing in sorted(missing)] + [f"removed {thing}" for thing in extra]


async def _prune(api: Management) -> None:
    wanted = set(topology.whole().bindings)
    rows = [(check.binding(row), row["properties_key"]) for row in await api.get("bindings", api.vhost)]
    ours = set(check.ours(binding for binding, _ in rows))
    for binding, properties in rows:
        if binding in ours and binding not in wanted:
            await api.delete(*_path(api, binding), properties)


def _path(api: Management, binding: Binding) -> tuple[str, ...]:
    return ("bindings", api.vhost, "e", binding.source, binding.to[0], binding.destination)


async def _allow(api: Management, passwords: Mapping[str, str]) -> list[str]:
    known = {user["name"] for user in await api.get("users")}
    for user in users.table():
        if user.name in passwords:
            await api.put("users", user.name, body=_account(user, passwords[user.name]))
        if user.name in passwords or user.name in known:
            await _grant(api, user)
    return [f"created user {name}" for name in sorted(passwords.keys() - known)]


def _account(user: User, password: str) -> dict[str, object]:
    return {"password": password, "tags": ",".join(user.tags)}


async def _grant(api: Management, user: User) -> None:
    for topic in user.topics:  # before the permissions, without which they mean nothing, and which are too wide alone
        body = {"exchange": topic.exchange, "write": topic.write, "read": topic.read}
        await api.put("topic-permissions", api.vhost, user.name, body=body)
    rights = {"configure": user.configure, "write": user.write, "read": user.read}
    await api.put("permissions", api.vhost, user.name, body=rights)
