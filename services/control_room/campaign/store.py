"""The SQL of campaigns as they run: their sets, their turns, and what became of each letter. Bulk only."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from asyncpg import Connection, Record

from schemas import catalogue
from schemas.model import Model
from services.control_room.campaign import pace
from services.control_room.campaign.decide.inspection import INSPECTED_AT_ONCE
from services.control_room.campaign.state import (
    AnswersRow,
    AskedRow,
    Campaign,
    CampaignRow,
    EditRow,
    FindingsRow,
    Letter,
    LettersRow,
    SkippedRow,
    StepRow,
)
from shared.worker.store import locked


async def load_next(con: Connection, keys: Sequence[str], messages: Sequence[Any]) -> list[list[Letter]]:
    """The letters that campaigns may ask for next, as many as there is room for when these messages are counted."""
    rows = await con.fetch(
        "select key, body from replay_campaign where key = any($1::text[]) and status = 'running'", list(set(keys))
    )
    running = {row["key"]: Campaign.model_validate_json(row["body"]) for row in rows}
    return [
        [] if (known := running.get(key)) is None else await _load_letters(con, key, _following(known, message))
        for key, message in zip(keys, messages, strict=True)
    ]


def _following(known: Campaign, message: Any) -> range:
    """The places that may be asked for once this message is counted."""
    answered = {answer.place for answer in getattr(message, "answers", ())}
    campaign = known.model_copy(update={"open": known.open - answered})
    return range(campaign.asked, campaign.asked + pace.wanted(campaign))


async def load_unanswered(con: Connection, keys: Sequence[str], messages: Sequence[Any]) -> list[list[Letter]]:
    """The letters that are asked for and not answered, and those that may follow."""
    rows = await con.fetch("select key, body from replay_campaign where key = any($1::text[])", keys)
    open = {row["key"]: list(Campaign.model_validate_json(row["body"]).open) for row in rows}
    following = await load_next(con, keys, messages)
    return [
        [*await _load_letters(con, key, open.get(key, ())), *more] for key, more in zip(keys, following, strict=True)
    ]


async def load_inspected(con: Connection, keys: Sequence[str], messages: Sequence[Any]) -> list[list[Letter]]:
    """The letters that are to be inspected, for `replay.inspection_due`."""
    pairs = zip(keys, messages, strict=True)
    return [await _load_letters(con, key, range(m.first, m.first + INSPECTED_AT_ONCE)) for key, m in pairs]


async def _load_letters(con: Connection, campaign: str, places: Sequence[int]) -> list[Letter]:
    """Original bytes come only where a request needs them: edited, or known to nobody but the broker; and whole."""
    listed = await _load_listed(con, campaign, places)
    occurrences = [row["occurrence"] for row in listed]
    ledger = await con.fetch(f"select key, status, next_occurrence from dead_letter where key {_ONE_OF}", occurrences)
    originals = await con.fetch(
        "select occurrence, service, kind, event_type, event_source, event_id, reason, "
        "service_version = 'broker' as written_here, "
        "case when (occurrence = any($2::text[]) or service_version = 'broker') "
        "and letter ->> 'body_bytes' is null then letter ->> 'body' end as original "
        f"from dead_letter_original where occurrence {_ONE_OF}",
        occurrences,
        [row["occurrence"] for row in listed if row["edited"] is not None],
    )
    now = {row["key"]: dict(row) for row in ledger}
    recorded = {row["occurrence"]: dict(row) for row in originals}
    return [_letter(row, now.get(row["occurrence"], {}), recorded.get(row["occurrence"], {})) for row in listed]


_ONE_OF = "= any(array(select unnest($1::text[])))"
"""The planner takes such an array for short, and looks each of it up in the index whatever it knows of the table. Where
it counts them, or joins, it may read the whole ledger for each request of a campaign."""


async def _load_listed(con: Connection, campaign: str, places: Sequence[int]) -> list[Record]:
    return await con.fetch(
        "select place, occurrence, edited from replay_letter where campaign = $1 "
        "and place = any(array(select unnest($2::int[]))) order by place",
        campaign,
        list(places),
    )


def _letter(listed: Record, now: Mapping[str, Any], recorded: Mapping[str, Any]) -> Letter:
    edited = listed["edited"]
    return Letter.of_valid(
        place=listed["place"],
        occurrence=listed["occurrence"],
        service=recorded.get("service"),
        kind=recorded.get("kind") or "event",
        settled=_settled(now, recorded),
        event_type=recorded.get("event_type"),
        event_source=recorded.get("event_source"),
        event_id=recorded.get("event_id"),
        original=recorded.get("original"),
        written_here=bool(recorded.get("written_here")),
        edited=None if edited is None else base64.b64encode(edited).decode(),
    )


def _settled(now: Mapping[str, Any], recorded: Mapping[str, Any]) -> str | None:
    if now.get("status") in ("resolved", "discarded"):
        return f"was {now['status']} before"
    if "held" in (now.get("status"), recorded.get("reason")):
        return "waits behind a dead letter, and goes on with it"
    return f"became {next_one}; act on that one" if (next_one := now.get("next_occurrence")) else None


async def save_rows(con: Connection, rows: Sequence[Model]) -> None:
    """Rows of campaigns, in order; others are left to others."""
    for row in rows:
        save = _SAVE.get(type(row))
        if save is not None:
            await save(con, row)


async def _save_step(con: Connection, row: StepRow) -> None:
    await con.execute(
        "insert into replay_campaign_step (row_id, campaign, step, at, actor, reason, outcome) "
        "values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        *(row.row_id, row.campaign_id, row.step, row.at, row.actor, row.reason, row.outcome),
    )


async def _save_letters(con: Connection, row: LettersRow) -> None:
    """All of a part or, where it is there, nothing. (To look for a conflict at each letter takes twice the time.)"""
    await con.execute(
        "insert into replay_letter (campaign, place, occurrence, edited) "
        "select $1, $2 + n - 1, o, e from unnest($3::text[], $4::bytea[]) with ordinality as l(o, e, n) "
        "where not exists (select from replay_letter where campaign = $1 and place = $2)",
        row.campaign_id,
        row.first,
        [letter.occurrence for letter in row.letters],
        [None if letter.body is None else base64.b64decode(letter.body) for letter in row.letters],
    )


async def _save_asked(con: Connection, row: AskedRow) -> None:
    await con.execute(
        "insert into dead_letter_action (action_id, step, occurrences, at, action, actor, reason) "
        "values ($1, 'ordered', $2, $3, $4, $5, $6) on conflict do nothing",
        *(f"{row.campaign_id}/{min(row.places)}", row.occurrences, row.at, row.action, row.actor, row.reason),
    )


async def _save_skipped(con: Connection, row: SkippedRow) -> None:
    step, id = "failed" if row.failed else "resolved", f"{row.campaign_id}/{row.place}"
    await con.execute(
        "insert into dead_letter_action (action_id, step, occurrences, at, outcome) "
        "values ($1, $2, array[$3], $4, $5) on conflict do nothing",
        *(id, step, row.occurrence, row.at, row.outcome),
    )


async def _save_answers(con: Connection, row: AnswersRow) -> None:
    """The end of the action on each letter, a row for those that ended alike, and their new status. What is settled
    stays settled."""
    listed = await _load_listed(con, row.campaign_id, [answer.place for answer in row.answers])
    named = {one["place"]: one["occurrence"] for one in listed}
    ends: dict[tuple[str, str], list[int]] = {}
    changes: dict[tuple[str, str | None], list[str]] = {}
    for answer in row.answers:
        if answer.place not in named:
            continue
        failed = answer.outcome == "failed"
        said = answer.error.replace("\0", "\ufffd") if failed else answer.outcome
        ends.setdefault(("failed" if failed else "resolved", said), []).append(answer.place)
        status = answer.outcome if answer.outcome in ("failed", "discarded") else "resolved"
        changes.setdefault((status, answer.next_occurrence), []).append(named[answer.place])
    await con.executemany(
        "insert into dead_letter_action (action_id, step, occurrences, at, outcome) values ($1, $2, $3, $4, $5) "
        "on conflict do nothing",
        [
            (f"{row.campaign_id}/{min(places)}", step, [named[place] for place in sorted(places)], row.at, said)
            for (step, said), places in ends.items()
        ],
    )
    await con.executemany(
        "update dead_letter set version = version + 1, updated_at = now(), "
        "body = body || jsonb_strip_nulls(jsonb_build_object('status', $2::text, 'next_occurrence', $3::text)) "
        f"where key {_ONE_OF} and status not in ('resolved', 'discarded')",
        [(occurrences, status, next_one) for (status, next_one), occurrences in changes.items()],
    )


async def _save_edit(con: Connection, row: EditRow) -> None:
    await con.execute(
        "insert into replay_edit (campaign, occurrence, at, original, edited, difference) "
        "values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        *(row.campaign_id, row.occurrence, row.at),
        *(base64.b64decode(row.original), base64.b64decode(row.edited), row.difference.replace("\0", "\ufffd")),
    )


async def _save_findings(con: Connection, row: FindingsRow) -> None:
    await con.execute(
        "insert into replay_finding (campaign, place, occurrence, finding, detail, at) "
        "select $1, f.*, $6 from unnest($2::int[], $3::text[], $4::text[], $5::text[]) as f on conflict do nothing",
        row.campaign_id,
        [finding.place for finding in row.findings],
        [finding.occurrence for finding in row.findings],
        [finding.finding for finding in row.findings],
        [finding.detail.replace("\0", "\ufffd") for finding in row.findings],
        row.at,
    )


_SAVE: Mapping[type[Model], Callable[[Connection, Any], Awaitable[None]]] = {
    StepRow: _save_step,
    LettersRow: _save_letters,
    AskedRow: _save_asked,
    SkippedRow: _save_skipped,
    AnswersRow: _save_answers,
    EditRow: _save_edit,
    FindingsRow: _save_findings,
}
assert set(_SAVE) == set(CampaignRow.__args__)


def campaign_rows(rows: Sequence[Model]) -> tuple[list[Model], list[Model]]:
    """Rows of campaigns, and all others."""
    mine = [row for row in rows if type(row) in _SAVE]
    return mine, [row for row in rows if type(row) not in _SAVE]


_OVER = (
    "select c.key from replay_campaign c where c.status not in ('running', 'paused', 'failing') "
    "and c.updated_at < now() - $1 * interval '1 day' and not exists ("
    "select from replay_letter l join dead_letter d on d.key = l.occurrence where l.campaign = c.key "
    "and d.status in ('open', 'failed', 'held') and d.next_occurrence is null) "
)


async def purge_campaigns(con: Connection, keep_days: int, limit: int = 5000) -> int:
    """Deletes of campaigns that nothing happened in for `keep_days` and that are over (or were only planned) the sets,
    findings and edits, at most so many rows of each at once, then the campaigns; how many rows went. One with a letter
    that is still open stays whole, and its turns stay for ever.

    Under the locks of the worker, which may be starting one; what is begun to be deleted can be started no more."""
    found = await con.fetch(f"{_OVER} order by c.updated_at limit 100", keep_days)
    locks = [f"replay_campaign:{row['key']}" for row in found]
    async with locked(con, catalogue.CONTROL_ROOM, locks):
        over = await con.fetch(f"{_OVER} and c.key = any($2::text[])", keep_days, [row["key"] for row in found])
        return await _purge(con, [row["key"] for row in over], limit)


async def _purge(con: Connection, keys: Sequence[str], limit: int) -> int:
    await con.execute(
        'update replay_campaign set version = version + 1, body = body || \'{"status": "stopped"}\' '
        "where key = any($1::text[]) and status not in ('stopped', 'done')",
        keys,
    )
    gone = 0
    for table in ("replay_finding", "replay_edit", "replay_letter"):
        done = await con.execute(
            f"delete from {table} where ctid = any(array("
            f"select ctid from {table} where campaign = any($1::text[]) limit $2))",
            keys,
            limit,
        )
        gone += int(done.rpartition(" ")[2])
    if keys and not gone:
        done = await con.execute("delete from replay_campaign where key = any($1::text[])", keys)
        gone = int(done.rpartition(" ")[2])
    return gone
