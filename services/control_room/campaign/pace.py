"""PURE: how many letters of a campaign may be asked for, when, and which failures are too many."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.control_room.campaign.state import Campaign

CANARIES = (1, 10, 100)
STEP = 1000
"""Letters of a step after the canaries; also how many may be on their way at once."""
LEAST = 250
"""Letters of one request, and places of the window that must be free before more is asked for: many at once cost
little more than one, and while one request is answered for and the next is made, a service has others to work on."""
ANSWER_WITHIN = timedelta(minutes=10)
"""Without any answer for so long, a campaign asks again about what is open."""
ASKED_AGAIN = 3
"""Times in a row; then it stops."""
AFRESH: dict[str, Any] = {"step": 0, "step_size": 0, "step_failed": 0, "rests_until": None}
"""Counters of a campaign that begins with its canary."""
SAVED_UP = 2.0
"""Seconds of unused rate that may be caught up."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many the rate allows now; where none, when it allows one."""

    number: int
    again_at: datetime


def step_size(campaign: Campaign, step: int) -> int:
    """Of the step with this number, counted from 1."""
    if campaign.ordered is not None and campaign.ordered.in_sequence:
        return 1
    return CANARIES[step - 1] if step <= len(CANARIES) else STEP


def next_step(campaign: Campaign) -> Campaign:
    """The campaign in the step to which its next letter belongs."""
    if campaign.asked < campaign.step_end:
        return campaign
    step = campaign.step + 1
    size = step_size(campaign, step)
    change = {"step": step, "step_size": size, "step_end": campaign.asked + size, "step_failed": 0}
    return campaign.model_copy(update=change)


def may_ask(campaign: Campaign) -> bool:
    """Whether the next letters may be asked for: a canary must be processed whole before anything follows it."""
    assert campaign.ordered is not None
    if campaign.asked >= campaign.ordered.size or len(campaign.open) > STEP - LEAST:
        return False
    return campaign.asked < campaign.step_end or campaign.step_size == STEP or not campaign.open


def room(campaign: Campaign) -> int:
    """Letters that step and window leave room for."""
    return max(0, min(campaign.step_end - campaign.asked, STEP - len(campaign.open)))


def wanted(campaign: Campaign) -> int:
    """Letters that it could ask for now, whatever the rate says: one canary, or what the window has room for."""
    if not may_ask(campaign):
        return 0
    stepped = next_step(campaign)
    return STEP - len(campaign.open) if stepped.step_size == STEP else room(stepped)


def rests(campaign: Campaign, now: datetime) -> bool:
    """Whether the rate is used up, and a reminder will say when it is not."""
    return campaign.rests_until is not None and now < campaign.rests_until


def quiet_until(campaign: Campaign, now: datetime) -> datetime:
    """When it has been without an answer for too long."""
    return (campaign.heard_at or now) + ANSWER_WITHIN


def is_failing(campaign: Campaign) -> bool:
    """Whether more failed in this step than may. Between a resumption and its canary nothing counts: what still comes
    was asked before."""
    assert campaign.ordered is not None
    if campaign.step_size == 0:
        return False
    allowed = campaign.ordered.max_failures if campaign.step_size == STEP else 0
    return campaign.step_failed > allowed


def allowance(campaign: Campaign, now: datetime) -> Allowance:
    rate = campaign.ordered.rate if campaign.ordered is not None else None
    if rate is None:
        return Allowance(STEP, now)
    since = _since(campaign, rate, now)
    number = int((now - since).total_seconds() * rate + 1e-6)
    return Allowance(number, since + timedelta(seconds=1 / rate if rate < 1 else min(1.0, LEAST / rate)))


def used(campaign: Campaign, number: int, now: datetime) -> datetime:
    """Until when the rate is used up by so many more."""
    rate = campaign.ordered.rate if campaign.ordered is not None else None
    return now if rate is None else _since(campaign, rate, now) + timedelta(seconds=number / rate)


def _since(campaign: Campaign, rate: float, now: datetime) -> datetime:
    """From when on the rate counts; the first letter may go at once."""
    longest = max(SAVED_UP, 1 / rate)
    if campaign.paced_at is None:
        return now - timedelta(seconds=1 / rate)
    return max(campaign.paced_at, now - timedelta(seconds=longest))
