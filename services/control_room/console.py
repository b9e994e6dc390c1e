"""What the command line reads and shows: rich tables for people, plain dictionaries for `--json`."""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from asyncpg import Connection
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from services.control_room import store, timeline
from services.control_room.state import DeadLetter
from services.control_room.timeline import Told

SCHEMA = "control_room"
out = Console(highlight=False)
Row = Mapping[str, Any]

COLOURS = {
    "open": "red",
    "failed": "red",
    "replaying": "yellow",
    "discarding": "yellow",
    "resolved": "green",
    "discarded": "dim",
    "completed": "green",
    "delivered": "green",
    "cancelled": "dim",
    "refused": "red",
}


@asynccontextmanager
async def reading(database_url: str) -> AsyncIterator[Connection]:
    """A connection to the control room's slice."""
    settings = {"search_path": SCHEMA, "application_name": "fleet"}
    connection = await asyncpg.connect(database_url, server_settings=settings, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def load_timeline(con: Connection, order_id: str) -> list[Told]:
    """Everything the journal has about an order, as it happened."""
    named = [timeline.told(dict(row)) for row in await store.load_order_entries(con, order_id)]
    if not named:
        return []
    about = await store.load_entries_about(con, timeline.subjects(named), timeline.beginnings(named))
    return timeline.in_order([*named, *timeline.belonging((timeline.told(dict(row)) for row in about), named)])


def as_json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, indent=2)


def told_as_dict(line: Told, with_data: bool) -> dict[str, Any]:
    names = ("time", "type", "source", "words", "subject", "id", "correlation", "causation", "received_at")
    shown = {name: getattr(line, name) for name in names}
    shown["time"], shown["received_at"] = line.time.isoformat(), line.received_at.isoformat()
    return {**shown, "data": line.data} if with_data else shown


def timeline_table(order_id: str, lines: Sequence[Told]) -> Table:
    table = Table(title=f"Order {order_id}: {len(lines)} messages", title_justify="left")
    for name in ("time (UTC)", "type", "from", "what", "subject", "id"):
        table.add_column(name, overflow="fold", no_wrap=name.startswith("time"))
    for line in lines:
        table.add_row(
            clock(line.time),
            plain(line.type),
            plain(line.teller),
            plain(line.words),
            plain(line.subject),
            plain(line.id),
        )
    return table


def orders_table(rows: Sequence[Row]) -> Table:
    table = Table(title=f"{len(rows)} orders, the latest first", title_justify="left")
    for name in ("order", "status", "since (UTC)", "store", "channel", "code", "total"):
        table.add_column(name, overflow="fold", justify="right" if name == "total" else "left")
    for row in rows:
        table.add_row(
            plain(row["order_id"]),
            coloured(row["status"]),
            clock(row["latest"]),
            *(plain(row[name]) for name in ("store_id", "channel_id", "channel_order_code", "total")),
        )
    return table


def letters_table(rows: Sequence[Row], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("occurrence", "status", "service", "reason", "type", "about", "last (UTC)", "error"):
        table.add_column(name, overflow="fold", no_wrap=name == "occurrence")
    for row in rows:
        names = ("service", "reason", "event_type", "about", "last", "error")
        about = row["order_id"] or row["event_subject"] or row["event_key"]
        shown = {**row, "about": about, "last": (row["last_at"] or "")[:19].replace("T", " ")}
        table.add_row(row["occurrence"], coloured(row["status"]), *(plain(shown[name]) for name in names))
    return table


def letter_view(known: DeadLetter, actions: Sequence[Row]) -> RenderableType:
    """Everything about one dead letter, its original bytes included."""
    facts = Table.grid(padding=(0, 2))
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
    table = Table(title="actions", title_justify="left")
    for name in ("at (UTC)", "step", "action", "by", "why", "outcome"):
        table.add_column(name, overflow="fold")
    for row in actions:
        table.add_row(
            clock(row["at"]), plain(row["step"]), *(plain(row[n]) for n in ("action", "actor", "reason", "outcome"))
        )
    return table


def coloured(status: str | None) -> Text:
    return Text(status or "", style=COLOURS.get(status or "", ""))


def plain(value: Any) -> Text:
    """Text as it is: what partners wrote is no markup and moves no cursor."""
    text = "" if value is None else str(value)
    return Text("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text))


def clock(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
