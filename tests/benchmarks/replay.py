"""Dead letters replayed a second, end to end: N dead letters of one service, one campaign, every letter resolved.

    python -m tests.benchmarks.replay [--letters N] [--json] [--rounds R]

On the private stack, with the service and the control room as processes of their own. A bug kills N payments of N
orders, half a service's way into its ledger; the service comes back mended; a campaign replays them without a limit
of its rate, canaries included. Measured from the order's publish to the last letter's end in the control room's
database. What the service stored and the ledger says is counted, and must be exact.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any
from uuid import uuid4

import aio_pika
import asyncpg
import psutil
import typer
from rich.console import Console
from rich.table import Table

import services.control_room
from deploy.local.stack import STACKS, running
from schemas import envelope
from schemas.payment import PaymentApproved
from services.control_room.campaign import orders
from services.control_room.campaign.orders import Person
from services.control_room.campaign.state import Status
from services.control_room.servers import SCHEMA, reading
from shared.broker import management
from shared.broker.apply import apply
from shared.broker.link import Link, open_link
from shared.broker.outgoing import Outgoing
from shared.migrate import migrate, service_url
from tests.benchmarks.replay_service import MIGRATIONS, NAME
from tests.conftest import PASSWORD, fresh_database, with_path

LOGS = STACKS / "bench" / "logs"
PATIENCE = 300.0
ROOM = Path(services.control_room.__file__).parent / "migrations"
PERSON = Person("benchmark", "how fast is it?")
COUNTERS = (
    "select status, (body ->> 'step_size')::int as step_size, (body ->> 'resolved')::int as resolved "
    "from replay_campaign where key = $1"
)


class WrongCount(Exception):
    """Not every letter was handled exactly once: the speed means nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One campaign."""

    letters: int
    per_second: float
    per_second_at_full_pace: float
    """From the end of the canaries on."""
    service_cpu_us: float
    room_cpu_us: float
    """CPU of the processes, user and system, per letter."""


class Place:
    """A virtual host and a database, prepared."""

    def __init__(self, amqp_url: str, management_url: str, database_url: str, link: Link) -> None:
        self.amqp_url = amqp_url
        self.database_url = database_url
        self.link = link
        self._environment = {
            **os.environ,
            "FLEET_AMQP_URL": amqp_url,
            "FLEET_MANAGEMENT_URL": management_url,
            "FLEET_HEALTH_HOST": "127.0.0.1",
            "FLEET_HEALTH_PORT": "0",
        }

    @asynccontextmanager
    async def process(self, module: str, schema: str, *arguments: str, **more: str) -> AsyncIterator[psutil.Process]:
        """The module as a process with its schema's role, its log in a file; ended at the end of the block."""
        LOGS.mkdir(parents=True, exist_ok=True)
        url = service_url(self.database_url, schema, PASSWORD)
        environment = {**self._environment, "FLEET_DATABASE_URL": url, **more}
        with (LOGS / f"replay_{schema}.log").open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments), env=environment, stdout=log, stderr=log
            )
            try:
                yield psutil.Process(child.pid)
            finally:
                if child.returncode is None:
                    child.terminate()
                await child.wait()

    async def value(self, query: str) -> Any:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


async def one_run(place: Place, letters: int, note: Any) -> Run:
    """Kills and replays so many payments. Raises WrongCount, TimeoutError."""
    async with place.process("services.control_room", SCHEMA) as room:
        before = await place.value(f"select count(*) from {NAME}.replayed")
        await _die(place, letters, note)
        await _rest(place)
        async with place.process("tests.benchmarks.replay_service", NAME) as service:
            note("replaying")
            run = await _replayed(place, letters, service, room)
        after = await place.value(f"select count(*) from {NAME}.replayed")
        open_ones = await place.value(f"select count(*) from {SCHEMA}.dead_letter where status <> 'resolved'")
    if (after - before, open_ones) != (letters, 0):
        raise WrongCount(f"{after - before} of {letters} payments are stored, {open_ones} letters are not resolved")
    return run


async def _die(place: Place, letters: int, note: Any) -> None:
    """Publishes the payments to a service with a bug and waits until the ledger has their letters."""
    note("killing")
    already = await place.value(f"select count(*) from {SCHEMA}.dead_letter")
    bodies = iter(envelope.pack(_payments(letters)))
    pause_never = {"FLEET_PAUSE_AFTER": "1000000000"}
    async with place.process("tests.benchmarks.replay_service", NAME, "--bug", **pause_never):
        while some := list(islice(bodies, 100)):
            await place.link.publish(
                [Outgoing("fleet.inbound", PaymentApproved.TYPE, envelope.PACK, body, uuid4().hex) for body in some]
            )
        recorded = f"select count(*) = {already + letters} from {SCHEMA}.dead_letter"
        await _until(lambda: place.value(recorded), 0.5)


async def _rest(place: Place) -> None:
    """Nothing of the dying left to be written to disk while it is measured."""
    await place.value("select 1 from (select pg_stat_force_next_flush()) as x")
    connection = await asyncpg.connect(place.database_url)
    await connection.execute("vacuum analyze")
    await connection.execute("checkpoint")
    await connection.close()


async def _replayed(place: Place, letters: int, service: psutil.Process, room: psutil.Process) -> Run:
    async with reading(service_url(place.database_url, SCHEMA, PASSWORD)) as con:
        rows = await con.fetch("select key from dead_letter where status = 'open'")
        chosen = [row["key"] for row in rows]
        if len(chosen) != letters:
            raise WrongCount(f"{len(chosen)} of {letters} letters are open")
        await _until(lambda: _consumes(place), 0.1)
        order = orders.ordered(PERSON, "replay", chosen, "all", starts=True)
        said = orders.messages(PERSON, [order, *orders.listed(order, chosen)])
        cpu = [_cpu(service), _cpu(room)]
        started = perf_counter()
        await place.link.publish(said)
        paced: list[tuple[float, int]] = []

        async def over() -> asyncpg.Record | None:
            """Asks for few columns, and not often: what asks uses the processors that are measured."""
            row = await con.fetchrow(COUNTERS, order.campaign_id)
            if row is None:
                return None
            if row["step_size"] == 1000:
                paced.append((perf_counter(), row["resolved"]))
            if row["status"] in (Status.FAILING, Status.PAUSED):
                raise WrongCount(f"the campaign is {row['status']}")
            return row if row["status"] == Status.DONE else None

        done: asyncpg.Record = await _until(over, 0.05)
        ended = perf_counter()
    used = [(_cpu(one) - was) / letters * 1e6 for one, was in zip((service, room), cpu, strict=True)]
    resolved = done["resolved"]
    full = (resolved - paced[0][1]) / (ended - paced[0][0]) if paced and resolved > paced[0][1] else 0.0
    return Run(letters, letters / (ended - started), full, *used)


async def _consumes(place: Place) -> bool:
    """Whether the mended service is up: replaying is measured, not starting."""
    async with await aio_pika.connect(place.amqp_url) as connection:
        queue = await (await connection.channel()).declare_queue(NAME, passive=True)
        return bool(queue.declaration_result.consumer_count)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _payments(number: int) -> list[bytes]:
    now = datetime.now(UTC)
    said = [
        PaymentApproved(order_id=f"ORD-{uuid4().hex[:12]}", payment_id=f"P{n}", amount="199.90", approved_at=now)
        for n in range(number)
    ]
    return [envelope.encode(one, id=uuid4().hex, source="/upstream/benchmark", time=now) for one in said]


async def _until(condition: Any, pause: float) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (value := await condition()):
            await asyncio.sleep(pause)
    return value


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """On the private stack in `.stack/bench`."""
    async with running(STACKS / "bench") as stack, fresh_database(stack.addresses.database_url) as database:
        name = f"bench-{uuid4().hex}"
        amqp_url = with_path(stack.addresses.amqp_url, name)
        async with management.connect(amqp_url, stack.addresses.management_url) as api:
            await api.put("vhosts", name, body={})
            await apply(amqp_url, stack.addresses.management_url)
            await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
            await asyncio.to_thread(migrate, database, SCHEMA, [ROOM], PASSWORD)
            try:
                async with open_link(amqp_url, "benchmark") as link:
                    yield Place(amqp_url, stack.addresses.management_url, database, link)
            finally:
                await api.delete("vhosts", name)


async def measure(letters: int, rounds: int, note: Any) -> list[Run]:
    async with place() as prepared:
        return [
            await one_run(prepared, letters, lambda what, n=n: note(f"round {n + 1}: {what}")) for n in range(rounds)
        ]


def show(runs: list[Run]) -> None:
    table = Table(title="Dead letters replayed, end to end: one service, one campaign", title_justify="left")
    for name in ("round", "letters", "letters/s", "after the canaries/s", "service µs", "control room µs"):
        table.add_column(name, justify="right")
    for n, run in enumerate(runs, start=1):
        table.add_row(
            str(n),
            f"{run.letters:,}",
            f"{run.per_second:,.0f}",
            f"{run.per_second_at_full_pace:,.0f}",
            f"{run.service_cpu_us:,.0f}",
            f"{run.room_cpu_us:,.0f}",
        )
    Console().print(table)


def main(
    letters: Annotated[int, typer.Option(min=200)] = 20_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measures how many dead letters are replayed a second."""
    screen = Console(stderr=True)
    runs = asyncio.run(measure(letters, rounds, lambda what: screen.print(what, style="dim")))
    if as_json:
        median_rate = round(median(run.per_second for run in runs))
        typer.echo(json.dumps({"letters_per_second": median_rate, "rounds": [asdict(run) for run in runs]}, indent=2))
    else:
        show(runs)


if __name__ == "__main__":
    typer.run(main)
