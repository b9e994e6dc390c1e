"""Waiting for a campaign: until its set is frozen and inspected, and until it is over, with live progress."""

import asyncio
from collections.abc import Callable

from asyncpg import Connection, Record
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.control_room.campaign import view
from services.control_room.campaign.reading import store
from services.control_room.campaign.state import Campaign, Status

POLL_SECONDS = 0.2

RESTS = (Status.DONE, Status.STOPPED, Status.PAUSED, Status.FAILING)
"""Where nothing goes on unless a person says so."""


async def until_planned(con: Connection, campaign_id: str, patience: float) -> Campaign | None:
    """The campaign when its set is frozen and every service has said what it was asked; as it is after `patience`
    seconds otherwise. None: the control room has not taken the order."""
    return await _until(con, campaign_id, patience, _is_planned, lambda campaign: None)


def _is_planned(campaign: Campaign) -> bool:
    order = campaign.ordered
    if order is None or campaign.status is Status.LISTING:
        return False
    return campaign.status is not Status.PLANNED or campaign.inspected >= min(order.inspect, order.size)


async def until_over(con: Connection, campaign_id: str, patience: float, screen: Console | None) -> Campaign | None:
    """The campaign when it is over or waits for a person; as it is after `patience` seconds otherwise."""
    notes = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*notes, console=screen, disable=screen is None or not screen.is_terminal) as bar:
        task = bar.add_task("waiting for the control room", total=None, note="")

        def progress(campaign: Campaign) -> None:
            if campaign.ordered is not None:
                ended = campaign.resolved + campaign.failed + campaign.skipped
                note = f"{view.pace_of(campaign)}, {campaign.failed} failed"
                bar.update(task, description=campaign.status, total=campaign.ordered.size, completed=ended, note=note)

        return await _until(con, campaign_id, patience, lambda campaign: campaign.status in RESTS, progress)


async def next_turn(con: Connection, campaign_id: str, after: int, patience: float) -> Record | None:
    """The first turn after so many; None: there is none within `patience` seconds."""
    deadline = asyncio.get_running_loop().time() + patience
    while len(turns := await store.load_steps(con, campaign_id)) <= after:
        if asyncio.get_running_loop().time() > deadline:
            return None
        await asyncio.sleep(POLL_SECONDS)
    return turns[after]


async def _until(
    con: Connection,
    campaign_id: str,
    patience: float,
    is_so: Callable[[Campaign], bool],
    progress: Callable[[Campaign], None],
) -> Campaign | None:
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        campaign = await store.load_campaign(con, campaign_id)
        if campaign is not None:
            progress(campaign)
            if is_so(campaign):
                return campaign
        if asyncio.get_running_loop().time() > deadline:
            return campaign
        await asyncio.sleep(POLL_SECONDS)
