"""`fleet orders …` and `fleet dead-letters …`. Exit codes: 0 done, 1 something failed or is missing, 2 wrong usage."""

import logging
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

import structlog
import typer
from typer.core import TyperGroup
from typer.main import get_command

from services.control_room import console, store, tables
from services.control_room.console import as_json, out, run, show, stop
from services.control_room.looking.choice import UNSETTLED
from services.control_room.looking.commands import looking
from services.control_room.servers import reading
from services.control_room.settings import ReaderSettings
from shared.settings import read


class Late(TyperGroup):
    """The commands that act are imported when one of them or the list of all is asked for: who looks does not wait."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *acting_group().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name) or acting_group().get_command(ctx, cmd_name)


@cache
def acting_group() -> TyperGroup:
    from services.control_room.campaign.commands import acting

    app = typer.Typer()
    acting(app)
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return group


orders = typer.Typer(no_args_is_help=True, add_completion=False, help="Orders as the journal saw them.")
dead_letters = typer.Typer(
    cls=Late,
    no_args_is_help=True,
    add_completion=False,
    help="Events that no service could handle, and what to do about them.",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")]


@orders.callback()
@dead_letters.callback()
def configure() -> None:
    """Warnings go to stderr: stdout is for the answer. A broker that is away is told by the command itself."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
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
        async with reading(read(ReaderSettings).database_url) as con:
            return await store.load_orders(con, status, limit)

    rows = run(load())
    if json:
        show(as_json([dict(row) for row in rows]))
    else:
        out.print(tables.orders_table(rows, out.width, datetime.now(UTC)))


@orders.command("show")
def show_order(
    order_id: Annotated[str, typer.Argument(metavar="ORDER")],
    json: Json = False,
    data: Annotated[bool, typer.Option("--data", help="With --json: whole messages, personal data included.")] = False,
) -> None:
    """The timeline of an order: every message about it, as it happened."""

    async def load() -> tuple[list[Any], list[Any]]:
        async with reading(read(ReaderSettings).database_url) as con:
            lines = await console.load_timeline(con, order_id)
            open_ones = await store.load_dead_letters(con, {"order_id": order_id, "statuses": UNSETTLED}, 100)
            return lines, open_ones

    lines, letters = run(load())
    if json:
        shown = [console.told_as_dict(line, data) for line in lines]
        dead = [dict(row) for row in letters]
        show(as_json({"order_id": order_id, "messages": shown, "dead_letters": dead}))
    elif lines:
        out.print(tables.timeline_table(order_id, lines, out.width))
    if letters and not json:
        out.print(tables.letters_table(letters, " about it", out.width, datetime.now(UTC)))
    if not lines:
        raise stop(f"the journal knows no order {order_id!r}")


looking(dead_letters)
