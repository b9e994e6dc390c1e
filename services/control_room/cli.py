"""`fleet orders …` and `fleet dead-letters …`. Exit codes: 0 done, 1 something failed or is missing, 2 wrong usage."""

import asyncio
import getpass
import logging
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import asyncpg
import structlog
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from services.control_room import action, console, store
from services.control_room.action import Action, End
from services.control_room.console import out
from services.control_room.settings import ConsoleSettings, ReaderSettings
from services.control_room.state import Status
from shared.broker.outgoing import NotConfirmed
from shared.settings import read

T = TypeVar("T")


def whoami() -> str:
    """The account that runs the command. BadParameter: it has no name (an arbitrary uid in a container)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise typer.BadParameter("this account has no name: give --actor") from error


orders = typer.Typer(no_args_is_help=True, add_completion=False, help="Orders as the journal saw them.")
dead_letters = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Events that no service could handle, and what to do about them."
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")]
ByService = Annotated[str | None, typer.Option("--service", help="Service that could not handle them.")]
ByReason = Annotated[str | None, typer.Option("--reason", help="E.g. decision_raised, invalid, call_exhausted.")]
ByType = Annotated[str | None, typer.Option("--type", help="Message type, with or without its version.")]
ByOrder = Annotated[str | None, typer.Option("--order", help="Order that they concern.")]
Occurrences = Annotated[list[str] | None, typer.Argument(help="Dead letters by occurrence.")]
Why = Annotated[str, typer.Option("--why", help="Reason, kept with the action.")]
Actor = Annotated[str, typer.Option("--actor", help="Who orders it, kept with the action.", default_factory=whoami)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it until every one has ended.")]
Patience = Annotated[float, typer.Option("--timeout", min=0, help="Seconds to follow it.")]


@orders.callback()
@dead_letters.callback()
def configure() -> None:
    """Warnings go to stderr: stdout is for the answer."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@orders.command("list")
def list_orders(
    status: Annotated[str | None, typer.Option(help="Only orders in this status.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """Orders and their status, the latest first."""

    async def load() -> list[Any]:
        async with console.reading(read(ReaderSettings).database_url) as con:
            return await store.load_orders(con, status, limit)

    rows = run(load())
    show(console.as_json([dict(row) for row in rows])) if json else out.print(console.orders_table(rows))


@orders.command("show")
def show_order(
    order_id: str,
    json: Json = False,
    data: Annotated[bool, typer.Option("--data", help="With --json: whole messages, personal data included.")] = False,
) -> None:
    """The timeline of an order: every message about it, as it happened."""

    async def load() -> tuple[list[Any], list[Any]]:
        async with console.reading(read(ReaderSettings).database_url) as con:
            lines = await console.load_timeline(con, order_id)
            open_ones = await store.load_dead_letters(con, {"order_id": order_id, "statuses": UNSETTLED}, 100)
            return lines, open_ones

    lines, letters = run(load())
    if json:
        shown = [console.told_as_dict(line, data) for line in lines]
        dead = [dict(row) for row in letters]
        show(console.as_json({"order_id": order_id, "messages": shown, "dead_letters": dead}))
    elif lines:
        out.print(console.timeline_table(order_id, lines))
        if letters:
            out.print(console.letters_table(letters, f"{len(letters)} dead letters hold it up"))
    if not lines:
        raise stop(f"the journal knows no order {order_id!r}")


UNSETTLED = [Status.OPEN, Status.FAILED, Status.REPLAYING, Status.DISCARDING]


@dead_letters.command("list")
def list_dead_letters(
    service: ByService = None,
    reason: ByReason = None,
    type: ByType = None,
    order: ByOrder = None,
    status: Annotated[Status | None, typer.Option(help="Only in this status.")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """Dead letters, the latest first."""
    chosen = {"service": service, "reason": reason, "event_type": type, "order_id": order, "status": status}
    rows = run(load_letters(chosen, limit))
    if json:
        show(console.as_json([dict(row) for row in rows]))
    else:
        out.print(console.letters_table(rows, f"{len(rows)} dead letters, the latest first"))


@dead_letters.command("show")
def show_dead_letter(occurrence: str, json: Json = False) -> None:
    """One dead letter: what was wrong where, its original bytes, what was done about it."""

    async def load() -> tuple[Any, list[Any]]:
        async with console.reading(read(ReaderSettings).database_url) as con:
            return await store.load_dead_letter(con, occurrence), await store.load_actions(con, occurrence)

    known, actions = run(load())
    if known is None:
        raise stop(f"there is no dead letter {occurrence!r}")
    if json:
        shown = known.model_dump(mode="json", exclude={"actions", "ended"})
        show(console.as_json({**shown, "actions": [dict(row) for row in actions]}))
    else:
        out.print(console.letter_view(known, actions))


@dead_letters.command()
def replay(
    occurrences: Occurrences = None,
    *,
    why: Why,
    actor: Actor,
    service: ByService = None,
    reason: ByReason = None,
    type: ByType = None,
    order: ByOrder = None,
    limit: Limit = 10_000,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Patience = 300.0,
    json: Json = False,
) -> None:
    """Handle dead letters again: shows them, asks, orders it, and follows it until each is resolved or failed."""
    chosen = {"service": service, "reason": reason, "event_type": type, "order_id": order}
    rows = choose(occurrences or [], chosen, limit)
    act("replay", rows, actor, why, dry_run=dry_run, yes=yes, patience=timeout if wait else None, json=json)


@dead_letters.command()
def discard(
    occurrences: Occurrences = None,
    *,
    why: Why,
    actor: Actor,
    service: ByService = None,
    reason: ByReason = None,
    type: ByType = None,
    order: ByOrder = None,
    limit: Limit = 10_000,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Patience = 300.0,
    json: Json = False,
) -> None:
    """Skip dead letters for good, and go on with what waits behind them."""
    chosen = {"service": service, "reason": reason, "event_type": type, "order_id": order}
    rows = choose(occurrences or [], chosen, limit)
    act("discard", rows, actor, why, dry_run=dry_run, yes=yes, patience=timeout if wait else None, json=json)


async def load_letters(chosen: Mapping[str, Any], limit: int) -> list[Any]:
    async with console.reading(read(ReaderSettings).database_url) as con:
        return await store.load_dead_letters(con, chosen, limit)


def choose(occurrences: Sequence[str], chosen: Mapping[str, Any], limit: int) -> list[Any]:
    """The dead letters meant, frozen. By filters: those that are not settled. At least one must be named."""
    if occurrences:
        rows = run(load_letters({**chosen, "occurrences": list(occurrences)}, len(occurrences)))
        missing = set(occurrences) - {row["occurrence"] for row in rows}
        if missing:
            raise stop(f"there is no such dead letter: {', '.join(sorted(missing))}")
        return rows
    if not any(chosen.values()):
        raise stop("name dead letters, or choose them by --service, --reason, --type or --order", code=2)
    rows = run(load_letters({**chosen, "statuses": [Status.OPEN, Status.FAILED]}, limit))
    return [row for row in rows if action.pointless(row) is None]


def act(
    what: Action,
    rows: Sequence[Mapping[str, Any]],
    actor: str,
    why: str,
    *,
    dry_run: bool,
    yes: bool,
    patience: float | None,
    json: bool,
) -> None:
    """Dry run first; then the orders, and how they ended."""
    todo = [row["occurrence"] for row in rows if action.pointless(row) is None]
    if not json:
        preview(what, rows)
    if dry_run or not todo:
        if json:
            show(console.as_json({"action": what, "would_act_on": todo}))
        return
    if not yes and not typer.confirm(f"{what} {len(todo)} dead letter{'' if len(todo) == 1 else 's'}?", err=True):
        raise stop("nothing was done")
    results = run(carry_out(what, todo, actor, why, patience, quiet=json))
    if json:
        show(
            console.as_json(
                {
                    "action": what,
                    "results": [{"occurrence": e.occurrence, "step": e.step, "outcome": e.outcome} for e in results],
                }
            )
        )
    if patience is not None and any(end.step != "resolved" for end in results):
        raise typer.Exit(1)


def preview(what: Action, rows: Sequence[Mapping[str, Any]]) -> None:
    out.print(console.letters_table(rows, f"{what}: {len(rows)} dead letters"))
    for row in rows:
        if (no_use := action.pointless(row)) is not None:
            out.print(console.plain(f"{row['occurrence']}: nothing to do, {no_use}"))


async def carry_out(
    what: Action, occurrences: Sequence[str], actor: str, why: str, patience: float | None, *, quiet: bool
) -> list[End]:
    """Publishes the orders and follows them; with `patience` None it does not follow."""
    settings = read(ConsoleSettings)
    ordered = action.orders(occurrences, what, actor, why)
    await action.publish(settings.amqp_url, ordered, settings.console_confirm_seconds)
    if patience is None:
        return [End(order.occurrence, None, None) for order in ordered]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    async with console.reading(settings.database_url) as con:
        with Progress(*columns, console=out, disable=quiet) as bar:
            task = bar.add_task(what, total=len(ordered), note="")

            def progress(found: Sequence[End]) -> None:
                failed = sum(end.step == "failed" for end in found)
                done = sum(end.step is not None for end in found)
                bar.update(task, completed=done, note=f"{done - failed} resolved, {failed} failed")

            results = await action.ends(con, ordered, patience, progress)
    if not quiet:
        tell(results)
    return results


def tell(results: Sequence[End]) -> None:
    """Those that did not end well, one a line."""
    for end in results:
        if end.step == "failed":
            out.print(console.plain(f"{end.occurrence}: failed, {(end.outcome or '').strip().rpartition(chr(10))[2]}"))
        elif end.step is None:
            out.print(console.plain(f"{end.occurrence}: not ended yet; `fleet dead-letters show` tells later"))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it; a server that is away or refuses ends the command with one line."""
    try:
        return asyncio.run(work)
    except (OSError, NotConfirmed, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise stop(f"{type(error).__name__}: {error}") from error


def show(text: str) -> None:
    typer.echo(text)


def stop(message: str, code: int = 1) -> typer.Exit:
    """Says why on stderr; to be raised."""
    typer.echo(message, err=True)
    return typer.Exit(code)
