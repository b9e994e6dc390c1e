"""The command line without servers: what it mounts, says and refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy import cli, lazy, publish
from deploy.upstream import check
from schemas.export import EXAMPLES

VARIABLES = ("FLEET_AMQP_URL", "FLEET_MANAGEMENT_URL", "FLEET_DATABASE_URL", "FLEET_PASSWORDS")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def fleet(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), input=input, prog_name="fleet")


def example(of: str = "order.placed.v2", **changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EXAMPLES / f"{of}.json").read_text())
    return {**event, **changes}


def written(folder: Path, content: Any) -> str:
    path = folder / "events.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_help_imports_neither_broker_nor_database_nor_services() -> None:
    code = (
        "import sys; from deploy import cli\n"
        "try: cli.app(['--help'], prog_name='fleet')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('aio_pika', 'asyncpg', 'psycopg', 'lxml', 'services.control_room') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "dead-letters" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


def test_version_is_the_release() -> None:
    assert fleet("--version").stdout == "dropfleet 0.1.0\n"


def test_mistyped_command_is_refused_with_a_suggestion() -> None:
    done = fleet("topologie")
    assert done.exit_code == 2
    assert "Did you mean 'topology'" in done.output


def test_mounted_app_gets_its_arguments_and_shows_its_own_help() -> None:
    done = fleet("topology", "apply", "--help")
    assert done.exit_code == 0
    assert "fleet topology apply" in done.stdout
    assert "--prune" in done.stdout


def test_mounted_function_shows_its_own_help() -> None:
    assert "--skip-invalid" in fleet("publish", "--help").stdout


def test_module_that_is_not_installed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="1"):
        lazy.load("no_such_module:app")
    assert "this installation has no no_such_module" in capsys.readouterr().err


def test_unknown_service_is_refused_and_known_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "runnable", lambda: ["billing", "gateway"])
    done = fleet("run", "biling")
    assert done.exit_code == 1
    assert done.stderr == "fleet: there is no service 'biling'; there are billing, gateway\n"


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("topology", "check"), "FLEET_AMQP_URL is not set\nFLEET_MANAGEMENT_URL is not set\n"),
        (("topology", "apply"), "FLEET_AMQP_URL is not set\nFLEET_MANAGEMENT_URL is not set\n"),
        (("migrate",), "FLEET_DATABASE_URL is not set\n"),
        (("publish", str(EXAMPLES / "order.placed.v2.json")), "FLEET_AMQP_URL is not set\n"),
    ],
)
def test_missing_variable_is_named(arguments: tuple[str, ...], missing: str) -> None:
    done = fleet(*arguments)
    assert (done.exit_code, done.stderr) == (78, missing)


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (("topology", "check"), "FLEET_AMQP_URL", "localhost:5672"),
        (("topology", "check"), "FLEET_MANAGEMENT_URL", "amqp://localhost"),
        (("migrate",), "FLEET_DATABASE_URL", "mysql://localhost/fleet"),
    ],
)
def test_wrong_variable_is_named(
    arguments: tuple[str, ...], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_AMQP_URL", "amqp://localhost")
    monkeypatch.setenv("FLEET_MANAGEMENT_URL", "http://localhost")
    monkeypatch.setenv(name, value)
    done = fleet(*arguments)
    assert done.exit_code == 78
    assert f"{name} is wrong" in done.stderr


def test_password_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/fleet")
    monkeypatch.setenv("FLEET_PASSWORDS", '{"order_intake": "x"}')
    done = fleet("migrate", "order_intake", "billing")
    assert (done.exit_code, done.stderr) == (1, "fleet: FLEET_PASSWORDS has no password for billing\n")


def test_passwords_that_are_no_json_are_refused_with_the_variables_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/fleet")
    monkeypatch.setenv("FLEET_PASSWORDS", "secret")
    done = fleet("migrate")
    assert (done.exit_code, done.stderr) == (78, "FLEET_PASSWORDS is wrong: it must be JSON\n")


def test_database_that_does_not_answer_is_said_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/fleet")
    monkeypatch.setenv("FLEET_PASSWORDS", '{"billing": "x"}')
    done = fleet("migrate", "billing")
    assert done.exit_code == 1
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["apply", "check"])
def test_management_api_that_does_not_answer_is_said(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_AMQP_URL", "amqp://guest:guest@127.0.0.1:1/")
    monkeypatch.setenv("FLEET_MANAGEMENT_URL", "http://guest:secret@127.0.0.1:1")
    done = fleet("topology", command)
    assert done.exit_code == 1
    assert "no RabbitMQ management API answers at http://127.0.0.1:1" in done.stderr
    assert "secret" not in done.output


def test_broker_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_AMQP_URL", "amqp://guest:secret@127.0.0.1:1/")
    done = fleet("publish", str(EXAMPLES / "order.placed.v2.json"))
    assert done.exit_code == 1
    assert "127.0.0.1:1" in done.stderr
    assert "FLEET_AMQP_URL" in done.stderr
    assert "secret" not in done.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "events.json: is not JSON: "),
        ('{"type": NaN}', "events.json: is not JSON: NaN is no JSON number"),
        ("[" * 100_000, "events.json: is not JSON: "),
        ("7", "events.json: type: is missing"),
        ([example(), {"id": "1"}], "events.json[1]: type: is missing"),
        (example(type="order.plced.v2"), "type: nobody knows 'order.plced.v2'; known are order.placed.v2"),
        (
            example("invoice.issued.v1"),
            "type: invoice.issued.v1 is made by billing, and not published to fleet.inbound",
        ),
        (example(subject="another"), "subject: is 'another', but data.order_id is 'LC-2026-004711'"),
        (example(specversion="0.3"), "specversion: Input should be '1.0'"),
        (example(color="red"), "color: Extra inputs are not permitted"),
        (example(data={}), "data.order_id: Field required"),
        (example(id="\ud800"), "events.json: "),
    ],
)
def test_invalid_event_is_told_with_file_index_and_field(tmp_path: Path, content: Any, said: str) -> None:
    done = fleet("publish", "--dry-run", written(tmp_path, content))
    assert done.exit_code == 1
    assert said in done.stderr
    assert "0 published" in done.stdout


def test_model_rule_that_is_broken_is_told(tmp_path: Path) -> None:
    event = example()
    event["data"]["total"] = "1.00"
    done = fleet("publish", "--dry-run", written(tmp_path, event))
    assert "data: Value error, total is 1.00, but items + freight - discount make" in done.stderr


def test_missing_file_is_named() -> None:
    done = fleet("publish", "nowhere.json")
    assert (done.exit_code, done.stderr) == (1, "nowhere.json: cannot be read: No such file or directory\n")


def test_dry_run_counts_valid_events_without_a_broker(tmp_path: Path) -> None:
    done = fleet("publish", "--dry-run", "--json", written(tmp_path, [example(), example("order.placed.v1")]))
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"published": 0, "valid": 2, "invalid": 0, "problems": []})


def test_events_are_read_from_stdin() -> None:
    done = fleet("publish", "--dry-run", "-", input=json.dumps(example()))
    assert done.stdout == "1 valid, 0 invalid, 0 published to fleet.inbound\n"


def test_example_orders_are_valid_upstream_events_and_new_each_time() -> None:
    events = [*publish.made_up(20), *publish.made_up(20)]
    assert [check(json.loads(event.body), "example").problems for event in events] == [()] * len(events)
    placed = [event.place for event in events if event.type.startswith("order.placed")]
    assert len(set(placed)) == 40


def test_publish_of_nothing_is_wrong_usage() -> None:
    done = fleet("publish")
    assert done.exit_code == 2
    assert "--example-orders" in done.output


def test_upstream_address_is_taken_before_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_UPSTREAM_AMQP_URL", "amqp://upstream:secret@127.0.0.1:1/")
    monkeypatch.setenv("FLEET_AMQP_URL", "amqp://engineer:secret@127.0.0.1:2/")
    done = fleet("publish", "--example-orders", "1")
    assert (done.exit_code, "127.0.0.1:1" in done.stderr, "secret" in done.output) == (1, True, False)


@pytest.mark.parametrize("command", ["up", "demo"])
def test_broker_without_its_management_api_is_refused_in_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_AMQP_URL", "amqp://engineer:secret@127.0.0.1:1/")
    done = fleet(command, "--folder", str(tmp_path))
    assert done.exit_code == 1
    assert "fleet: FLEET_AMQP_URL and FLEET_MANAGEMENT_URL belong together" in done.stderr
    assert "Traceback" not in done.output


def test_contract_check_of_the_repository_passes() -> None:
    done = fleet("schemas", "check")
    assert done.exit_code == 0, done.output
