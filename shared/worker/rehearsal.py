"""What a replay would do, found out by doing it and taking it back: decisions are pure, and the rest is a transaction.

A finding tells how things are now; between it and the replay they may change, and the replay's own answer counts.
"""

import base64
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from asyncpg import Connection
from pydantic import ValidationError

from schemas import envelope
from schemas.model import places
from schemas.runtime import AskedLetter, DeadLetterInspectRequested, Finding
from schemas.text import storable_error
from shared.worker import store
from shared.worker.fold import Result
from shared.worker.incoming import Incoming, Replay

UNSENT_AFTER = timedelta(seconds=3)
_LONGEST = 1000
LONGEST_SECONDS = 5.0
"""A rehearsal that takes longer is given up: it holds the keys that it is about."""
BATCH_SECONDS = 1.0
"""After so much of rehearsals a batch goes on with what is real; the rest of them is left for the next one."""


class Rehearsed(Exception):
    """It was a rehearsal: nothing of it stays."""


def replays(request: DeadLetterInspectRequested) -> list[Incoming]:
    """Each letter as the order to replay it, under an id that nobody knows."""
    return [_order(request, letter) for letter in request.letters]


def _order(request: DeadLetterInspectRequested, letter: AskedLetter) -> Incoming:
    source, id = letter.event_source or "", letter.event_id or ""
    body = None if letter.body is None else base64.b64decode(letter.body)
    replay = Replay(_known_as(letter.occurrence), f"rehearsal/{letter.place}", False, body)
    return Incoming(uuid4(), source, id, request.TYPE, letter.occurrence, data=replay)


def _known_as(occurrence: str) -> UUID:
    """A service's occurrences are UUIDs; it knows nothing of any other."""
    try:
        return UUID(occurrence)
    except ValueError:
        return envelope.reference("/rehearsal/unknown", occurrence)


async def findings(
    con: Connection, orders: Sequence[Incoming], results: Sequence[Result], again: set[UUID]
) -> list[Finding]:
    """One for each order, from what the rehearsal came to."""
    by_occurrence: dict[str, list[Result]] = {}
    for result in results:
        if result.item.replay is not None:
            by_occurrence.setdefault(str(result.item.replay.occurrence), []).append(result)
    gone = [order for order in orders if order.subject not in by_occurrence]
    holders = await store.load_holders(con, [r.key for r in results if r.status == "held" and r.key is not None])
    traces = await store.load_traces(con, [envelope.reference(order.source, order.id) for order in gone])
    unsent = await store.load_unsent(con, [order.id for order in gone], UNSENT_AFTER) if gone else set()
    return [
        _processed(order, by_occurrence[order.subject], holders)
        if order.subject in by_occurrence
        else _gone(order, again, traces.get(envelope.reference(order.source, order.id)), unsent)
        for order in orders
        if order.subject is not None
    ]


def _processed(order: Incoming, mine: Sequence[Result], holders: dict[str, UUID]) -> Finding:
    dead = next((r for r in mine if r.item.is_replayed), mine[0])
    match dead.status:
        case "handled":
            released = sum(1 for r in mine if r is not dead and r.status == "handled")
            return _finding(order, "would_be_handled", f"and {released} held behind it" if released else "")
        case "held":
            return _finding(order, "held", f"behind {holders.get(dead.key or '', 'another')}")
    error = dead.error or dead.status
    if dead.reason == "unknown_version":
        return _finding(order, "unknown_version", error)
    return _finding(order, "would_wait" if dead.status == "waiting" else "would_fail", error)


def _gone(order: Incoming, again: set[UUID], trace: str | None, unsent: set[str]) -> Finding:
    """The service has no dead letter of this occurrence."""
    if order.data.occurrence in again:
        return _finding(order, "would_be_called_again", "")
    if trace == "handled":
        return _finding(order, "handled_unsent" if order.id in unsent else "already_handled", "")
    return _finding(
        order, "not_found", f"the service has it as {trace}" if trace else "the service knows nothing of it"
    )


def refused(order: Incoming, error: Exception) -> Finding:
    """The database would not take it, a look-up raises, or a row cannot be read (whose values may be personal)."""
    why = places(error) if isinstance(error, ValidationError) else str(error)
    return _finding(order, "would_fail", f"{type(error).__name__}: {why}")


def given_up(order: Incoming) -> Finding:
    return _finding(order, "not_inspected", f"to rehearse it and others took more than {LONGEST_SECONDS:.0f} s")


def _finding(order: Incoming, finding: str, detail: str) -> Finding:
    place = int(order.data.replay_id.rpartition("/")[2])
    said = storable_error(detail)[-_LONGEST:]
    return Finding.model_validate({"place": place, "occurrence": order.subject, "finding": finding, "detail": said})
