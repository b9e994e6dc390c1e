"""The demo: the whole fleet on made-up orders, watched until the last one ends, then audited."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal
from uuid import uuid4

import asyncpg

from deploy.local import fleet, site, stack, store, world
from deploy.local.fleet import Fleet
from deploy.local.mixed.cases import scripts
from deploy.local.mixed.script import Script
from deploy.local.mixed.stage import Stage
from deploy.local.site import Site
from deploy.local.summary import Summary, audited, summarise, summarise_mixed
from schemas import envelope
from schemas.catalogue import CONSUMERS, by_type
from schemas.model import Message
from schemas.order import OrderPlaced, OrderPlacedV1
from shared.broker.outgoing import Outgoing
from shared.broker.publisher import Publisher
from shared.broker.publisher import running as publishing
from shared.broker.topology import INBOUND

STALLED_SECONDS = 90.0
"""Without a new message for so long, the run is given up and audited as it is."""
LONGEST_SECONDS = 3600.0
CHUNK = 200
Scenario = Literal["happy", "mixed"]


@dataclass(slots=True)
class Progress:
    """What one sees while it runs."""

    stage: str = "starting"
    orders: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    messages: int = 0
    messages_per_second: float = 0.0
    restarts: dict[str, int] = field(default_factory=dict)


Show = Callable[[Progress], None]
Meanwhile = Callable[[Fleet, Progress], Coroutine[Any, Any, None]]


async def run(
    orders: int,
    seed: int,
    folder: Path,
    show: Show,
    *,
    scenario: Scenario = "happy",
    keep: bool = True,
    meanwhile: Meanwhile | None = None,
) -> Summary:
    """Everything from servers to summary; `meanwhile` runs beside the orders (a test that kills services).

    Raises what starting servers or services raises.
    """
    progress = Progress(orders=orders)
    show(progress)
    async with stack.running(folder, keep=keep) as servers:
        progress.stage = "preparing database and broker"
        show(progress)
        place = await site.prepare(servers.addresses, folder, "demo", afresh=True)
        progress.stage = "starting the services"
        show(progress)
        async with fleet.running(place) as members, _administrator(place) as con:
            play = _Run(place, members, con, progress, show)
            perform = play.through if scenario == "happy" else play.through_mixed
            return await perform(orders, seed, meanwhile)


@asynccontextmanager
async def _administrator(place: Site) -> AsyncIterator[asyncpg.Connection]:
    con = await asyncpg.connect(place.database_url)
    try:
        yield con
    finally:
        await con.close()


class _Run:
    """One run on a fleet that is ready."""

    def __init__(self, place: Site, members: Fleet, con: asyncpg.Connection, progress: Progress, show: Show) -> None:
        self._site = place
        self._fleet = members
        self._con = con
        self._progress = progress
        self._show = show

    async def through(self, orders: int, seed: int, meanwhile: Meanwhile | None) -> Summary:
        """Reference data, then the orders, then the audit."""
        messages = world.orders(orders, seed)
        ids = sorted({m.order_id for m in messages if isinstance(m, OrderPlaced | OrderPlacedV1)})
        publisher = Publisher(self._site.amqp_url_of("upstream"), "upstream")
        async with publishing(publisher):
            self._stage("publishing reference data")
            reference = world.reference_data(self._fleet.sandbox_url)
            await publish(publisher, reference)
            await self._until_known(reference)
            self._stage("orders on their way")
            started = monotonic()
            sending = asyncio.create_task(publish(publisher, messages))
            beside = asyncio.create_task(meanwhile(self._fleet, self._progress)) if meanwhile else None
            seconds = await self._until_done(orders, started)
            await sending
            if beside is not None:
                await beside
        self._stage("auditing")
        return await summarise(self._site, self._fleet, self._con, ids, seconds)

    async def through_mixed(self, orders: int, seed: int, meanwhile: Meanwhile | None) -> Summary:
        """As `through`, with orders that go otherwise, and further messages on cue."""
        plan = scripts(orders, seed, datetime.now(UTC))
        publisher = Publisher(self._site.amqp_url_of("upstream"), "upstream")
        async with publishing(publisher), _administrator(self._site) as con:
            self._stage("publishing reference data")
            reference = world.mixed_reference_data(self._fleet.sandbox_url, plan)
            await publish(publisher, reference)
            await self._until_known(reference)
            self._stage("orders on their way")
            started = monotonic()
            stage = Stage(plan, self._fleet, publisher, con)
            playing = asyncio.create_task(stage.play())
            beside = asyncio.create_task(meanwhile(self._fleet, self._progress)) if meanwhile else None
            try:
                seconds = await self._until_over(stage, plan, playing, started)
                if beside is not None:
                    await beside
            finally:
                playing.cancel()
                with suppress(asyncio.CancelledError):
                    await playing
        self._stage("auditing")
        return await summarise_mixed(self._site, self._fleet, self._con, plan, stage.waiting_cues, seconds)

    async def _until_over(
        self, stage: Stage, plan: Sequence[Script], playing: "asyncio.Task[None]", started: float
    ) -> float:
        """Seconds until all is as expected and nothing is under way, or until nothing moves any more."""
        last_count, last_change, is_closed = -1, monotonic(), False
        while True:
            if playing.done():
                playing.result()
            await self._look(started)
            if self._progress.messages != last_count:
                last_count, last_change = self._progress.messages, monotonic()
            if not is_closed and await stage.is_over(self._con):
                is_closed = True
                await stage.close_queue()
            if is_closed and not await store.load_open_work(self._con):
                found, _ = await audited(self._fleet, self._con, plan)
                if found.exact:
                    return last_change - started
            if monotonic() - last_change > STALLED_SECONDS or monotonic() - started > LONGEST_SECONDS:
                return last_change - started
            await asyncio.sleep(0.5)

    def _stage(self, stage: str) -> None:
        self._progress.stage = stage
        self._show(self._progress)

    async def _until_known(self, reference: Sequence[Message]) -> None:
        """Orders must find stores, suppliers and offers: each service has handled what it takes of them."""
        wanted = {s: sum(s in by_type()[m.TYPE].consumers for m in reference) for s in CONSUMERS}
        async with asyncio.timeout(120):
            while True:
                handled = await store.load_handled(self._con)
                if all(handled[service] >= count for service, count in wanted.items()):
                    return
                await asyncio.sleep(0.1)

    async def _until_done(self, orders: int, started: float) -> float:
        """Seconds until every order is completed and nothing is under way, or until nothing moves any more."""
        last_count, last_change = -1, monotonic()
        while True:
            await self._look(started)
            if self._progress.messages != last_count:
                last_count, last_change = self._progress.messages, monotonic()
            done = self._progress.statuses.get("completed", 0) == orders
            if done and not await store.load_open_work(self._con):
                return last_change - started
            if monotonic() - last_change > STALLED_SECONDS:
                return last_change - started
            await asyncio.sleep(0.25)

    async def _look(self, started: float) -> None:
        progress = self._progress
        progress.statuses = await store.load_statuses(self._con)
        progress.messages = await store.load_message_count(self._con)
        progress.messages_per_second = progress.messages / max(monotonic() - started, 0.001)
        progress.restarts = self._fleet.restarts
        self._show(progress)


async def publish(publisher: Publisher, messages: Sequence[Message]) -> None:
    """As an upstream system does: single events, confirmed, in order."""
    for start in range(0, len(messages), CHUNK):
        await publisher.publish([_event(message) for message in messages[start : start + CHUNK]])


def _event(message: Message) -> Outgoing:
    id = str(uuid4())
    body = envelope.encode(message, id=id, source="/upstream/demo", time=datetime.now(UTC))
    return Outgoing(INBOUND, message.TYPE, envelope.EVENT, body, id)
