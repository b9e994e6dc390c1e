"""`python -m services.control_room`: the ledger of dead letters on the worker cycle, the journal beside it."""

from functools import partial

from schemas import catalogue
from schemas.runtime import (
    DeadLetterActionOrdered,
    DeadLetterFailed,
    DeadLetterRecorded,
    DeadLetterReleased,
    DeadLetterResolved,
)
from services.control_room import decide, journal, store, upkeep
from services.control_room.adopt import SUFFIX, adopt
from services.control_room.settings import Settings
from services.control_room.state import DeadLetter
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Service, Subscription

LETTER = Aggregate("dead_letter", DeadLetter)

SUBSCRIPTIONS = (
    Subscription(DeadLetterRecorded, LETTER, decide.on_recorded),
    Subscription(DeadLetterActionOrdered, LETTER, decide.on_action_ordered, key=lambda order: str(order.occurrence)),
    Subscription(DeadLetterResolved, LETTER, decide.on_resolved),
    Subscription(DeadLetterFailed, LETTER, decide.on_failed),
    Subscription(DeadLetterReleased, LETTER, decide.on_released),
)


def service(settings: Settings) -> Service:
    return Service(
        name=catalogue.CONTROL_ROOM,
        subscriptions=SUBSCRIPTIONS,
        save_rows=store.save_rows,
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
