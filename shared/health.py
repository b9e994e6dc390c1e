"""/healthz (the loop makes progress), /readyz (session up, database up, not paused), /metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared import metrics

log = structlog.get_logger()


@dataclass(slots=True)
class Health:
    """What a process knows of itself: for each part why it is not ready, None when it is."""

    waiting_for: dict[str, str | None] = field(default_factory=dict)

    def ready(self, part: str) -> None:
        self.tell(part, None)

    def not_ready(self, part: str, why: str) -> None:
        self.tell(part, why)

    def tell(self, part: str, why: str | None) -> None:
        """Why the part is not ready; None: it is."""
        self.waiting_for[part] = why
        metrics.READY.labels(part).set(why is None)

    @property
    def reasons(self) -> dict[str, str]:
        return {part: why for part, why in self.waiting_for.items() if why is not None}


def routes(health: Health) -> list[web.RouteDef]:
    """The three routes, to be served alone or beside others."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        reasons = health.reasons
        body = {"status": "waiting", "for": reasons} if reasons else {"status": "ready"}
        return web.json_response(body, status=503 if reasons else 200)

    async def measures(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", measures)]


@asynccontextmanager
async def serving(health: Health, host: str, port: int) -> AsyncIterator[int]:
    """Serves the three routes; yields the port (useful where 0 was asked for)."""
    app = web.Application()
    app.add_routes(routes(health))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = int(runner.addresses[0][1])
    log.info("health.serving", port=bound)
    try:
        yield bound
    finally:
        await runner.cleanup()
