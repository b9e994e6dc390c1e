"""Which events may be what killed a process, and when that is proven.

How often the broker has delivered a message says little: each close counts for all that was prefetched, whether
anybody began to handle it or not. So what comes for the third time is handled alone, event by event, and a mark is
stored before it is decoded and before each of its events is handled. The transaction that handles the event takes the
mark away again. An event whose marks say that nobody ever came back from it is dead; those beside it are handled.
What is delivered once or twice, which every restart brings, pays nothing for this.

What the inbox keeps until its time comes is delivered by nobody. It is handled within a second of that; one that is
overdue by a minute is suspect too, be it only that everything was away for so long.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.broker.link import Delivery
from shared.worker.incoming import Attempt, Fault, Incoming, Kept, Mark

ATTEMPTS = 5
"""After so many that ended with the process, of which the first ones are not marked, there is no further one."""
MARKED_FROM = 3
"""From this delivery on there are marks: the second one is what every restart and lost connection brings. A message
that kills the process comes a third time, with those that were prefetched beside it."""
OVERDUE = timedelta(minutes=1)
"""What is kept and due for so long may be what ended those who should have handled it."""
WHOLE = -1
"""In the place of an event: while its message is decoded."""


def is_suspect(waiting: Delivery | Kept) -> bool:
    if isinstance(waiting, Delivery):
        return waiting.count >= MARKED_FROM - 1
    return waiting.due is not None and waiting.due < datetime.now(UTC) - OVERDUE


def message_of(waiting: Delivery | Kept) -> UUID:
    """The same for every delivery of a message, without decoding it."""
    return waiting.ref if isinstance(waiting, Kept) else _digest(waiting)


def _digest(delivery: Delivery) -> UUID:
    digest = hashlib.blake2b(delivery.routing_key.encode(errors="replace") + b"\0", digest_size=16)
    digest.update(delivery.body)
    return UUID(bytes=digest.digest())


def proven(waiting: Delivery | Kept, attempt: Attempt | None) -> Fault | None:
    """Why there is no further attempt; None: there may be one."""
    if attempt is None or attempt.begun < ATTEMPTS - (MARKED_FROM - 1):
        return None
    before = f"delivered {waiting.count + 1} times" if isinstance(waiting, Delivery) else f"due since {waiting.due}"
    error = (
        f"{before}; the last {attempt.begun} attempts, at this alone, never ended: "
        f"the latest was begun by {attempt.by} at {attempt.at.isoformat(timespec='seconds')}"
    )
    return Fault("delivery_limit", error)


def mark(waiting: Delivery | Kept, items: list[Incoming], before: Mapping[int, Attempt]) -> None:
    """Gives each event its mark, and a fault where it is proven to be what kills."""
    message = message_of(waiting)
    for place, item in enumerate(items):
        item.mark = Mark(message, place)
        item.fault = proven(waiting, before.get(place)) or item.fault
