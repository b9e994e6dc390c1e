"""What can break, as a table: each fault is injected, proves that it was, and leaves everything as it found it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import Rabbitmq
from deploy.local.world_data import SUPPLIERS
from schemas.catalogue import GATEWAY, SERVICES
from shared.broker import topology
from tests.chaos.field import Field
from tests.chaos.victim import STEPS
from tests.integration.worker.bench import until

INJECTED_WITHIN = 240.0
"""Seconds: no load, no fault."""
GIVEN_UP_WITHIN = 60.0
"""Seconds until the last client must have noticed that its connection is half-open. Heartbeats take the longest."""
PARTNERS = ("erp", "sefaz", "hub", "mercado-livre", "mail", *(s.supplier_id for s in SUPPLIERS))
CALLING_BACK = ("erp", "mercado-livre", "rapido-brasil", *(s.supplier_id for s in SUPPLIERS))

Inject = Callable[[Field, Random], Awaitable[str]]
"""Returns the proof, in words. AssertionError: it did not take effect."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`lane`: faults of one lane come one after the other, lanes run side by side. Faults with the same `victim` take
    turns with others: a message that is there each time a process dies would die itself, of its fifth delivery."""

    name: str
    lane: str
    inject: Inject
    victim: str = ""


async def die_at(service: str, step: str, field: Field, random: Random) -> str:
    """SIGKILL to whichever replica comes to the step first (at one of the next passages)."""
    order = field.marks / f"{service}.{step}"
    restarts = field.fleet.restarts
    draft = order.with_suffix(".draft")
    draft.write_text(str(random.randint(1, 3)))
    draft.rename(order)
    try:
        why = f"{order.name} was passed"
        [died] = await until(lambda: list(field.marks.glob(f"{order.name}.died.*")), INJECTED_WITHIN, why)
    finally:
        order.unlink(missing_ok=True)
    died.unlink()

    def again() -> list[str]:
        names = [m.name for m in field.replicas(service)]
        return [n for n in names if field.fleet.restarts.get(n, 0) > restarts.get(n, 0)]

    [name, *_] = await until(again, 30, f"{service} is started again")
    return f"{name} (pid {died.suffix[1:]}) killed itself"


async def server_goes(which: str, how: str, field: Field, random: Random) -> str:
    """The broker or the database is shut down in order or killed, and comes again after a while."""
    server: Rabbitmq | Postgres = getattr(field.stack, which)
    if isinstance(server, Rabbitmq):
        names = [queue.name for queue in topology.whole().queues]
        await until(lambda: all(server.would_survive_a_crash(name, field.site.name) for name in names))
    first = server.record.process
    assert first is not None
    await (server.kill() if how == "kill" else server.stop())
    try:
        assert not server.running
        await asyncio.sleep(random.uniform(0.5, 4.0))  # the length of the outage
    finally:
        await server.start()
    assert server.record.process != first
    return f"process {first.pid} ended, {server.record.process.pid if server.record.process else None} took over"


async def wire_breaks(kind: str, how: str, field: Field, random: Random) -> str:
    """One or two services lose their connections to a server in one of the ways of `BREAKS`."""
    names = [name for name in field.wires if name.partition(".")[0] == kind]
    chosen = [field.wires[name] for name in random.sample(names, min(len(names), random.choice((1, 2))))]
    proofs = await asyncio.gather(*(BREAKS[how](field, random, wire) for wire in chosen))
    return "; ".join(proofs)


async def _reset(field: Field, random: Random, wire: Any) -> str:
    """RST on every connection, a few times."""
    times = random.randint(1, 3)
    count = 0
    for _ in range(times):
        await until(lambda: wire.connections, INJECTED_WITHIN, f"{wire.name} is in use")
        count += wire.reset()
        await asyncio.sleep(random.uniform(0.2, 1.0))
    return f"{wire.name}: {count} connections reset"


async def _half_open(field: Field, random: Random, wire: Any) -> str:
    """Neither side hears of the other. Whoever waits on such a connection must give it up by itself."""
    victims = set(wire.half_open())

    def waiting() -> list[Any]:
        """Those that were idle may never be used again: new ones fall silent too until one is."""
        victims.update(wire.half_open())
        return [c for c in victims if c.unanswered]

    try:
        used = await until(waiting, INJECTED_WITHIN, f"{wire.name} is used while half-open")
        await until(lambda: any(c.given_up for c in used), GIVEN_UP_WITHIN, f"{wire.name} is given up")
        await asyncio.sleep(random.uniform(1, 5))
        left = [c for c in victims if c.unanswered and not c.given_up]
        await until(lambda: all(c.given_up for c in left), GIVEN_UP_WITHIN, f"{wire.name} is given up by all")
    finally:
        wire.reset(list(victims))
    swallowed, given_up = sum(c.swallowed for c in victims), sum(c.given_up for c in victims)
    return f"{wire.name}: {swallowed} bytes swallowed, {given_up} of {len(victims)} connections given up"


async def _slow(field: Field, random: Random, wire: Any) -> str:
    """Every piece of data takes a while."""
    before = wire.injected["delayed"]
    wire.delay = random.uniform(0.05, 0.5)
    try:
        await until(lambda: wire.injected["delayed"] > before + 10, INJECTED_WITHIN, f"{wire.name} is in use")
        await asyncio.sleep(random.uniform(2, 5))
    finally:
        wire.delay = 0.0
    return f"{wire.name}: {wire.injected['delayed'] - before} pieces delayed"


async def _away(field: Field, random: Random, wire: Any) -> str:
    """The connections are reset and new ones refused."""
    before = wire.injected["refused"]
    wire.refusing = True
    try:
        reset = wire.reset()
        await until(lambda: wire.injected["refused"] > before, INJECTED_WITHIN, f"{wire.name} is tried again")
        await asyncio.sleep(random.uniform(1, 4))
    finally:
        wire.refusing = False
    return f"{wire.name}: {reset} connections reset, {wire.injected['refused'] - before} refused"


BREAKS: Mapping[str, Callable[[Field, Random, Any], Awaitable[str]]] = {
    "reset": _reset,
    "half-open": _half_open,
    "slow": _slow,
    "away": _away,
}


async def partners_fail(
    names: tuple[str, ...], kind: str, setting: Mapping[str, float], field: Field, random: Random
) -> str:
    """Partners behave like this until some of them have shown it, and a little longer."""
    before = await injected(field, kind)

    async def shown() -> dict[str, int]:
        now = await injected(field, kind)
        return {name: now[name] - before[name] for name in names if now[name] > before[name]}

    try:
        for name in names:
            await field.sandbox("PUT", f"/_sandbox/faults/{name}", setting)
        await until(shown, INJECTED_WITHIN, f"{kind} at a partner")
        await asyncio.sleep(random.uniform(2, 5))
    finally:
        for name in names:
            await field.sandbox("PUT", f"/_sandbox/faults/{name}", {})
    return ", ".join(f"{name} {count}×" for name, count in (await shown()).items())


async def injected(field: Field, kind: str) -> dict[str, int]:
    """How often each partner has failed in this way."""
    faults = await field.sandbox("GET", "/_sandbox/faults")
    return {name: shown["injected"].get(kind, 0) for name, shown in faults.items()}


def _kill(service: str, step: str) -> Fault:
    """Two lanes, each with half of the services."""
    half = (GATEWAY, *SERVICES).index(service) % 2
    return Fault(f"kill-{service}-{step}", f"processes {half}", partial(die_at, service, step), service)


def _server(which: str, how: str) -> Fault:
    name = {"rabbitmq": "broker", "postgres": "database"}[which]
    return Fault(f"{name}-{how}", "servers", partial(server_goes, which, how))


def _wire(kind: str, how: str) -> Fault:
    lane = "partners" if kind in ("partners", "gateway") else "servers"
    return Fault(f"{kind}-{how}", lane, partial(wire_breaks, kind, how))


def _partner(kind: str, setting: Mapping[str, float], names: tuple[str, ...] = PARTNERS) -> Fault:
    return Fault(f"partners-{kind.replace('_', '-')}", "partners", partial(partners_fail, names, kind, setting))


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        *(_kill(service, step) for service in (GATEWAY, *SERVICES) for step in STEPS[service]),
        *(_server(which, how) for which in ("rabbitmq", "postgres") for how in ("restart", "kill")),
        *(_wire(kind, how) for kind in ("broker", "database", "partners", "gateway") for how in BREAKS),
        _partner("error", {"error": 0.4}),
        _partner("too_many", {"too_many": 0.4}),
        _partner("silent", {"silent": 0.3, "patience": 6.0}),
        _partner("late", {"late": 0.3, "patience": 6.0}),
        _partner("lost_answer", {"lost_answer": 0.4}),
        _partner("delay", {"delay": 2.0}),
        _partner("duplicate_callback", {"duplicate_callback": 0.6}, CALLING_BACK),
    )
}
