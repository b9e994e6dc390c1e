"""Does a hop slow down as the inbox grows? The same hop on an empty inbox and on one with millions of events.

    python -m tests.benchmarks.growth [--rows N] [--events N] [--rounds R] [--json]

Both inboxes are on the same private server, in a database each; the rounds take turns, and so does who goes first. The
full inbox has random references, as events have, on the days of the last three weeks; its index is as full as random
insertion leaves one. The first round is not measured: in it the caches fill.

Each run begins in the midst of a checkpoint's interval, as nearly every event does: what PostgreSQL writes whole at a
page's first change after a checkpoint (of the current week's index: once in five minutes) is written before it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from schemas import envelope
from shared.worker import store
from tests.benchmarks import hop_report
from tests.benchmarks.hop import OURS
from tests.benchmarks.hop_ground import Ground, ground, prepare
from tests.benchmarks.hop_service import NAME
from tests.benchmarks.window import Figures
from tests.conftest import execute, fresh_database

KNOWN = store.KNOWN_IN_INBOX
AIM = 0.9
DAYS = 21
ROWS_A_PAGE = 160
"""Of the index. Three times as many random rows as the current week's index has pages leave few of them untouched."""
KINDS = ("single", "packed")
MAKE_PARTITION = (
    "do $$ declare monday date := date_trunc('week', current_date - {days})::date; begin "
    "execute format('create table if not exists inbox_%s partition of inbox for values from (%L) to (%L)', "
    "to_char(monday, 'YYYYMMDD'), monday, monday + 7); end $$"
)


@dataclass
class Rounds:
    rows: int
    events: int
    filled_seconds: float
    plan: dict[str, Any]
    figures: dict[tuple[str, bool], list[Figures]] = field(default_factory=dict)
    """By kind of message in, and whether the inbox is full."""


@asynccontextmanager
async def full_inbox(superuser_url: str, rows: int) -> AsyncIterator[str]:
    """A database like the ground's, whose inbox knows so many events."""
    async with fresh_database(superuser_url) as url:
        await prepare(url)
        con = await asyncpg.connect(url, server_settings={"search_path": NAME}, command_timeout=3600)
        try:
            for days in range(0, DAYS, 7):
                await con.execute(MAKE_PARTITION.format(days=days))
            await con.execute(MAKE_PARTITION.format(days=DAYS - 1))
            await con.execute("alter table inbox drop constraint inbox_pkey")
            await con.execute(
                "insert into inbox (ref, received_on) select gen_random_uuid(), current_date - n % $2::int "
                "from generate_series(1, $1::int) n",
                rows,
                DAYS,
            )
            await con.execute("set maintenance_work_mem = '512MB'")
            await con.execute("alter table inbox add primary key (ref, received_on) with (fillfactor = 70)")
            await con.execute("vacuum analyze inbox")
        finally:
            await con.close()
        yield url


async def measure(rows: int, events: int, rounds: int, progress: Progress) -> Rounds:
    task = progress.add_task(f"filling an inbox with {rows:,} events", total=rounds + 2)
    started = perf_counter()
    async with ground() as place, full_inbox(place.database_url, rows) as full:
        urls = {False: place.database_url, True: full}
        found = Rounds(rows, events, perf_counter() - started, await plan_of_load_known(full))
        progress.update(task, advance=1, description="warming up")
        await one_round(place, urls, found, first=False)
        for number in range(rounds):
            progress.update(task, advance=1, description=f"round {number + 1} of {rounds}")
            for key, figures in (await one_round(place, urls, found, first=bool(number % 2))).items():
                found.figures.setdefault(key, []).append(figures)
    return found


async def one_round(
    place: Ground, urls: dict[bool, str], found: Rounds, first: bool
) -> dict[tuple[str, bool], Figures]:
    """Each kind on each inbox; `first` says whether the full one begins."""
    touched = found.rows // ROWS_A_PAGE
    return {
        (kind, full): await hop(place, urls[full], full, found.events, kind, touched)
        for kind in KINDS
        for full in (first, not first)
    }


async def hop(place: Ground, url: str, full: bool, events: int, kind: str, touched: int) -> Figures:
    """`touched` is how many rows change nearly every page of the current week's index."""
    place.use(url)
    await place.clear(inbox=not full)
    if full:
        await execute(
            url, f"insert into {NAME}.inbox (ref) select gen_random_uuid() from generate_series(1, {touched})"
        )
    await place.fill(events, envelope.PACK if kind == "packed" else envelope.EVENT)
    return await place.hop("tests.benchmarks.hop_service", events=events, warm=events // 10, tables=OURS)


async def plan_of_load_known(url: str) -> dict[str, Any]:
    """What one look-up of 256 new events does: partitions visited, how, pages, ms."""
    con = await asyncpg.connect(url, server_settings={"search_path": NAME})
    try:
        await con.execute(f"prepare known(uuid[]) as {KNOWN}; set plan_cache_mode = force_generic_plan")
        refs = await con.fetchval("select array_agg(gen_random_uuid())::text from generate_series(1, 256)")
        for _ in range(2):  # once to fill the caches
            said = await con.fetchval(f"explain (analyze, buffers, format json) execute known('{refs}')")
    finally:
        await con.close()
    [plan] = json.loads(said)
    scans = [node for node in nodes(plan["Plan"]) if "Relation Name" in node and node["Actual Loops"]]
    return {
        "partitions": sum(1 for node in scans),
        "how": sorted({node["Node Type"] for node in scans}),
        "pages": plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"],
        "ms": round(plan["Execution Time"], 2),
    }


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def summary(found: Rounds) -> dict[str, Any]:
    """The document that `--json` prints. Ratios are medians of the rounds' ratios."""
    pairs = {kind: zip(found.figures[kind, True], found.figures[kind, False], strict=True) for kind in KINDS}
    return {
        "rows": found.rows,
        "events": found.events,
        "rounds": len(found.figures["single", True]),
        "filled_seconds": round(found.filled_seconds, 1),
        "inboxes": {
            f"{'full' if full else 'empty'}, {kind}": hop_report.contender(figures)
            for (kind, full), figures in found.figures.items()
        },
        "full_to_empty": {
            kind: round(median(full.per_second / empty.per_second for full, empty in found), 3)
            for kind, found in pairs.items()
        },
        "look_up_of_256": found.plan,
    }


def show(found: dict[str, Any]) -> None:
    table = Table(title=f"One hop, {found['rows']:,} events in the inbox", title_justify="left")
    for name in ("inbox, messages in", "events/s", "min-max", "CPU µs/event"):
        table.add_column(name, justify="left" if name.startswith("inbox") else "right", no_wrap=True)
    for name, row in found["inboxes"].items():
        span = f"{row['lowest']:,}-{row['highest']:,}"
        table.add_row(name, f"{row['events_per_second']:,}", span, f"{row['cpu_us_per_event']:,}")
    console = Console()
    console.print(table)
    for kind, ratio in found["full_to_empty"].items():
        colour = "green" if ratio >= AIM else "red"
        console.print(f"full ÷ empty, {kind}: [{colour}]{ratio:.2f}[/] (aim ≥ {AIM:g})", highlight=False)
    known = found["look_up_of_256"]
    console.print(
        f"{found['rounds']} rounds in turn, {found['events']} events each. Looking up 256 events: {known['ms']} ms, "
        f"{known['partitions']} partitions, {known['pages']} pages, {', '.join(known['how'])}.",
        highlight=False,
    )


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Events that the full inbox knows.")] = 10_000_000,
    events: Annotated[int, typer.Option(min=1000, help="In each run.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Measured; one more comes first and is not.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure a hop on an empty inbox and on a full one."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = summary(asyncio.run(measure(rows, events, rounds, progress)))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


if __name__ == "__main__":
    typer.run(main)
