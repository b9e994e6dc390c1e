"""Which deliveries may be what killed a process, and when that is proven.

How often the broker has delivered a message says little: each close counts for all that was prefetched, whether
anybody began to handle it or not. So what comes for the third time is handled alone, event by event, and a mark is
stored before it is decoded and before each of its events is handled. The transaction that handles the event takes the
mark away again. An event whose marks say that nobody ever came back from it is dead; those beside it are handled.
What is delivered once or twice, which every restart brings, pays nothing for this.
"""

import hashlib
from collections.abc import Mapping
from uuid import UUID

from shared.broker.link import Delivery
from shared.worker.incoming import Attempt, Fault, Incoming, Mark

ATTEMPTS = 5
"""After so many that ended with the process, of which the first ones are not marked, there is no further one."""
MARKED_FROM = 3
"""From this delivery on there are marks: the second one is what every restart and lost connection brings. A message
that kills the process comes a third time, with those that were prefetched beside it."""
WHOLE = -1
"""In the place of an event: while its message is decoded."""


def is_suspect(delivery: Delivery) -> bool:
    return delivery.count >= MARKED_FROM - 1


def message_of(delivery: Delivery) -> UUID:
    """The same for every delivery of a message, without decoding it."""
    digest = hashlib.blake2b(delivery.routing_key.encode(errors="replace") + b"\0", digest_size=16)
    digest.update(delivery.body)
    return UUID(bytes=digest.digest())


def proven(delivery: Delivery, attempt: Attempt | None) -> Fault | None:
    """Why there is no further attempt; None: there may be one."""
    if attempt is None or attempt.begun < ATTEMPTS - (MARKED_FROM - 1):
        return None
    error = (
        f"delivered {delivery.count + 1} times; the last {attempt.begun} attempts, at this alone, never ended: "
        f"the latest was begun by {attempt.by} at {attempt.at.isoformat(timespec='seconds')}"
    )
    return Fault("delivery_limit", error)


def mark(delivery: Delivery, items: list[Incoming], before: Mapping[int, Attempt]) -> None:
    """Gives each event its mark, and a fault where it is proven to be what kills."""
    message = message_of(delivery)
    for place, item in enumerate(items):
        item.mark = Mark(message, place)
        item.fault = proven(delivery, before.get(place)) or item.fault
