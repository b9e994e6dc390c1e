"""The SQL of looking at dead letters. Lists and groups read `dead_letter_facts`, and the status beside it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from asyncpg import Connection, Record

from services.control_room.state import LetterRow, Status, WholeLetter

_ORDER = "coalesce(f.order_id, n.order_id)"
_STORE, _CHANNEL = "coalesce(f.store_id, o.store_id)", "coalesce(f.channel_id, o.channel_id)"
_FILTERS: Mapping[str, str] = {
    "service": "f.service = {}",
    "reason": "f.reason = {}",
    "exception": "f.exception = {}",
    "pattern": "f.pattern = {}",
    "event_type": "(f.event_type = {0} or f.event_type like {0} || '.v%')",
    "supplier_id": "f.supplier_id = {}",
    "channel_id": f"{_CHANNEL} = {{}}",
    "store_id": f"{_STORE} = {{}}",
    "order_id": "(f.order_id = {0} or f.event_subject = {0} or f.order_name = any(array("
    "select name from order_name where order_id = {0})))",
    "orders": "(f.order_id = any({0}::text[]) or f.order_name = any(array("
    "select name from order_name where order_id = any({0}::text[]))))",
    "key": "f.key = {}",
    "status": "d.status = {}",
    "statuses": "d.status = any({}::text[])",
    "occurrences": "f.occurrence = any({}::text[])",
    "prefix": "starts_with(f.occurrence, {})",
    "since": "f.last_at >= {}",
    "until": "f.last_at < {}",
    "text": "f.words @@ {}::text::tsquery",
    "where": "f.event @> any({}::jsonb[])",
    "after": "(f.last_at, f.occurrence) < ((select last_at from dead_letter_facts where occurrence = {0}), {0})",
}
"""What dead letters can be chosen by. `where` holds for each of its fields."""

DIMENSIONS: Mapping[str, str] = {
    "service": "f.service",
    "reason": "f.reason",
    "exception": "f.exception",
    "error": "f.pattern",
    "type": "f.event_type",
    "supplier": "f.supplier_id",
    "channel": _CHANNEL,
    "store": _STORE,
    "order": _ORDER,
    "status": "d.status",
    "hour": "date_trunc('hour', f.last_at at time zone 'UTC')",
    "day": "date_trunc('day', f.last_at at time zone 'UTC')",
}
"""What they can be grouped by."""

_FACTS, _LEDGER = "from dead_letter_facts f ", "join dead_letter d on d.key = f.occurrence "
_NAMES = "left join order_name n on n.name = f.order_name "
_ORDERS = f"left join order_summary o on o.order_id = {_ORDER} "
_LETTER = (
    "f.occurrence, d.status, f.service, f.reason, f.exception, f.event_type, f.event_id, f.event_subject, "
    f"f.key as event_key, {_ORDER} as order_id, f.supplier_id, {_CHANNEL} as channel_id, {_STORE} as store_id, "
    "f.attempts, f.first_at, f.last_at, d.next_occurrence, f.error"
)
_NARROW = "f.occurrence, f.service, f.reason, f.exception, f.event_type, f.event_id, f.event_subject, f.key, " + (
    "f.order_id, f.order_name, f.supplier_id, f.channel_id, f.store_id, f.attempts, f.first_at, f.last_at, f.error"
)
"""All but the event and its words."""


async def load_dead_letters(
    con: Connection, chosen: Mapping[str, Any], limit: int, after: str | None = None
) -> list[Record]:
    """Dead letters without their bodies, the latest first; a filter that is None chooses all.

    `after` is the last one of the page before. The rest is looked up for those of the page alone.
    """
    where, values = _where({**chosen, "after": after})
    order = "order by f.last_at desc, f.occurrence desc"
    page = f"select {_NARROW} {_from(where)} {where} {order} limit ${len(values) + 1}"
    return await con.fetch(f"select {_LETTER} from ({page}) f {_LEDGER} {_NAMES} {_ORDERS} {order}", *values, limit)


async def load_count(con: Connection, chosen: Mapping[str, Any]) -> int:
    where, values = _where(chosen)
    return int(await con.fetchval(f"select count(*) {_from(where)} {where}", *values))


async def load_groups(con: Connection, by: Sequence[str], chosen: Mapping[str, Any], limit: int) -> list[Record]:
    """How many dead letters there are of each kind, the most first, with one of them as an example."""
    where, values = _where(chosen)
    columns = ", ".join(f"{DIMENSIONS[name]} as {name}" for name in by)
    places = ", ".join(str(n) for n in range(1, len(by) + 1))
    return await con.fetch(
        f"select {columns}, count(*) as letters, count(*) filter (where d.status in ('open', 'failed') "
        "and d.next_occurrence is null) as open, min(f.first_at) as first_at, max(f.last_at) as last_at, "
        f"max(f.occurrence) as example {_from('d.', columns, where)} {where} "
        f"group by {places} order by letters desc, {places} limit ${len(values) + 1}",
        *values,
        limit,
    )


async def load_whole(con: Connection, occurrences: Sequence[str]) -> dict[str, WholeLetter]:
    """Dead letters as the ledger has them, with all of their original bytes."""
    rows = await con.fetch(
        "select d.body || jsonb_strip_nulls(jsonb_build_object('order_id', n.order_id)) || "
        "case when o.letter is null then '{}' else jsonb_build_object('letter', o.letter) end as body "
        "from dead_letter d left join dead_letter_original o on o.occurrence = d.key "
        f"left join dead_letter_facts f on f.occurrence = d.key {_NAMES} where d.key = any($1::text[])",
        occurrences,
    )
    found = {one.occurrence: one for row in rows if (one := WholeLetter.model_validate_json(row["body"]))}
    parts = await con.fetch(
        "select occurrence, bytes from dead_letter_bytes where occurrence = any($1::text[]) "
        "order by occurrence, position",
        occurrences,
    )
    bodies: dict[str, list[bytes]] = {}
    for part in parts:
        bodies.setdefault(part["occurrence"], []).append(part["bytes"])
    return {name: _whole(one, bodies.get(name, ())) for name, one in found.items()}


def _whole(known: WholeLetter, rest: Sequence[bytes]) -> WholeLetter:
    if known.letter is None or not rest:
        return known
    body = base64.b64encode(b"".join((base64.b64decode(known.letter.body), *rest))).decode()
    return known.model_copy(update={"letter": known.letter.model_copy(update={"body": body})})


async def load_all_actions(con: Connection, occurrences: Sequence[str]) -> dict[str, list[Record]]:
    """The steps of all actions on these dead letters, oldest first."""
    rows = await con.fetch(
        "select occurrence, action_id, step, at, action, actor, reason, outcome from dead_letter_action, "
        "unnest(occurrences) as occurrence where occurrences && $1::text[] and occurrence = any($1::text[]) "
        "order by at, step = 'ordered' desc",
        occurrences,
    )
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row["occurrence"], []).append(row)
    return found


async def load_edits(con: Connection, occurrences: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Edits of dead letters with who and why, oldest first."""
    rows = await con.fetch(
        "select e.occurrence, e.at, e.campaign, e.difference, c.body -> 'ordered' ->> 'actor' as actor, "
        "c.body -> 'ordered' ->> 'reason' as reason from replay_edit e join replay_campaign c on c.key = e.campaign "
        "where e.occurrence = any($1::text[]) order by e.at",
        occurrences,
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        said = dict(row)
        found.setdefault(said.pop("occurrence"), []).append(said)
    return found


async def load_waiting(con: Connection, service: str, key: str, limit: int) -> tuple[int, list[Record]]:
    """How many events wait behind the dead letter that holds the key, and the first of them, in order."""
    chosen = {"service": service, "key": key, "status": Status.HELD}
    where, values = _where(chosen)
    rows = await con.fetch(
        f"select {_LETTER} {_FACTS} {_LEDGER} {_NAMES} {_ORDERS} {where} order by f.last_at, f.occurrence "
        f"limit ${len(values) + 1}",
        *values,
        limit,
    )
    return await load_count(con, chosen), rows


async def load_holder(con: Connection, service: str, key: str) -> str | None:
    """The dead letter that events of the key wait behind."""
    found = await con.fetchval(
        f"select f.occurrence {_FACTS} {_LEDGER} where f.service = $1 and f.key = $2 and f.reason <> 'held' "
        "and d.status not in ('resolved', 'discarded') and d.next_occurrence is null "
        "order by f.last_at desc limit 1",
        service,
        key,
    )
    return None if found is None else str(found)


async def save_facts(con: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Columns of `dead_letter_facts` in their order: the event as JSON, the words as a list."""
    await con.executemany(
        "insert into dead_letter_facts (occurrence, service, reason, exception, error, pattern, event_type, event_id, "
        "event_subject, key, order_id, order_name, supplier_id, channel_id, store_id, attempts, first_at, last_at, "
        "event, words) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, "
        "array_to_tsvector($20::text[])) on conflict do nothing",
        rows,
    )


async def save_letters(con: Connection, rows: Sequence[LetterRow]) -> None:
    await con.execute(
        "insert into dead_letter_original (occurrence, letter) "
        "select * from unnest($1::text[], $2::jsonb[]) on conflict do nothing",
        [row.occurrence for row in rows],
        [row.letter.model_dump_json(exclude_none=True) for row in rows],
    )


async def save_parts(con: Connection, rows: Sequence[tuple[str, int, bytes]]) -> None:
    """The rest of original bytes: occurrence, position of the first byte, bytes."""
    await con.executemany(
        "insert into dead_letter_bytes (occurrence, position, bytes) values ($1, $2, $3) on conflict do nothing", rows
    )


def _said(chosen: Mapping[str, Any]) -> list[str]:
    return [name for name, value in chosen.items() if value is not None]


def _from(*said: str) -> str:
    """The facts; the ledger where its status is asked for (each letter that has facts is in it); the orders where store
    or channel are: a message that does not name them has its order's; the names of orders where the order counts."""
    text = " ".join(said)
    ledger, of_order = "d." in text, _STORE in text or _CHANNEL in text
    named = of_order or _ORDER in text
    return f"{_FACTS}{_LEDGER if ledger else ''}{_NAMES if named else ''}{_ORDERS if of_order else ''}"


def _where(chosen: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The conditions, and the values of their parameters."""
    conditions: list[str] = []
    values: list[Any] = []
    for name in _said(chosen):
        for value in chosen[name] if name == "where" else [chosen[name]]:
            values.append(value)
            conditions.append(_FILTERS[name].format(f"${len(values)}"))
    return (f"where {' and '.join(conditions)}" if conditions else ""), values
