"""An errand of an engineer: replay or discard a frozen set of dead letters, from the dry run to how each one ended."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from services.control_room import action, store
from services.control_room.action import Action, End
from services.control_room.console import as_json, broker_to_act, out, run, show, stop
from services.control_room.servers import reading, send
from services.control_room.settings import ConsoleSettings, ReaderSettings
from services.control_room.state import Status
from services.control_room.tables import Row, count, letters_table, line
from shared.settings import read

SHORTEST = 6
"""Characters of an occurrence that name it; fewer are a slip."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done, who wants it and why; `patience` in seconds, None: it is not followed."""

    what: Action
    actor: str
    why: str
    patience: float | None
    json: bool

    def carry_out(self, rows: Sequence[Row], *, dry_run: bool, yes: bool) -> None:
        """Shows the dry run, asks, orders it and follows it. Exit: 1 where one did not end well."""
        todo = [row["occurrence"] for row in rows if action.pointless(row) is None]
        if not self.json:
            self._preview(rows)
        if dry_run or not todo:
            if self.json:
                show(as_json({"action": self.what, "would_act_on": todo}))
            return
        broker_to_act()
        if not yes and not typer.confirm(f"{self.what} {count(len(todo), 'dead letter')}?", err=True):
            raise stop("nothing was done")
        ends = run(self._order(todo))
        if self.json:
            show(as_json({"action": self.what, "results": [asdict(end) for end in ends]}))
        else:
            tell(ends)
        if self.patience is not None and any(end.step != "resolved" for end in ends):
            raise typer.Exit(1)

    def _preview(self, rows: Sequence[Row]) -> None:
        out.print(letters_table(rows, f" to {self.what}", out.width, datetime.now(UTC)))
        for row in rows:
            if (no_use := action.pointless(row)) is not None:
                out.print(line(f"{row['occurrence']}: nothing to do, {no_use}"), soft_wrap=True)

    async def _order(self, occurrences: Sequence[str]) -> list[End]:
        settings = read(ConsoleSettings)
        ordered = action.orders(occurrences, self.what, self.actor, self.why)
        await send(broker_to_act(), action.messages(ordered), settings.console_confirm_seconds)
        if self.patience is None:
            return [End(order.occurrence, None, None) for order in ordered]
        notes = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        async with reading(settings.database_url) as con:
            with Progress(*notes, console=out, disable=self.json or not out.is_terminal) as bar:
                task = bar.add_task(self.what, total=len(ordered), note="")

                def progress(found: Sequence[End]) -> None:
                    done = sum(end.step is not None for end in found)
                    bar.update(task, completed=done, note=summary(found))

                return await action.ends(con, ordered, self.patience, progress)


def summary(ends: Sequence[End]) -> str:
    """
    >>> summary([End("a", "resolved", "handled"), End("b", None, None)])
    '1 resolved, 0 failed, 1 not ended yet'
    """
    resolved, failed = (sum(end.step == step for end in ends) for step in ("resolved", "failed"))
    running = len(ends) - resolved - failed
    return f"{resolved} resolved, {failed} failed" + (f", {running} not ended yet" if running else "")


def tell(ends: Sequence[End]) -> None:
    """The sum, and those that did not end well, one a line."""
    out.print(summary(ends))
    for end in ends:
        if end.step == "failed":
            said = (end.outcome or "").strip().rpartition("\n")[2]
            out.print(line(f"{end.occurrence}: failed, {said}"), soft_wrap=True)
        elif end.step is None:
            out.print(line(f"{end.occurrence}: not ended yet; `fleet dead-letters show` tells later"), soft_wrap=True)


async def load_letters(chosen: Mapping[str, Any], limit: int) -> list[Any]:
    async with reading(read(ReaderSettings).database_url) as con:
        return await store.load_dead_letters(con, chosen, limit)


async def named(prefixes: Sequence[str]) -> list[str]:
    """The occurrences that these beginnings mean. Exit: 1 where one means none or several, 2 where it is too short."""
    wanted = list(dict.fromkeys(prefix.strip().lower() for prefix in prefixes))
    if short := [prefix for prefix in wanted if len(prefix) < SHORTEST]:
        raise stop(f"too short: {', '.join(map(repr, short))}; give at least {SHORTEST} characters of the id", code=2)
    async with reading(read(ReaderSettings).database_url) as con:
        found = await store.load_occurrences(con, wanted)
    if unknown := [prefix for prefix in wanted if not found[prefix]]:
        raise stop(f"there is no such dead letter: {', '.join(unknown)}")
    for prefix, meant in found.items():
        if len(meant) > 1:
            raise stop(f"{prefix} is ambiguous; it begins {', '.join(meant[:5])}{' …' if len(meant) > 5 else ''}")
    return list(dict.fromkeys(meant[0] for meant in found.values()))


def choose(prefixes: Sequence[str], chosen: Mapping[str, Any], limit: int) -> list[Any]:
    """The dead letters meant, frozen. By filters: those that are not settled. Exit: 2 where nothing is named."""
    if prefixes:
        occurrences = run(named(prefixes))
        return run(load_letters({**chosen, "occurrences": occurrences}, len(occurrences)))
    if not any(chosen.values()):
        raise stop("name dead letters, or choose them by --service, --reason, --type or --order", code=2)
    rows = run(load_letters({**chosen, "statuses": [Status.OPEN, Status.FAILED]}, limit))
    return [row for row in rows if action.pointless(row) is None]
