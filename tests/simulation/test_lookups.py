"""The look-ups in memory answer what the services' SQL answers: the same states, the same questions, put to both."""

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.migrate import migrate, service_url
from shared.worker.store import save_states
from tests.conftest import PASSWORD
from tests.simulation import lookups, transaction
from tests.simulation.fleet import fleet
from tests.simulation.world import World

SEED, ORDERS, ASKED = 5, 3, 12
"""`ASKED`: questions of each kind, spread over the run."""

Question = tuple[dict[str, dict[str, Any]], str, Any, Any]
"""Tables as they were, key, message, and the answer in memory."""


@pytest.fixture(scope="module")
def questions() -> dict[Any, list[Question]]:
    """Everything that a run looked up, by the real function that it stands for."""
    found: dict[Any, list[Question]] = {}

    def ask(function: Any, tables: Any, key: str, message: Any, answer: Any) -> Any:
        copied = {name: dict(rows) for name, rows in tables.items()}
        found.setdefault(function, []).append((copied, key, message, answer))
        return answer

    def recorded_find(function: Any, find: Any) -> Any:
        return lambda tables, message: ask(function, tables, "", message, find(tables, message))

    def recorded_load(function: Any, load: Any) -> Any:
        return lambda tables, key, message: ask(function, tables, key, message, load(tables, key, message))

    with pytest.MonkeyPatch.context() as patched:
        find, load = lookups.FIND, lookups.LOAD
        patched.setattr(transaction, "FIND", {f: recorded_find(f, answer) for f, answer in find.items()})
        patched.setattr(transaction, "LOAD", {f: recorded_load(f, answer) for f, answer in load.items()})
        assert not World(SEED, ORDERS).run().problems
    return found


@pytest.mark.parametrize("name", [service.name for service in fleet()])
async def test_look_ups_answer_what_postgresql_answers(
    name: str, questions: dict[Any, list[Question]], database: str
) -> None:
    folder = Path(import_module(f"services.{name}").__file__ or "").parent / "migrations"
    await asyncio.to_thread(migrate, database, name, [folder], PASSWORD)
    con = await asyncpg.connect(service_url(database, name, PASSWORD))
    ours = {f: asked for f, asked in questions.items() if f.__module__.startswith(f"services.{name}.")}
    assert ours
    try:
        for function, asked in ours.items():
            for tables, key, message, answer in asked[:: max(1, len(asked) // ASKED)]:
                await _save(con, tables)
                is_find = function in lookups.FIND
                answers = await (function(con, [message]) if is_find else function(con, [key], [message]))
                assert list(answers) == [answer], f"{function.__name__} on {message.TYPE} {message.subject}"
    finally:
        await con.close()


async def _save(con: asyncpg.Connection, tables: dict[str, dict[str, Any]]) -> None:
    """The states as they were at the question, and nothing else."""
    for table in await con.fetch("select table_name from information_schema.columns where column_name = 'body' "
                                 "and table_schema = current_schema() and table_name <> 'inbox_kept'"):  # fmt: skip
        await con.execute(f'delete from "{table["table_name"]}"')
    for name, rows in tables.items():
        await save_states(con, name, {f"{name}:{key}": state for key, state in rows.items()})
