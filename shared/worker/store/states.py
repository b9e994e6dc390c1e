"""States, and the number series that decisions take from."""

from collections.abc import Mapping, Sequence
from typing import Any

from asyncpg import Connection

from schemas.model import Model
from shared.worker.routes import plain, qualified
from shared.worker.subscription import Aggregate


async def load_states(con: Connection, aggregate: Aggregate[Any], keys: Sequence[str]) -> dict[str, Model]:
    """States by qualified key; keys without a state are left out."""
    rows = await con.fetch(f'select key, body from "{aggregate.table}" where key = any($1::text[])', keys)
    return {qualified(aggregate, row["key"]): aggregate.model.model_validate_json(row["body"]) for row in rows}


async def save_states(con: Connection, table: str, states: Mapping[str, Model]) -> None:
    """Inserts or replaces states, by qualified key."""
    await con.execute(
        f'insert into "{table}" as t (key, version, body) '
        "select k, 1, b from unnest($1::text[], $2::jsonb[]) as s(k, b) order by k "
        "on conflict (key) do update set version = t.version + 1, body = excluded.body, updated_at = now()",
        [plain(key) for key in states],
        [state.__pydantic_serializer__.to_json(state, exclude_none=True).decode() for state in states.values()],
    )


async def lock_series(con: Connection, names: Sequence[str]) -> dict[str, int]:
    """The next number of each series; nobody else takes from it until the end of the transaction."""
    wanted = sorted(set(names))
    await con.execute(
        "insert into number_series (name, following) select n, 1 from unnest($1::text[]) n order by n "
        "on conflict do nothing",
        wanted,
    )
    rows = await con.fetch(
        "select name, following from number_series where name = any($1::text[]) order by name for update", wanted
    )
    return {row["name"]: row["following"] for row in rows}


async def save_series(con: Connection, following: Mapping[str, int]) -> None:
    await con.execute(
        "update number_series s set following = n.following "
        "from unnest($1::text[], $2::bigint[]) as n(name, following) where s.name = n.name",
        list(following),
        list(following.values()),
    )
