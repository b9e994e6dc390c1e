"""Whether the live broker's users and permissions are those of the table in `users`."""

from collections.abc import Mapping
from typing import Any

from shared.broker import users
from shared.broker.difference import APPLY, Difference
from shared.broker.management import Management
from shared.broker.users import User


async def allowed(api: Management) -> list[Difference]:
    """Users that are missing or may do something else than the table says."""
    known = {user["name"]: user for user in await api.get("users")}
    rights = {right["user"]: right for right in await api.get("vhosts", api.vhost, "permissions")}
    topics = {(right["user"], right["exchange"]): right for right in await _topics(api)}
    found: list[Difference] = []
    for user in users.table():
        if user.name not in known:
            found.append(Difference(f"user {user.name}", "to exist", "nothing", f"{APPLY} with a password for it"))
        else:
            found += _rights(user, known[user.name], rights.get(user.name, {}), topics)
    return found


async def _topics(api: Management) -> list[dict[str, Any]]:
    return list(await api.get("vhosts", api.vhost, "topic-permissions") or [])


def _rights(
    user: User,
    known: Mapping[str, Any],
    rights: Mapping[str, Any],
    topics: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[Difference]:
    pairs: list[tuple[str, Any, Any]] = [("tags", sorted(user.tags), sorted(_tags(known.get("tags", []))))]
    for name in ("configure", "write", "read"):
        pairs.append((f"permission to {name}", getattr(user, name), rights.get(name)))
    for topic in user.topics:
        live = topics.get((user.name, topic.exchange), {})
        pairs += [
            (f"topic permission to {n} on {topic.exchange}", getattr(topic, n), live.get(n)) for n in ("write", "read")
        ]
    return [
        Difference(f"user {user.name}, {what}", repr(want), repr(have), APPLY)
        for what, want, have in pairs
        if want != have
    ]


def _tags(tags: Any) -> list[str]:
    """RabbitMQ before 3.9 answers with a comma-separated string."""
    return [tag for tag in tags.split(",") if tag] if isinstance(tags, str) else list(tags)
