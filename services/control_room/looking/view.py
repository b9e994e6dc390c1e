"""What looking prints: groups as a table, one dead letter whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from services.control_room import console
from services.control_room.state import WholeLetter
from services.control_room.tables import SHORT_ID, Column, Row, count, letters_table, line, moment, plain, table

_TIMES = {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One dead letter with what is known around it."""

    known: WholeLetter
    actions: Sequence[Row]
    waiting: int | None = None
    """How many events wait behind it; None: it holds nobody up."""
    first_waiting: Sequence[Row] = ()
    behind: str | None = None
    """What it waits behind itself."""
    edits: Sequence[Row] = ()


def group_as_dict(row: Mapping[str, Any], by: Sequence[str]) -> dict[str, Any]:
    named = {name: _named(name, row[name]) for name in by}
    return {"group": named, **{name: row[name] for name in ("letters", "open", "first_at", "last_at", "example")}}


def groups_table(rows: Sequence[Row], by: Sequence[str], width: int, now: datetime) -> RenderableType:
    columns = [
        Column("letters", 0, justify="right"),
        Column("open", 1, justify="right"),
        *(Column(name if name not in _TIMES else f"{name} (UTC)", 2 + n, least=10) for n, name in enumerate(by)),
        Column("last (UTC)", 20),
        Column("one of them", 21),
    ]
    cells = [
        [
            line(row["letters"]),
            line(row["open"]),
            *(line(_named(name, row[name]) or "–") for name in by),
            line(moment(row["last_at"], now)),
            line(row["example"][:SHORT_ID]),
        ]
        for row in rows
    ]
    return table(f"{count(len(rows), 'group')} of dead letters by {', '.join(by)}", columns, cells, width)


def _named(dimension: str, value: Any) -> str | None:
    return f"{value:{_TIMES[dimension]}}" if isinstance(value, datetime) else value


def shown_as_dict(shown: Shown) -> dict[str, Any]:
    document = shown.known.model_dump(mode="json", exclude={"recorded", "ended"})
    document |= {"waiting": shown.waiting, "behind": shown.behind}
    return {**document, "edits": list(shown.edits), "actions": [dict(row) for row in shown.actions]}


def shown_view(shown: Shown, width: int, now: datetime) -> RenderableType:
    """Everything about one dead letter, its original bytes included."""
    known = shown.known
    facts = _pairs(console.letter_facts(known))
    parts: list[RenderableType] = [Panel(facts, title=f"dead letter {known.occurrence}", title_align="left")]
    if known.letter is not None:
        parts.append(Panel(plain(known.letter.error), title="what was wrong where", title_align="left"))
        if known.letter.headers:
            parts.append(Panel(_pairs(known.letter.headers), title="headers", title_align="left"))
        parts.append(Panel(console.body_view(known.letter.body), title="original bytes", title_align="left"))
    parts += [_edit(row) for row in shown.edits]
    parts += _around(shown, width, now)
    parts.append(console.actions_table(shown.actions) if shown.actions else Text("no action was taken on it"))
    return Group(*parts)


def _pairs(named: Mapping[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in named.items():
        grid.add_row(Text(name, style="bold"), plain(value))
    return grid


def _edit(row: Row) -> RenderableType:
    title = f"edited {console.clock(row['at'])} by {row['actor']}: {row['reason']}"
    return Panel(
        Syntax(plain(row["difference"]).plain, "diff", background_color="default"),
        title=line(title),
        title_align="left",
    )


def _around(shown: Shown, width: int, now: datetime) -> list[RenderableType]:
    """Who waits behind it, or what it waits behind."""
    if shown.behind is not None:
        return [line(f"it waits behind {shown.behind}, and goes on with it")]
    letter = shown.known.letter
    if shown.waiting is None or letter is None:
        return []
    if not shown.waiting:
        return [line(f"nobody waits behind it; later events of {letter.key} would")]
    more = "" if shown.waiting <= len(shown.first_waiting) else f"; `--reason held --text {letter.key}` lists all"
    told = f" of {shown.waiting} that wait behind it, in order{more}"
    return [letters_table(shown.first_waiting, told, width, now.astimezone(UTC))]
