"""What the command line reads, and shows of one thing: all of it for people, plain dictionaries for `--json`."""

import asyncio
import base64
import json
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import typer
from asyncpg import Connection
from pydantic import ValidationError
from rich.console import RenderableType
from rich.syntax import Syntax
from rich.table import Table

from schemas.store import Deadlines
from services.control_room import store, timeline
from services.control_room.looking.choice import UNSETTLED
from services.control_room.servers import Unreachable, said
from services.control_room.settings import ConsoleSettings
from services.control_room.standing import Names, Standing, standing
from services.control_room.state import WholeLetter
from services.control_room.tables import Row, plain, terminal
from services.control_room.timeline import Told
from shared.broker.outgoing import NotConfirmed
from shared.settings import read

T = TypeVar("T")
_SHOWN = 200_000
"""Bytes of a body that are shown."""
out = terminal()


async def load_timeline(con: Connection, order_id: str) -> list[Told]:
    """Everything the journal has about an order, as it happened."""
    named = [timeline.told(dict(row)) for row in await store.load_order_entries(con, order_id)]
    if not named:
        return []
    about = await store.load_entries_about(con, timeline.subjects(named), timeline.beginnings(named))
    return timeline.in_order([*named, *timeline.belonging((timeline.told(dict(row)) for row in about), named)])


async def load_standings(con: Connection, order_ids: Sequence[str], now: datetime) -> dict[str, Standing]:
    """Where each order stands, by what the fleet said of it."""
    by_order: dict[str, list[Told]] = {order_id: [] for order_id in order_ids}
    for row in await store.load_entries_of(con, order_ids):
        by_order[row["order_id"]].append(timeline.told(dict(row)))
    letters = await store.load_dead_letters(con, {"statuses": UNSETTLED, "orders": list(order_ids)}, 10_000)
    names = await load_names(con, [line for lines in by_order.values() for line in lines])
    return {
        order_id: standing(
            timeline.in_order(lines),
            names_of(names, lines),
            now,
            [dict(letter) for letter in letters if letter["order_id"] == order_id],
        )
        for order_id, lines in by_order.items()
    }


async def load_names(con: Connection, lines: Sequence[Told]) -> dict[tuple[str, str], Any]:
    """How the suppliers and stores of these lines were described last, by family and id."""
    said = [line.data for line in lines if isinstance(line.data, dict)]
    ids = {value for data in said for name in ("supplier_id", "store_id") if isinstance(value := data.get(name), str)}
    return {(row["family"], row["key"]): json.loads(row["data"]) for row in await store.load_described(con, list(ids))}


def names_of(described: Mapping[tuple[str, str], Any], lines: Sequence[Told]) -> Names:
    """The words for one order: all suppliers, and its store's deadlines where it has said any."""
    suppliers = {
        id: str(said["company"]["name"])
        for (family, id), said in described.items()
        if family == "supplier.changed" and isinstance(said.get("company"), dict) and said["company"].get("name")
    }
    stores = [line.data.get("store_id") for line in lines if isinstance(line.data, dict)]
    said: Any = next((described[key] for id in stores if (key := ("store.changed", str(id))) in described), {})
    try:
        return Names(suppliers, Deadlines.model_validate(said.get("deadlines") or {}))
    except ValidationError:
        return Names(suppliers)


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


def broker_to_act() -> str:
    """Where actions are ordered. Exit: 1 for who may only look."""
    settings = read(ConsoleSettings)
    if settings.amqp_url is None:
        raise stop(
            "you may only look: to act, FLEET_AMQP_URL must name the broker with the user `engineer` "
            "(`fleet env --act`)"
        )
    return settings.amqp_url


def show(text: str) -> None:
    typer.echo(text)


def hint(message: str) -> None:
    """Says it on stderr: stdout is for the answer."""
    typer.echo(f"fleet: {message}", err=True)


def stop(message: str, code: int = 1) -> typer.Exit:
    """Says why on stderr; to be raised."""
    typer.echo(f"fleet: {message}", err=True)
    return typer.Exit(code)


def as_json(value: Any) -> str:
    return json.dumps(value, default=plain_json, ensure_ascii=False, indent=2)


def plain_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def told_as_dict(line: Told, with_data: bool) -> dict[str, Any]:
    names = ("time", "type", "source", "words", "subject", "id", "correlation", "causation", "received_at")
    shown = {name: getattr(line, name) for name in names}
    shown["time"], shown["received_at"] = line.time.isoformat(), line.received_at.isoformat()
    return {**shown, "data": line.data} if with_data else shown


def letter_facts(known: WholeLetter) -> dict[str, Any]:
    letter = known.letter
    facts: dict[str, Any] = {"status": known.status, "became": known.next_occurrence, "order": known.order_id}
    if letter is not None:
        names = ("service", "service_version", "kind", "reason", "attempts", "first_at", "last_at", "event_type")
        more = ("event_source", "event_id", "event_subject", "key", "content_type", "body_bytes")
        facts |= {name: getattr(letter, name) for name in (*names, *more)}
    return {name: value for name, value in facts.items() if value not in (None, {}, "")}


def body_view(body: str) -> RenderableType:
    """JSON indented, other text as it is, anything else in hexadecimal."""
    raw = base64.b64decode(body)
    if len(raw) > _SHOWN:
        return plain(f"{raw[:_SHOWN].decode(errors='replace')}\n… {len(raw)} bytes; `export` has all")
    try:
        return Syntax(as_json(json.loads(raw)), "json", word_wrap=True, background_color="default")
    except (ValueError, RecursionError):
        pass
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw[:4096].hex(" ", 2) + (f" … {len(raw)} bytes" if len(raw) > 4096 else "")
    return plain(text)


def indented(body: bytes) -> str:
    """An event as one edits it: indented where it is JSON."""
    try:
        return as_json(json.loads(body))
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


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
