"""`fleet orders …` and `fleet dead-letters …`. Exit codes: 0 done, 1 something failed or is missing, 2 wrong usage."""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperGroup
from typer.main import get_command

from schemas.order import Status
from services.control_room import console, store, tables
from services.control_room.console import as_json, load_standings, out, run, show, stop
from services.control_room.looking.choice import UNSETTLED, instant
from services.control_room.looking.commands import looking
from services.control_room.servers import reading
from services.control_room.settings import ReaderSettings
from services.control_room.settle import settle_order
from services.control_room.standing import Standing
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

STATUSES = (*get_args(Status), "refused")
"""Of orders, as the journal sees them: `refused` are those that were never accepted."""
EXPLAINED = 100
"""Orders of a list that are explained without being asked: each takes a look at its whole journal."""
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")]


@orders.command("list")
def list_orders(
    status: Annotated[str | None, typer.Option(help="Only orders in this status.")] = None,
    store_id: Annotated[str | None, typer.Option("--store", help="Only orders of this store.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only orders of this channel.")] = None,
    code: Annotated[str | None, typer.Option(help="The channel's own order code.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Accepted, or of another status, since then: a time (UTC), or an age.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Neither accepted nor of another status since then: a time (UTC), or an age.")
    ] = None,
    unfinished: Annotated[bool, typer.Option("--open", help="Only orders that are not over.")] = False,
    explain: Annotated[bool | None, typer.Option(help="Say what each waits for (default: up to 100 orders).")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """Orders, their status and what they wait for, the latest change of status first. `--open --until 1d`: those that
    are stuck."""
    if status is not None and status not in STATUSES:
        raise typer.BadParameter(f"{status!r} is no status; there are {', '.join(STATUSES)}", param_hint="--status")
    choice = store.OrderChoice(status, store_id, channel, code, instant(since), instant(until), unfinished)
    now = datetime.now(UTC)

    async def load() -> tuple[list[Any], dict[str, Standing]]:
        async with reading(read(ReaderSettings).database_url) as con:
            found = await store.load_orders(con, choice, limit)
            wanted = explain if explain is not None else len(found) <= EXPLAINED
            return found, await load_standings(con, [row["order_id"] for row in found], now) if wanted else {}

    rows, standings = run(load())
    explained = [
        dict(row) | {"waits": waits.sentence} if (waits := standings.get(row["order_id"])) else dict(row)
        for row in rows
    ]
    if json:
        show(as_json(explained))
    else:
        out.print(tables.orders_table(explained, out.width, now))


@orders.command("show")
def show_order(
    order_id: Annotated[str, typer.Argument(metavar="ORDER")],
    json: Json = False,
    data: Annotated[bool, typer.Option("--data", help="With --json: whole messages, personal data included.")] = False,
) -> None:
    """Where an order stands and what it waits for; then its timeline: every message about it, as it happened."""
    now = datetime.now(UTC)

    async def load() -> tuple[list[Any], list[Any], Standing]:
        async with reading(read(ReaderSettings).database_url) as con:
            lines = await console.load_timeline(con, order_id)
            open_ones = await store.load_dead_letters(con, {"order_id": order_id, "statuses": UNSETTLED}, 100)
            return lines, open_ones, (await load_standings(con, [order_id], now))[order_id]

    lines, letters, where = run(load())
    if json:
        shown = [console.told_as_dict(line, data) for line in lines]
        dead = [dict(row) for row in letters]
        stands = {"stands": where.sentence, "purchase_orders": [asdict(po) for po in where.purchase_orders]}
        show(as_json({"order_id": order_id, **stands, "messages": shown, "dead_letters": dead}))
    elif lines:
        out.print(tables.standing_view(where, now))
        out.print(tables.timeline_table(order_id, lines, out.width))
    if letters and not json:
        out.print(tables.letters_table(letters, " about it", out.width, datetime.now(UTC)))
    if not lines:
        raise stop(f"the journal knows no order {order_id!r}")


looking(dead_letters)
orders.command("settle")(settle_order)
