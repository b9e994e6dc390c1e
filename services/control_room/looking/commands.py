"""`fleet dead-letters list|groups|show|export`: the commands that only look. They need no broker."""

import contextlib
import json as jsons
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from asyncpg import Connection
from rich.console import Console
from rich.progress import Progress

from services.control_room import console, selection
from services.control_room.console import as_json, out, run, show, stop
from services.control_room.looking import store, view
from services.control_room.looking.choice import Chosen, choosing
from services.control_room.servers import reading
from services.control_room.settings import ReaderSettings
from services.control_room.store import load_actions
from services.control_room.tables import letters_table
from shared.settings import read

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")]
Occurrence = Annotated[str, typer.Argument(metavar="ID", help="Its id, or the first 6 characters or more.")]

PAGE = 200
WAITING_SHOWN = 20
PERSONAL = "what is exported has whole messages, personal data included: keep it as such, and delete it when done"


def looking(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("list")(choosing(list_dead_letters))
    app.command("groups")(choosing(group_dead_letters))
    app.command("show")(show_dead_letter)
    app.command("export")(choosing(export_dead_letters))


def list_dead_letters(
    *,
    chosen: Chosen,
    limit: Limit = 100,
    after: Annotated[str | None, typer.Option(help="Go on after this one: the last of the page before.")] = None,
    json: Json = False,
) -> None:
    """Dead letters, the latest first."""

    async def load() -> list[Any]:
        last = (await selection.named([after]))[0] if after else None
        async with reading(read(ReaderSettings).database_url) as con:
            return await store.load_dead_letters(con, chosen, limit + 1, last)

    rows = run(load())
    page, more = rows[:limit], len(rows) > limit
    if json:
        show(as_json([dict(row) for row in page]))
    else:
        out.print(letters_table(page, ", the latest first", out.width, datetime.now(UTC)))
    if more:
        console.hint(f"there are more: --after {page[-1]['occurrence']}")


def group_dead_letters(
    *,
    chosen: Chosen,
    by: Annotated[
        str, typer.Option(help=f"One or several, with commas, of: {', '.join(store.DIMENSIONS)}.")
    ] = "service,reason,exception",
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """How many dead letters there are of each kind, the most first, each with the id of one of them."""
    names = list(dict.fromkeys(name.strip() for name in by.split(",")))
    if unknown := [name for name in names if name not in store.DIMENSIONS]:
        raise typer.BadParameter(f"nothing is grouped by {unknown[0]!r}; there are {', '.join(store.DIMENSIONS)}")

    async def load() -> list[Any]:
        async with reading(read(ReaderSettings).database_url) as con:
            return await store.load_groups(con, names, chosen, limit)

    rows = run(load())
    if json:
        show(as_json([view.group_as_dict(row, names) for row in rows]))
    else:
        out.print(view.groups_table(rows, names, out.width, datetime.now(UTC)))


def show_dead_letter(occurrence: Occurrence, json: Json = False) -> None:
    """One dead letter: what was wrong where, its original bytes, who waits behind it, what was done about it."""

    async def load() -> view.Shown:
        [meant] = await selection.named([occurrence])
        async with reading(read(ReaderSettings).database_url) as con:
            return await _load(con, meant)

    shown = run(load())
    if json:
        show(as_json(view.shown_as_dict(shown)))
    else:
        out.print(view.shown_view(shown, out.width, datetime.now(UTC)))


async def _load(con: Connection, occurrence: str) -> view.Shown:
    known = (await store.load_whole(con, [occurrence]))[occurrence]
    actions = [dict(row) for row in await load_actions(con, occurrence)]
    edits = (await store.load_edits(con, [occurrence])).get(occurrence, [])
    shown, letter = view.Shown(known, actions, edits=edits), known.letter
    if letter is None or letter.key is None:
        return shown
    holder = await store.load_holder(con, letter.service, letter.key)
    if letter.reason == "held":
        return shown if known.status.is_over else replace(shown, behind=holder)
    if holder != occurrence:
        return shown
    waiting, first = await store.load_waiting(con, letter.service, letter.key, WAITING_SHOWN)
    return replace(shown, waiting=waiting, first_waiting=[dict(row) for row in first])


def export_dead_letters(
    *,
    chosen: Chosen,
    to: Annotated[Path | None, typer.Option("--to", help="File that is made; stdout when none is named.")] = None,
) -> None:
    """Dead letters as JSON lines: everything that is known of them, their original bytes in base64, every action."""
    console.hint(PERSONAL)
    try:
        with _target(to) as target:
            done = run(_export(chosen, target))
    except FileExistsError:
        raise stop(f"{to} exists already; name a new file", code=2) from None
    console.hint(f"{done} exported")


async def _export(chosen: Chosen, target: IO[str]) -> int:
    done = 0
    async with reading(read(ReaderSettings).database_url) as con:
        total = await store.load_count(con, chosen)
        with _progress() as bar:
            task = bar.add_task("export", total=total)
            async for lines in _pages(con, chosen):
                target.writelines(lines)
                done += len(lines)
                bar.update(task, completed=done)
    return done


async def _pages(con: Connection, chosen: Chosen) -> AsyncIterator[list[str]]:
    """Lines, some at a time: nobody needs all of them in memory, or a transaction that long."""
    after: str | None = None
    while rows := await store.load_dead_letters(con, chosen, PAGE, after):
        occurrences = [row["occurrence"] for row in rows]
        for few in (occurrences[n : n + PAGE // 10] for n in range(0, len(occurrences), PAGE // 10)):
            whole = await store.load_whole(con, few)
            actions = await store.load_all_actions(con, few)
            edits = await store.load_edits(con, few)
            yield [_line(row, whole, actions, edits) for row in rows if row["occurrence"] in whole]
        after = occurrences[-1]


def _line(row: Any, whole: dict[str, Any], actions: dict[str, list[Any]], edits: dict[str, list[Any]]) -> str:
    name = row["occurrence"]
    steps = [{key: value for key, value in step.items() if key != "occurrence"} for step in actions.get(name, ())]
    said = whole[name].letter.model_dump(mode="json")
    document = {**dict(row), "letter": said, "edits": edits.get(name, []), "actions": steps}
    return jsons.dumps(document, default=console.plain_json, ensure_ascii=False) + "\n"


@contextlib.contextmanager
def _target(to: Path | None) -> Iterator[IO[str]]:
    """A new file that only its owner reads, or stdout. FileExistsError: it is not new."""
    if to is None:
        yield sys.stdout
        return
    to.touch(mode=0o600, exist_ok=False)
    with to.open("w", encoding="utf-8") as file:
        yield file


def _progress() -> Progress:
    screen = Console(stderr=True)
    return Progress(console=screen, disable=not screen.is_terminal)
