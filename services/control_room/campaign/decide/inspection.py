"""PURE: what replays would do, asked of the services a part at a time: the next part only when all of this one came."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from schemas.decision import Context, Decision, Outcome, unchanged
from schemas.model import Message
from schemas.replay import ReplayInspectionDue
from schemas.runtime import DeadLetterInspected, DeadLetterInspectRequested
from services.control_room.campaign.decide.requests import asked_letter, by_service, parts
from services.control_room.campaign.state import Campaign, FindingsRow, Letter, Status

INSPECTED_TOGETHER = 32
"""Letters of one request: a service rehearses them in one transaction."""
INSPECTED_AT_ONCE = 256
"""Letters that services are asked about and have not answered, at most: rehearsals share their time with real work."""


def on_inspection_due(
    known: Campaign | None, due: ReplayInspectionDue, ctx: Context[Sequence[Letter]]
) -> Outcome[Campaign]:
    """Asks services what replays would do. `ctx.reference`: the letters from `first` on."""
    if known is None or known.ordered is None or known.status is not Status.PLANNED or due.first != known.inspect_next:
        return unchanged(known)
    end = min(due.first + INSPECTED_AT_ONCE, _wanted(known))
    letters = [letter for letter in ctx.reference if letter.place < end]
    asked = [letter for letter in letters if letter.service is not None and letter.settled is None]
    requests = [
        DeadLetterInspectRequested(
            service=service, inspection_id=f"{known.campaign_id}/{some[0].place}", letters=tuple(some)
        )
        for service, group in by_service(asked)
        for some in parts([asked_letter(letter, named=True) for letter in group], INSPECTED_TOGETHER)
    ]
    skipped = len(letters) - len(asked)
    campaign = known.model_copy(
        update={
            "inspect_next": end,
            "inspections": known.inspections | {request.inspection_id for request in requests},
            "inspected": known.inspected + skipped,
            "findings": _more(known.findings, ["nothing_to_do"] * skipped),
        }
    )
    return Decision(campaign, events=[*requests, *_next_part(campaign)])


def on_inspected(known: Campaign | None, said: DeadLetterInspected, ctx: Context[None]) -> Outcome[Campaign]:
    """A service's findings; said twice they count once."""
    if known is None or said.inspection_id not in known.inspections:
        return unchanged(known)
    change = {
        "inspections": known.inspections - {said.inspection_id},
        "inspected": known.inspected + len(said.findings),
        "findings": _more(known.findings, (finding.finding for finding in said.findings)),
    }
    campaign = known.model_copy(update=change)
    row = FindingsRow(campaign_id=known.campaign_id, at=ctx.now, findings=said.findings)
    return Decision(campaign, events=_next_part(campaign), rows=[row])


def _next_part(campaign: Campaign) -> list[Message]:
    """Called when nothing of the part before is missing. A campaign that was started is not inspected any more."""
    if campaign.inspections or campaign.inspect_next >= _wanted(campaign) or campaign.status is not Status.PLANNED:
        return []
    return [ReplayInspectionDue(campaign_id=campaign.campaign_id, first=campaign.inspect_next)]


def _wanted(campaign: Campaign) -> int:
    order = campaign.ordered
    return 0 if order is None else min(order.inspect, order.size)


def _more(counts: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(counts) + Counter(names))
