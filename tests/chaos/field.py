"""The field on which things break: fleet, servers, wires between them, and orders on their way all the time."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from deploy.local import site, stack, store, world
from deploy.local.fleet import SANDBOX, Fleet, Member
from deploy.local.ports import free_ports
from deploy.local.site import Site
from deploy.local.stack import Stack
from schemas.catalogue import CONSUMERS, GATEWAY, SERVICES, UPSTREAM, by_type
from schemas.order import OrderPlaced, OrderPlacedV1
from shared.broker.publisher import Publisher
from shared.broker.publisher import running as publishing
from shared.broker.users import ENGINEER
from tests.chaos.engineer import Engineer
from tests.chaos.letters import Letter, load_letters, load_unmended
from tests.chaos.upstream import Upstream
from tests.chaos.victim import AWAY_SECONDS
from tests.chaos.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
HEARTBEAT_SECONDS = 5
"""A silent connection is given up after three times that."""
QUICK = {
    "FLEET_SWEEP_SECONDS": "4",
    "FLEET_CONFIRM_SECONDS": "6",
    "FLEET_LADDER_SECONDS": json.dumps([1, 2, 3, 5, 8, 13] + [20] * 20),
    "FLEET_GATEWAY_CONFIRM_SECONDS": "4",
    "FLEET_GATEWAY_RETRY_AFTER": "1",
}
"""Settings that make a service wait seconds where it would wait minutes."""
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises while the database is away."""
BLOCK = 5
"""Orders that the upstream system publishes at once."""
EVERY = 10.0
"""Seconds without new orders after which there are some, however many are stuck where something is broken."""


@dataclass
class Field:
    """Everything that a fault may touch."""

    stack: Stack
    site: Site
    fleet: Fleet
    wires: dict[str, Wire]
    """`broker.SERVICE`, `database.SERVICE`, `gateway`, `partners`."""
    marks: Path
    upstream: Upstream
    engineer: Engineer
    seed: int
    placed: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    messages: int = 0
    moved_at: float = field(default_factory=monotonic)
    """When the journal last grew."""
    feeding: bool = True

    @property
    def completed(self) -> int:
        return self.statuses.get("completed", 0)

    def replicas(self, service: str) -> list[Member]:
        return [m for m in self.fleet.members.values() if m.environment.get("CHAOS_SERVICE") == service]

    async def feed(self, orders: int, under_way: int) -> None:
        """Publishes at least so many orders, and more for as long as `feeding` says: nothing breaks without load.

        While so many are `under_way` only a few are published now and then.
        """
        block, last = 0, monotonic()
        while self.feeding or len(self.placed) < orders:
            if len(self.placed) - self.completed < under_way or monotonic() - last > EVERY:
                block, last = block + 1, monotonic()
                messages = world.orders(BLOCK, self.seed * 1000 + block)
                self.placed += sorted({m.order_id for m in messages if isinstance(m, OrderPlaced | OrderPlacedV1)})
                await self.upstream.publish(messages)
            await asyncio.sleep(0.1)

    async def watch(self) -> None:
        """Keeps what is known of the orders up to date, through the loss of the database."""
        while True:
            with contextlib.suppress(*LOST):
                con = await asyncpg.connect(self.site.database_url, timeout=5, command_timeout=5)
                try:
                    while True:
                        await self._look(con)
                        await asyncio.sleep(0.5)
                finally:
                    con.terminate()
            await asyncio.sleep(0.5)

    async def _look(self, con: asyncpg.Connection) -> None:
        self.statuses = await store.load_statuses(con)
        self.letters = await load_letters(con)
        messages = await store.load_message_count(con)
        if messages != self.messages:
            self.messages, self.moved_at = messages, monotonic()

    async def mend(self) -> None:
        """Keeps the engineer busy."""
        while True:
            await self.engineer.mend(self.letters)
            await asyncio.sleep(0.3)

    async def open_work(self) -> dict[str, int]:
        con = await asyncpg.connect(self.site.database_url)
        try:
            unmended = await load_unmended(con)
            return await store.load_open_work(con) | ({"dead letters": unmended} if unmended else {})
        finally:
            await con.close()

    async def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        async with (
            aiohttp.ClientSession(self.fleet.sandbox_url, raise_for_status=True) as session,
            session.request(method, path, json=body) as answer,
        ):
            return await answer.json()

    async def until_known(self, count: Mapping[str, int]) -> None:
        """Orders must find stores, suppliers and offers: each service has handled so many events."""
        con = await asyncpg.connect(self.site.database_url)
        try:
            async with asyncio.timeout(120):
                while True:
                    handled = await store.load_handled(con)
                    if all(handled[service] >= wanted for service, wanted in count.items()):
                        return
                    await asyncio.sleep(0.1)
        finally:
            await con.close()

    async def publish_reference_data(self) -> None:
        messages = world.reference_data(self.wires["partners"].through(self.fleet.sandbox_url))
        await self.upstream.publish(messages)
        await self.until_known({s: sum(s in by_type()[m.TYPE].consumers for m in messages) for s in CONSUMERS})


@asynccontextmanager
async def prepared(folder: Path, seed: int, doubled: Callable[[str], bool], *, keep: bool) -> AsyncIterator[Field]:
    """The field, ready, with its reference data; services that are `doubled` have two replicas."""
    async with stack.running(folder, keep=keep) as servers, AsyncExitStack() as exits:
        place = await site.prepare(servers.addresses, folder, "chaos", afresh=True)
        fleet = Fleet(place)
        marks = folder / "marks"
        marks.mkdir(exist_ok=True)
        for mark in marks.iterdir():
            mark.unlink()
        ports = _other_ports(fleet)
        wires = await _lay_wires(servers, fleet, ports, exits)
        _staff(fleet, wires, ports, marks, doubled)
        exits.push_async_callback(fleet.stop)
        await fleet.start()
        upstream = Upstream(await exits.enter_async_context(_publishing(place, UPSTREAM)), Random(seed))
        engineer = Engineer(await exits.enter_async_context(_publishing(place, ENGINEER)), upstream.right)
        found = Field(servers, place, fleet, wires, marks, upstream, engineer, seed)
        await found.publish_reference_data()
        yield found


def _publishing(place: Site, user: str) -> AbstractAsyncContextManager[Publisher]:
    return publishing(Publisher(place.amqp_url_of(user), user, longest=AWAY_SECONDS))


def _other_ports(fleet: Fleet) -> Iterator[int]:
    """Free ports that are not the fleet's: it has chosen them, and nobody listens there yet."""
    urls = [fleet.gateway_url, fleet.sandbox_url, *(member.ready_url for member in fleet.members.values())]
    smtp = int(fleet.members[SANDBOX].environment["FLEET_SANDBOX_SMTP_PORT"])
    taken = {smtp, *(_address(url)[1] for url in urls)}
    return (port for port in free_ports(100) if port not in taken)


async def _lay_wires(servers: Stack, fleet: Fleet, ports: Iterator[int], exits: AsyncExitStack) -> dict[str, Wire]:
    broker, database = _address(servers.addresses.amqp_url), _address(servers.addresses.database_url)
    wires = {f"broker.{name}": Wire(f"broker.{name}", [broker], next(ports)) for name in (GATEWAY, *SERVICES)}
    wires |= {f"database.{name}": Wire(f"database.{name}", [database], next(ports)) for name in SERVICES}
    wires["partners"] = Wire("partners", [_address(fleet.sandbox_url)], next(ports))
    wires["gateway"] = Wire("gateway", [_address(fleet.gateway_url)], next(ports))
    for wire in wires.values():
        await wire.listen()
        exits.push_async_callback(wire.close)
    return wires


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _staff(
    fleet: Fleet, wires: Mapping[str, Wire], ports: Iterator[int], marks: Path, doubled: Callable[[str], bool]
) -> None:
    """Puts victims and wires in the place of services and servers."""
    fleet.members[SANDBOX].environment["FLEET_GATEWAY_URL"] = wires["gateway"].through(fleet.gateway_url)
    partners = wires["partners"]
    for name in (GATEWAY, *SERVICES):
        member = fleet.members[name]
        member.module = "tests.chaos.victim"
        environment = member.environment
        environment |= QUICK | {"PYTHONPATH": str(ROOT), "CHAOS_SERVICE": name, "CHAOS_ORDERS": str(marks)}
        environment["FLEET_AMQP_URL"] = (
            f"{wires[f'broker.{name}'].through(environment['FLEET_AMQP_URL'])}?heartbeat={HEARTBEAT_SECONDS}"
        )
        if "FLEET_DATABASE_URL" in environment:
            environment["FLEET_DATABASE_URL"] = wires[f"database.{name}"].through(environment["FLEET_DATABASE_URL"])
        for variable in ("FLEET_ERP_URL", "FLEET_SEFAZ_URL"):
            environment[variable] = partners.through(environment[variable])
        if doubled(name):
            _double(fleet, member, wires["gateway"], ports)


def _double(fleet: Fleet, member: Member, gateway: Wire, ports: Iterator[int]) -> None:
    health, door = next(ports), next(ports)
    environment = {**member.environment, "FLEET_HEALTH_PORT": str(health)}
    if member.name == GATEWAY:
        environment["FLEET_GATEWAY_PORT"] = str(door)
        gateway.targets.append(("127.0.0.1", door))
    name = f"{member.name}-2"
    fleet.members[name] = replace(
        member,
        name=name,
        environment=environment,
        log=member.log.with_name(f"{name}.log"),
        ready_url=f"http://127.0.0.1:{health}/readyz",
    )
