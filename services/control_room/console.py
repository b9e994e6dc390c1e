"""What the command line reads, and shows of one thing: all of it for people, plain dictionaries for `--json`."""

import asyncio
import base64
import json
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import typer
from asyncpg import Connection
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from services.control_room import store, timeline
from services.control_room.servers import Unreachable, said
from services.control_room.state import DeadLetter
from services.control_room.tables import Row, plain, terminal
from services.control_room.timeline import Told
from shared.broker.outgoing import NotConfirmed

T = TypeVar("T")
out = terminal()


async def load_timeline(con: Connection, order_id: str) -> list[Told]:
    """Everything the journal has about an order, as it happened."""
    named = [timeline.told(dict(row)) for row in await store.load_order_entries(con, order_id)]
    if not named:
        return []
    about = await store.load_entries_about(con, timeline.subjects(named), timeline.beginnings(named))
    return timeline.in_order([*named, *timeline.belonging((timeline.told(dict(row)) for row in about), named)])


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it; a server that is away or refuses ends the command with one line."""
    try:
        return asyncio.run(work)
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError) as error:
        raise stop(f"FLEET_DATABASE_URL shows no control room: {error}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        raise stop(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}", code=2) from error
    except (Unreachable, NotConfirmed, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise stop(said(error)) from error


def show(text: str) -> None:
    typer.echo(text)


def stop(message: str, code: int = 1) -> typer.Exit:
    """Says why on stderr; to be raised."""
    typer.echo(f"fleet: {message}", err=True)
    return typer.Exit(code)


def as_json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, indent=2)


def told_as_dict(line: Told, with_data: bool) -> dict[str, Any]:
    names = ("time", "type", "source", "words", "subject", "id", "correlation", "causation", "received_at")
    shown = {name: getattr(line, name) for name in names}
    shown["time"], shown["received_at"] = line.time.isoformat(), line.received_at.isoformat()
    return {**shown, "data": line.data} if with_data else shown


def letter_view(known: DeadLetter, actions: Sequence[Row]) -> RenderableType:
    """Everything about one dead letter, its original bytes included."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in letter_facts(known).items():
        facts.add_row(Text(name, style="bold"), plain(value))
    parts: list[RenderableType] = [Panel(facts, title=f"dead letter {known.occurrence}", title_align="left")]
    if known.letter is not None:
        parts.append(Panel(plain(known.letter.error), title="what was wrong where", title_align="left"))
        parts.append(Panel(body_view(known.letter.body), title="original bytes", title_align="left"))
    parts.append(actions_table(actions) if actions else Text("no action was taken on it"))
    return Group(*parts)


def letter_facts(known: DeadLetter) -> dict[str, Any]:
    letter = known.letter
    facts: dict[str, Any] = {"status": known.status, "became": known.next_occurrence, "order": known.order_id}
    if letter is not None:
        names = ("service", "service_version", "kind", "reason", "attempts", "first_at", "last_at", "event_type")
        more = ("event_source", "event_id", "event_subject", "key", "content_type", "headers")
        facts |= {name: getattr(letter, name) for name in (*names, *more)}
    return {name: value for name, value in facts.items() if value not in (None, {}, "")}


def body_view(body: str) -> RenderableType:
    """JSON indented, other text as it is, anything else in hexadecimal."""
    raw = base64.b64decode(body)
    try:
        return Syntax(as_json(json.loads(raw)), "json", word_wrap=True, background_color="default")
    except (ValueError, RecursionError):
        pass
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw[:4096].hex(" ", 2) + (f" … {len(raw)} bytes" if len(raw) > 4096 else "")
    return plain(text)


def actions_table(actions: Sequence[Row]) -> Table:
    table = Table(title="actions", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("at (UTC)", "step", "action", "by", "why", "outcome"):
        table.add_column(name, overflow="fold", no_wrap=name in ("at (UTC)", "step", "action"))
    for row in actions:
        named = (plain(row[name]) for name in ("step", "action", "actor", "reason", "outcome"))
        table.add_row(clock(row["at"]), *named)
    return table


def clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
