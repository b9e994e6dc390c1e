"""What the options of a command choose by."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from services.control_room.looking.choice import Chosen, choosing, documents, instant
from tests.unit.control_room.builders import AT

seen: list[tuple[Chosen, int]] = []
app = typer.Typer()


@app.command()
@choosing
def look(*, chosen: Chosen, limit: int = 5) -> None:
    """Looks."""
    seen.append((chosen, limit))


def test_command_gets_what_was_chosen_and_its_own_options() -> None:
    done = CliRunner().invoke(app, ["--service", "billing", "--type", "order.ready", "--limit", "2"])
    assert done.exit_code == 0, done.output
    chosen, limit = seen.pop()
    said = {name: value for name, value in chosen.items() if value is not None}
    assert (said, limit) == ({"service": "billing", "event_type": "order.ready"}, 2)


@pytest.mark.parametrize(
    "arguments", [["--since", "soon"], ["--where", "data.order_id"], ["--text", "..."], ["--status", "x"]]
)
def test_what_is_no_filter_is_wrong_usage(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, "Traceback" in done.output) == (2, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22", AT.replace(hour=0)),
        ("2026-11-22T12:00", AT),
        ("2026-11-22T09:00-03:00", AT),
        ("30m", AT - timedelta(minutes=30)),
        ("2w", AT - timedelta(days=14)),
    ],
)
def test_time_is_utc_unless_it_says_otherwise_or_an_age(text: str, expected: datetime) -> None:
    assert instant(text, AT) == expected.astimezone(UTC)


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("data.order_id=ORD-1", ['{"data": {"order_id": "ORD-1"}}']),
        ("data.ok=true", ['{"data": {"ok": "true"}}', '{"data": {"ok": true}}']),
        ("data.total=1.50", ['{"data": {"total": "1.50"}}', '{"data": {"total": 1.5}}']),
        ("data.note=null", ['{"data": {"note": "null"}}', '{"data": {"note": null}}']),
        ("data.note=NaN", ['{"data": {"note": "NaN"}}']),
        ("data.items[].sku=a=b", ['{"data": {"items": [{"sku": "a=b"}]}}']),
        ("subject=", ['{"subject": ""}']),
    ],
)
def test_field_is_sought_as_text_and_as_the_json_that_it_is(field: str, found: list[str]) -> None:
    assert documents(field) == found
