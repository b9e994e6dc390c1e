"""An engineer's errand about dead letters, from the dry run to how it ended."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import typer
from rich.console import Console

from services.control_room.campaign import follow, orders, view
from services.control_room.campaign.orders import Person, Steering, pointless
from services.control_room.campaign.reading import store
from services.control_room.campaign.state import Campaign, Status
from services.control_room.console import as_json, broker_to_act, out, run, show, stop
from services.control_room.servers import reading, send
from services.control_room.settings import ConsoleSettings
from services.control_room.tables import Row, count, letters_table, line
from shared.settings import read

FAILED, UNFINISHED = 1, 3
"""Exit codes: it ended badly, or waits for a person; it goes on without this terminal."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done by whom and how; `patience` in seconds, None: it is not followed."""

    action: Literal["replay", "discard"]
    person: Person
    chosen: str
    how: Mapping[str, Any]
    inspect: int
    patience: float | None
    json: bool

    def carry_out(self, rows: Sequence[Row], *, dry_run: bool, yes: bool, edited: bytes | None = None) -> None:
        """Shows the letters; plans, asks and starts, or with `yes` starts at once; follows it to its end."""
        todo = [row["occurrence"] for row in rows if pointless(row) is None]
        if not self.json:
            self._preview(rows)
        if not todo:
            if self.json:
                show(as_json({"action": self.action, "size": 0}))
            return
        starts = yes and not dry_run
        order = orders.ordered(
            self.person,
            self.action,
            todo,
            self.chosen,
            starts=starts,
            inspect=0 if starts else self.inspect,
            **self.how,
        )
        run(tell(self.person, order, *orders.listed(order, todo, edited)))
        if not starts and not self._planned(order.campaign_id, dry_run):
            return
        finish(order.campaign_id, self.patience, self.json)

    def _preview(self, rows: Sequence[Row]) -> None:
        shown = rows[:SHOWN]
        out.print(
            letters_table(shown, f" of {len(rows)}" * (len(rows) > SHOWN) + f" to {self.action}", out.width, _now())
        )
        for row in shown:
            if (no_use := pointless(row)) is not None:
                out.print(line(f"{row['occurrence']}: nothing to do, {no_use}"), soft_wrap=True)

    def _planned(self, campaign_id: str, dry_run: bool) -> bool:
        """Shows what it would do, and asks. False: it stays planned."""
        campaign, findings = run(load_planned(campaign_id, self.patience or 60.0))
        if campaign is None:
            raise stop(
                f"the control room has not taken the order yet; `fleet dead-letters watch {campaign_id}`", UNFINISHED
            )
        size = campaign.ordered.size if campaign.ordered is not None else 0
        if self.json:
            show(as_json({**view.as_dict(campaign), "each": view.rows_as_dicts(findings)}))
        elif campaign.findings:
            out.print(view.findings_view(campaign, findings, out.width))
        if dry_run or self.json or not can_ask():
            if not self.json:
                show(f"nothing was done; to begin: fleet dead-letters start {campaign_id[:8]} --why …")
            return False
        if not typer.confirm(f"{self.action} {count(size, 'dead letter')}?", err=True):
            raise stop("nothing was done")
        run(tell(self.person, orders.steered(self.person, campaign_id, "start")))
        return True


def can_ask() -> bool:
    """Whether somebody sits there who can answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def finish(campaign_id: str, patience: float | None, json: bool) -> None:
    """Follows a campaign to its end. Exit: 1 it failed or waits for a person, 3 it goes on."""
    if patience is None:
        show(as_json({"campaign_id": campaign_id}) if json else f"campaign {campaign_id} goes on by itself")
        return
    try:
        campaign, failures = run(load_end(campaign_id, patience, None if json else out))
    except KeyboardInterrupt:
        raise stop(
            f"it goes on; `fleet dead-letters watch {campaign_id[:8]}` shows how far it is", UNFINISHED
        ) from None
    if campaign is None:
        raise stop(
            f"the control room has not taken the order yet; `fleet dead-letters watch {campaign_id}`", UNFINISHED
        )
    if json:
        show(as_json({**view.as_dict(campaign), "failures": view.rows_as_dicts(failures)}))
    else:
        tell_end(campaign, failures)
    if campaign.status not in follow.RESTS:
        raise typer.Exit(UNFINISHED)
    if campaign.status is not Status.DONE or campaign.failed:
        raise typer.Exit(FAILED)


def tell_end(campaign: Campaign, failures: Sequence[Row]) -> None:
    out.print(line(view.summary(campaign)))
    for row in failures[:SHOWN]:
        out.print(line(f"{row['occurrence']}: failed, {view.last_line(row['error'])}"), soft_wrap=True)
    hint = {
        Status.FAILING: "failures returned: see what failed, mend it, then `resume` or `stop` it",
        Status.PAUSED: "it is paused; `resume` or `stop` it",
    }.get(campaign.status, "" if campaign.status.is_over else "it goes on; `watch` it")
    if hint:
        out.print(line(f"campaign {campaign.campaign_id[:8]}: {hint}"), soft_wrap=True)


def steer(person: Person, campaign_id: str, steering: Steering, json: bool) -> None:
    """Tells the control room, and waits until it has taken a turn. Exit: 1 it does not fit the campaign's status."""

    async def turn() -> Any:
        settings = read(ConsoleSettings)
        async with reading(settings.database_url) as con:
            before = len(await store.load_steps(con, campaign_id))
            await tell(person, orders.steered(person, campaign_id, steering))
            return await follow.next_turn(con, campaign_id, before, 10.0)

    row = run(turn())
    if row is None:
        raise stop("the control room has not answered yet; it takes the turn when it runs", UNFINISHED)
    show(as_json({"campaign_id": campaign_id, **dict(row)}) if json else f"campaign {campaign_id[:8]}: {row['step']}")
    if row["step"] == "ignored":
        raise stop(row["outcome"], FAILED)


async def tell(person: Person, *said: Any) -> None:
    settings = read(ConsoleSettings)
    await send(broker_to_act(), orders.messages(person, said), settings.console_confirm_seconds)


async def load_planned(campaign_id: str, patience: float) -> tuple[Campaign | None, list[Any]]:
    async with reading(read(ConsoleSettings).database_url) as con:
        campaign = await follow.until_planned(con, campaign_id, patience)
        return campaign, await store.load_findings(con, campaign_id)


async def load_end(campaign_id: str, patience: float, screen: Console | None) -> tuple[Campaign | None, list[Any]]:
    async with reading(read(ConsoleSettings).database_url) as con:
        campaign = await follow.until_over(con, campaign_id, patience, screen)
        return campaign, await store.load_failures(con, campaign_id, 1000)


def _now() -> datetime:
    return datetime.now(UTC)
