"""Tables at every width: one line a row, ids that tell rows apart, times that are short."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from services.control_room import tables
from services.control_room.looking import view
from services.control_room.state import WholeLetter
from services.control_room.tables import Column
from tests.unit.control_room.builders import AT
from tests.unit.control_room.builders import letter as letter_of
from tests.unit.control_room.test_timeline import line as told

WIDTHS = (80, 100, 120, 200)
IDS = ("5d0c0b9e-0000-4000-8000-000000000001", "77aa0b9e-0000-4000-8000-000000000001")


def shown(what: RenderableType, width: int) -> list[str]:
    screen = Console(file=StringIO(), width=width)
    screen.print(what)
    assert isinstance(screen.file, StringIO)
    return [text.rstrip() for text in screen.file.getvalue().splitlines()]


def letter(occurrence: str = IDS[0], **changes: Any) -> dict[str, Any]:
    return {
        "occurrence": occurrence,
        "status": "discarding",
        "service": "nf_reconciliation",
        "reason": "database_refused",
        "event_type": "purchase_order.confirmed.v1",
        "event_subject": "PC-2026-000000123",
        "event_key": "purchase_order:PC-2026-000000123",
        "order_id": None,
        "last_at": AT,
        "next_occurrence": None,
        "error": "ValueError: data.items.0.unit_price\nis no number, and this goes on for a while" * 3,
        **changes,
    }


def order(**changes: Any) -> dict[str, Any]:
    return {
        "order_id": "MAGALU-2026-000000004711",
        "status": "supplier_invoice_received",
        "latest": AT,
        "store_id": "estrada-boa-no-mercado-livre",
        "channel_id": "estrada-boa-no-mercado-livre",
        "channel_order_code": "MAG-1-000000000001",
        "total": "1234567.89",
        **changes,
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_dead_letters_are_one_line_each_at_any_width(width: int) -> None:
    rows = [letter(IDS[0]), letter(IDS[1], last_at=None, error=None, service=None)]
    lines = shown(tables.letters_table(rows, ", the latest first", width, AT), width)
    assert lines[0] == "2 dead letters, the latest first"
    assert [line.split()[:2] for line in lines[2:]] == [["5d0c0b9e", "discarding"], ["77aa0b9e", "discarding"]]
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_orders_are_one_line_each_at_any_width(width: int) -> None:
    lines = shown(tables.orders_table([order(), order(order_id="A", total=None)], width, AT), width)
    assert len(lines) == 4
    assert "supplier_invoice_received  12:00:00" in lines[2]
    assert "1234567.89" in lines[2]
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_timeline_is_one_line_for_each_message_at_any_width(width: int) -> None:
    lines = shown(tables.timeline_table("ORD-1", [told(), told(2, id="漢字" * 30, words="a\nb")], width), width)
    assert lines[0] == "Order ORD-1: 2 messages on 2026-11-22"
    assert [line[:8] for line in lines[2:]] == ["12:00:00", "12:00:00"]
    assert max(map(cell_len, lines)) <= width


def test_narrow_terminal_keeps_what_is_needed_most_and_wide_one_shows_all() -> None:
    narrow = shown(tables.letters_table([letter()], "", 80, AT), 80)[1].split()
    wide = shown(tables.letters_table([letter()], "", 200, AT), 200)[1].split()
    assert {"id", "status", "service", "reason", "about"} <= set(narrow) < set(wide)
    assert wide == ["id", "status", "service", "reason", "type", "about", "last", "(UTC)", "error"]


def test_one_is_told_in_the_singular_and_none_without_columns() -> None:
    assert shown(tables.letters_table([letter()], "", 80, AT), 80)[0] == "1 dead letter"
    assert shown(tables.letters_table([], ", the latest first", 80, AT), 80) == ["0 dead letters, the latest first"]


def test_ids_that_begin_alike_are_shown_as_far_as_they_differ() -> None:
    rows = [letter("5d0c0b9e-0000"), letter("5d0c0b9e-0010")]
    lines = shown(tables.letters_table(rows, "", 120, AT), 120)
    assert [line.split()[0] for line in lines[2:]] == ["5d0c0b9e-000", "5d0c0b9e-001"]


def test_time_is_that_of_the_day_today_and_the_day_otherwise() -> None:
    assert tables.moment(AT, AT.replace(hour=23)) == "12:00:00"
    assert tables.moment(AT, datetime(2026, 11, 23, tzinfo=UTC)) == "2026-11-22"
    assert tables.moment(None, AT) == ""


def test_what_partners_wrote_is_no_markup_and_moves_no_cursor() -> None:
    lines = shown(tables.orders_table([order(order_id="[red]\x1b[2J")], 200, AT), 200)
    assert lines[2].startswith("[red]\ufffd[2J")


@pytest.mark.parametrize("width", range(1, 60))
def test_columns_never_exceed_the_width_unless_only_one_is_left(width: int) -> None:
    columns = (Column("a", 0, least=5), Column("b", 2), Column("c", 1, least=3))
    widths = tables.fit(columns, (20, 10, 8), width)
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= width or list(widths) == [0]
    assert widths == dict(sorted(widths.items()))


def test_show_has_long_ids_whole_on_a_narrow_terminal() -> None:
    known = WholeLetter(occurrence=IDS[0], letter=letter_of(event_id="5" * 100))
    assert "".join(shown(view.shown_view(view.Shown(known, []), 80, AT), 80)).count("5") >= 100
