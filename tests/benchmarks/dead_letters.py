"""How long an engineer waits for dead letters: listed, paged, grouped, searched, among 100,000 of them.

`python -m tests.benchmarks.dead_letters`: they are saved as the worker saves them, then asked for as the command does.
"""

import asyncio
import base64
import json
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer
from asyncpg import Connection
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import services.control_room
from deploy.local.stack import STACKS, running
from schemas import envelope
from schemas.catalogue import CONSUMERS
from schemas.decision import Cause, Context, Decision, Numbers
from schemas.export import EXAMPLES
from schemas.model import Model
from schemas.runtime import DeadLetterRecorded
from services.control_room import decide
from services.control_room import store as ledger
from services.control_room.facts import query_of
from services.control_room.looking import store
from services.control_room.looking.choice import documents
from services.control_room.state import DeadLetter
from shared.migrate import migrate, reader_url, service_url
from shared.worker.store import save_states
from tests.conftest import PASSWORD, fresh_database

MIGRATIONS = Path(services.control_room.__file__).parent / "migrations"
BATCH, RUNS, AIM_MS = 256, 7, 1000
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BUGS = [
    ("decision_raised", "KeyError: 'tax_profile'"),
    ("decision_raised", "decimal.InvalidOperation: [<class 'decimal.ConversionSyntax'>]"),
    ("decision_raised", "services.billing.decide.invoices.Unbalanced: 199.90 is not 199.00"),
    (
        "database_refused",
        "NumericValueOutOfRangeError: a field with precision 15, scale 2 overflows",
    ),
    ("refused", "placed_differently: the total was 87.10 before"),
    ("invalid", "data.items.3.unit_price: Value error, money is a decimal string with two places"),
    ("not_yet_exhausted", "needs store.changed, which has not come"),
    ("undecodable", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    ("held", "behind 0f8fad5b-d9cb-469f-a165-70867728950e"),
]
TRACEBACK = """Traceback (most recent call last):
  File "/app/shared/worker/fold.py", line 113, in _decide
    outcome = route.decide(state, item.data, context)
  File "/app/services/billing/decide/invoices.py", line {line}, in on_supplier_nf_matched
    return bill.with_cost(event.total, profile=profiles[event.tax_profile])
{error}
"""


def letters(number: int) -> Iterator[DeadLetterRecorded]:
    """As services say them, of real messages' shapes, five an order, a week long; the same every time."""
    rand = random.Random(7)
    examples = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))]
    for n in range(number):
        event = rand.choice(examples)
        order, supplier = f"ORD-{n % max(number // 5, 1):07}", f"supplier-{rand.randrange(40):02}"
        data = {**event["data"], "order_id": order, "supplier_id": supplier, "store_id": f"store-{n % 30}"}
        said = {**event, "id": f"e-{n}", "subject": order, "data": data}
        reason, error = rand.choice(BUGS)
        at = NOW - timedelta(seconds=rand.randrange(7 * 86400))
        raised = reason == "decision_raised"
        yield DeadLetterRecorded(
            occurrence=str(UUID(int=rand.getrandbits(128), version=4)),
            service=rand.choice(CONSUMERS),
            service_version="0.1.0",
            reason=reason,
            error=TRACEBACK.format(line=rand.randrange(20, 200), error=error) if raised else error,
            event_type=event["type"],
            event_source=event["source"],
            event_id=said["id"],
            event_subject=order,
            key=f"bill:{order}" if reason in ("decision_raised", "database_refused", "held") else None,
            attempts=1,
            first_at=at,
            last_at=at,
            content_type=envelope.EVENT,
            headers={"x-shop": "estrada-boa"},
            body=base64.b64encode(json.dumps(said).encode()).decode(),
        )


async def fill(con: Connection, number: int, progress: Callable[[int], None]) -> float:
    """Through the decision and the tables of the worker; seconds that it took."""
    started = perf_counter()
    states: dict[str, DeadLetter] = {}
    rows: list[Model] = []
    for n, letter in enumerate(letters(number), start=1):
        cause = Cause(str(n), "/bench", letter.TYPE, letter.occurrence, NOW, envelope.reference("/bench", str(n)))
        outcome = decide.on_recorded(None, letter, Context(NOW, cause, None, Numbers({}), letter.occurrence))
        assert isinstance(outcome, Decision)
        assert outcome.state is not None
        states[f"dead_letter:{letter.occurrence}"] = outcome.state
        rows += outcome.rows
        if len(states) == BATCH or n == number:
            async with con.transaction():
                await save_states(con, "dead_letter", states)
                await ledger.save_rows(con, rows)
            progress(n)
            states, rows = {}, []
    return perf_counter() - started


def questions(deep: str) -> dict[str, Callable[[Connection], Awaitable[Any]]]:
    """What engineers ask. `deep` is a letter far down the list."""

    def listed(**chosen: Any) -> Callable[[Connection], Awaitable[Any]]:
        return lambda con: store.load_dead_letters(con, chosen, 101)

    def grouped(*by: str, **chosen: Any) -> Callable[[Connection], Awaitable[Any]]:
        return lambda con: store.load_groups(con, by, chosen, 50)

    return {
        "list": listed(),
        "list, a page far down": lambda con: store.load_dead_letters(con, {}, 101, deep),
        "list --service --reason": listed(service="billing", reason="invalid"),
        "list --exception --type": listed(exception="KeyError", event_type="order.ready"),
        "list --status open": listed(status="open"),
        "list --status resolved (none)": listed(status="resolved"),
        "list --order": listed(order_id="ORD-0000007"),
        "list --supplier --since": listed(supplier_id="supplier-07", since=NOW - timedelta(hours=2)),
        "list --store": listed(store_id="store-7"),
        "list --id": listed(prefix="0abcd"),
        "list --limit 10000": lambda con: store.load_dead_letters(con, {}, 10_000),
        "text, in one": listed(text=query_of("ORD-0000007")),
        "text, in a third": listed(text=query_of("invoices.py")),
        "text, two words": listed(text=query_of("tax_profile supplier-07")),
        "text, in none": listed(text=query_of("nowhere")),
        "where, in five": listed(where=[documents("data.order_id=ORD-0000007")]),
        "where, in 2,500": listed(where=[documents("data.supplier_id=supplier-07")]),
        "where, two fields": listed(
            where=[documents("data.supplier_id=supplier-07"), documents("data.store_id=store-7")]
        ),
        "groups by service, reason, exception": grouped("service", "reason", "exception"),
        "groups by error": grouped("error"),
        "groups by type, supplier": grouped("type", "supplier"),
        "groups by store, channel": grouped("store", "channel"),
        "groups by hour": grouped("hour"),
        "groups by day, service of a text": grouped("day", "service", text=query_of("invoices.py")),
        "groups by order": grouped("order"),
        "count": lambda con: store.load_count(con, {}),
    }


async def measure(number: int, progress: Progress) -> dict[str, Any]:
    async with database() as admin_url:
        await asyncio.to_thread(migrate, admin_url, "control_room", [MIGRATIONS], PASSWORD, PASSWORD)
        task = progress.add_task("saving dead letters", total=number)
        con = await asyncpg.connect(service_url(admin_url, "control_room", PASSWORD))
        seconds = await fill(con, number, lambda done: progress.update(task, completed=done))
        await con.close()
        admin = await asyncpg.connect(admin_url)
        for name in ("dead_letter", "dead_letter_facts"):
            await admin.execute(f"vacuum analyze control_room.{name}")
        sizes = await admin.fetch(
            "select relname, pg_total_relation_size(oid) / 1000000 as mb from pg_class "
            "where relname ~ '^dead_letter' and relkind = 'r' and relnamespace = 'control_room'::regnamespace"
        )
        await admin.close()
        con = await asyncpg.connect(reader_url(admin_url, "control_room", PASSWORD))
        found = await timed(con, number, progress)
        await con.close()
    return {
        "letters": number,
        "saved_per_second": round(number / seconds),
        "megabytes": {row["relname"]: row["mb"] for row in sizes},
        "milliseconds": found,
    }


async def timed(con: Connection, number: int, progress: Progress) -> dict[str, dict[str, float]]:
    """Each question asked several times: rows, the first, the median and the slowest answer."""
    deep = (await store.load_dead_letters(con, {}, number // 2))[-1]
    asked = questions(deep["occurrence"])
    task = progress.add_task("asking", total=len(asked))
    found: dict[str, dict[str, float]] = {}
    for name, ask in asked.items():
        times, answer = [], None
        for _ in range(RUNS):
            started = perf_counter()
            answer = await ask(con)
            times.append((perf_counter() - started) * 1000)
        rows = len(answer) if isinstance(answer, list) else 1
        found[name] = {"rows": rows, "first": round(times[0], 1), "median": round(median(times), 1)}
        found[name]["slowest"] = round(max(times), 1)
        progress.update(task, advance=1)
    return found


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    async with (
        running(STACKS / "bench", keep=True) as stack,
        fresh_database(stack.addresses.database_url) as url,
    ):
        yield url


def show(found: dict[str, Any]) -> None:
    table = Table("question", "rows", "median ms", "slowest ms", box=None, pad_edge=False)
    for name, one in found["milliseconds"].items():
        table.add_row(name, *(str(one[part]) for part in ("rows", "median", "slowest")))
    console = Console()
    console.print(table)
    sizes = ", ".join(f"{name} {mb} MB" for name, mb in found["megabytes"].items())
    console.print(f"{found['letters']:,} letters, saved at {found['saved_per_second']:,}/s; {sizes}")


def main(
    letters: Annotated[int, typer.Option(min=1000, help="How many there are.")] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure lists, groups and searches; exit code 1 where an answer took a second or more."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = asyncio.run(measure(letters, progress))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    slow = [name for name, one in found["milliseconds"].items() if one["slowest"] >= AIM_MS]
    if slow:
        sys.stderr.write(f"slower than {AIM_MS} ms: {', '.join(slow)}\n")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
