"""A ledger of many dead letters: some thousand go through the control room's decisions and statements, as they do in
production; the others are their copies within the database, each with ids, order, time and words of its own."""

import base64
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from asyncpg import Connection

import services.control_room
from schemas import envelope
from schemas.catalogue import CONSUMERS
from schemas.decision import Cause, Context, Decision, Numbers
from schemas.export import EXAMPLES
from schemas.model import Model
from schemas.runtime import DeadLetterFailed, DeadLetterRecorded, DeadLetterResolved
from services.control_room import decide
from services.control_room import store as ledger
from services.control_room.state import DeadLetter
from shared.migrate import migrate, service_url
from shared.worker.store import save_states
from tests.conftest import PASSWORD

NAME = "control_room"
MIGRATIONS = Path(services.control_room.__file__).parent / "migrations"
REAL, BATCH = 2_000, 250
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
ORIGINAL = "x000"
"""Part of each order and event id; in a copy the copy's number, `x001` and so on."""
COPIES = """
create unlogged table copies as
select f.occurrence as original, left(f.occurrence, 8) as head, right(f.occurrence, 12) as tail,
       left(h.id, 8) as new_head, right(h.id, 12) as new_tail, 'x' || lpad(n::text, 3, '0') as mark,
       overlay(overlay(f.occurrence placing left(h.id, 8) from 1) placing right(h.id, 12) from 25) as occurrence,
       timestamptz '{now}' - ('x' || substr(h.id, 9, 8))::bit(32)::bigint % 604800 * interval '1 second' as at
from dead_letter_facts f, generate_series(1, {copies}) n, lateral (select md5(f.occurrence || n) as id) h;

create function pg_temp.said(text, copies) returns text language sql as $$
    select replace(replace(replace($1, $2.head, $2.new_head), $2.tail, $2.new_tail), '{original}', $2.mark) $$;

create function pg_temp.bytes(text, copies) returns text language sql as $$
    select translate(encode(convert_to(replace(convert_from(decode($1, 'base64'), 'UTF8'), '{original}', $2.mark),
                                       'UTF8'), 'base64'), e'\\n', '') $$;

create function pg_temp.letter(jsonb, copies) returns jsonb language sql as $$
    select said || jsonb_build_object('body', pg_temp.bytes($1 ->> 'body', $2), 'first_at', at, 'last_at', at)
    from (select pg_temp.said(($1 - 'body')::text, $2)::jsonb as said,
                 to_char($2.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at) of $$;
"""
SAID = ("event_id", "event_subject", "key", "order_id", "order_name", "error")
CHANGED = {
    "dead_letter": {"key": "c.occurrence", "body": "pg_temp.said(t.body::text, c)::jsonb"},
    "dead_letter_original": {"occurrence": "c.occurrence", "letter": "pg_temp.letter(t.letter, c)"},
    "dead_letter_facts": {
        "occurrence": "c.occurrence",
        "first_at": "c.at",
        "last_at": "c.at",
        **{name: f"pg_temp.said(t.{name}, c)" for name in SAID},
        "event": "pg_temp.said(t.event::text, c)::jsonb",
        "words": "pg_temp.said(t.words::text, c)::tsvector",
    },
    "dead_letter_action": {
        "action_id": "t.action_id || c.mark",
        "occurrences": "array[c.occurrence]",
        "at": "c.at",
    },
}
"""By table, the columns that are not copied as they are."""
MEANT = {"dead_letter": "key", "dead_letter_action": "occurrences[1]"}
"""By table, what tells whose rows they are."""
COLUMNS = (
    "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped "
    "and attgenerated = ''"
)
GIN = "select indexname, indexdef from pg_indexes where schemaname = $1 and indexdef ilike '% using gin %'"
ORDERS = (
    "insert into order_summary (order_id, store_id, channel_id, accepted_at, status, status_at) "
    "select o, 'store-' || (hashtext(o) & 31), 'channel-' || (hashtext(o) & 7), now(), 'accepted', now() from ("
    "select distinct order_id as o from dead_letter_facts where order_id is not null "
    "union all select 'ORD-' || n from generate_series(1, $1) n) s"
)
NAMES = (
    "insert into order_name (name, order_id, said_at) "
    "select 'po_number:PO-' || substr(order_id, 5), order_id, now() from order_summary "
    "union all select 'tracking_code:' || order_id, order_id, now() from order_summary"
)


async def fill(url: str, number: int) -> None:
    """The URL is a superuser's, of an empty database."""
    migrate(url, NAME, [MIGRATIONS], PASSWORD, PASSWORD)
    con = await asyncpg.connect(service_url(url, NAME, PASSWORD))
    for few in batched(letters(min(number, REAL)), BATCH):
        await record(con, few)
    await con.close()
    con = await asyncpg.connect(url, server_settings={"search_path": NAME}, command_timeout=3600)
    if number > REAL:
        await multiply(con, number // REAL - 1)
    await con.execute(ORDERS, number)
    await con.execute(NAMES)
    await con.execute("vacuum analyze")
    await con.close()


async def record(con: Connection, some: Sequence[DeadLetterRecorded]) -> None:
    """As the worker does: decided, and saved in one transaction; then some are resolved and some fail again."""
    async with con.transaction():
        states: dict[str, DeadLetter] = {}
        rows: list[Model] = []
        for n, letter in enumerate(some):
            state, said = told(None, decide.on_recorded, letter)
            rows += said
            if letter.reason != "held" and n % 10 in (3, 7):
                state, said = told(state, *outcome(letter, n))
                rows += said
            states[f"dead_letter:{letter.occurrence}"] = state
        await save_states(con, "dead_letter", states)
        await ledger.save_rows(con, rows)


def told(state: DeadLetter | None, decided: Any, message: Any) -> tuple[DeadLetter, Sequence[Model]]:
    cause = Cause(
        message.occurrence, "/bench", message.TYPE, message.subject, NOW, envelope.reference("/bench", uuid4().hex)
    )
    outcome = decided(state, message, Context(NOW, cause, None, Numbers({}), message.occurrence))
    assert isinstance(outcome, Decision)
    assert outcome.state is not None
    return outcome.state, outcome.rows


def outcome(letter: DeadLetterRecorded, n: int) -> tuple[Any, Model]:
    """Every tenth was replayed well, every tenth in vain."""
    replay = {"occurrence": letter.occurrence, "replay_id": f"replay-{letter.event_id}", "service": letter.service}
    if n % 10 == 3:
        return decide.on_resolved, DeadLetterResolved(**replay, outcome="handled", resolved_at=NOW)
    return decide.on_failed, DeadLetterFailed(**replay, error=letter.error, failed_at=NOW)


async def multiply(con: Connection, copies: int) -> None:
    """So many copies of every letter. The indexes of words and fields are made again afterwards: that is faster."""
    indexes = await con.fetch(GIN, NAME)
    for index in indexes:
        await con.execute(f"drop index {index['indexname']}")
    await con.execute(COPIES.format(now=NOW, copies=copies, original=ORIGINAL))
    for table, changed in CHANGED.items():
        names = [row["attname"] for row in await con.fetch(COLUMNS, table)]
        values = ", ".join(changed.get(name, f"t.{name}") for name in names)
        source = f"{table} t join copies c on c.original = t.{MEANT.get(table, 'occurrence')}"
        await con.execute(f"insert into {table} ({', '.join(names)}) select {values} from {source}")
    await con.execute("drop table copies cascade; set maintenance_work_mem = '512MB'")
    for index in indexes:
        await con.execute(index["indexdef"])


def letters(number: int) -> Iterator[DeadLetterRecorded]:
    """As services say them, of real messages' shapes, five an order, a week long; the same every time. Of five, one
    says no order but is about its state, and one names its PO alone."""
    rand = random.Random(7)
    examples = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))]
    for n in range(number):
        event = rand.choice(examples)
        order, supplier = f"ORD-{n // 5:04}{ORIGINAL}", f"supplier-{rand.randrange(40):02}"
        po = f"PO-{n // 5:04}{ORIGINAL}"
        names = ({"order_id": order}, {"order_id": order}, {"order_id": order}, {"po_number": po}, {"po_number": po})
        told = {name: value for name, value in event["data"].items() if name != "order_id"}
        data = {**told, **names[n % 5], "supplier_id": supplier, "quantity": n % 90}
        said = {**event, "id": f"e-{n}{ORIGINAL}", "subject": order if n % 5 < 3 else po, "data": data}
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
            event_subject=said["subject"],
            about={"order_id": order} if n % 5 == 3 else {},
            key=f"bill:{order}" if reason in ("decision_raised", "database_refused", "held") else None,
            attempts=1,
            first_at=at,
            last_at=at,
            content_type=envelope.EVENT,
            headers={"x-shop": "estrada-boa"},
            body=base64.b64encode(json.dumps(said).encode()).decode(),
        )


def batched(some: Iterator[DeadLetterRecorded], size: int) -> Iterator[list[DeadLetterRecorded]]:
    while few := list(islice(some, size)):
        yield few
