"""`python -m services.control_room`: the ledger of dead letters on the worker cycle, the journal beside it."""

from collections.abc import Sequence
from functools import partial

from asyncpg import Connection

from schemas import catalogue
from schemas.model import Model
from schemas.replay import (
    ReplayCampaignOrdered,
    ReplayCampaignSteered,
    ReplayInspectionDue,
    ReplayLettersListed,
    ReplayStepDue,
)
from schemas.runtime import (
    DeadLetterBatchAnswered,
    DeadLetterFailed,
    DeadLetterInspected,
    DeadLetterRecorded,
    DeadLetterReleased,
    DeadLetterResolved,
)
from services.control_room import decide, journal, store, upkeep
from services.control_room.adopt import SUFFIX, adopt
from services.control_room.campaign import store as campaigns
from services.control_room.campaign.decide import inspection, steps, turns
from services.control_room.campaign.state import Campaign
from services.control_room.settings import Settings
from services.control_room.state import DeadLetter
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Service, Subscription, Timer

LETTER = Aggregate("dead_letter", DeadLetter)
CAMPAIGN = Aggregate("replay_campaign", Campaign)

SUBSCRIPTIONS = (
    Subscription(DeadLetterRecorded, LETTER, decide.on_recorded),
    Subscription(DeadLetterResolved, LETTER, decide.on_resolved),
    Subscription(DeadLetterFailed, LETTER, decide.on_failed),
    Subscription(DeadLetterReleased, LETTER, decide.on_released),
    Subscription(ReplayCampaignOrdered, CAMPAIGN, turns.on_ordered),
    Subscription(ReplayLettersListed, CAMPAIGN, turns.on_listed),
    Subscription(ReplayCampaignSteered, CAMPAIGN, turns.on_steered),
    Subscription(ReplayStepDue, CAMPAIGN, steps.on_step_due, load=campaigns.load_next),
    Timer(steps.PACE, CAMPAIGN, steps.on_pace, load=campaigns.load_next),
    Subscription(DeadLetterBatchAnswered, CAMPAIGN, steps.on_answered, load=campaigns.load_next),
    Timer(steps.UNANSWERED, CAMPAIGN, steps.on_unanswered, load=campaigns.load_unanswered),
    Subscription(ReplayInspectionDue, CAMPAIGN, inspection.on_inspection_due, load=campaigns.load_inspected),
    Subscription(
        DeadLetterInspected,
        CAMPAIGN,
        inspection.on_inspected,
        key=lambda said: str(said.inspection_id).partition("/")[0],
    ),
)


async def save_rows(con: Connection, rows: Sequence[Model]) -> None:
    """Each kind of row where it belongs."""
    mine, others = campaigns.campaign_rows(rows)
    await campaigns.save_rows(con, mine)
    await store.save_rows(con, others)


def service(settings: Settings) -> Service:
    return Service(
        name=catalogue.CONTROL_ROOM,
        subscriptions=SUBSCRIPTIONS,
        save_rows=save_rows,
        queues=tuple(f"{name}{SUFFIX}" for name in catalogue.SERVICES),
        adopt=adopt,
        tasks=tuple(
            partial(task, settings=settings) for task in (journal.run, upkeep.keep_journal, upkeep.keep_dead_letters)
        ),
    )


def main() -> None:
    run(service(read(Settings)), read(Runtime))


if __name__ == "__main__":
    main()
