"""PURE: a campaign is ordered, its set is listed and frozen, and people steer it."""

from typing import Any

from schemas.decision import Context, Decision, Outcome, later, unchanged
from schemas.model import Model
from schemas.replay import ReplayCampaignOrdered, ReplayCampaignSteered, ReplayInspectionDue, ReplayLettersListed
from services.control_room.campaign import pace
from services.control_room.campaign.decide.record import turn
from services.control_room.campaign.decide.steps import PACE, UNANSWERED, started
from services.control_room.campaign.state import Campaign, LettersRow, Status

_FITS: dict[str, tuple[Status, ...]] = {
    "start": (Status.PLANNED,),
    "pause": (Status.RUNNING,),
    "resume": (Status.PAUSED, Status.FAILING),
    "stop": tuple(status for status in Status if not status.is_over),
}
"""The statuses in which a campaign takes each turn."""


def on_ordered(known: Campaign | None, order: ReplayCampaignOrdered, ctx: Context[None]) -> Outcome[Campaign]:
    """A person's order; its list may be here already."""
    if known is not None and known.ordered is not None:
        return unchanged(known)
    campaign = (known or Campaign(campaign_id=order.campaign_id)).model_copy(update={"ordered": order})
    row = turn(ctx, campaign, "ordered", order.actor, order.reason, f"{order.action} of {order.size}: {order.chosen}")
    return _frozen(campaign, [row], ctx)


def on_listed(known: Campaign | None, part: ReplayLettersListed, ctx: Context[None]) -> Outcome[Campaign]:
    """A part of the set. What is whole is frozen: no part comes twice, and none after the last."""
    campaign = known or Campaign(campaign_id=part.campaign_id)
    if part.first in campaign.parts or campaign.status is not Status.LISTING:
        return unchanged(campaign)
    change = {"parts": campaign.parts | {part.first}, "listed": campaign.listed + len(part.letters)}
    row = LettersRow(campaign_id=part.campaign_id, first=part.first, letters=part.letters)
    return _frozen(campaign.model_copy(update=change), [row], ctx)


def on_steered(known: Campaign | None, said: ReplayCampaignSteered, ctx: Context[None]) -> Outcome[Campaign]:
    """What does not fit the status is recorded and changes nothing. Resumed, it begins with the canary again."""
    if known is None:
        return later("replay.campaign_ordered")
    cause = str(ctx.cause.ref)
    if cause in known.steered:
        return unchanged(known)
    campaign = known.model_copy(update={"steered": (*known.steered, cause)})
    if campaign.status not in _FITS[said.steering]:
        outcome = f"cannot {said.steering}: it is {campaign.status}"
        return Decision(campaign, rows=[turn(ctx, campaign, "ignored", said.actor, said.reason, outcome)])
    return _steered(campaign, said, ctx)


def _steered(campaign: Campaign, said: ReplayCampaignSteered, ctx: Context[None]) -> Decision[Campaign]:
    change: dict[str, Any]
    match said.steering:
        case "start":
            return started(campaign, [turn(ctx, campaign, "started", said.actor, said.reason)], ctx)
        case "resume":
            afresh = campaign.model_copy(update={"called": None, **pace.AFRESH, "step_end": campaign.asked})
            return started(afresh, [turn(ctx, campaign, "resumed", said.actor, said.reason)], ctx)
        case "pause":
            step, change = "paused", {"status": Status.PAUSED}
        case "stop":
            step, change = "stopped", {"status": Status.STOPPED, "ended_at": ctx.now}
    row = turn(ctx, campaign, step, said.actor, said.reason)
    return Decision(campaign.model_copy(update=change), forget=[PACE, UNANSWERED], rows=[row])


def _frozen(campaign: Campaign, rows: list[Model], ctx: Context[None]) -> Decision[Campaign]:
    """When order and list are whole, the set is frozen: it starts, or it is planned and inspected."""
    order = campaign.ordered
    if order is None or campaign.listed < order.size:
        return Decision(campaign, rows=rows)
    planned = campaign.model_copy(update={"status": Status.PLANNED})
    if order.starts:
        return started(planned, rows, ctx)
    inspection = [ReplayInspectionDue(campaign_id=order.campaign_id, first=0)] if order.inspect else []
    return Decision(planned, events=inspection, rows=rows)
