"""Which dead letters an engineer means: by their ids or how these begin, or by filters."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.control_room import store
from services.control_room.campaign.orders import pointless
from services.control_room.console import run, stop
from services.control_room.servers import reading
from services.control_room.settings import ReaderSettings
from services.control_room.state import Status
from shared.settings import read

SHORTEST = 6
"""Characters of an occurrence that name it; fewer are a slip."""


async def load_letters(chosen: Mapping[str, Any], limit: int) -> list[Any]:
    async with reading(read(ReaderSettings).database_url) as con:
        return await store.load_dead_letters(con, chosen, limit)


async def named(prefixes: Sequence[str]) -> list[str]:
    """The occurrences that these beginnings mean. Exit: 1 where one means none or several, 2 where it is too short."""
    wanted = list(dict.fromkeys(prefix.strip().lower() for prefix in prefixes))
    if short := [prefix for prefix in wanted if len(prefix) < SHORTEST]:
        raise stop(f"too short: {', '.join(map(repr, short))}; give at least {SHORTEST} characters of the id", code=2)
    async with reading(read(ReaderSettings).database_url) as con:
        found = await store.load_occurrences(con, wanted)
    if unknown := [prefix for prefix in wanted if not found[prefix]]:
        raise stop(f"there is no such dead letter: {', '.join(unknown)}")
    for prefix, meant in found.items():
        if len(meant) > 1:
            raise stop(f"{prefix} is ambiguous; it begins {', '.join(meant[:5])}{' …' if len(meant) > 5 else ''}")
    return list(dict.fromkeys(meant[0] for meant in found.values()))


def choose(prefixes: Sequence[str], chosen: Mapping[str, Any], limit: int) -> list[Any]:
    """The dead letters meant, frozen. By filters: those that are not settled. Exit: 2 where nothing is named."""
    if prefixes:
        occurrences = run(named(prefixes))
        return run(load_letters({**chosen, "occurrences": occurrences}, len(occurrences)))
    if not any(chosen.values()):
        raise stop("name dead letters, or choose them by --service, --reason, --type or --order", code=2)
    rows = run(load_letters({**chosen, "statuses": [Status.OPEN, Status.FAILED]}, limit))
    return [row for row in rows if pointless(row) is None]
