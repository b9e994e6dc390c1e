"""PURE: the rows that record a campaign's turns and what it did about its letters."""

import base64
from collections.abc import Sequence
from typing import Any

from schemas.decision import Context
from schemas.model import Model
from schemas.replay import ReplayCampaignOrdered
from services.control_room.campaign import edit
from services.control_room.campaign.state import AskedRow, Campaign, EditRow, Letter, SkippedRow, StepRow


def turn(
    ctx: Context[Any],
    campaign: Campaign,
    step: Any,
    actor: str | None = None,
    reason: str | None = None,
    outcome: str | None = None,
) -> StepRow:
    """Who ordered it and why; what the campaign does by itself has only an outcome."""
    return StepRow(
        row_id=ctx.id(f"campaign/{step}"),
        campaign_id=campaign.campaign_id,
        step=step,
        at=ctx.now,
        actor=actor,
        reason=reason,
        outcome=outcome,
    )


def skipped(letter: Letter, verdict: str, campaign: Campaign, ctx: Context[Any]) -> SkippedRow:
    """A letter that is not asked for, and why."""
    return SkippedRow(
        campaign_id=campaign.campaign_id,
        place=letter.place,
        occurrence=letter.occurrence,
        at=ctx.now,
        outcome=verdict,
        failed=letter.settled is None,
    )


def asked(order: ReplayCampaignOrdered, letters: Sequence[Letter], ctx: Context[Any]) -> list[Model]:
    """The beginning of the action on each of these letters, and their edits."""
    if not letters:
        return []
    row = AskedRow(
        campaign_id=order.campaign_id,
        action=order.action,
        at=ctx.now,
        actor=order.actor,
        reason=order.reason,
        places=tuple(letter.place for letter in letters),
        occurrences=tuple(letter.occurrence for letter in letters),
    )
    return [row, *_edits(order, letters, ctx)]


def _edits(order: ReplayCampaignOrdered, letters: Sequence[Letter], ctx: Context[Any]) -> list[EditRow]:
    return [
        EditRow(
            campaign_id=order.campaign_id,
            occurrence=letter.occurrence,
            at=ctx.now,
            original=letter.original,
            edited=letter.edited,
            difference=edit.difference(base64.b64decode(letter.original), base64.b64decode(letter.edited)),
        )
        for letter in letters
        if letter.edited is not None and letter.original is not None
    ]
