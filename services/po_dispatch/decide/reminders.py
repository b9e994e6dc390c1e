"""PURE. The clockwork of a fulfilment: whatever a decision changes, the next deadline has its reminder, and an order
that waits for offers is tried again now and then.

The first retry comes soon: it finds what came while the order was being routed, which woke nobody.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from schemas.decision import Context, Decision, Outcome, Reminder
from schemas.runtime import ReminderDue
from services.po_dispatch.decide.deadlines import pending
from services.po_dispatch.state import Fulfilment

DEADLINE = "deadline"
RETRY = "sourcing_retry"
FIRST_RETRY = timedelta(minutes=1)
RETRY_EVERY = timedelta(hours=1)

Decide = Callable[[Fulfilment | None, Any, Context[Any]], Outcome[Fulfilment]]


def reminding(decide: Decide) -> Decide:
    """The decision, with the reminders that follow from what it made of the state."""

    def decided(fulfilment: Fulfilment | None, event: Any, ctx: Context[Any]) -> Outcome[Fulfilment]:
        outcome = decide(fulfilment, event, ctx)
        if not isinstance(outcome, Decision) or outcome.state is None:
            return outcome
        fired = event.name if isinstance(event, ReminderDue) else ""
        if outcome.state is fulfilment and not fired:
            return outcome
        return _with_reminders(fulfilment, outcome, outcome.state, fired, ctx.now)

    return decided


def _with_reminders(
    before: Fulfilment | None, decision: Decision[Fulfilment], after: Fulfilment, fired: str, now: datetime
) -> Decision[Fulfilment]:
    was, due = None if fired == DEADLINE else _next_deadline(before), _next_deadline(after)
    reminders = [Reminder(DEADLINE, due)] if due is not None and due != was else []
    forget = [DEADLINE] if due is None and was is not None else []
    waited = before is not None and bool(before.waiting)
    if after.waiting and (fired == RETRY or not waited):
        reminders.append(Reminder(RETRY, now + (RETRY_EVERY if waited else FIRST_RETRY)))
    if waited and not after.waiting and fired != RETRY:
        forget.append(RETRY)
    return Decision(
        decision.state,
        events=decision.events,
        calls=decision.calls,
        reminders=[*decision.reminders, *reminders],
        forget=[*decision.forget, *forget],
        rows=decision.rows,
    )


def _next_deadline(fulfilment: Fulfilment | None) -> datetime | None:
    return next((d.due for d in pending(fulfilment)), None) if fulfilment is not None else None
