"""PURE: what a campaign does when it is ordered, steered, called to its next step, and answered."""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.decision import Context, Decision, Outcome, Reminder, later, unchanged
from schemas.model import Message, Model
from schemas.replay import (
    ReplayCampaignOrdered,
    ReplayCampaignSteered,
    ReplayInspectionDue,
    ReplayLettersListed,
    ReplayStepDue,
)
from schemas.runtime import (
    AskedLetter,
    DeadLetterBatchAnswered,
    DeadLetterBatchRequested,
    DeadLetterInspected,
    DeadLetterInspectRequested,
    ReminderDue,
)
from services.control_room.campaign import edit, pace
from services.control_room.campaign.state import (
    AnswersRow,
    AskedRow,
    Campaign,
    EditRow,
    FindingsRow,
    Letter,
    LettersRow,
    SkippedRow,
    Status,
    StepRow,
)

TOGETHER = 64
"""Letters that one request asks of a service."""
INSPECTED_TOGETHER = 32
INSPECTED_AT_ONCE = 256
PACE = "pace"
Letters = Sequence[Letter]


def on_ordered(known: Campaign | None, order: ReplayCampaignOrdered, ctx: Context[None]) -> Outcome[Campaign]:
    """A person's order; its list may be here already."""
    if known is not None and known.ordered is not None:
        return unchanged(known)
    campaign = (known or Campaign(campaign_id=order.campaign_id)).model_copy(update={"ordered": order})
    row = _step(ctx, campaign, "ordered", order.actor, order.reason, f"{order.action} of {order.size}: {order.chosen}")
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
    fits = {
        "start": (Status.PLANNED,),
        "pause": (Status.RUNNING,),
        "resume": (Status.PAUSED, Status.FAILING),
        "stop": tuple(status for status in Status if not status.is_over),
    }[said.steering]
    if campaign.status not in fits:
        outcome = f"cannot {said.steering}: it is {campaign.status}"
        return Decision(campaign, rows=[_step(ctx, campaign, "ignored", said.actor, said.reason, outcome)])
    match said.steering:
        case "start":
            return _started(campaign, [_step(ctx, campaign, "started", said.actor, said.reason)], ctx)
        case "resume":
            change = {"status": Status.RUNNING, "called": None, **pace.AFRESH, "step_end": campaign.asked}
            row = _step(ctx, campaign, "resumed", said.actor, said.reason)
            return _carried_on(campaign.model_copy(update=change), [row], ctx)
        case "pause":
            paused = campaign.model_copy(update={"status": Status.PAUSED})
            return Decision(paused, forget=[PACE], rows=[_step(ctx, campaign, "paused", said.actor, said.reason)])
    stopped = campaign.model_copy(update={"status": Status.STOPPED, "ended_at": ctx.now})
    return Decision(stopped, forget=[PACE], rows=[_step(ctx, campaign, "stopped", said.actor, said.reason)])


def on_step_due(known: Campaign | None, due: ReplayStepDue, ctx: Context[Letters]) -> Outcome[Campaign]:
    """Asks for the next letters, as many as step, window and rate allow. `ctx.reference`: those from `asked` on."""
    if known is None or known.status is not Status.RUNNING or due.asked != known.asked or not pace.may_ask(known):
        return unchanged(known)
    assert known.ordered is not None
    campaign = pace.next_step(known)
    allowed = pace.allowance(campaign, ctx.now)
    if allowed.number == 0:
        return Decision(known, reminders=[Reminder(PACE, allowed.again_at, {"asked": due.asked})])
    letters = list(ctx.reference[: min(allowed.number, pace.room(campaign))])
    if not letters:
        raise ValueError(f"the set of {known.campaign_id} has no letter at place {due.asked}")
    verdicts = {letter.place: _no_use(letter, known.ordered.action) for letter in letters}
    wanted = [letter for letter in letters if verdicts[letter.place] is None]
    change: dict[str, Any] = {
        "asked": campaign.asked + len(letters),
        "open": campaign.open | {letter.place for letter in wanted},
        "paced_at": pace.used(campaign, len(letters), ctx.now),
    }
    skipped = [row for letter in letters if (row := _skipped(letter, verdicts[letter.place], known, ctx)) is not None]
    change |= _counted_skips(campaign, skipped)
    rows: list[Model] = [*_asked_rows(known.ordered, wanted, ctx), *skipped, *_edits(known.ordered, wanted, ctx)]
    return _carried_on(campaign.model_copy(update=change), rows, ctx, _requests(known.ordered, wanted))


def on_pace(known: Campaign | None, due: ReminderDue, ctx: Context[Letters]) -> Outcome[Campaign]:
    """The rate allows more again."""
    if known is None:
        return unchanged(known)
    return on_step_due(known, ReplayStepDue(campaign_id=known.campaign_id, asked=int(due.note["asked"])), ctx)


def on_answered(known: Campaign | None, said: DeadLetterBatchAnswered, ctx: Context[None]) -> Outcome[Campaign]:
    """A service processed some letters, or could not. What was answered before counts once."""
    if known is None:
        return unchanged(known)
    answers = [answer for answer in said.answers if answer.place in known.open]
    if not answers:
        return unchanged(known)
    failed = sum(answer.outcome == "failed" for answer in answers)
    campaign = known.model_copy(
        update={
            "open": known.open - {answer.place for answer in answers},
            "resolved": known.resolved + len(answers) - failed,
            "failed": known.failed + failed,
            "step_failed": known.step_failed + failed,
            "outcomes": _more(known.outcomes, (answer.outcome for answer in answers)),
            "answered_at": ctx.now,
        }
    )
    row = AnswersRow(campaign_id=known.campaign_id, at=ctx.now, answers=tuple(answers))
    return _carried_on(campaign, [row], ctx)


def on_inspection_due(known: Campaign | None, due: ReplayInspectionDue, ctx: Context[Letters]) -> Outcome[Campaign]:
    """Asks services what replays would do. `ctx.reference`: the letters from `first` on."""
    if known is None or known.ordered is None or known.status is not Status.PLANNED:
        return unchanged(known)
    last = min(due.first + INSPECTED_AT_ONCE, known.ordered.inspect, known.ordered.size)
    letters = [letter for letter in ctx.reference if letter.place < last]
    asked = [letter for letter in letters if letter.service is not None and letter.settled is None]
    requests: list[Message] = []
    for service, group in _by_service(asked):
        for some in _some(group, INSPECTED_TOGETHER):
            id = f"{known.campaign_id}/{some[0].place}"
            told = tuple(_asked_letter(letter) for letter in some)
            requests.append(DeadLetterInspectRequested(service=service, inspection_id=id, letters=told))
    ids = {request.inspection_id for request in requests if isinstance(request, DeadLetterInspectRequested)}
    skipped = ["nothing_to_do"] * (len(letters) - len(asked))
    change = {
        "inspections": known.inspections | ids,
        "inspected": known.inspected + len(skipped),
        "findings": _more(known.findings, skipped),
    }
    if last < min(known.ordered.inspect, known.ordered.size):
        requests.append(ReplayInspectionDue(campaign_id=known.campaign_id, first=last))
    return Decision(known.model_copy(update=change), events=requests)


def on_inspected(known: Campaign | None, said: DeadLetterInspected, ctx: Context[None]) -> Outcome[Campaign]:
    """A service's findings; said twice they count once."""
    if known is None or said.inspection_id not in known.inspections:
        return unchanged(known)
    change = {
        "inspections": known.inspections - {said.inspection_id},
        "inspected": known.inspected + len(said.findings),
        "findings": _more(known.findings, (finding.finding for finding in said.findings)),
    }
    row = FindingsRow(campaign_id=known.campaign_id, at=ctx.now, findings=said.findings)
    return Decision(known.model_copy(update=change), rows=[row])


def _frozen(campaign: Campaign, rows: list[Model], ctx: Context[None]) -> Decision[Campaign]:
    """When order and list are whole, the set is frozen: it starts, or it is planned and inspected."""
    order = campaign.ordered
    if order is None or campaign.listed < order.size:
        return Decision(campaign, rows=rows)
    planned = campaign.model_copy(update={"status": Status.PLANNED})
    if order.starts:
        return _started(planned, rows, ctx)
    inspection = [ReplayInspectionDue(campaign_id=order.campaign_id, first=0)] if order.inspect else []
    return Decision(planned, events=inspection, rows=rows)


def _started(campaign: Campaign, rows: Sequence[Model], ctx: Context[Any]) -> Decision[Campaign]:
    return _carried_on(campaign.model_copy(update={"status": Status.RUNNING, "began_at": ctx.now}), rows, ctx)


def _carried_on(
    campaign: Campaign, rows: Sequence[Model], ctx: Context[Any], events: Sequence[Message] = ()
) -> Decision[Campaign]:
    """What follows from the counters: it is done, it stops because of failures, or the next letters are called."""
    order = campaign.ordered
    assert order is not None
    if campaign.asked == order.size and not campaign.open:
        if campaign.status.is_over:
            return Decision(campaign, events=events, rows=rows)
        row = _step(ctx, campaign, "done", outcome=f"{campaign.resolved} resolved, {campaign.failed} failed")
        done = campaign.model_copy(update={"status": Status.DONE, "ended_at": ctx.now})
        return Decision(done, events=events, rows=[*rows, row], forget=[PACE])
    if campaign.status is not Status.RUNNING:
        return Decision(campaign, events=events, rows=rows)
    if pace.is_failing(campaign):
        row = _step(
            ctx, campaign, "failing", outcome=f"{campaign.step_failed} failed in a step of {campaign.step_size}"
        )
        failing = campaign.model_copy(update={"status": Status.FAILING})
        return Decision(failing, events=events, rows=[*rows, row], forget=[PACE])
    if campaign.called != campaign.asked and pace.may_ask(campaign):
        called = campaign.model_copy(update={"called": campaign.asked})
        due = ReplayStepDue(campaign_id=campaign.campaign_id, asked=campaign.asked)
        return Decision(called, events=[*events, due], rows=rows)
    return Decision(campaign, events=events, rows=rows)


def _no_use(letter: Letter, action: str) -> str | None:
    """Why a letter is not asked for; None where it is."""
    if letter.service is None:
        return "the ledger has no such dead letter"
    if letter.settled is not None:
        return letter.settled
    if action == "replay" and letter.edited is not None:
        if letter.kind != "event" or letter.original is None:
            return "it cannot be edited: it is no event, or too large"
        try:
            edit.check(base64.b64decode(letter.original), base64.b64decode(letter.edited), letter.event_type)
        except edit.CannotEdit as error:
            return f"the edited event does not do: {error}"
    if action == "replay" and letter.written_here and letter.original is None and letter.edited is None:
        return "its bytes are too many for a replay; export it and publish it again"
    return None


def _skipped(letter: Letter, verdict: str | None, campaign: Campaign, ctx: Context[Any]) -> SkippedRow | None:
    if verdict is None:
        return None
    return SkippedRow(
        campaign_id=campaign.campaign_id,
        place=letter.place,
        occurrence=letter.occurrence,
        at=ctx.now,
        outcome=verdict,
        failed=letter.settled is None,
    )


def _counted_skips(campaign: Campaign, skipped: Sequence[SkippedRow]) -> dict[str, int]:
    failed = sum(row.failed for row in skipped)
    return {
        "skipped": campaign.skipped + len(skipped) - failed,
        "failed": campaign.failed + failed,
        "step_failed": campaign.step_failed + failed,
    }


def _requests(order: ReplayCampaignOrdered, letters: Letters) -> list[Message]:
    return [
        DeadLetterBatchRequested(
            service=service,
            campaign_id=order.campaign_id,
            action=order.action,
            letters=tuple(_asked_letter(letter) for letter in some),
        )
        for service, group in _by_service(letters)
        for some in _some(group, TOGETHER)
    ]


def _asked_letter(letter: Letter) -> AskedLetter:
    """What the broker dead-lettered over a service's head, and what was edited, brings its bytes along."""
    body = letter.edited or (letter.original if letter.written_here else None)
    return AskedLetter(
        place=letter.place,
        occurrence=letter.occurrence,
        event_source=letter.event_source,
        event_id=letter.event_id,
        body=body,
    )


def _asked_rows(order: ReplayCampaignOrdered, letters: Letters, ctx: Context[Any]) -> list[AskedRow]:
    if not letters:
        return []
    return [
        AskedRow(
            campaign_id=order.campaign_id,
            action=order.action,
            at=ctx.now,
            actor=order.actor,
            reason=order.reason,
            places=tuple(letter.place for letter in letters),
            occurrences=tuple(letter.occurrence for letter in letters),
        )
    ]


def _edits(order: ReplayCampaignOrdered, letters: Letters, ctx: Context[Any]) -> list[EditRow]:
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


def _step(
    ctx: Context[Any],
    campaign: Campaign,
    step: Any,
    actor: str | None = None,
    reason: str | None = None,
    outcome: str | None = None,
) -> StepRow:
    return StepRow(
        row_id=ctx.id(f"campaign/{step}"),
        campaign_id=campaign.campaign_id,
        step=step,
        at=ctx.now,
        actor=actor,
        reason=reason,
        outcome=outcome,
    )


def _by_service(letters: Iterable[Letter]) -> list[tuple[str, list[Letter]]]:
    groups: dict[str, list[Letter]] = {}
    for letter in letters:
        groups.setdefault(letter.service or "", []).append(letter)
    return list(groups.items())


def _some(letters: Sequence[Letter], size: int) -> list[Sequence[Letter]]:
    return [letters[start : start + size] for start in range(0, len(letters), size)]


def _more(counts: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(counts) + Counter(names))
