"""The whole fleet in one process: all services' real decisions on a broker, stores and partners in memory.

    seed → Profile → World → run() → Outcome

Everything that happens follows from the seed: clock, ids, order, faults.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, TypeVar

from schemas import catalogue
from schemas.model import Message
from schemas.supplier import OfferChanged, SupplierChanged
from shared.partner.operation import Policy
from shared.worker.subscription import Service
from tests.simulation import ending, scenario
from tests.simulation.broker import Broker, Waiting
from tests.simulation.event import Event, Pack, inbound
from tests.simulation.fleet import fleet, routes_of
from tests.simulation.invariants import Invariants, Violated
from tests.simulation.partners import Partners
from tests.simulation.replica import SWEEP_SECONDS, Replica
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.store import CallRow, Store
from tests.simulation.transaction import Transaction

M = TypeVar("M", bound=Message)
MOST_STEPS = 200_000
"""For an order; a world that needs more does not come to rest."""
SHOWN = 60
AIMED = 0.7
"""Share of the kills and cuts that hit a process with something under way, where there is one."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a world is made of. Tests put broken parts in, to see that it is noticed."""

    services: tuple[Service, ...] = field(default_factory=fleet)
    store: type[Store] = Store
    replica: type[Replica] = Replica
    broker: type[Broker] = Broker
    partners: type[Partners] = Partners


@dataclass(slots=True)
class Outcome:
    """How a seed went."""

    seed: int
    orders: int
    steps: int
    messages: int
    digest: int
    """Of the whole trace: the same seed gives the same one."""
    problems: list[str]
    faults: Counter[str]
    last: list[str]


class World:
    def __init__(self, seed: int, orders: int, parts: Parts | None = None, show: bool = False) -> None:
        parts = parts or Parts()
        self.seed = seed
        self.random = Random(seed)
        self.profile = scenario.profile(self.random)
        self.scheduler = Scheduler(self.random)
        self.broker = parts.broker(self.random, self.profile.window, self._arrived)
        self.partners = parts.partners(self)
        self.invariants = Invariants()
        self.faults: Counter[str] = Counter()
        self.show = show
        self.trace: deque[str] = deque(maxlen=None if show else SHOWN)
        self.next_row = count(1).__next__
        """The number of an outgoing row that may come to be."""
        self._trouble = self.profile.crash + self.profile.cut + self.profile.starve
        self._most_steps = MOST_STEPS * orders
        self._next_halt = self._calm() or self._most_steps
        self.scheduler.quiet = self._look_into_queues
        if show:
            self.scheduler.told = self._show_step
        self.routes = routes_of(parts.services)
        self._policies = {o.name: o.policy for service in parts.services for o in service.operations}
        self.stores = {s.name: parts.store(s.name, self._waker(s.name, "handling")) for s in parts.services}
        self._of: dict[str, list[Replica]] = {s.name: [] for s in parts.services}
        for service, store in self.stores.items():
            for n in range(1, self.profile.replicas + 1):
                self._of[service].append(parts.replica(f"{service}-{n}", store, self))
        self.replicas = [replica for replicas in self._of.values() for replica in replicas]
        self.order_ids: list[str] = []
        self._publish_scenario(orders)

    # running

    def run(self) -> Outcome:
        found: list[str] = []
        try:
            self._let_happen()
            self._settle()
            found = list(ending.problems(self))
        except Violated as violation:
            found = [str(violation)]
        return Outcome(
            seed=self.seed,
            orders=len(self.order_ids),
            steps=self.scheduler.steps,
            messages=self.broker.published,
            digest=self.scheduler.digest,
            problems=found,
            faults=self.faults,
            last=list(self.trace),
        )

    def _let_happen(self) -> None:
        """Step by step, until nothing is left to happen."""
        while self.scheduler.run(self._next_halt):
            self._halt()

    def _halt(self) -> None:
        """Before a step: trouble is due, or there were too many."""
        coming = self.scheduler.steps + 1
        if coming >= self._most_steps:
            raise Violated("the world does not come to rest")
        self._make_trouble()
        self._next_halt = min(coming + self._calm(), self._most_steps)

    def _calm(self) -> int:
        """Steps until the next trouble; 0: there is none."""
        return int(self.random.expovariate(self._trouble)) + 1 if self._trouble else 0

    def _look_into_queues(self) -> None:
        for service in self.stores:
            if self.broker.queues[service]:
                for replica in self._of[service]:
                    replica.wake("handling")

    def _make_trouble(self) -> None:
        """A process is killed, a connection cut, or a service gets no turn for a while."""
        profile, random = self.profile, self.random
        chance = random.random() * self._trouble
        if chance < profile.crash:
            self._strike("killed")
        elif chance < profile.crash + profile.cut:
            self._strike("cut off")
        else:
            self.scheduler.starved = random.choice(list(self.stores))
            self.faults["starved"] += 1
            self.scheduler.after(random.uniform(0, 10), self._feed)

    def _feed(self) -> None:
        self.scheduler.starved = ""

    def _settle(self) -> None:
        """Lets every replica do what it does when idle."""
        for _ in range(2):
            for replica in self.replicas:
                replica.wake("ticking")
                replica.wake("calling")
            self._let_happen()

    def _show_step(self, task: Task) -> None:
        self.note(f"{task.name} {task.at}")

    def note(self, what: str) -> None:
        if self.show:
            self.trace.append(f"{self.scheduler.seconds:10.3f} {what}")

    def _strike(self, how: str) -> None:
        replica = self._struck()
        if not replica.tasks or "session" not in replica.tasks or not replica.may_be_hit:
            return
        if how == "killed":
            places, back = replica.die(), replica.start
        elif "handling" in replica.tasks:
            places, back = replica.lose_session(), replica.connect
        else:
            return
        for task, place in places.items():
            self.faults[f"{how}: {task} {place}"] += 1
        self.note(f"{replica.name} {how}: {places}")
        self.scheduler.after(self.random.uniform(0.1, 40), back)
        self.orphaned(replica.store.service)

    def _struck(self) -> Replica:
        """Mostly one that has something under way: there the outcomes differ."""
        busy = [replica for replica in self.replicas if replica.is_busy]
        return self.random.choice(busy if busy and self.random.random() < AIMED else self.replicas)

    def take_apart(self) -> None:
        """Its parts know each other: what nobody needs any more would wait for the garbage collector, which would
        look through world after world for it."""
        for replica in self.replicas:
            replica.stop()
        for replica in self.replicas:
            vars(replica).clear()
        vars(self).clear()

    # what the parts tell the world

    def policy(self, call: CallRow) -> Policy:
        """KeyError: the service's table of operations lacks a request that its decisions make."""
        return self._policies[type(call.request).__name__]

    def taken(self, replica: Replica, tag: int, waiting: Waiting) -> None:
        if self.show:
            content = ", ".join(f"{e.data.TYPE} {e.data.subject} {e.id}" for e in waiting.pack.events)
            self.trace.append(f"{'':10} {replica.name} takes {waiting.pack.routing_key} [{content}] #{waiting.count}")

    def committed(self, store: Store, transaction: Transaction) -> None:
        for result in transaction.results:
            if result.status == "waiting":
                assert result.due is not None
                self.wake_later(store.service, "ticking", (result.due - self.scheduler.now).total_seconds() + 0.001)
        for reminder in transaction.reminders.values():
            if reminder is not None:
                late = self.random.choice((0.001, 5.0, 600.0)) * self.random.random()
                self.wake_later(store.service, "ticking", (reminder.due - self.scheduler.now).total_seconds() + late)
        for call in transaction.calls:
            self.lease_later(store.service, call.due - self.scheduler.seconds)
        if self.show:
            self._show_results(transaction)
        self.invariants.committed(store.service, transaction)

    def _show_results(self, transaction: Transaction) -> None:
        for result in transaction.results:
            said = [m.TYPE for m in result.decision.events] if result.decision else []
            calls = [type(c.request).__name__ for c in result.decision.calls] if result.decision else []
            why = f" {result.error}" if result.error else ""
            self.trace.append(
                f"{'':10}   {result.item.type} {result.item.subject}: {result.status}{why} → {', '.join(said + calls)}"
            )

    def said(self, service: str, events: Sequence[Event]) -> None:
        self.invariants.hear(events)

    def publish(self, replica: Replica, pack: Pack) -> None:
        self.invariants.published(replica.store.service, pack)
        self._deliver(pack)

    def _deliver(self, pack: Pack) -> None:
        profile, random = self.profile, self.random
        if profile.duplicate and random.random() < profile.duplicate:
            self.faults["duplicated"] += 1
            self.scheduler.after(random.uniform(0, 30), lambda: self.broker.publish(pack))
        if profile.delay and random.random() < profile.delay:
            self.faults["delayed"] += 1
            self.scheduler.after(random.uniform(0, 20), lambda: self.broker.publish(pack))
        else:
            self.broker.publish(pack)

    def say(self, source: str, id: str, message: Message, seconds: float) -> None:
        """A partner or an upstream system publishes, some time from now."""
        at = self.scheduler.now

        def speak() -> None:
            self._deliver(inbound(source, id, message, at, self.profile.wire))

        self.scheduler.after(seconds, speak)

    def wake_later(self, service: str, task: str, seconds: float) -> None:
        """Every replica's, some time from now: something is due that any of them may take."""
        self.scheduler.after(max(seconds, 0.0), self._waker(service, task))

    def lease_later(self, service: str, seconds: float) -> None:
        """A call is due, now or some time from now. One replica looks for it: of several only one would find it."""
        if seconds > 0:
            self.scheduler.after(seconds, lambda: self.lease_later(service, 0.0))
            return
        callers = [task for r in self._of[service] if (task := r.tasks.get("calling")) is not None]
        if callers and not any(task.awake for task in callers):
            self.scheduler.wake(callers[int(self.random.random() * len(callers))])

    def orphaned(self, service: str) -> None:
        """An outgoing row may be there that nobody sends: the sweeper finds it."""
        self.wake_later(service, "ticking", SWEEP_SECONDS + 1)

    def _arrived(self, service: str) -> None:
        """The broker gives it to a consumer that has nothing to do; who is busy looks for more when it has done.

        Some worlds let messages pile up until nothing else happens: so batches become large.
        """
        if len(self.broker.queues[service]) < self.profile.patience:
            return
        replicas = self._of.get(service, ())
        idle = [task for r in replicas if (task := r.tasks.get("handling")) is not None and not task.awake]
        if idle:
            self.scheduler.wake(idle[int(self.random.random() * len(idle))])

    def _waker(self, service: str, task: str) -> Any:
        def wake() -> None:
            for replica in self._of[service]:
                replica.wake(task)

        return wake

    # what upstream says, and what was said

    def _publish_scenario(self, count: int) -> None:
        """Suppliers and offers first: an order that comes before them waits for a person (`quote_pending`)."""
        orders = list(scenario.orders(self.random, count))
        data = scenario.reference_data(self.random, orders)
        first = [m for m in data if isinstance(m, (SupplierChanged, OfferChanged))]
        self.order_ids = [order_id for order_id, _ in orders]
        for n, message in enumerate(first):
            self._upstream(f"first-{n}", message, 0.0)
        others = [message for message in data if message not in first]
        self.scheduler.after(1.0, lambda: self._go_on(len(first), others, orders))

    def _go_on(self, first: int, others: Sequence[Message], orders: Sequence[scenario.Placed]) -> None:
        tables = self.stores[catalogue.DISPATCH].tables
        if len(tables.get("supplier", ())) + len(tables.get("offer", ())) < first:
            self.scheduler.after(5.0, lambda: self._go_on(first, others, orders))
            return
        random, over = self.random, 60.0 if self.profile.reference_late else 0.0
        for n, message in enumerate(others):
            self._upstream(f"reference-{n}", message, random.uniform(0, over))
        for order_id, messages in orders:
            begin = random.uniform(0, 30)
            for n, message in enumerate(messages):
                self._upstream(f"{order_id}-{n}", message, begin + random.uniform(0, 10))

    def _upstream(self, id: str, message: Message, seconds: float) -> None:
        self.say("/upstream/shop", id, message, seconds)
        if self.random.random() < self.profile.twice:
            again = id if self.random.random() < 0.7 else f"{id}-again"
            self.say("/upstream/shop", again, message, seconds + self.random.uniform(0, 60))

    def facts(self, model: type[M]) -> Iterator[M]:
        return iter(self.invariants.by_model[model])  # type: ignore[arg-type]


def run(seed: int, orders: int, parts: Parts | None = None, show: bool = False) -> Outcome:
    world = World(seed, orders, parts, show)
    outcome = world.run()
    world.take_apart()
    return outcome
