"""The broker: queues bound as the real topology says, at least once and in no promised order."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

from schemas import catalogue
from shared.broker import topology
from tests.simulation.event import Pack


@dataclass(slots=True)
class Waiting:
    """A message in a queue, and how often it was delivered before."""

    pack: Pack
    count: int = 0


class Broker:
    """`window`: how far from a queue's head a delivery may be taken. `arrived` is told of each queue that got one."""

    def __init__(self, random: Random, window: int, arrived: Callable[[str], None]) -> None:
        self._random = random
        self._window = window
        self._arrived = arrived
        self.queues: dict[str, list[Waiting]] = {service: [] for service in catalogue.SERVICES}
        self.unrouted: list[Pack] = []
        self.dead_letters: list[Pack] = []
        self.published = 0

    def publish(self, pack: Pack) -> None:
        self.published += 1
        queues = bound_to(pack.exchange, pack.routing_key)
        if not queues:
            self.unrouted.append(pack)
        for queue in queues:
            waiting = self.queues.get(queue)
            if waiting is not None:
                waiting.append(Waiting(pack))
                self._arrived(queue)
            else:
                self.dead_letters.append(pack)

    def take(self, queue: str) -> Waiting | None:
        waiting = self.queues[queue]
        if not waiting:
            return None
        reach = len(waiting)
        if reach > self._window:
            reach = self._window
        return waiting.pop(int(self._random.random() * reach))

    def give_back(self, queue: str, unacked: list[Waiting]) -> None:
        """What a lost connection leaves comes again, before all others."""
        self.queues[queue][:0] = [Waiting(one.pack, one.count + 1) for one in unacked]
        if unacked:
            self._arrived(queue)


@cache
def bound_to(exchange: str, routing_key: str) -> tuple[str, ...]:
    """The queues that a message gets to, less the journal's."""
    is_entry = exchange in (topology.INBOUND, topology.EVENTS)
    source = topology.ROUTED if is_entry else exchange
    key = f"{catalogue.family_of(routing_key)}.*" if is_entry else routing_key
    found = {b.destination for b in _bindings() if (b.source, b.key) == (source, key)}
    return tuple(sorted(found - {topology.JOURNAL}))


@cache
def _bindings() -> tuple[topology.Binding, ...]:
    return tuple(topology.whole().bindings)
