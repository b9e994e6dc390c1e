"""What a running `fleet up` tells other terminals, and when it tells nothing."""

import stat
import subprocess
from pathlib import Path

import pytest

from deploy.local import session
from deploy.local.session import AlreadyRunning, Exports, NotRunning
from deploy.local.site import Site

PASSWORDS = {name: f'{name}\'s $(id) "secret"' for name in ("upstream", "engineer", "control_room_reader")}


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return session.exports(
        Site(
            name="fleet",
            folder=tmp_path,
            amqp_url="amqp://admin:pw@127.0.0.1:1/fleet",
            management_url="http://admin:pw@127.0.0.1:2",
            database_url="postgresql://postgres:pw@127.0.0.1:3/fleet",
            passwords=PASSWORDS,
            partner_secrets={},
        )
    )


def test_running_fleet_tells_its_exports_and_only_to_its_owner(tmp_path: Path, exports: Exports) -> None:
    with session.alone(tmp_path):
        session.announce(tmp_path, exports)
        assert session.load(tmp_path) == exports
        assert [stat.S_IMODE(p.stat().st_mode) & 0o077 for p in tmp_path.iterdir()] == [0, 0]
    with pytest.raises(NotRunning, match="no `fleet up` runs in"):
        session.load(tmp_path)


def test_fleet_that_was_killed_tells_nothing(tmp_path: Path, exports: Exports) -> None:
    with session.alone(tmp_path):
        pass
    session.announce(tmp_path, exports)
    with pytest.raises(NotRunning, match="no `fleet up` runs in"):
        session.load(tmp_path)


def test_fleet_that_starts_is_not_ready_and_keeps_a_second_one_away(tmp_path: Path, exports: Exports) -> None:
    session.announce(tmp_path, exports)
    with session.alone(tmp_path):
        with pytest.raises(NotRunning, match="not ready yet"):
            session.load(tmp_path)
        with pytest.raises(AlreadyRunning), session.alone(tmp_path):
            pass


def test_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        session.load(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_engineer_gets_no_administrators_address_and_the_reader_none_to_act(exports: Exports) -> None:
    users = {name: value.partition(":")[2].split(":")[0] for name, value in exports.engineer.items()}
    assert users == {
        "FLEET_UPSTREAM_AMQP_URL": "//upstream",
        "FLEET_AMQP_URL": "//engineer",
        "FLEET_DATABASE_URL": "//fleet_control_room_reader",
    }
    assert exports.reader == {name: url for name, url in exports.engineer.items() if name != "FLEET_AMQP_URL"}
    assert "admin" not in str(exports.engineer)


def test_readers_variables_leave_nothing_of_the_engineers_behind(exports: Exports) -> None:
    script = "\n".join([*session.lines(exports.engineer), *session.lines(exports.reader), 'echo "[$FLEET_AMQP_URL]"'])
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_shell_takes_every_value_as_it_is(exports: Exports) -> None:
    lines = session.lines({**exports.administrator, "AND": "a'b\n$(touch x) `id`"})
    script = "\n".join(lines) + '\nprintf "%s\\0" "$FLEET_PASSWORDS" "$FLEET_AMQP_URL" "$AND"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")
    assert said[:3] == [
        exports.administrator["FLEET_PASSWORDS"],
        exports.administrator["FLEET_AMQP_URL"],
        "a'b\n$(touch x) `id`",
    ]
