"""A sandbox with the partners that a test needs, and a stand-in for the gateway's door that keeps what is posted."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer

from deploy.local.partners.sandbox import Sandbox
from deploy.local.partners.server import CreateApp, serving
from deploy.local.partners.settings import Settings
from shared.partner.operation import Attempt

SECRETS = {"channel:mercado-livre": "s3cret", "channel:magalu": "t0ken"}
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass
class Door:
    """Takes signed callbacks as the gateway does: a wrong signature is a 401, which the sandbox would raise."""

    posts: "asyncio.Queue[tuple[str, dict[str, Any]]]" = field(default_factory=asyncio.Queue)

    async def take(self, request: web.Request) -> web.Response:
        body, stamp = await request.read(), request.headers["X-Fleet-Timestamp"]
        secret = SECRETS[f"channel:{request.match_info['partner']}"].encode()
        digest = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        if request.headers["X-Fleet-Signature"] != f"v1={digest}":
            return web.Response(status=401)
        await self.posts.put((request.path, json.loads(body)))
        return web.Response(status=202)

    async def next(self) -> tuple[str, dict[str, Any]]:
        """What was posted next; TimeoutError after five seconds."""
        async with asyncio.timeout(5):
            return await self.posts.get()


@dataclass
class Partners:
    sandbox: Sandbox
    url: str
    smtp_url: str
    door: Door
    session: ClientSession

    def attempt(self, call_id: str = "call-1", number: int = 1) -> Attempt:
        return Attempt(self.session, call_id, number, NOW)

    def effects(self) -> list[tuple[str, str, int]]:
        return [(e.operation, e.key, e.times) for e in self.sandbox.effects.values()]

    async def get(self, path: str, **headers: str) -> Any:
        async with self.session.get(self.url + path, headers=headers) as response:
            response.raise_for_status()
            return await response.json()


@asynccontextmanager
async def partners_at_work(partners: Mapping[str, CreateApp]) -> AsyncIterator[Partners]:
    door = Door()
    front = web.Application()
    front.router.add_post("/v1/channels/{partner}/events", door.take)
    async with TestServer(front) as gateway, ClientSession(timeout=ClientTimeout(total=5)) as session:
        settings = Settings(
            sandbox_port=0,
            sandbox_smtp_port=0,
            sandbox_pace=0.01,
            gateway_url=str(gateway.make_url("")),
            secrets=SECRETS,
        )
        async with serving(settings, partners) as running:
            yield Partners(running.sandbox, running.url, running.smtp_url, door, session)
