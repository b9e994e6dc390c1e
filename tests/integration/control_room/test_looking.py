"""Dead letters found, paged, grouped, shown and exported, by the role that may only look."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.control_room import journal, servers
from services.control_room.cli import STATUSES
from services.control_room.entry import OrderName, OrderSeen
from services.control_room.looking import store
from services.control_room.store import save_names, save_orders
from tests.integration.control_room.conftest import Room, fleet_cli, fleet_process
from tests.integration.control_room.test_store import save_letter
from tests.unit.control_room.builders import AT, delivery, event

TRACEBACK = (
    "Traceback (most recent call last):\n  File \"/app/billing/decide.py\", line 7, in f\n    x\nKeyError: 'tax'"
)


@pytest.fixture
async def three(con: asyncpg.Connection) -> list[str]:
    """Letters an hour apart, the oldest first."""
    await save_orders(con, [OrderSeen("ORD-2", store_id="estrada", channel_id="hub", status="invoiced", status_at=AT)])
    return [
        await save_letter(con, **said)
        for said in (
            {"error": TRACEBACK, "order_id": "ORD-1", "data": {"supplier_id": "farol-sul", "quantity": 3}},
            {
                "reason": "invalid",
                "error": "data.items.4.price: no money",
                "service": "po_dispatch",
                "event_type": "offer.changed.v1",
                "order_id": "ORD-2",
                "last_at": AT + timedelta(hours=1),
                "data": {"items": [{"sku": "X'1"}], "channel_id": None},
                "status": "failed",
            },
            {
                "reason": "refused",
                "error": "placed_differently: it was 1.00",
                "order_id": "ORD-3",
                "last_at": AT + timedelta(hours=2),
                "data": {"store_id": "casa", "channel_id": "hub"},
                "status": "resolved",
            },
        )
    ]


async def found(room: Room, *arguments: str) -> list[str]:
    done = await fleet_cli(room, "dead-letters", "list", "--json", *arguments)
    assert done.exit_code == 0, done.stderr
    return [row["occurrence"] for row in json.loads(done.stdout)]


async def test_each_filter_finds_its_letters_and_no_others(room: Room, three: list[str]) -> None:
    first, second, third = three
    for arguments, expected in {
        "--service po_dispatch": [second],
        "--reason refused": [third],
        "--exception KeyError": [first],
        "--exception data.items[].price": [second],
        "--error placed_differently: it was #.#": [third],
        "--type offer.changed": [second],
        "--type offer": [],
        "--supplier farol-sul": [first],
        "--store estrada": [second],
        "--store casa": [third],
        "--channel hub": [third, second],
        "--order ORD-2": [second],
        "--status resolved": [third],
        "--unsettled": [second, first],
        f"--id {first[:12].upper()}": [first],
        "--since 2026-11-22T13:00": [third, second],
        "--until 2026-11-22T13:00": [first],
        "--text tax": [first],
        "--text DECIDE.py keyerr": [first],
        "--text X'1": [second],
        "--text ord-": [third, second, first],
        "--text tax placed": [],
        "--where data.order_id=ORD-1": [first],
        "--where data.quantity=3": [first],
        "--where data.items[].sku=X'1": [second],
        "--where source=/dropfleet/order_intake": [third, second, first],
        "--where data.order_id=ORD": [],
    }.items():
        option, _, value = arguments.partition(" ")
        assert await found(room, option, *([value] if value else [])) == expected, arguments
    assert await found(room, "--where", "data.channel_id=hub", "--where", "data.store_id=casa") == [third]
    assert await found(room, "--text", "ord-", "--reason", "invalid") == [second]


@pytest.fixture
async def partners(con: asyncpg.Connection) -> dict[str, str]:
    """Letters of ORD-1 that do not name it: by a state's key, by its PO, by a parcel; and two of another order."""
    await save_orders(con, [OrderSeen("ORD-1", store_id="casa", channel_id="hub", status="shipped", status_at=AT)])
    await save_names(con, [OrderName(f"{kind}:1042", "ORD-1", AT) for kind in ("po_number", "tracking_code")])
    await save_names(con, [OrderName("po_number:1043", "ORD-2", AT)])
    said: dict[str, dict[str, Any]] = {
        "holds": {"about": {"order_id": "ORD-1"}, "key": "fulfilment:ORD-1", "data": {"po_number": "1042"}},
        "held": {"order_id": "ORD-1", "key": "fulfilment:ORD-1", "reason": "held", "status": "held"},
        "call": {"kind": "call", "reason": "call_exhausted", "about": {"order_id": "ORD-1"}, "key": None},
        "po": {"reason": "invalid", "key": None, "data": {"po_number": "1042"}},
        "parcel": {"reason": "refused", "key": None, "data": {"tracking_code": "1042"}},
        "other": {"about": {"order_id": "ORD-2"}, "key": None},
        "other's po": {"reason": "refused", "key": None, "data": {"po_number": "1043"}},
    }
    return {name: await save_letter(con, **{"event_subject": name, **one}) for name, one in said.items()}


MINE = ("holds", "held", "call", "po", "parcel")


async def test_letters_that_name_no_order_are_found_by_it_and_by_its_store_and_channel(
    room: Room, partners: dict[str, str]
) -> None:
    mine = {partners[name] for name in MINE}
    for option in (("--order", "ORD-1"), ("--store", "casa"), ("--channel", "hub")):
        assert set(await found(room, *option)) == mine, option
    assert await found(room, "--order", "ORD-1", "--reason", "invalid") == [partners["po"]]
    listed = json.loads((await fleet_cli(room, "dead-letters", "list", "--json")).stdout)
    assert {row["occurrence"]: row["order_id"] for row in listed} == {
        id: "ORD-1" if name in MINE else "ORD-2" for name, id in partners.items()
    }
    shown = await fleet_cli(room, "dead-letters", "show", partners["po"], "--json")
    assert json.loads(shown.stdout)["order_id"] == "ORD-1"
    for by, groups in (
        ("order", {"ORD-1": 5, "ORD-2": 2}),
        ("store", {"casa": 5, None: 2}),
        ("channel", {"hub": 5, None: 2}),
    ):
        done = json.loads((await fleet_cli(room, "dead-letters", "groups", "--by", by, "--json")).stdout)
        assert {row["group"][by]: row["letters"] for row in done} == groups, by


async def test_order_is_said_to_be_held_up_by_letters_that_do_not_name_it(
    room: Room, con: asyncpg.Connection, partners: dict[str, str]
) -> None:
    await journal.keep(con, [delivery(event(exchange="fleet.events"))])
    shown = json.loads((await fleet_cli(room, "orders", "show", "ORD-1", "--json")).stdout)
    assert {row["occurrence"] for row in shown["dead_letters"]} == {partners[name] for name in MINE}
    assert shown["stands"].endswith("held up by 5 dead letters of billing")
    [line] = json.loads((await fleet_cli(room, "orders", "list", "--json")).stdout)
    assert line["waits"] == shown["stands"]


async def test_status_that_there_is_not_is_told_from_one_that_no_order_has(room: Room, con: asyncpg.Connection) -> None:
    await save_orders(con, [OrderSeen("ORD-1", status="shipped", status_at=AT)])
    for status in STATUSES:
        done = await fleet_cli(room, "orders", "list", "--status", status, "--json")
        assert (done.exit_code, len(json.loads(done.stdout))) == (0, int(status == "shipped")), status
    typo = await fleet_cli(room, "orders", "list", "--status", "shiped")
    assert (typo.exit_code, typo.stdout) == (2, "")
    assert "delivery_problem" in typo.stderr


async def test_pages_follow_each_other_without_gap_or_double(room: Room, con: asyncpg.Connection) -> None:
    saved = {await save_letter(con, last_at=AT + timedelta(seconds=n // 3)) for n in range(8)}
    pages: list[str] = []
    after: list[str] = []
    while page := await found(room, "--limit", "3", *after):
        pages += page
        after = ["--after", page[-1][:13]]
    assert (len(pages), set(pages)) == (8, saved)
    shown = await fleet_cli(room, "dead-letters", "list", "--limit", "3")
    assert f"there are more: --after {pages[2]}" in shown.stderr
    assert shown.stdout.startswith("3 dead letters, the latest first")


async def test_groups_count_by_one_or_several_dimensions(room: Room, three: list[str]) -> None:
    async def groups(by: str, *more: str) -> list[tuple[Any, ...]]:
        done = await fleet_cli(room, "dead-letters", "groups", "--by", by, "--json", *more)
        return [(*row["group"].values(), row["letters"], row["open"]) for row in json.loads(done.stdout)]

    assert await groups("service") == [("billing", 2, 1), ("po_dispatch", 1, 1)]
    assert await groups("channel,store") == [("hub", "casa", 1, 0), ("hub", "estrada", 1, 1), (None, None, 1, 1)]
    assert await groups("hour", "--service", "billing") == [("2026-11-22 12:00", 1, 1), ("2026-11-22 14:00", 1, 0)]
    assert await groups("day, service", "--text", "tax") == [("2026-11-22", "billing", 1, 1)]
    for name in store.DIMENSIONS:
        assert sum(row[-2] for row in await groups(name)) == 3, name
    shown = await fleet_process(room, "dead-letters", "groups", "--by", "reason,exception")
    assert shown.stdout.splitlines()[0] == "3 groups of dead letters by reason, exception"
    assert any("KeyError" in line and three[0][:8] in line for line in shown.stdout.splitlines())
    wrong = await fleet_cli(room, "dead-letters", "groups", "--by", "colour")
    assert (wrong.exit_code, "there are service" in wrong.stderr) == (2, True)


async def test_export_has_everything_and_is_readable_by_its_owner_only(
    room: Room, con: asyncpg.Connection, three: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "letters.jsonl"
    done = await fleet_cli(room, "dead-letters", "export", "--service", "billing", "--to", str(file))
    assert (done.exit_code, done.stdout) == (0, "")
    assert "personal data included" in done.stderr
    assert "2 exported" in done.stderr
    assert file.stat().st_mode & 0o077 == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["occurrence"] for line in lines] == [three[2], three[0]]
    assert json.loads(base64.b64decode(lines[1]["letter"]["body"]))["data"]["supplier_id"] == "farol-sul"
    assert lines[1]["letter"]["error"] == TRACEBACK
    assert (await fleet_cli(room, "dead-letters", "export", "--to", str(file))).exit_code == 2, "nothing is overwritten"
    everything = await fleet_cli(room, "dead-letters", "export")
    assert len(everything.stdout.splitlines()) == 3


async def test_export_of_more_than_a_page_has_each_letter_once(
    room: Room, con: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.control_room.looking.commands.PAGE", 20)
    saved = {await save_letter(con, last_at=AT + timedelta(seconds=n // 7)) for n in range(50)}
    done = await fleet_cli(room, "dead-letters", "export")
    lines = [json.loads(line)["occurrence"] for line in done.stdout.splitlines()]
    assert (len(lines), set(lines)) == (50, saved)


async def test_reader_sees_every_table_and_can_change_nothing(room: Room, con: asyncpg.Connection) -> None:
    await save_letter(con)
    async with servers.reading(room.environment["FLEET_DATABASE_URL"]) as reader:
        assert await reader.fetchval("select current_user") == "fleet_control_room_reader"
        await reader.execute("set default_transaction_read_only = off")
        tables = await reader.fetch("select tablename from pg_tables where schemaname = 'control_room'")
        assert {"dead_letter", "dead_letter_facts", "journal"} <= {row["tablename"] for row in tables}
        for (table,) in tables:
            await reader.fetch(f"select * from {table} limit 1")
            for statement in (f"delete from {table}", f"truncate {table}", f"insert into {table} default values"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await reader.execute(statement)
        runs = "select proname from pg_proc where pronamespace = 'control_room'::regnamespace and prosecdef and "
        assert await reader.fetch(f"{runs} has_function_privilege('fleet_control_room', oid, 'execute')"), (
            "there are some"
        )
        assert not await reader.fetch(f"{runs} has_function_privilege(oid, 'execute')")
        for statement in (
            "update dead_letter set version = 2",
            "create table control_room.mine (x int)",
            "select nextval('journal_position')",
            "select * from order_intake.inbox_kept",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(statement)


@pytest.mark.parametrize("action", ["replay", "discard"])
@pytest.mark.parametrize("user", ["", "order_intake"])
async def test_who_may_only_look_is_told_so_and_nothing_is_ordered(
    room: Room, con: asyncpg.Connection, user: str, action: str
) -> None:
    occurrence = await save_letter(con)
    looking = replace(room, changed={"FLEET_AMQP_URL": room.broker(user) if user else ""})
    assert (await fleet_cli(looking, "dead-letters", "list")).exit_code == 0
    done = await fleet_cli(looking, "dead-letters", action, occurrence, "--why", "x", "--yes", "--no-wait")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert ("may only look" in done.stderr) if not user else ("may not act" in done.stderr)
