"""PURE: has every event of the journal its cause there, and has everybody whom it concerns handled it?

The cause of an answer is a call, and that of a reminder nobody names: both have ids that derive from the event which
led to them, so it is looked for among what may have followed from the journal's events.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from schemas import catalogue, envelope
from schemas.runtime import ReminderDue

POSITIONS = 12
"""Calls of one decision that are looked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the journal. `cause`: the id that it names; `to`: the service that a command was sent to."""

    source: str
    id: str
    type: str
    cause: str | None
    to: str | None = None
    known_as: UUID | None = None
    """What the inbox calls it, where it is one order of several that came in one event."""
    came_with: UUID | None = None
    """What the inbox calls that event, which stands for all of them where they were done together."""

    @property
    def ref(self) -> UUID:
        return self.known_as or envelope.reference(self.source, self.id)

    def is_in(self, handled: frozenset[UUID]) -> bool:
        return self.ref in handled or self.came_with in handled

    def orders(self, occurrences: Sequence[str]) -> list["Entry"]:
        """What control_room asks about several dead letters, as a service takes it: each for itself."""
        return [
            replace(
                self,
                id=f"{self.id}/{place}",
                known_as=envelope.reference(str(self.ref), occurrence),
                came_with=self.ref,
            )
            for place, occurrence in enumerate(occurrences)
        ]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a service's tables know: the events it has handled, the calls it made, the reminders it may set."""

    handled: frozenset[UUID]
    calls: frozenset[UUID]
    reminders: frozenset[str] = frozenset()


def without_cause(entries: Sequence[Entry], memories: Mapping[str, Memory]) -> list[Entry]:
    """Events of the fleet whose cause is neither in the journal nor follows from what is there."""
    refs = {entry.ref for entry in entries}
    causes = {entry.id for entry in entries}
    reminders: set[str] = set()
    for service, memory in memories.items():
        known = refs & memory.handled
        causes |= {str(call) for call in _calls(service, memory, known)}
        reminders |= {_reminder(service, name, ref) for name in memory.reminders for ref in known}
    return [
        entry
        for entry in entries
        if entry.source.startswith("/dropfleet/")
        and entry.cause not in causes
        and not (entry.type == ReminderDue.TYPE and entry.id in reminders)
    ]


def _calls(service: str, memory: Memory, refs: Iterable[UUID]) -> Iterable[UUID]:
    derived = (uuid5(ref, f"{service}/call/{n}") for ref in refs for n in range(POSITIONS))
    return (call for call in derived if call in memory.calls)


def _reminder(service: str, name: str, ref: UUID) -> str:
    return str(uuid5(uuid5(ref, f"{service}/reminder/{name}"), "due"))


def not_handled(entries: Sequence[Entry], memories: Mapping[str, Memory]) -> list[tuple[Entry, str]]:
    """Events that a service takes and its inbox does not know: lost on the way to it."""
    return [
        (entry, service)
        for entry in entries
        for service in _consumers(entry)
        if service in memories and not entry.is_in(memories[service].handled)
    ]


def _consumers(entry: Entry) -> tuple[str, ...]:
    if entry.to is not None:
        return (entry.to,)
    known = catalogue.by_type().get(entry.type)
    return known.consumers if known is not None else ()
