"""One service's schema in memory: what its transactions have committed, nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.decision import Request
from schemas.model import Model
from shared.worker.incoming import Kept
from tests.simulation.event import Event, Pack


@dataclass(slots=True)
class Row:
    """An outgoing row."""

    packs: tuple[Pack, ...]
    at: float


@dataclass(slots=True)
class KeptRow:
    """An inbox row that is not handled. `event` is None where it came as bytes."""

    kept: Kept
    event: Event | None


@dataclass(slots=True)
class CallRow:
    """A partner call."""

    id: UUID
    partner: str
    lane: str
    key: str
    request: Request
    created_at: datetime
    correlation: str
    due: float
    status: str = "pending"
    attempt: int = 0
    uncertain: bool = False
    lease_until: float = 0.0
    token: int = 0


@dataclass(frozen=True, slots=True)
class ReminderRow:
    due: datetime
    note: Mapping[str, Any]
    correlation: str
    cause: UUID
    """Ref of the event that set it."""


Slot = tuple[str, str, str]
"""Aggregate, key and name of a reminder."""


@dataclass(slots=True)
class Store:
    """Tables as dicts in the order of their last update."""

    service: str
    released: Callable[[], None]
    """Told when locks are free again that somebody wanted."""
    tables: dict[str, dict[str, Model]] = field(default_factory=dict)
    inbox: set[int] = field(default_factory=set)
    """Refs as numbers, which Python hashes faster than UUIDs."""
    kept: dict[UUID, KeptRow] = field(default_factory=dict)
    outgoing: dict[int, Row] = field(default_factory=dict)
    calls: dict[UUID, CallRow] = field(default_factory=dict)
    lanes: dict[tuple[str, str], list[CallRow]] = field(default_factory=dict)
    """Calls that are neither answered nor exhausted, oldest first."""
    reminders: dict[Slot, ReminderRow] = field(default_factory=dict)
    series: dict[str, int] = field(default_factory=dict)
    rows: dict[tuple[str, str], Model] = field(default_factory=dict)
    locks: dict[str, object] = field(default_factory=dict)
    wanted: bool = False
    """Somebody has asked for a lock that was taken."""
    _tokens: int = 0

    def lock(self, keys: Sequence[str], holder: object) -> bool:
        """All of the keys, or none where somebody holds one."""
        locks = self.locks
        for key in keys:
            if locks.get(key, holder) is not holder:
                self.wanted = True
                return False
        for key in keys:
            locks[key] = holder
        return True

    def unlock(self, holder: object) -> None:
        locks = self.locks
        for key in [*locks]:
            if locks[key] is holder:
                del locks[key]
        if self.wanted:
            self.wanted = False
            self.released()

    def is_known(self, ref: UUID) -> bool:
        return ref.int in self.inbox or (bool(self.kept) and ref in self.kept)

    def held(self) -> dict[str, UUID]:
        """The keys that dead letters hold."""
        if not self.kept:
            return {}
        dead = ((row.kept.key, ref) for ref, row in self.kept.items() if row.kept.status == "dead")
        return {key: ref for key, ref in dead if key}

    def state(self, table: str, key: str) -> Model | None:
        rows = self.tables.get(table)
        return None if rows is None else rows.get(key)

    def save_state(self, table: str, key: str, state: Model) -> None:
        rows = self.tables.setdefault(table, {})
        rows.pop(key, None)
        rows[key] = state

    def save_call(self, call: CallRow) -> None:
        if call.id not in self.calls:
            self.calls[call.id] = call
            self.lanes.setdefault((call.partner, call.lane), []).append(call)

    def due_calls(self, now: float) -> list[CallRow]:
        """The head of each lane that may be made now: nothing overtakes in a lane."""
        return [
            call
            for call, *_ in self.lanes.values()
            if (call.due if call.status == "pending" else call.lease_until) <= now
        ]

    def lease(self, call: CallRow, until: float) -> int:
        """The token that fences it."""
        self._tokens += 1
        call.uncertain = call.uncertain or call.status == "leased"
        call.status, call.lease_until, call.token = "leased", until, self._tokens
        call.attempt += 1
        return self._tokens

    def save_answer(self, call: CallRow, token: int, row: int, packs: tuple[Pack, ...], now: float) -> bool:
        """False: somebody else has the call by now; then nothing is stored."""
        if (call.status, call.token) != ("leased", token):
            return False
        call.status = "answered"
        lane = (call.partner, call.lane)
        self.lanes[lane].remove(call)
        if not self.lanes[lane]:
            del self.lanes[lane]
        self.save_outgoing(row, packs, now)
        return True

    def save_retry(self, call: CallRow, token: int, due: float, uncertain: bool) -> None:
        if (call.status, call.token) == ("leased", token):
            call.status, call.due, call.uncertain = "pending", due, uncertain

    def close_call(self, id: UUID) -> None:
        if self.calls[id].status == "answered":
            self.calls[id].status = "closed"

    def save_outgoing(self, row: int, packs: tuple[Pack, ...], now: float) -> None:
        if packs:
            self.outgoing[row] = Row(packs, now)

    def take_due_reminders(self, now: datetime) -> list[tuple[Slot, ReminderRow]]:
        due = [one for one in self.reminders.items() if one[1].due <= now]
        for slot, _ in due:
            del self.reminders[slot]
        return due
