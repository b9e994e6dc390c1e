"""Does a hop slow down as the inbox grows? The same hop on an empty inbox and on one with millions of events.

    python -m tests.benchmarks.growth [--rows N] [--events N] [--rounds R] [--keep] [--json]

Both inboxes are on the same private server, in a database each, and take turns in changing order. The full one has
random references, as events have, over three whole weeks, and its index is as full as random insertion leaves one.

The first change of a page after a checkpoint writes the whole page, so an inbox with a large index is slower for some
seconds of each five minutes. Both are measured: `full`, when the worker's own statements have been at work since the
last checkpoint for as many events as change nearly every page of the current week's index, and `right after a
checkpoint`. `over five minutes` is the first, less the seconds that the second shows to be lost.
"""

import asyncio
from functools import partial
from math import exp
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from schemas import envelope
from tests.benchmarks import growth_inbox, turns
from tests.benchmarks.hop import OURS
from tests.benchmarks.hop_ground import MIGRATIONS, Ground, ground
from tests.benchmarks.kept import filled
from tests.benchmarks.window import Figures

AIM = 0.9
KINDS = {"single": envelope.EVENT, "packs": envelope.PACK}
EMPTY, FULL, AFTER = "empty", "full", "full, right after a checkpoint"
CHECKPOINTS = 300.0
"""Seconds between two; PostgreSQL's default."""
MODULE = "tests.benchmarks.hop_service"


class Inboxes:
    """The empty one and the full one, where the hop runs in turn."""

    def __init__(self, place: Ground, full: str) -> None:
        self._place = place
        self._full = full
        self._empty = place.database_url
        self._settled: str | None = None
        """The last checkpoint when the full one was settled."""

    async def hop(self, inbox: str, kind: str, events: int) -> Figures:
        place = self._place
        place.use(self._empty if inbox == EMPTY else self._full)
        await place.clear(inbox=inbox == EMPTY, checkpoint=inbox == AFTER)
        if inbox == FULL:
            await self._settle()
        await place.fill(events, KINDS[kind])
        day = await place.value("select current_date")
        tables = (f"{OURS[0]} where received_on >= '{day}'", OURS[1])
        return await place.hop(MODULE, events=events, warm=events // 10, tables=tables)

    async def _settle(self) -> None:
        checkpoint = await self._place.value("select checkpoint_lsn::text from pg_control_checkpoint()")
        if checkpoint != self._settled:
            await growth_inbox.settle(self._full, await growth_inbox.load_pages(self._full))
            self._settled = checkpoint


async def measure(rows: int, events: int, rounds: int, keep: bool, progress: Progress) -> dict[str, Any]:
    task = progress.add_task(f"an inbox with {rows:,} events", total=None)
    started = perf_counter()
    made_of = (MIGRATIONS, Path(growth_inbox.__file__), rows)
    async with (
        ground() as place,
        filled(place.server_url, "growth", made_of, lambda url: growth_inbox.fill(url, rows), keep) as full,
    ):
        seconds = perf_counter() - started
        progress.remove_task(task)
        inboxes = Inboxes(place, full)
        contenders = {
            f"{inbox}, {kind}": partial(inboxes.hop, inbox, kind, events)
            for inbox, kind in (
                (EMPTY, "single"),
                (FULL, "single"),
                (EMPTY, "packs"),
                (FULL, "packs"),
                (AFTER, "single"),
            )
        }
        found = await turns.in_turn(contenders, rounds, progress)
        pages = await growth_inbox.load_pages(full)
        return summary(rows, events, found, pages) | {
            "filled_seconds": round(seconds, 1),
            "look_up_of_256": await growth_inbox.load_plan(full),
        }


def summary(rows: int, events: int, found: turns.Found, pages: int) -> dict[str, Any]:
    """The document that `--json` prints. Ratios are medians of the rounds' ratios."""
    between = {kind: turns.ratio(found, f"{FULL}, {kind}", f"{EMPTY}, {kind}") for kind in KINDS}
    lost = lost_by_checkpoint(found, events, pages)
    return {
        "rows": rows,
        "events": events,
        "rounds": len(found[f"{EMPTY}, single"]),
        "pages_of_index": pages,
        "inboxes": turns.contenders(found),
        "full_to_empty": {
            kind: {
                "over five minutes": round(between[kind] * (1 - lost / CHECKPOINTS), 3),
                "between checkpoints": between[kind],
                "by CPU": turns.cpu_ratio(found, f"{FULL}, {kind}", f"{EMPTY}, {kind}"),
                "of each round": turns.ratios(found, f"{FULL}, {kind}", f"{EMPTY}, {kind}"),
            }
            for kind in KINDS
        },
        "right_after_checkpoint": turns.ratio(found, f"{AFTER}, single", f"{EMPTY}, single"),
        "seconds_lost_by_checkpoint": round(lost, 1),
    }


def lost_by_checkpoint(found: turns.Found, events: int, pages: int) -> float:
    """Seconds that writing whole pages costs until all pages of the index are written once. A run of random events,
    measured from its tenth on, met a part of them."""
    runs = zip(found[f"{AFTER}, single"], found[f"{FULL}, single"], strict=True)
    measured = 0.9 * events * max(0.0, median(1 / after.per_second - 1 / full.per_second for after, full in runs))
    return measured / (exp(-0.1 * events / pages) - exp(-events / pages))


def show(found: dict[str, Any], console: Console) -> None:
    console.print(turns.table(f"One hop, {found['rows']:,} events in the inbox", found["inboxes"]))
    for kind, ratios in found["full_to_empty"].items():
        colour = "green" if ratios["over five minutes"] >= AIM else "red"
        over, between = ratios["over five minutes"], ratios["between checkpoints"]
        console.print(
            f"full ÷ empty, {kind}: [{colour}]{over:.2f}[/] (aim ≥ {AIM:g}); between checkpoints {between:.2f}, "
            f"by CPU per event {ratios['by CPU']:.2f}"
        )
    console.print(
        f"Right after a checkpoint, single: {found['right_after_checkpoint']:.2f} for some seconds; one costs "
        f"{found['seconds_lost_by_checkpoint']} s of five minutes."
    )
    known = found["look_up_of_256"]
    console.print(
        f"{found['rounds']} rounds in turn, {found['events']} events each; filled in {found['filled_seconds']} s. "
        f"Looking up 256 events: {known['ms']} ms, {known['partitions']} partitions, {known['pages']} pages, "
        f"{', '.join(known['how'])}."
    )


def main(
    rows: Annotated[int, typer.Option(min=10_000, help="Events that the full inbox knows.")] = 10_000_000,
    events: Annotated[int, typer.Option(min=1000, help="In each run.")] = 6_000,
    rounds: Annotated[int, typer.Option(min=1, help="Measured; one more comes first and is not.")] = 4,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the full inbox for the next run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure a hop on an empty inbox and on a full one."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = asyncio.run(measure(rows, events, rounds, keep, progress))
    turns.tell(found, as_json, show)


if __name__ == "__main__":
    typer.run(main)
