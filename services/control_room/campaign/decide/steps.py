"""PURE: a running campaign asks for letters, counts what comes of them, and asks again about what nobody answers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.decision import Context, Decision, Outcome, Reminder, unchanged
from schemas.model import Message, Model
from schemas.replay import ReplayStepDue
from schemas.runtime import DeadLetterBatchAnswered, ReminderDue
from services.control_room.campaign import pace
from services.control_room.campaign.decide import record
from services.control_room.campaign.decide.record import turn
from services.control_room.campaign.decide.requests import no_use, requests
from services.control_room.campaign.state import AnswersRow, Campaign, Letter, SkippedRow, Status

PACE, UNANSWERED = "pace", "unanswered"
Letters = Sequence[Letter]


def started(campaign: Campaign, rows: Sequence[Model], ctx: Context[Any]) -> Decision[Campaign]:
    """It runs, for the first time or again."""
    change = {"status": Status.RUNNING, "began_at": campaign.began_at or ctx.now, "heard_at": ctx.now, "unheard": 0}
    decision = carried_on(campaign.model_copy(update=change), rows, ctx)
    return _reminded(decision, ctx)


def on_step_due(known: Campaign | None, due: ReplayStepDue, ctx: Context[Letters]) -> Outcome[Campaign]:
    """Asks for the next letters, as many as step, window and rate allow. `ctx.reference`: those from `asked` on."""
    if known is None or known.status is not Status.RUNNING or due.asked != known.asked or not pace.may_ask(known):
        return unchanged(known)
    if not ctx.reference:
        raise ValueError(f"the set of {known.campaign_id} has no letter at place {due.asked}")
    return carried_on(known, [], ctx)


def on_pace(known: Campaign | None, due: ReminderDue, ctx: Context[Letters]) -> Outcome[Campaign]:
    """The rate allows more again, whatever this replica's clock says: where it is behind, it is told so once more."""
    if known is None:
        return unchanged(known)
    rested = known.model_copy(update={"rests_until": None})
    return on_step_due(rested, ReplayStepDue(campaign_id=known.campaign_id, asked=int(due.note["asked"])), ctx)


def on_answered(known: Campaign | None, said: DeadLetterBatchAnswered, ctx: Context[Letters]) -> Outcome[Campaign]:
    """A service processed some letters, or could not: what was answered before counts once. The next are asked for at
    once where the window has room. `ctx.reference`: those that may follow."""
    if known is None:
        return unchanged(known)
    mine = [answer for answer in said.answers if answer.place in known.open]
    if not mine:
        return unchanged(known)
    answers = [answer for answer in mine if answer.outcome != "waiting"]
    failed = sum(answer.outcome == "failed" for answer in answers)
    campaign = known.model_copy(
        update={
            "open": known.open - {answer.place for answer in answers},
            "resolved": known.resolved + len(answers) - failed,
            "failed": known.failed + failed,
            "step_failed": known.step_failed + failed,
            "outcomes": dict(Counter(known.outcomes) + Counter(answer.outcome for answer in answers)),
            "answered_at": ctx.now,
            "heard_at": ctx.now,
            "unheard": 0,
        }
    )
    rows = [AnswersRow.model_construct(campaign_id=known.campaign_id, at=ctx.now, answers=tuple(answers))]
    return carried_on(campaign, rows if answers else [], ctx)


def on_unanswered(known: Campaign | None, due: ReminderDue, ctx: Context[Letters]) -> Outcome[Campaign]:
    """Nothing was heard for a while: asks again about every letter that is open, and gives up after some times. Who was
    asked before knows what it did. `ctx.reference`: the open letters, and those that may follow."""
    if known is None or known.status is not Status.RUNNING:
        return unchanged(known)
    quiet_until = pace.quiet_until(known, ctx.now)
    if ctx.now < quiet_until:
        return Decision(known, reminders=[Reminder(UNANSWERED, quiet_until)])
    if not known.open:
        waits = known.model_copy(update={"called": None, "heard_at": ctx.now})  # for its rate; there is nobody to hear
        return _reminded(carried_on(waits, [], ctx), ctx)
    if known.unheard >= pace.ASKED_AGAIN:
        outcome = f"no answer about {len(known.open)} letters, asked {known.unheard + 1} times"
        row = turn(ctx, known, "failing", outcome=outcome)
        return Decision(known.model_copy(update={"status": Status.FAILING}), rows=[row], forget=[PACE])
    return _reminded(_asked_again(known, ctx), ctx)


def _asked_again(known: Campaign, ctx: Context[Letters]) -> Decision[Campaign]:
    assert known.ordered is not None
    letters = [letter for letter in ctx.reference if letter.place in known.open]
    sorted_out = _sorted_out(letters, known, ctx)
    change = {
        "open": known.open - {row.place for row in sorted_out.skipped},
        "unheard": known.unheard + 1,
        "heard_at": ctx.now,
        **_counted(known, sorted_out.skipped),
    }
    row = turn(ctx, known, "asked_again", outcome=f"{len(sorted_out.wanted)} letters that nobody answered for")
    events = requests(known.ordered, sorted_out.wanted)
    return carried_on(known.model_copy(update=change), [row, *sorted_out.skipped], ctx, events)


def _reminded(decision: Decision[Campaign], ctx: Context[Any]) -> Decision[Campaign]:
    """With the reminder to ask again, for as long as it runs."""
    campaign = decision.state
    if campaign is None or campaign.status is not Status.RUNNING:
        return decision
    again = Reminder(UNANSWERED, pace.quiet_until(campaign, ctx.now))
    return replace(decision, reminders=[*decision.reminders, again])


@dataclass(slots=True)
class _Asking:
    """What a campaign says and records while it asks for letters."""

    campaign: Campaign
    events: list[Message]
    rows: list[Model]
    reminders: list[Reminder] = field(default_factory=list)


def carried_on(
    campaign: Campaign, rows: Sequence[Model], ctx: Context[Any], events: Sequence[Message] = ()
) -> Decision[Campaign]:
    """What follows from the counters: it asks for more, it is done, or it stops because of failures."""
    asking = _Asking(campaign, [*events], [*rows])
    by_place = {letter.place: letter for letter in ctx.reference or ()}
    while _may_ask(asking.campaign, ctx) and _ask(asking, by_place, ctx):
        pass
    campaign, rows, order = asking.campaign, asking.rows, asking.campaign.ordered
    assert order is not None
    forget = [PACE, UNANSWERED]
    if campaign.asked == order.size and not campaign.open:
        if campaign.status.is_over:
            return Decision(campaign, events=asking.events, rows=rows)
        row = turn(ctx, campaign, "done", outcome=f"{campaign.resolved} resolved, {campaign.failed} failed")
        done = campaign.model_copy(update={"status": Status.DONE, "ended_at": ctx.now})
        return Decision(done, events=asking.events, rows=[*rows, row], forget=forget)
    if campaign.status is Status.RUNNING and pace.is_failing(campaign):
        outcome = f"{campaign.step_failed} failed in a step of {campaign.step_size}"
        row = turn(ctx, campaign, "failing", outcome=outcome)
        failing = campaign.model_copy(update={"status": Status.FAILING})
        return Decision(failing, events=asking.events, rows=[*rows, row], forget=forget)
    return Decision(campaign, events=asking.events, rows=rows, reminders=asking.reminders)


def _may_ask(campaign: Campaign, ctx: Context[Any]) -> bool:
    return (
        campaign.status is Status.RUNNING
        and not pace.is_failing(campaign)
        and not pace.rests(campaign, ctx.now)
        and pace.may_ask(campaign)
    )


def _ask(asking: _Asking, by_place: Mapping[int, Letter], ctx: Context[Any]) -> bool:
    """Asks for letters of one step; whether it could. Otherwise it calls itself when it can."""
    campaign = pace.next_step(asking.campaign)
    allowed = pace.allowance(campaign, ctx.now)
    if allowed.number == 0:
        asking.campaign = asking.campaign.model_copy(update={"rests_until": allowed.again_at})
        asking.reminders.append(Reminder(PACE, allowed.again_at, {"asked": campaign.asked}))
        return False
    first = campaign.asked
    places = range(first, first + min(allowed.number, pace.room(campaign)))
    letters = [by_place[place] for place in places if place in by_place]
    if not letters:
        if campaign.called != first:
            asking.campaign = asking.campaign.model_copy(update={"called": first})
            asking.events.append(ReplayStepDue(campaign_id=campaign.campaign_id, asked=first))
        return False
    _ask_for(asking, campaign, letters, ctx)
    return True


def _ask_for(asking: _Asking, campaign: Campaign, letters: Letters, ctx: Context[Any]) -> None:
    assert campaign.ordered is not None
    sorted_out = _sorted_out(letters, campaign, ctx)
    change: dict[str, Any] = {
        "asked": campaign.asked + len(letters),
        "open": campaign.open | {letter.place for letter in sorted_out.wanted},
        "paced_at": pace.used(campaign, len(letters), ctx.now),
        "heard_at": ctx.now,
        **_counted(campaign, sorted_out.skipped),
    }
    asking.campaign = campaign.model_copy(update=change)
    asking.events += requests(campaign.ordered, sorted_out.wanted)
    asking.rows += [*record.asked(campaign.ordered, sorted_out.wanted, ctx), *sorted_out.skipped]


@dataclass(frozen=True, slots=True)
class _SortedOut:
    wanted: list[Letter]
    skipped: list[SkippedRow]


def _sorted_out(letters: Iterable[Letter], campaign: Campaign, ctx: Context[Any]) -> _SortedOut:
    """Letters to ask for, and those that there is no use in asking for."""
    assert campaign.ordered is not None
    sorted_out = _SortedOut([], [])
    for letter in letters:
        verdict = no_use(letter, campaign.ordered.action)
        if verdict is None:
            sorted_out.wanted.append(letter)
        else:
            sorted_out.skipped.append(record.skipped(letter, verdict, campaign, ctx))
    return sorted_out


def _counted(campaign: Campaign, skipped: Sequence[SkippedRow]) -> dict[str, int]:
    failed = sum(row.failed for row in skipped)
    return {
        "skipped": campaign.skipped + len(skipped) - failed,
        "failed": campaign.failed + failed,
        "step_failed": campaign.step_failed + failed,
    }
