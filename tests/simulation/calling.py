"""Calls to partners, as `shared.partner.caller` makes them: leased, sent outside any transaction, the answer stored
with its message. A lease that runs out while its holder is away is taken over, and its token fences the late one."""

import json
from typing import TYPE_CHECKING, Any

from schemas.model import Model
from schemas.runtime import CallAnswered
from shared.backoff import ceiling
from shared.partner.errors import Unavailable, Uncertain
from shared.worker.outbox import derived
from tests.simulation.event import Saying
from tests.simulation.scheduler import IDLE, Steps, Task
from tests.simulation.store import CallRow

if TYPE_CHECKING:
    from tests.simulation.replica import Replica

CONCURRENCY = 8


class Calling:
    """The calls of one process."""

    def __init__(self, replica: "Replica") -> None:
        self._replica = replica
        self._store = replica.store
        self._world = replica.world
        self._running: dict[str, Task] = {}

    def lease(self) -> Steps:
        """Leases what is due; each call is a task of its own."""
        while True:
            due = self._store.due_calls(self._world.scheduler.seconds)
            if due:
                self._running = {name: task for name, task in self._running.items() if not task.over}
                self._world.random.shuffle(due)
                for call in due[: CONCURRENCY - len(self._running)]:
                    self._start(call)
            yield IDLE

    def _start(self, call: CallRow) -> None:
        scheduler, policy = self._world.scheduler, self._world.policy(call)
        token = self._store.lease(call, scheduler.seconds + policy.timeout * 2 + 10)
        name = f"{type(call.request).__name__}/{token}"
        self._running[name] = scheduler.spawn(f"{self._replica.name}.{name}", self._make(name, call, token))

    def running(self) -> list[Task]:
        return [task for task in self._running.values() if not task.over]

    def die(self) -> dict[str, str]:
        """Where the calls were; others may make them when their leases are over."""
        places: dict[str, str] = {}
        for task in self.running():
            places["call"] = task.at
            self._world.scheduler.end(task)
        self._running = {}
        for call in self._store.calls.values():
            if call.status == "leased":
                self._world.lease_later(self._store.service, call.lease_until - self._world.scheduler.seconds)
        return places

    def _make(self, name: str, call: CallRow, token: int) -> Steps:
        policy, uncertain = self._world.policy(call), call.uncertain
        answer: Any = None
        try:
            answer = self._ask(call, policy)
        except Uncertain:
            uncertain = True
        except Unavailable:
            pass
        yield "partner called"
        if self._world.random.random() < self._world.profile.stall:
            yield from self._oversleep(name, call)
        if answer is None:
            wait = ceiling(call.attempt, 0.25, 60.0) * self._world.random.uniform(0.5, 1.0)
            self._store.save_retry(call, token, self._world.scheduler.seconds + wait, uncertain)
            self._world.lease_later(self._store.service, wait)
        else:
            yield from self._store_answer(call, token, answer)
        if self._store.lanes:
            self._replica.wake("calling")

    def _ask(self, call: CallRow, policy: Any) -> Any:
        if call.uncertain and policy.uncertain == "query":
            found = self._world.partners.query(call)
            if found is not None:
                return found
        return self._world.partners.send(call)

    def _oversleep(self, name: str, call: CallRow) -> Steps:
        """Longer than the lease: somebody else takes the call meanwhile."""
        task = self._running[name]
        wait = call.lease_until - self._world.scheduler.seconds
        self._world.lease_later(self._store.service, wait)
        self._world.scheduler.after(wait + self._world.random.uniform(0, 20), lambda: self._world.scheduler.wake(task))
        yield IDLE

    def _store_answer(self, call: CallRow, token: int, answer: Any) -> Steps:
        saying = Saying(self._store.service, self._replica.now, self._world.profile.wire)
        message = self._answered(call, answer)
        saying.add(message, id=derived(call.id, "answered/0"), correlation=call.correlation, causation=str(call.id))
        row, packs = self._world.next_row(), saying.packs()
        if not self._store.save_answer(call, token, row, packs, self._world.scheduler.seconds):
            return
        self._world.said(self._store.service, saying.events)
        yield "answer stored"
        yield from self._replica.send_row(row, packs)

    def _answered(self, call: CallRow, answer: Model) -> CallAnswered:
        """Off the wire, request and answer stay the objects that they are."""
        said = {
            "call_id": str(call.id),
            "operation": type(call.request).__name__,
            "partner": call.partner,
            "lane": call.lane,
            "key": call.key,
            "generation": 0,
            "answered_at": self._replica.now,
        }
        if not self._world.profile.wire:
            return CallAnswered.of_valid(**said, request=call.request, answer=answer)
        request = json.loads(call.request.model_dump_json())
        return CallAnswered(**said, request=request, answer=answer.model_dump(mode="json"))
