"""PURE: the order in which dead events came into the world, as well as it can be known.

Their deaths do not tell it: what died in one batch died at one moment. A cause goes before its effects, whatever the
clocks of services say; otherwise the event's own time counts, then its place in the journal, then when it died.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from math import inf


@dataclass(frozen=True, slots=True)
class Died:
    """A dead letter and what its event says of its beginning."""

    occurrence: str
    service: str
    first_at: datetime
    """When it died first."""
    event_id: str | None = None
    cause: str | None = None
    """Id of the event that caused it."""
    time: datetime | None = None
    """When it was said."""
    position: int | None = None
    """Its place in the journal, which keeps facts and no commands."""

    @property
    def place(self) -> tuple[datetime, float, datetime, str, str]:
        position = inf if self.position is None else self.position
        return (self.time or self.first_at, position, self.first_at, self.service, self.occurrence)


def in_sequence(letters: Iterable[Died]) -> list[str]:
    """Their occurrences in that order. One event may have died in several services."""
    by_place = sorted(letters, key=lambda letter: letter.place)
    by_event: dict[str, list[Died]] = {}
    for letter in by_place:
        by_event.setdefault(letter.event_id or letter.occurrence, []).append(letter)
    causes = {
        id: {one.cause for one in same if one.cause is not None and one.cause in by_event and one.cause != id}
        for id, same in by_event.items()
    }
    return [letter.occurrence for id in _causes_first(causes) for letter in by_event[id]]


def _causes_first(causes: dict[str, set[str]]) -> list[str]:
    """The ids in their order, each after its causes. What was made up to cause itself is in the order of its time."""
    sorter = TopologicalSorter(causes)
    place = {id: n for n, id in enumerate(causes)}
    try:
        sorter.prepare()
    except CycleError:
        return list(causes)
    found: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=place.__getitem__)
        first, ready = ready[0], ready[1:]
        found.append(first)
        sorter.done(first)
    return found
