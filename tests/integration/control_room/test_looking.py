"""Dead letters found, paged, grouped, shown and exported, by the role that may only look."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.control_room import servers
from services.control_room.entry import OrderSeen
from services.control_room.looking import store
from services.control_room.store import save_orders
from tests.integration.control_room.conftest import Room, fleet_cli, fleet_process
from tests.integration.control_room.test_store import save_letter
from tests.unit.control_room.builders import AT

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
