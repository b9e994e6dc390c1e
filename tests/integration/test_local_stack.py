"""The private stack starts, is found again, survives crashes, and minds its own business."""

import asyncio
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from deploy.local import package
from deploy.local.clean import clean
from deploy.local.process import Process, spawn
from deploy.local.settings import Settings, WrongSettings
from deploy.local.stack import Addresses, NotOurs, Stack, running, start
from shared.broker.link import connected
from tests.conftest import VirtualHost

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def private(stack: Stack) -> Iterator[None]:
    """These tests start servers of their own, also where `stack` stands for real ones."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AMQP_URL", "MANAGEMENT_URL", "DATABASE_URL"):
            patch.delenv(f"FLEET_{name}", raising=False)
        yield


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that these tests may kill. Its folder is closed to other users, as temporary folders are."""
    folder = tmp_path_factory.mktemp("own")
    folder.chmod(0o700)
    async with running(folder) as stack:
        yield stack


async def note(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("create table if not exists note (text text)")
    await connection.execute("insert into note values ($1)", text)
    await connection.close()


async def notes(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("select text from note")
    await connection.close()
    return [row["text"] for row in rows]


async def put(url: str, queue: str, body: bytes) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue)


async def take(url: str, queue: str) -> bytes:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        message = await (await channel.get_queue(queue)).get(timeout=10)
        await message.ack()
        return message.body


def pids(stack: Stack) -> list[int]:
    processes = [stack.postgres.record.process, stack.rabbitmq.record.process, stack.rabbitmq.record.name_server]
    return [process.pid for process in processes if process]


async def test_running_stack_is_reused_by_another_process(own: Stack) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from deploy.local.stack import running\n"
        "async def main():\n"
        "    async with running(Path(sys.argv[1])) as stack: print(stack.addresses.model_dump_json())\n"
        "asyncio.run(main())"
    )
    before = pids(own)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(own.folder), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert Addresses.model_validate_json(output) == own.addresses
    assert pids(own) == before
    assert own.postgres.running, "it stopped what we use"
    assert own.rabbitmq.running, "it stopped what we use"


async def test_killed_postgres_comes_back_with_its_data_and_port(own: Stack) -> None:
    await note(own.addresses.database_url, "before the crash")
    before = own.addresses
    await own.postgres.kill()
    with pytest.raises(OSError):
        await asyncpg.connect(before.database_url)
    await own.postgres.start()
    assert own.addresses == before
    assert "before the crash" in await notes(before.database_url)


async def test_killed_rabbitmq_comes_back_with_its_messages_and_ports(own: Stack) -> None:
    await put(own.addresses.amqp_url, "crash", b"before the crash")
    async with asyncio.timeout(20):
        while not own.rabbitmq.would_survive_a_crash("crash"):
            await asyncio.sleep(0.05)
    before = own.addresses
    await own.rabbitmq.kill()
    with pytest.raises(OSError):
        async with connected(before.amqp_url, "test"):
            pass
    await own.rabbitmq.start()
    assert own.addresses == before
    assert await take(before.amqp_url, "crash") == b"before the crash"


async def test_stopped_stack_with_stale_pids_starts_again_with_its_data_and_ports(own: Stack) -> None:
    await note(own.addresses.database_url, "before the stop")
    await put(own.addresses.amqp_url, "stop", b"before the stop")
    before, old = own.addresses, pids(own)
    await own.stop()
    assert not own.postgres.running
    assert not own.rabbitmq.running
    async with stranger() as other:
        leave_stale_pids(own, other.pid)
        again = await start(own.folder, keep=True)
        await again.leave()
        assert other.returncode is None, "it ended a process that is not its own"
        assert not set(pids(again)) & {other.pid, *old}
    own.postgres.record, own.rabbitmq.record = again.postgres.record, again.rabbitmq.record
    assert own.addresses == before
    assert "before the stop" in await notes(before.database_url)
    assert await take(before.amqp_url, "stop") == b"before the stop"


@asynccontextmanager
async def stranger() -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that the stack did not start."""
    process = await asyncio.create_subprocess_exec("sleep", "600")
    yield process
    process.kill()
    await process.wait()


def leave_stale_pids(stack: Stack, pid: int) -> None:
    """As after a restart of the machine, where the servers' ids were given to another process later on."""
    for file in (stack.postgres.file, stack.rabbitmq.file):
        saved = json.loads(file.read_text())
        saved["process"] = {"pid": pid, "started": time.time() - 3600}
        file.write_text(json.dumps(saved))
    (stack.postgres.data / "postmaster.pid").write_text(f"{pid}\n{stack.postgres.data}\n")


async def test_body_over_the_limit_is_refused_by_the_broker(vhost: VirtualHost) -> None:
    with pytest.raises(aio_pika.exceptions.ChannelPreconditionFailed, match="larger than configured max size"):
        await put(vhost.amqp_url, "big", bytes(17 * 1024 * 1024))


async def test_servers_listen_on_loopback_only(own: Stack) -> None:
    record = own.rabbitmq.record
    for port in (own.postgres.record.port, *record.ports):
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address_of_this_host(), port), timeout=5)


def address_of_this_host() -> str:
    """Any address but loopback's; without a network there is none, and then 127.0.0.2 stands for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.2"


async def test_folder_started_twice_at_once_is_one_stack_beside_the_other_folders(own: Stack, tmp_path: Path) -> None:
    first, second = await asyncio.gather(start(tmp_path), start(tmp_path))
    assert first.addresses == second.addresses
    assert pids(first) == pids(second)
    await note(first.addresses.database_url, "theirs")
    await note(own.addresses.database_url, "mine")
    assert await notes(second.addresses.database_url) == ["theirs"]

    await first.leave()
    assert second.postgres.running, "the first to leave stopped what the second uses"
    await second.leave()
    assert not second.postgres.running
    assert not second.rabbitmq.running
    assert own.postgres.running
    assert own.rabbitmq.running


async def test_port_taken_between_runs_is_replaced(tmp_path: Path) -> None:
    nowhere = Settings(amqp_url=None, management_url=None, database_url=None)
    stack = Stack(tmp_path, nowhere, keep=False)
    taken = [stack.postgres.record.port, stack.rabbitmq.record.amqp]
    with socket.create_server(("127.0.0.1", taken[0])), socket.create_server(("127.0.0.1", taken[1])):
        stack.postgres.renew_port()
        stack.rabbitmq.renew_ports()
        assert stack.postgres.record.port not in taken
        assert stack.rabbitmq.record.amqp not in taken
    await stack.leave()


@pytest.mark.parametrize("named", ["", "one"], ids=["all stacks", "one stack"])
async def test_wiped_folder_is_gone_with_its_servers(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_AMQP_URL", "amqp://somewhere")  # PostgreSQL alone: it starts in a second
    monkeypatch.setenv("FLEET_MANAGEMENT_URL", "http://somewhere")
    stack = await start(tmp_path / "one", keep=True)
    assert stack.postgres.running
    await asyncio.to_thread(clean, tmp_path / named)
    assert not stack.postgres.running
    assert not (tmp_path / named).exists()


async def test_real_servers_in_the_settings_are_used_and_not_started(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.addresses.model_dump().items():
        monkeypatch.setenv(f"FLEET_{name.upper()}", value)
    async with running(tmp_path) as pointed:
        assert pointed.addresses == stack.addresses
        with pytest.raises(NotOurs, match="FLEET_DATABASE_URL"):
            await pointed.postgres.kill()
        with pytest.raises(NotOurs, match="FLEET_AMQP_URL"):
            await pointed.rabbitmq.kill()
    assert {path.name for path in tmp_path.iterdir()} == {"start.lock", "use.lock"}


async def test_broker_without_its_management_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEET_AMQP_URL", "amqp://somewhere")
    monkeypatch.delenv("FLEET_MANAGEMENT_URL", raising=False)
    with pytest.raises(WrongSettings, match="FLEET_MANAGEMENT_URL"):
        await start(tmp_path)


@pytest.mark.parametrize(("tools", "why"), [((), "no apt-get"), (("apt-get",), "only root")])
async def test_missing_rabbitmq_that_cannot_be_installed_says_what_to_do(
    tools: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in tools:
        (tmp_path / tool).symlink_to("/bin/false")
    monkeypatch.setattr(package, "PACKAGE_FOLDER", tmp_path)
    monkeypatch.setattr(package, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(package.RabbitMQMissing, match=rf"(?s){why}.*apt-get install rabbitmq-server.*FLEET_AMQP_URL"):
        await package.ensure_rabbitmq()


async def test_failing_apt_is_reported_with_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "PACKAGE_FOLDER", tmp_path)
    monkeypatch.setattr(package, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(package, "INSTALL", "echo E: Unable to locate package rabbitmq-server; exit 100")
    (tmp_path / "apt-get").symlink_to("/bin/false")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(package.RabbitMQMissing, match=r"(?s)Unable to locate.*FLEET_AMQP_URL"):
        await package.ensure_rabbitmq()


async def test_ended_process_is_not_found_even_before_it_is_reaped(tmp_path: Path) -> None:
    process = spawn([shutil.which("sleep") or "/bin/sleep", "600"], {}, tmp_path / "log")
    assert process.find() is not None
    assert Process(pid=process.pid, started=process.started - 60).find() is None
    await process.kill()
    assert process.find() is None
