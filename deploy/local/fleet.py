"""The fleet's processes on one machine: services and sandbox partners, started, watched, restarted, stopped."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from deploy.local.ports import free_ports
from deploy.local.site import Site
from schemas.catalogue import GATEWAY, SERVICES

SANDBOX = "sandbox"
STOP_SECONDS = 30.0
RESTART_SECONDS = 0.5


class NotReady(Exception):
    """A process of the fleet did not become ready; the message says which, why, and where its log is."""


@dataclass(slots=True)
class Member:
    """One process of the fleet."""

    name: str
    module: str
    environment: dict[str, str]
    log: Path
    ready_url: str
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    watching: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Fleet:
    """Starts every member; one that dies is started again, as an orchestrator would."""

    def __init__(self, site: Site, pace: float = 0.02) -> None:
        ports = iter(free_ports(len(SERVICES) + 4))
        self.site = site
        self.gateway_url = f"http://127.0.0.1:{(gateway_port := next(ports))}"
        self.sandbox_url = f"http://127.0.0.1:{(sandbox_port := next(ports))}"
        self._smtp_port = next(ports)
        self._stopping = False
        sandbox = {
            "FLEET_SANDBOX_PORT": str(sandbox_port),
            "FLEET_SANDBOX_SMTP_PORT": str(self._smtp_port),
            "FLEET_SANDBOX_PACE": str(pace),
            "FLEET_GATEWAY_URL": self.gateway_url,
        }
        health = {name: next(ports) for name in (GATEWAY, *SERVICES)}
        self.members = {
            SANDBOX: self._member(SANDBOX, "deploy.local.partners", sandbox, f"{self.sandbox_url}/healthz"),
            GATEWAY: self._service(GATEWAY, health[GATEWAY], {"FLEET_GATEWAY_PORT": str(gateway_port)}),
            **{name: self._service(name, health[name], {}) for name in SERVICES},
        }

    def _service(self, name: str, health_port: int, more: Mapping[str, str]) -> Member:
        site = self.site
        environment = {
            "FLEET_AMQP_URL": site.amqp_url_of(name),
            "FLEET_MANAGEMENT_URL": _without_user(site.management_url),
            "FLEET_HEALTH_HOST": "127.0.0.1",
            "FLEET_HEALTH_PORT": str(health_port),
            "FLEET_GATEWAY_HOST": "127.0.0.1",
            "FLEET_ERP_URL": f"{self.sandbox_url}/erp",
            "FLEET_SEFAZ_URL": f"{self.sandbox_url}/sefaz",
            "FLEET_SMTP_URL": f"smtp://127.0.0.1:{self._smtp_port}",
            "FLEET_SIGNING_KEY_FILE": str(site.key_file),
            "FLEET_SIGNING_CERT_FILE": str(site.certificate_file),
            **more,
        }
        if name in site.passwords and name != GATEWAY:
            environment["FLEET_DATABASE_URL"] = site.database_url_of(name)
        return self._member(name, f"services.{name}", environment, f"http://127.0.0.1:{health_port}/readyz")

    def _member(self, name: str, module: str, environment: Mapping[str, str], ready_url: str) -> Member:
        common = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONUNBUFFERED": "1",
            "FLEET_SECRETS": json.dumps(self.site.partner_secrets),
        }
        return Member(name, module, {**common, **environment}, self.site.logs / f"{name}.log", ready_url)

    async def start(self) -> None:
        """Starts all and waits until each is ready. Raises NotReady."""
        for member in self.members.values():
            member.log.write_text("")
            await self._spawn(member)
            member.watching = asyncio.create_task(self._watch(member))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            await asyncio.gather(*(_ready(session, member) for member in self.members.values()))

    async def _spawn(self, member: Member) -> None:
        with member.log.open("ab") as log:
            member.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                member.module,
                env=member.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    async def _watch(self, member: Member) -> None:
        while not self._stopping:
            assert member.process is not None
            await member.process.wait()
            if self._stopping:
                return
            member.restarts += 1
            await asyncio.sleep(RESTART_SECONDS)
            await self._spawn(member)

    def kill(self, name: str) -> None:
        """SIGKILL to one process; it is started again."""
        process = self.members[name].process
        assert process is not None
        process.kill()

    @property
    def restarts(self) -> dict[str, int]:
        return {name: member.restarts for name, member in self.members.items() if member.restarts}

    async def stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that do not end in time. The sandbox last: calls under way finish."""
        self._stopping = True
        members = [m for m in self.members.values() if m.name != SANDBOX]
        await asyncio.gather(*(_end(m) for m in members))
        await _end(self.members[SANDBOX])
        for member in self.members.values():
            if member.watching is not None:
                member.watching.cancel()


@asynccontextmanager
async def running(site: Site, pace: float = 0.02) -> AsyncIterator[Fleet]:
    """The whole fleet, ready, for the length of the block."""
    fleet = Fleet(site, pace)
    try:
        await fleet.start()
        yield fleet
    finally:
        await fleet.stop()


async def _ready(session: aiohttp.ClientSession, member: Member, patience: float = 60.0) -> None:
    why = "did not answer"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while True:
                try:
                    async with session.get(member.ready_url) as answer:
                        why = await answer.text()
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                if member.restarts > 3:
                    break
                await asyncio.sleep(0.1)
    last = "\n".join(member.log.read_text(errors="replace").splitlines()[-5:])
    raise NotReady(f"{member.name} is not ready: {why}\nThe end of {member.log}:\n{last}")


async def _end(member: Member) -> None:
    process = member.process
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _die_with_parent() -> None:
    """The kernel ends a member when whoever started it is gone, however that went (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
