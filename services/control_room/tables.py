"""Tables for any width: a row is one line; what does not fit is shortened, then left out, least needed first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.control_room.standing import Standing, said
from services.control_room.timeline import Told

Row = Mapping[str, Any]
GAP = 2
SHORT_ID = 8
PIPE_WIDTH = 160
"""Columns where nobody looks at once (a file, a pager, grep)."""

COLOURS = {
    "open": "red",
    "failed": "red",
    "resolved": "green",
    "discarded": "dim",
    "completed": "green",
    "delivered": "green",
    "cancelled": "dim",
    "refused": "red",
}


@dataclass(frozen=True, slots=True)
class Column:
    """`rank` says how much it is needed (0 most). It may be shortened to `least` cells; 0: never shortened."""

    name: str
    rank: int
    least: int = 0
    justify: Literal["left", "right"] = "left"


def terminal() -> Console:
    """What goes to stdout: as wide as the terminal, and never narrower than PIPE_WIDTH where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, PIPE_WIDTH))


def table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> RenderableType:
    """A title and rows of one line each, at most `width` cells wide."""
    head = Text(title, style="bold", no_wrap=True, overflow="ellipsis")
    if not rows:
        return head
    natural = [max(cell_len(text) for text in (c.name, *(row[n].plain for row in rows))) for n, c in enumerate(columns)]
    widths = fit(columns, natural, width)
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for n, cells in widths.items():
        made.add_column(columns[n].name, width=cells, no_wrap=True, overflow="ellipsis", justify=columns[n].justify)
    for row in rows:
        made.add_row(*(row[n] for n in widths))
    return Group(head, made)


def fit(columns: Sequence[Column], natural: Sequence[int], width: int) -> dict[int, int]:
    """Cells of each shown column, by its place: as many as fit when shortened, then widened, the small ones first."""
    by_rank = sorted(range(len(columns)), key=lambda n: columns[n].rank)
    least = [min(cells, column.least or cells) for column, cells in zip(columns, natural, strict=True)]
    while len(by_rank) > 1 and sum(least[n] + GAP for n in by_rank) - GAP > width:
        by_rank.pop()
    spare = width + GAP - sum(least[n] + GAP for n in by_rank)
    widths = {}
    for n in sorted(by_rank, key=lambda n: natural[n]):
        more = max(0, min(natural[n] - least[n], spare))
        widths[n] = least[n] + more
        spare -= more
    return dict(sorted(widths.items()))


ORDERS = (
    Column("order", 0, least=16),
    Column("status", 1),
    Column("since (UTC)", 2),
    Column("store", 5, least=8),
    Column("channel", 7, least=8),
    Column("code", 6, least=8),
    Column("total", 4, justify="right"),
    Column("waits", 3, least=40),
)
LETTERS = (
    Column("id", 0),
    Column("status", 1),
    Column("service", 2, least=8),
    Column("reason", 3, least=10),
    Column("type", 6, least=12),
    Column("about", 4, least=10),
    Column("last (UTC)", 7),
    Column("error", 5, least=16),
)
TIMELINE = (
    Column("time (UTC)", 0),
    Column("type", 1, least=24),
    Column("from", 3, least=10),
    Column("what", 2, least=30),
    Column("subject", 4, least=10),
    Column("id", 5),
)


def orders_table(rows: Sequence[Row], width: int, now: datetime) -> RenderableType:
    title = f"{count(len(rows), 'order')}, the latest first"
    named = ("store_id", "channel_id", "channel_order_code", "total")
    cells = [
        [
            line(r["order_id"]),
            coloured(r["status"]),
            line(moment(r["latest"], now)),
            *(line(r[n]) for n in named),
            line(r.get("waits", "")),
        ]
        for r in rows
    ]
    explained = any("waits" in r for r in rows)
    return table(title, ORDERS if explained else ORDERS[:-1], cells if explained else [c[:-1] for c in cells], width)


def standing_view(where: Standing, now: datetime) -> RenderableType:
    """The sentence, then one line for each PO where there are several."""
    pos = where.purchase_orders if len(where.purchase_orders) > 1 else ()
    head = line(f"{where.sentence[:1].upper()}{where.sentence[1:]}.")
    head.stylize("bold")
    return Group(head, *(line(f"  {said(po, now)}") for po in pos))


def letters_table(rows: Sequence[Row], title: str, width: int, now: datetime) -> RenderableType:
    """`title` follows the count: `3 dead letters, the latest first`."""
    length = unique_length([row["occurrence"] for row in rows])
    cells = [
        [
            line(row["occurrence"][:length]),
            coloured(row["status"]),
            line(row["service"]),
            line(row["reason"]),
            line(row["event_type"]),
            line(row["order_id"] or row["event_subject"] or row["event_key"]),
            line(moment(row["last_at"], now)),
            line(row["error"]),
        ]
        for row in rows
    ]
    return table(f"{count(len(rows), 'dead letter')}{title}", LETTERS, cells, width)


def timeline_table(order_id: str, lines: Sequence[Told], width: int) -> RenderableType:
    """Times without their day where all are of one, which the title names."""
    days = sorted({told.time.astimezone(UTC).date() for told in lines})
    when, shape = (f"on {days[0]}", "%H:%M:%S") if len(days) == 1 else (f"since {days[0]}", "%m-%d %H:%M:%S")
    cells = [
        [
            line(f"{told.time.astimezone(UTC):{shape}}"),
            line(told.type),
            line(told.teller),
            line(told.words),
            line("" if told.subject == order_id else told.subject),
            line((told.id or "")[:SHORT_ID]),
        ]
        for told in lines
    ]
    return table(line(f"Order {order_id}: {count(len(lines), 'message')} {when}").plain, TIMELINE, cells, width)


def count(number: int, noun: str) -> str:
    """
    >>> count(1, "dead letter"), count(0, "dead letter")
    ('1 dead letter', '0 dead letters')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def unique_length(ids: Sequence[str], at_least: int = SHORT_ID) -> int:
    """How many characters tell all of these ids apart."""
    different = sorted(set(ids))
    return max([at_least, *(_shared(a, b) + 1 for a, b in pairwise(different))])


def _shared(a: str, b: str) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def moment(at: datetime | None, now: datetime) -> str:
    """The time of day where it is today, otherwise the day; UTC."""
    if at is None:
        return ""
    at = at.astimezone(UTC)
    return f"{at:%H:%M:%S}" if at.date() == now.astimezone(UTC).date() else f"{at:%Y-%m-%d}"


def coloured(status: str | None) -> Text:
    return Text(status or "", style=COLOURS.get(status or "", ""))


def plain(value: Any) -> Text:
    """Text as it is: what partners wrote is no markup and moves no cursor."""
    text = "" if value is None else str(value)
    return Text("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text))


def line(value: Any) -> Text:
    """As `plain`, on one line."""
    return plain(" ".join(("" if value is None else str(value)).split()))
