"""The control room's SQL on a real PostgreSQL, under the service's own role."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from schemas.replay import ListedLetter
from schemas.runtime import Finding, LetterAnswer
from services.control_room import journal, store
from services.control_room.campaign import store as campaigns
from services.control_room.campaign.reading import store as reading
from services.control_room.campaign.state import (
    AnswersRow,
    AskedRow,
    Campaign,
    EditRow,
    FindingsRow,
    LettersRow,
    StepRow,
)
from services.control_room.entry import OrderSeen
from services.control_room.facts import facts_of
from services.control_room.looking import store as looking
from services.control_room.state import ActionRow, DeadLetter, LetterRow, Status
from shared.worker.store import locked
from tests.conftest import execute
from tests.integration.control_room.conftest import Room
from tests.integration.worker.bench import until
from tests.unit.control_room.builders import AT, delivery, event, letter


async def entries(con: asyncpg.Connection) -> list[asyncpg.Record]:
    return await con.fetch("select * from journal order by position")


async def save_letter(con: asyncpg.Connection, **changes: Any) -> str:
    """As the worker saves it."""
    status = changes.pop("status", Status.OPEN)
    order_id, data = changes.pop("order_id", None), changes.pop("data", {})
    body = json.dumps(event(data={**data, "order_id": order_id})).encode()
    said = letter(**{"occurrence": str(uuid4()), "body": base64.b64encode(body).decode(), **changes})
    state = DeadLetter(occurrence=said.occurrence, status=status, recorded=True, order_id=order_id)
    ledger = state.model_dump_json(exclude_none=True)
    await con.execute("insert into dead_letter (key, version, body) values ($1, 1, $2)", said.occurrence, ledger)
    await store.save_rows(con, [LetterRow(occurrence=said.occurrence, letter=said), facts_of(said)])
    return said.occurrence


async def test_event_said_twice_is_kept_once(con: asyncpg.Connection) -> None:
    assert await journal.keep(con, [delivery([event(id="1"), event(id="2"), event(id="1")])]) == 2
    assert await journal.keep(con, [delivery(event(id="2")), delivery(event(id="3"))]) == 1
    assert [row["id"] for row in await entries(con)] == ["1", "2", "3"]


async def test_rubbish_is_kept_with_its_bytes(con: asyncpg.Connection) -> None:
    assert await journal.keep(con, [delivery(b"\x00\xff not json", content_type="x\0y", routing_key="a\0b")]) == 1
    [row] = await entries(con)
    assert (row["type"], row["body"]) == (None, b"\x00\xff not json")


async def test_dead_letters_that_are_long_over_are_purged_and_no_open_one(con: asyncpg.Connection) -> None:
    old = {status: await save_letter(con, status=status) for status in Status}
    await con.execute("update dead_letter set updated_at = now() - interval '100 days'")
    young = await save_letter(con, status=Status.RESOLVED)
    assert await store.purge_dead_letters(con, 101) == 0
    assert [await store.purge_dead_letters(con, 99, limit=1) for _ in range(3)] == [1, 1, 0]
    left = {row["key"] for row in await con.fetch("select key from dead_letter")}
    assert left == {young, *(occurrence for status, occurrence in old.items() if not status.is_over)}


async def test_earlier_status_that_comes_late_does_not_replace_a_later_one(con: asyncpg.Connection) -> None:
    later = OrderSeen("ORD-1", status="shipped", status_at=AT + timedelta(hours=1))
    accepted = OrderSeen("ORD-1", channel_order_code="C-1", accepted_at=AT)
    await store.save_orders(con, [later, OrderSeen("ORD-1", status="invoiced", status_at=AT), accepted])
    [row] = await store.load_orders(con, store.OrderChoice(), 10)
    assert (row["status"], row["channel_order_code"], row["latest"]) == ("shipped", "C-1", later.status_at)


async def test_orders_are_listed_by_status_the_latest_first(con: asyncpg.Connection) -> None:
    seen = [OrderSeen(f"ORD-{n}", status="shipped", status_at=AT + timedelta(minutes=n)) for n in range(3)]
    await store.save_orders(con, [*seen, OrderSeen("ORD-9", status="invoiced", status_at=AT)])
    assert [row["order_id"] for row in await store.load_orders(con, store.OrderChoice(status="shipped"), 2)] == [
        "ORD-2",
        "ORD-1",
    ]


async def test_orders_are_found_by_each_filter(con: asyncpg.Connection) -> None:
    mine = OrderSeen("ORD-1", "loja", "hub", "C-1", status="shipped", status_at=AT)
    await store.save_orders(con, [mine, OrderSeen("ORD-2", "b", "c", "D", status="completed", status_at=AT)])
    late = OrderSeen("ORD-3", "b", "c", "D", status="completed", status_at=AT + timedelta(days=2))
    await store.save_orders(con, [late])
    hour = timedelta(hours=1)
    for choice, found in (
        (store.OrderChoice(store="loja"), {"ORD-1"}),
        (store.OrderChoice(channel="hub"), {"ORD-1"}),
        (store.OrderChoice(code="C-1"), {"ORD-1"}),
        (store.OrderChoice(open=True), {"ORD-1"}),
        (store.OrderChoice(since=AT + hour), {"ORD-3"}),
        (store.OrderChoice(until=AT + hour), {"ORD-1", "ORD-2"}),
    ):
        assert {row["order_id"] for row in await store.load_orders(con, choice, 10)} == found, choice


async def test_name_that_is_used_again_means_the_latest_order_whichever_came_first(con: asyncpg.Connection) -> None:
    def shipped(order_id: str, hours: int) -> Any:
        data, at = {"order_id": order_id, "tracking_code": "BR1"}, (AT + timedelta(hours=hours)).isoformat()
        said = event(id=f"{order_id}{hours}", type="shipment.dispatched.v1", subject=order_id, time=at, data=data)
        return delivery(said, exchange="fleet.events")

    await journal.keep(con, [shipped("ORD-2", 5), shipped("ORD-1", 1)])
    await journal.keep(con, [shipped("ORD-3", 2)])
    assert await con.fetchval("select order_id from order_name where name = 'tracking_code:BR1'") == "ORD-2"
    await journal.keep(con, [shipped("ORD-1", 9)])
    assert await con.fetchval("select order_id from order_name where name = 'tracking_code:BR1'") == "ORD-1"


async def test_suppliers_and_stores_are_remembered_as_they_were_described_last(con: asyncpg.Connection) -> None:
    def said(name: str, hours: int) -> Any:
        data = {"supplier_id": "farol-sul", "company": {"name": name}}
        at = (AT + timedelta(hours=hours)).isoformat()
        return delivery(event(id=name, type="supplier.changed.v1", subject="farol-sul", time=at, data=data))

    await journal.keep(con, [said("Farol Sul", 2), said("Old", 1)])
    await journal.keep(con, [delivery(event(id="x", type="supplier.changed.v1", subject="bad", data=[1]))])
    [row] = await store.load_described(con, ["farol-sul", "bad"])
    assert json.loads(row["data"])["company"] == {"name": "Farol Sul"}


async def test_dead_letters_are_found_by_each_filter(con: asyncpg.Connection) -> None:
    mine = await save_letter(con, service="billing", reason="refused", event_type="order.ready.v1", order_id="ORD-7")
    await save_letter(con, service="po_dispatch", event_type="order.ready_soon.v1", event_subject="X", status="failed")
    for chosen in (
        {"service": "billing"},
        {"reason": "refused"},
        {"event_type": "order.ready"},
        {"event_type": "order.ready.v1"},
        {"order_id": "ORD-7"},
        {"status": "open"},
        {"occurrences": [mine]},
        {"service": "billing", "order_id": "ORD-7", "reason": None},
    ):
        assert [row["occurrence"] for row in await store.load_dead_letters(con, chosen, 10)] == [mine], chosen


async def test_dead_letters_are_listed_the_latest_first_up_to_the_limit(con: asyncpg.Connection) -> None:
    found = [await save_letter(con, last_at=AT + timedelta(seconds=n)) for n in range(3)]
    rows = await store.load_dead_letters(con, {}, 2)
    assert [row["occurrence"] for row in rows] == [found[2], found[1]]
    assert rows[0]["error"] == "KeyError: 'x'"


async def test_dead_letter_is_loaded_as_it_was_saved(con: asyncpg.Connection) -> None:
    occurrence = await save_letter(con)
    known = await store.load_dead_letter(con, occurrence)
    assert known is not None
    assert known.letter == letter(occurrence=occurrence, body=known.letter.body if known.letter else "")
    assert await store.load_dead_letter(con, "none") is None


async def test_steps_are_written_once_and_never_changed(con: asyncpg.Connection) -> None:
    row = ActionRow(action_id="a", step="ordered", occurrence="o", at=AT, actor="ana", reason="why")
    end = ActionRow(action_id="a", step="failed", occurrence="o", at=AT, outcome="no")
    await store.save_rows(con, [row, end])
    await store.save_rows(con, [row.model_copy(update={"actor": "eve"})])
    assert [(r["step"], r["actor"]) for r in await store.load_actions(con, "o")] == [
        ("ordered", "ana"),
        ("failed", None),
    ]
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await con.execute("update dead_letter_action set actor = 'eve'")
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await con.execute("delete from dead_letter_action")


async def test_action_on_many_letters_is_a_row_a_step_and_found_by_each_letter(con: asyncpg.Connection) -> None:
    names = [await save_letter(con) for _ in range(5)]
    listed = LettersRow(campaign_id="c", first=0, letters=tuple(ListedLetter(occurrence=one) for one in names))
    asked = AskedRow(
        campaign_id="c", action="replay", at=AT, actor="ana", reason="why", places=(0, 1, 2, 3), occurrences=names[:4]
    )
    outcomes = ("handled", "failed", "handled", "failed", "discarded")
    answers = [LetterAnswer(place=n, outcome=said, error="no" * (said == "failed")) for n, said in enumerate(outcomes)]
    answers[3] = answers[3].model_copy(update={"error": "never", "next_occurrence": "next"})
    ended = AnswersRow(campaign_id="c", at=AT + timedelta(seconds=1), answers=tuple(answers[:4]))
    await campaigns.save_rows(con, [listed, asked, ended, ended.model_copy(update={"answers": (answers[4],)})])

    assert await con.fetchval("select count(*) from dead_letter_action") == 5
    steps = [[(a["step"], a["actor"], a["outcome"]) for a in await store.load_actions(con, name)] for name in names]
    began = ("ordered", "ana", None)
    assert steps == [
        [began, ("resolved", None, "handled")],
        [began, ("failed", None, "no")],
        [began, ("resolved", None, "handled")],
        [began, ("failed", None, "never")],
        [("resolved", None, "discarded")],
    ]
    every = await looking.load_all_actions(con, names[:2])
    assert {name: [a["step"] for a in found] for name, found in every.items()} == {
        names[0]: ["ordered", "resolved"],
        names[1]: ["ordered", "failed"],
    }
    failures = await reading.load_failures(con, "c", 10)
    assert [(f["place"], f["occurrence"], f["error"]) for f in failures] == [
        (1, names[1], "no"),
        (3, names[3], "never"),
    ]
    ledger = await con.fetch("select status, next_occurrence from dead_letter where key = any($1)", names)
    assert sorted((row["status"], row["next_occurrence"] or "") for row in ledger) == [
        *(("discarded", ""), ("failed", ""), ("failed", "next"), ("resolved", ""), ("resolved", "")),
    ]


class Explained:
    """A connection that also tells what it is about to do."""

    def __init__(self, con: asyncpg.Connection) -> None:
        self._con = con
        self.plan = ""

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        self.plan += "\n".join(row[0] for row in await self._con.fetch(f"explain {query}", *arguments))
        return await self._con.fetch(query, *arguments)

    async def executemany(self, query: str, several: Any) -> None:
        for arguments in several:
            await self.fetch(query, *arguments)


@pytest.mark.parametrize("known", [True, False])
async def test_letters_of_a_request_are_looked_up_whatever_the_ledger_holds(
    con: asyncpg.Connection, room: Room, known: bool
) -> None:
    """A join would read the whole ledger and the whole set for every 250 letters, or each of them for each."""
    for into in (
        "dead_letter (key, version, body) select 'o-' || n, 1, '{\"status\": \"open\"}'",
        "dead_letter_original (occurrence, letter) select 'o-' || n, '{}'",
        "replay_letter (campaign, place, occurrence) select 'c', n, 'o-' || n",
    ):
        await con.execute(f"insert into {into} from generate_series(0, 19999) n")
    if known:
        await execute(room.admin_url, "analyze")
    some = range(5000, 5250)
    looked: Any = Explained(con)
    assert [letter.place for letter in await campaigns._load_letters(looked, "c", some)] == list(some)
    answers = tuple(LetterAnswer(place=n, outcome="handled") for n in some)
    await campaigns.save_rows(looked, [AnswersRow(campaign_id="c", at=AT, answers=answers)])
    assert await con.fetchval("select count(*) from dead_letter where status = 'resolved'") == 250
    assert looked.plan.count("dead_letter_pkey") == 2
    assert "Seq Scan" not in looked.plan
    assert "Join" not in looked.plan
    assert "Nested Loop" not in looked.plan


async def test_failures_of_a_set_that_nobody_has_analysed_are_found_in_its_order(
    con: asyncpg.Connection, room: Room
) -> None:
    """A campaign tells them when it is over: its set is new to the planner, which takes it for a row or two."""
    sets = "insert into replay_letter (campaign, place, occurrence) select"
    await con.execute(f"{sets} 'old-' || n / 100, n % 100, 'old-' || n from generate_series(0, 4999) n")
    await execute(room.admin_url, "analyze")
    await con.execute(f"{sets} 'c', n, 'o-' || n from generate_series(0, 19999) n")
    await con.execute(
        "insert into dead_letter_action (action_id, step, occurrences, at, outcome) "
        "select 'c/' || n, 'failed', array['o-' || n, 'o-' || n + 3], now(), 'e' || n "
        "from generate_series(0, 19999, 20) n"
    )
    await con.execute("set statement_timeout = '3s'")
    found = await reading.load_failures(con, "c", 1000)
    places = [place for n in range(0, 10000, 20) for place in (n, n + 3)]
    assert [(one["place"], one["occurrence"], one["error"]) for one in found] == [
        (n, f"o-{n}", f"e{n - n % 20}") for n in places
    ]


async def save_campaign(con: asyncpg.Connection, name: str, status: str, *letters: str) -> None:
    """A campaign about these letters, as old as anything."""
    state = Campaign(campaign_id=name, status=status).model_dump_json(exclude_none=True)
    await con.execute(
        "insert into replay_campaign (key, version, body, updated_at) values ($1, 1, $2, now() - interval '100 days')",
        name,
        state,
    )
    listed = LettersRow(campaign_id=name, first=0, letters=tuple(ListedLetter(occurrence=one) for one in letters))
    found = [Finding(place=n, occurrence=one, finding="would_fail") for n, one in enumerate(letters)]
    turn = StepRow(row_id=uuid4(), campaign_id=name, step="ordered", at=AT, actor="ana", reason="why")
    edit = EditRow(campaign_id=name, occurrence=letters[0], at=AT, original="", edited="", difference="")
    rows = [listed, FindingsRow(campaign_id=name, at=AT, findings=tuple(found)), edit, turn]
    await campaigns.save_rows(con, rows)


async def count(con: asyncpg.Connection, table: str) -> dict[str, int]:
    rows = await con.fetch(f"select campaign, count(*) as n from {table} group by campaign")
    return {row["campaign"]: row["n"] for row in rows}


async def test_campaign_whose_letters_are_settled_is_purged_and_its_turns_stay(con: asyncpg.Connection) -> None:
    over = [await save_letter(con, status=Status.RESOLVED) for _ in range(3)]
    still_open = await save_letter(con, status=Status.FAILED)
    await save_campaign(con, "done", "done", *over, "purged before")
    await save_campaign(con, "planned", "planned", *over)
    await save_campaign(con, "not settled", "done", *over, still_open)
    await save_campaign(con, "paused", "paused", *over)
    assert await campaigns.purge_campaigns(con, 101) == 0
    while await campaigns.purge_campaigns(con, 99, limit=2):
        pass
    left = {"not settled", "paused"}
    assert {row["key"] for row in await con.fetch("select key from replay_campaign")} == left
    assert await count(con, "replay_letter") == {"not settled": 4, "paused": 3}
    assert await count(con, "replay_finding") == {"not settled": 4, "paused": 3}
    assert await count(con, "replay_edit") == {"not settled": 1, "paused": 1}
    assert set(await count(con, "replay_campaign_step")) == {"done", "planned", *left}


async def test_campaign_that_is_started_while_old_ones_are_purged_keeps_its_whole_set(
    con: asyncpg.Connection, room: Room
) -> None:
    over = [await save_letter(con, status=Status.RESOLVED) for _ in range(3)]
    await save_campaign(con, "planned", "planned", *over)
    worker = await asyncpg.connect(room.url)
    async with locked(worker, "control_room", ["replay_campaign:planned"]):
        purging = asyncio.create_task(campaigns.purge_campaigns(con, 99))
        await until(lambda: purging.done() or waits_for_lock(worker))
        await set_status(worker, "running")
    await worker.close()
    assert await purging == 0
    assert await count(con, "replay_letter") == {"planned": 3}


async def test_campaign_of_which_a_part_is_purged_cannot_be_started(con: asyncpg.Connection) -> None:
    over = [await save_letter(con, status=Status.RESOLVED) for _ in range(3)]
    await save_campaign(con, "planned", "planned", *over)
    await campaigns.purge_campaigns(con, 99, limit=1)
    [row] = await con.fetch("select status, body ->> 'status' as said from replay_campaign")
    assert tuple(row) == ("stopped", "stopped")


async def set_status(con: asyncpg.Connection, status: str) -> None:
    await con.execute("update replay_campaign set body = body || jsonb_build_object('status', $1::text)", status)


async def waits_for_lock(con: asyncpg.Connection) -> bool:
    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(await con.fetch(waiting))


async def test_failed_letter_that_became_another_one_keeps_no_campaign(con: asyncpg.Connection) -> None:
    failed = await save_letter(con, status=Status.FAILED)
    await con.execute('update dead_letter set body = body || \'{"next_occurrence": "o-2"}\'')
    await save_campaign(con, "done", "done", failed)
    while await campaigns.purge_campaigns(con, 99):
        pass
    assert await con.fetchval("select count(*) from replay_campaign") == 0
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await con.execute("delete from replay_campaign_step")


async def test_what_campaigns_did_is_never_changed(con: asyncpg.Connection) -> None:
    await save_campaign(con, "c", "done", "o-1")
    for change in (
        "replay_letter set place = 7",
        "replay_edit set difference = 'x'",
        "replay_finding set detail = 'x'",
    ):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await con.execute(f"update {change}")
