"""`fleet demo`."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.console import fail, out, show_json
from deploy.local import stack
from deploy.local.demo import Progress, Scenario, run
from deploy.local.fleet import NotReady
from deploy.local.health import ServerFailed
from deploy.local.package import RabbitMQMissing
from deploy.local.settings import WrongSettings
from deploy.local.summary import Summary

_LABELS = {
    "orders": "orders placed",
    "completed": "orders completed",
    "purchase_orders": "purchase orders",
    "invoices": "R issued",
    "supplier_nfs": "S2 matched",
    "remittance_nfs": "S1 matched",
    "channel_updates": "channel updates confirmed",
    "mails": "mails to customers",
    "dead_letters": "dead letters",
    "unrouted": "unrouted messages",
    "ledger_balanced": "ledger balanced",
    "messages": "messages",
    "seconds": "seconds",
}

Folder = Annotated[Path, typer.Option(help="Folder of the private servers, the data and the logs.")]


def demo(
    orders: Annotated[int, typer.Option(min=1, help="How many orders are placed.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed makes the same orders.")] = 1,
    scenario: Annotated[
        Scenario,
        typer.Option(help="`happy`: all orders complete. `mixed`: refusals, cancellations, waits, rubbish and more."),
    ] = "happy",
    folder: Folder = stack.DEMO,
    json: Annotated[bool, typer.Option("--json", help="The summary as one JSON document on stdout.")] = False,
) -> None:
    """Run the whole fleet on made-up orders and check how each one ends. Exit code 0 only if all is as it must be."""
    screen = Console(stderr=True) if json else out
    with Live(console=screen, refresh_per_second=4, transient=not screen.is_terminal) as live:
        shown = _Shown(live, screen)
        try:
            summary = asyncio.run(run(orders, seed, folder, shown.show, scenario=scenario))
        except (NotReady, ServerFailed, RabbitMQMissing, WrongSettings) as error:
            live.stop()
            fail(error)
    if json:
        show_json(asdict(summary))
    else:
        _print(summary, folder)
    raise typer.Exit(0 if summary.ok else 1)


class _Shown:
    """The progress, live on a terminal, a line for each stage and every few seconds elsewhere."""

    def __init__(self, live: Live, screen: Console) -> None:
        self._live = live
        self._screen = screen
        self._last = ("", 0)

    def show(self, progress: Progress) -> None:
        if self._screen.is_terminal:
            self._live.update(_picture(progress))
            return
        completed = progress.statuses.get("completed", 0)
        now = (progress.stage, completed * 10 // max(progress.orders, 1))
        if now != self._last:
            self._last = now
            more = f": {completed} of {progress.orders} completed" if progress.statuses else ""
            sys.stderr.write(f"{progress.stage}{more}\n")


def _picture(progress: Progress) -> Group:
    table = Table(box=None, pad_edge=False, show_header=False)
    for status, count in sorted(progress.statuses.items(), key=lambda item: -item[1]):
        bar = "█" * max(1, round(40 * count / max(progress.orders, 1)))
        table.add_row(status, str(count), Text(bar, style="green" if status == "completed" else "cyan"))
    head = f"{progress.stage} · {progress.messages} messages · {progress.messages_per_second:.0f}/s"
    restarts = ", ".join(f"{name} {n}×" for name, n in progress.restarts.items())
    return Group(
        Text(head, style="bold"), table, Text(f"started again: {restarts}" if restarts else "", style="yellow")
    )


def _cases(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("case", "orders", "exact", "expected", "found"):
        table.add_column(head, justify="right" if head in ("orders", "exact") else "left")
    for row in summary.cases:
        style = "" if row.exact == row.orders else "red"
        found = "the same" if row.found == row.expected else row.found
        table.add_row(row.case, str(row.orders), str(row.exact), row.expected, found, style=style)
    return table


def _print(summary: Summary, folder: Path) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in asdict(summary).items():
        if name in _LABELS:
            table.add_row(_LABELS[name], "yes" if value is True else "no" if value is False else str(value))
    if summary.cases:
        out.print(_cases(summary))
    out.print(table)
    for name, count in summary.restarts.items():
        out.print(f"{name} was started again {count} times")
    for problem in summary.problems[:20]:
        out.print(f"[red]✗[/red] {problem}", markup=True)
    if len(summary.problems) > 20:
        out.print(f"… and {len(summary.problems) - 20} more")
    out.print("[green]every order is where it must be[/green]" if summary.ok else f"see the logs in {folder / 'logs'}")
