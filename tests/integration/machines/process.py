"""A worker process without its tasks: the machine says when it takes, commits, sends and dies. Only the broker is
in memory; decode, handling, transaction, watermark and sweeper are the product's."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from schemas import envelope
from schemas.payment import PaymentApproved
from shared.broker.link import Delivery, Link
from shared.broker.outgoing import NotConfirmed, Outgoing
from shared.health import Health
from shared.settings import Runtime
from shared.worker.batch import Batch, Desk
from shared.worker.routes import Routes
from shared.worker.session import Session
from shared.worker.subscription import Service
from shared.worker.worker import Worker
from tests.integration.machines.place import Place
from tests.integration.worker.bench import NAME

Confirm = Literal["all arrive and are confirmed", "nothing arrives", "some arrive, unconfirmed", "all, unconfirmed"]


@dataclass
class Broker:
    """One queue in, and everything that was ever published."""

    ready: deque[tuple[str, bytes]] = field(default_factory=deque)
    """Routing key and body."""
    sent: list[Outgoing] = field(default_factory=list)
    acked: list[bytes] = field(default_factory=list)

    def publish(self, body: bytes, routing_key: str = PaymentApproved.TYPE) -> None:
        self.ready.append((routing_key, body))


class MemoryLink:
    """What a session and the sweeper use of a link."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.unacked: dict[int, tuple[str, bytes]] = {}
        self.confirm: Confirm = "all arrive and are confirmed"

    def deliver(self) -> Delivery:
        tag = max(self.unacked, default=0) + 1
        self.unacked[tag] = routing_key, body = self._broker.ready.popleft()
        content_type = envelope.PACK if body.startswith(b"[") else envelope.EVENT
        return Delivery(tag, NAME, "fleet.inbound", routing_key, content_type, {}, body, False)

    async def publish(self, messages: Sequence[Outgoing], deadline: float = 0.0) -> None:
        match self.confirm:
            case "all arrive and are confirmed" | "all, unconfirmed":
                arriving = list(messages)
            case "some arrive, unconfirmed":
                arriving = list(messages)[::2]
            case "nothing arrives":
                arriving = []
        self._broker.sent += arriving
        if messages and self.confirm != "all arrive and are confirmed":
            raise NotConfirmed(self.confirm)

    async def ack_up_to(self, tag: int) -> None:
        for one in [known for known in self.unacked if known <= tag]:
            self._broker.acked.append(self.unacked.pop(one)[1])


class Process:
    """A worker and its session, as they are after a start."""

    def __init__(self, place: Place, broker: Broker, service: Service, pause_after: int = 1000) -> None:
        self._place = place
        self._broker = broker
        self._desk = Desk(service, Routes(service), "1", (60.0,))
        self._runtime = Runtime(amqp_url="amqp://nowhere", database_url="postgresql://nowhere", pause_after=pause_after)
        self.worker = Worker(self._desk, cast(Any, place.pool), self._runtime, Health(), check=_nothing)
        self.transactor = self.worker._transactor
        self.begin_session()

    def begin_session(self) -> None:
        self.link = MemoryLink(self._broker)
        self.committed: deque[Batch] = deque()
        link = cast(Link, self.link)
        self.worker._link = link

        async def make() -> Session:
            return Session(self._desk, link, self.transactor, self._runtime, self.worker.wake)

        self.session = self._place.run(make())
        self._place.run(self.worker._send_left_over())

    def take(self, deliveries: int) -> Batch:
        batch = Batch([])
        for _ in range(min(deliveries, len(self._broker.ready))):
            batch.items += self.session.intake.opened(self.link.deliver())
        return batch

    def commit(self, batch: Batch) -> list[Batch]:
        """In the parts in which it was committed, the whole of it also where many dead letters stop it."""
        parts: list[Batch] = []
        while batch.items:
            done = self._place.run(self.transactor.handle(batch))
            parts += done
            left = [item for part in done for item in part.left]
            batch = Batch(left)
        self.committed += parts
        return parts

    def send(self, confirm: Confirm) -> None:
        """The oldest batch that is committed. Raises NotConfirmed: then the session is over."""
        self.link.confirm = confirm
        batch = self.committed[0]
        self._place.run(self.link.publish(batch.outgoing))
        self.transactor.note_sent(batch)
        self._place.run(self.session._ack(batch))
        self.committed.popleft()

    def give_back(self) -> None:
        """What the broker does with unacked deliveries when a connection ends."""
        self._broker.ready.extendleft(reversed(self.link.unacked.values()))
        self.link.unacked.clear()


async def _nothing() -> None:
    """The broker in memory has no topology."""
