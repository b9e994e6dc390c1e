"""Campaigns and what is said to them, with overrides; and services that answer whatever a campaign asks."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from schemas.decision import Decision, Reminder
from schemas.replay import (
    ListedLetter,
    ReplayCampaignOrdered,
    ReplayCampaignSteered,
    ReplayInspectionDue,
    ReplayLettersListed,
    ReplayStepDue,
)
from schemas.runtime import (
    DeadLetterBatchAnswered,
    DeadLetterBatchRequested,
    DeadLetterInspected,
    Finding,
    LetterAnswer,
    ReminderDue,
)
from services.control_room.campaign.decide import inspection, steps, turns
from services.control_room.campaign.state import Campaign, Letter
from tests.unit.control_room import builders
from tests.unit.control_room.builders import AT

ID = "c-1"


def ordered(size: int = 1, **changes: Any) -> ReplayCampaignOrdered:
    fields: dict[str, Any] = {
        "campaign_id": ID,
        "action": "replay",
        "size": size,
        "starts": True,
        "actor": "ana",
        "reason": "mended",
        "ordered_at": AT,
    }
    return ReplayCampaignOrdered(**{**fields, **changes})


def listed(size: int = 1, first: int = 0, **changes: Any) -> ReplayLettersListed:
    letters = tuple(ListedLetter(occurrence=f"o-{n}", **changes) for n in range(first, first + size))
    return ReplayLettersListed(campaign_id=ID, first=first, letters=letters)


def steered(steering: Any) -> ReplayCampaignSteered:
    return ReplayCampaignSteered(campaign_id=ID, steering=steering, actor="rui", reason="x", ordered_at=AT)


def answered(*places: int, outcome: Any = "handled") -> DeadLetterBatchAnswered:
    answers = tuple(LetterAnswer(place=place, outcome=outcome) for place in places)
    return DeadLetterBatchAnswered(service="billing", campaign_id=ID, answers=answers, answered_at=AT)


def inspected(inspection_id: str, *places: int, finding: Any = "would_be_handled") -> DeadLetterInspected:
    findings = tuple(Finding(place=place, occurrence=f"o-{place}", finding=finding) for place in places)
    return DeadLetterInspected(service="billing", inspection_id=inspection_id, findings=findings, inspected_at=AT)


def letter(place: int, **changes: Any) -> Letter:
    fields: dict[str, Any] = {"place": place, "occurrence": f"o-{place}", "service": "billing"}
    return Letter(**{**fields, **changes})


DECISIONS: dict[type, Callable[..., Any]] = {
    ReplayCampaignOrdered: turns.on_ordered,
    ReplayLettersListed: turns.on_listed,
    ReplayCampaignSteered: turns.on_steered,
    ReplayStepDue: steps.on_step_due,
    DeadLetterBatchAnswered: steps.on_answered,
    ReplayInspectionDue: inspection.on_inspection_due,
    DeadLetterInspected: inspection.on_inspected,
}


REMINDERS = {steps.PACE: steps.on_pace, steps.UNANSWERED: steps.on_unanswered}


class Table:
    """A campaign on the cycle: what it says to itself comes back, what it asks waits to be answered."""

    def __init__(self, **letters: Any) -> None:
        self.campaign: Campaign | None = None
        self.letters: dict[int, dict[str, Any]] = {int(place[1:]): change for place, change in letters.items()}
        self.asked: list[DeadLetterBatchRequested] = []
        self.inspections: list[Any] = []
        self.rows: list[Any] = []
        self.reminders: dict[str, Reminder] = {}
        self.now: datetime = AT
        self._count = 0

    def say(self, *messages: Any) -> "Table":
        waiting = list(messages)
        while waiting:
            message = waiting.pop(0)
            for event in self.tell(message).events:
                if type(event) in DECISIONS:
                    waiting.append(event)
                elif isinstance(event, DeadLetterBatchRequested):
                    self.asked.append(event)
                else:
                    self.inspections.append(event)
        return self

    def tell(self, message: Any, cause: str | None = None) -> Decision[Campaign]:
        """One decision."""
        self._count += 1
        known = self.campaign
        size = known.ordered.size if known is not None and known.ordered is not None else 0
        first = message.first if isinstance(message, ReplayInspectionDue) else known.asked if known is not None else 0
        places = [*sorted(known.open if known is not None else ()), *range(first, min(first + 1000, size))]
        loads = isinstance(message, (ReplayStepDue, DeadLetterBatchAnswered, ReplayInspectionDue, ReminderDue))
        reference = [letter(n, **self.letters.get(n, {})) for n in places] if loads else None
        context: Any = builders.ctx(cause or f"cause-{self._count}", self.now)
        context = type(context)(context.now, context.cause, reference, context.numbers, ID)
        decide = REMINDERS[message.name] if isinstance(message, ReminderDue) else DECISIONS[type(message)]
        decision = decide(self.campaign, message, context)
        assert isinstance(decision, Decision), decision
        self.campaign = decision.state
        self.rows += decision.rows
        for name in decision.forget:
            self.reminders.pop(name, None)
        self.reminders |= {reminder.name: reminder for reminder in decision.reminders}
        return decision

    def answer(self, outcome: Any = "handled", some: int | None = None) -> int:
        """Answers what was asked; how many letters that were."""
        places = [one.place for batch in self.asked for one in batch.letters]
        now, later = places[:some], places[some:] if some is not None else []
        assert not later, "answer all of a request"
        self.asked = []
        if now:
            self.say(answered(*now, outcome=outcome))
        return len(now)

    def inspect(self, finding: Any = "would_be_handled") -> int:
        """Answers every inspection that was asked for; about how many letters."""
        asked, self.inspections = self.inspections, []
        for one in asked:
            self.say(inspected(one.inspection_id, *(letter.place for letter in one.letters), finding=finding))
        return sum(len(one.letters) for one in asked)

    def wait(self, name: str = steps.PACE) -> None:
        """Until the reminder is due."""
        reminder = self.reminders.pop(name)
        self.now = max(self.now, reminder.due)
        self.say(ReminderDue(name=reminder.name, key=ID, due=reminder.due, note=reminder.note))

    @property
    def known(self) -> Campaign:
        assert self.campaign is not None
        return self.campaign

    @property
    def turns(self) -> list[str]:
        return [row.step for row in self.rows if type(row).__name__ == "StepRow"]

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()
