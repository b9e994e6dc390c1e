"""How long an engineer waits for dead letters: listed, paged, grouped, searched, shown, among 100,000 of them.

    python -m tests.benchmarks.dead_letters [--letters N] [--keep] [--json]

Each question is asked several times as a query, by the role that may only look, and each command is run as a process of
its own, from its start to its last line (of an export: to the end of its first page).
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import typer
from asyncpg import Connection
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy.local.stack import STACKS, running
from services.control_room.facts import query_of
from services.control_room.looking import store
from services.control_room.looking.choice import documents
from services.control_room.looking.commands import PAGE
from services.control_room.servers import reading
from shared.migrate import reader_url
from tests.benchmarks import dead_letters_fill, turns
from tests.benchmarks.dead_letters_fill import MIGRATIONS, NAME, NOW, REAL
from tests.benchmarks.kept import filled
from tests.conftest import PASSWORD

RUNS, RUNS_OF_COMMANDS, AIM_MS = 7, 3, 1000
Question = Callable[[Connection], Awaitable[Any]]
Times = dict[str, dict[str, float]]


def questions(deep: str) -> dict[str, Question]:
    """What engineers ask. `deep` is a letter far down the list."""

    def listed(**chosen: Any) -> Question:
        return lambda con: store.load_dead_letters(con, chosen, 101)

    def grouped(*by: str, **chosen: Any) -> Question:
        return lambda con: store.load_groups(con, by, chosen, 50)

    return {
        "list": listed(),
        "list, a page far down": lambda con: store.load_dead_letters(con, {}, 101, deep),
        "list --service --reason": listed(service="billing", reason="invalid"),
        "list --exception --type": listed(exception="KeyError", event_type="order.ready"),
        "list --status open": listed(status="open"),
        "list --status resolved": listed(status="resolved"),
        "list --status discarded (none)": listed(status="discarded"),
        "list --order": listed(order_id="ORD-0007x007"),
        "list --supplier --since": listed(supplier_id="supplier-07", since=NOW - timedelta(hours=2)),
        "list --store": listed(store_id="store-7"),
        "list --id": listed(prefix="0abcd"),
        "list --limit 10000": lambda con: store.load_dead_letters(con, {}, 10_000),
        "text, in one": listed(text=query_of("ORD-0007x007")),
        "text, in a third": listed(text=query_of("invoices.py")),
        "text, two words": listed(text=query_of("tax_profile supplier-07")),
        "text, in none": listed(text=query_of("nowhere")),
        "where, in five": listed(where=[documents("data.order_id=ORD-0007x007")]),
        "where, in 2,500": listed(where=[documents("data.supplier_id=supplier-07")]),
        "where, two fields": listed(
            where=[documents("data.supplier_id=supplier-07"), documents("data.store_id=store-7")]
        ),
        "groups by service, reason, exception": grouped("service", "reason", "exception"),
        **{f"groups by {name}": grouped(name) for name in store.DIMENSIONS},
        "groups by type, supplier": grouped("type", "supplier"),
        "groups by store, channel": grouped("store", "channel"),
        "groups by day, service of a text": grouped("day", "service", text=query_of("invoices.py")),
        "groups by all": grouped(*store.DIMENSIONS),
        "count": lambda con: store.load_count(con, {}),
        "count of a text": lambda con: store.load_count(con, {"text": query_of("invoices.py")}),
        "count --store --status": lambda con: store.load_count(con, {"store_id": "store-7", "status": "open"}),
        "show": lambda con: store.load_whole(con, [deep]),
    }


def commands(deep: str) -> list[str]:
    """What they type."""
    return [
        "list --help",
        "list",
        "list --json",
        f"list --after {deep[:13]}",
        "list --limit 1000",
        "list --order ORD-0007x007",
        "list --status failed --exception KeyError",
        "list --text tax_profile",
        "list --text ORD-0007x007",
        "list --where data.supplier_id=supplier-07",
        "groups",
        *(f"groups --by {name}" for name in store.DIMENSIONS),
        "groups --text tax_profile --by hour",
        f"show {deep[:13]}",
        "export",
    ]


async def timed(con: Connection, deep: str, progress: Progress) -> Times:
    """Each question asked several times: rows, the first, the median and the slowest answer, in ms."""
    asked = questions(deep)
    task = progress.add_task("asking", total=len(asked))
    found: Times = {}
    for name, ask in asked.items():
        times, answer = [], None
        for _ in range(RUNS):
            started = perf_counter()
            answer = await ask(con)
            times.append((perf_counter() - started) * 1000)
        found[name] = {"rows": len(answer) if isinstance(answer, list) else 1, **spread(times)}
        progress.update(task, advance=1)
    return found


def timed_commands(deep: str, environment: Mapping[str, str], progress: Progress) -> Times:
    """Each command run several times: as above, its lines in the place of rows."""
    asked = commands(deep)
    task = progress.add_task("running commands", total=len(asked))
    found: Times = {}
    for command in asked:
        times, lines = [], 0
        for _ in range(RUNS_OF_COMMANDS):
            started = perf_counter()
            lines = run(command, environment)
            times.append((perf_counter() - started) * 1000)
        found[command] = {"rows": lines, **spread(times)}
        progress.update(task, advance=1)
    return found


def run(command: str, environment: Mapping[str, str]) -> int:
    """How many lines it prints; an export is ended after its first page."""
    whole = [sys.executable, "-m", "deploy.cli", "dead-letters", *command.split()]
    with subprocess.Popen(whole, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = 0
        for _ in child.stdout:
            lines += 1
            if command == "export" and lines == PAGE:
                child.kill()
                return lines
        if child.wait() or not lines:
            raise RuntimeError(f"{command}: {child.stderr.read() if child.stderr else ''}")
    return lines


def spread(times: list[float]) -> dict[str, float]:
    return {"first": round(times[0], 1), "median": round(median(times), 1), "slowest": round(max(times), 1)}


async def measure(number: int, keep: bool, progress: Progress) -> dict[str, Any]:
    task = progress.add_task(f"saving {number:,} dead letters", total=None)
    started = perf_counter()
    made_of = (MIGRATIONS, Path(dead_letters_fill.__file__), number)
    async with (
        running(STACKS / "bench", keep=True) as stack,
        filled(
            stack.addresses.database_url, "dead_letters", made_of, lambda url: dead_letters_fill.fill(url, number), keep
        ) as url,
    ):
        seconds = perf_counter() - started
        progress.remove_task(task)
        reader = reader_url(url, NAME, PASSWORD)
        async with reading(reader) as con:
            letters = await store.load_count(con, {})
            if letters != number:
                raise RuntimeError(f"{letters} letters are there, not {number}")
            deep = (await store.load_dead_letters(con, {}, number // 2))[-1]["occurrence"]
            queries = await timed(con, deep, progress)
            sizes = await con.fetch(SIZES)
        ran = await asyncio.to_thread(timed_commands, deep, {**os.environ, "FLEET_DATABASE_URL": reader}, progress)
    return {
        "letters": number,
        "filled_seconds": round(seconds, 1),
        "megabytes": {row["relname"]: row["mb"] for row in sizes},
        "queries": queries,
        "commands": ran,
    }


SIZES = (
    "select relname, pg_total_relation_size(oid) / 1000000 as mb from pg_class "
    "where relname ~ '^dead_letter' and relkind = 'r' and relnamespace = current_schema()::regnamespace"
)


def show(found: dict[str, Any], console: Console) -> None:
    for kind in ("queries", "commands"):
        table = Table(kind, "rows", "median ms", "slowest ms", box=None, pad_edge=False)
        for name, one in found[kind].items():
            table.add_row(name, *(str(one[part]) for part in ("rows", "median", "slowest")))
        console.print(table)
    sizes = ", ".join(f"{name} {mb} MB" for name, mb in found["megabytes"].items())
    console.print(f"{found['letters']:,} letters, there after {found['filled_seconds']} s; {sizes}")


def main(
    letters: Annotated[int, typer.Option(help=f"How many there are: a multiple of {REAL}.")] = 100_000,
    keep: Annotated[bool, typer.Option("--keep", help="Keep them for the next run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure lists, groups and searches; exit code 1 where the median of an answer was a second or more."""
    if letters < REAL or letters % REAL:
        raise typer.BadParameter(f"say a multiple of {REAL}", param_hint="--letters")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = asyncio.run(measure(letters, keep, progress))
    turns.tell(found, as_json, show)
    asked = {**found["queries"], **found["commands"]}
    if slow := [name for name, one in asked.items() if one["median"] >= AIM_MS]:
        sys.stderr.write(f"slower than {AIM_MS} ms: {', '.join(slow)}\n")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
