"""A private RabbitMQ node (3.10 to 4.x), with its name server, ports, cookie and data in a folder of its own."""

import asyncio
import secrets
import shutil
import signal
from pathlib import Path

import aiohttp

from deploy.local import ports, record
from deploy.local.health import ServerFailed, until_healthy
from deploy.local.node import NODE, USER, RabbitmqRecord, configure, environment
from deploy.local.package import SEARCH_PATH, ensure_rabbitmq
from deploy.local.process import spawn

START_PATIENCE = 120.0  # seconds
STOP_PATIENCE = 60.0
CONTROL_PATIENCE = 60.0


class Rabbitmq:
    """The node of one folder. It keeps its ports while its data is kept, so that clients can reconnect."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.file = folder / "server.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.record = record.load(self.file, RabbitmqRecord) or self.first_record()

    @property
    def url(self) -> str:
        """An administrator's AMQP address of the virtual host `/`."""
        return f"amqp://{USER}:{self.record.password}@127.0.0.1:{self.record.amqp}/%2F"

    @property
    def management_url(self) -> str:
        return f"http://{USER}:{self.record.password}@127.0.0.1:{self.record.management}"

    @property
    def running(self) -> bool:
        return self.record.process is not None and self.record.process.find() is not None

    async def start(self) -> None:
        """Start it, or go on with the one that runs already; return when it answers.

        Raises ServerFailed with its log, or RabbitMQMissing.
        """
        if self.running and await self.answers_soon():
            return
        await self.kill()
        script = await ensure_rabbitmq()
        if not self.record.ready:
            shutil.rmtree(self.data, ignore_errors=True)
        configure(self.folder, self.record)
        self.launch(script)
        await self.until_healthy(START_PATIENCE)
        self.remember(ready=True)

    async def stop(self) -> None:
        """Shut it down in order, and its name server after it."""
        if self.record.process:
            await self.record.process.end(signal.SIGTERM, STOP_PATIENCE)
        if self.record.name_server:
            await self.record.name_server.end(signal.SIGTERM, 5)

    async def kill(self) -> None:
        """End the node at once, as a crash would. The next start recovers; the name server stays."""
        if self.record.process:
            await self.record.process.kill()

    def would_survive_a_crash(self, queue: str, virtual_host: str = "/") -> bool:
        """Whether the quorum queue's name is on disk yet, for tests that kill the node.

        RabbitMQ writes it up to a second after the declaration (seen with 3.10.8). When the node is killed before, the
        queue comes back without its messages and without a leader, and every request to it hangs.
        """
        names = self.data / NODE / "quorum" / NODE / "names.dets"
        return f"{virtual_host.replace('/', '%2F')}_{queue}".encode() in names.read_bytes()

    async def control(self, *arguments: str) -> str:
        """The output of `rabbitmqctl` for this node: for what the management API cannot do, such as alarms."""
        script = (await ensure_rabbitmq()).with_name("rabbitmqctl")
        process = await asyncio.create_subprocess_exec(
            str(script), *arguments, env=environment(self.folder, self.record), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(CONTROL_PATIENCE):
                output, _ = await process.communicate()
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        if process.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {output.decode(errors='replace')}")
        return output.decode()

    def renew_ports(self) -> None:
        """Take other ports if somebody else has ours now; for the start of a run, when nobody knows them yet."""
        if self.running:
            return
        listening = [self.record.epmd] if self.record.name_server and self.record.name_server.find() else []
        if not all(ports.is_free(port) for port in self.record.ports if port not in listening):
            amqp, management, distribution = ports.free_ports(3)
            self.remember(amqp=amqp, management=management, distribution=distribution)
            if not listening and not ports.is_free(self.record.epmd):
                self.remember(epmd=ports.free_ports(1)[0])

    def first_record(self) -> RabbitmqRecord:
        if self.data.exists():
            raise ServerFailed(
                f"{self.data} has data but {self.file} is gone, and with it the password: remove {self.folder}"
            )
        amqp, management, distribution, epmd = ports.free_ports(4)
        first = RabbitmqRecord(
            amqp=amqp, management=management, distribution=distribution, epmd=epmd, password=secrets.token_urlsafe(24)
        )
        record.save(self.file, first)
        return first

    def remember(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        record.save(self.file, self.record)

    def launch(self, script: Path) -> None:
        if self.record.name_server is None or self.record.name_server.find() is None:
            self.launch_name_server()
        self.remember(process=spawn([str(script)], environment(self.folder, self.record), self.log))

    def launch_name_server(self) -> None:
        program = shutil.which("epmd", path=SEARCH_PATH)
        if program is None:
            raise ServerFailed(f"Erlang's epmd is not in {SEARCH_PATH}")
        command = [program, "-port", str(self.record.epmd), "-address", "127.0.0.1"]
        log = self.folder / "epmd.log"
        self.remember(name_server=spawn(command, environment(self.folder, self.record), log))

    async def answers_soon(self) -> bool:
        try:
            await self.until_healthy(20)
        except ServerFailed:
            return False
        return True

    async def until_healthy(self, patience: float) -> None:
        await until_healthy("RabbitMQ", self.healthy, lambda: self.running, self.log, patience)

    async def healthy(self) -> bool:
        """Whether it listens for AMQP and lets us in."""
        check = f"{self.management_url}/api/health/checks/port-listener/{self.record.amqp}"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(check) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False
