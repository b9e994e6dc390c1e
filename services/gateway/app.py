"""The HTTP side: who may come in, how large and how old a request may be, and what each is answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import Counter, Histogram
from pydantic import SecretStr

from services.gateway import signature
from services.gateway.event import outgoing
from services.gateway.pages import add_pages
from services.gateway.partners import DOORS, Door
from services.gateway.problem import Problem
from services.gateway.settings import Settings
from shared.broker.outgoing import NotConfirmed, Outgoing

log = structlog.get_logger()

REQUESTS = Counter(
    "fleet_gateway_requests_total", "Requests by kind of partner and what was answered", ["kind", "status"]
)
SECONDS = Histogram("fleet_gateway_request_seconds", "Time from a request to its answer", ["kind"])

Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Gateway:
    """The doors, opened: `publish` returns when the broker has confirmed."""

    settings: Settings
    publish: Publish
    open_requests: int = 0

    async def receive(self, door: Door, request: web.Request) -> web.Response:
        partner = request.match_info.get("partner", door.kind)
        secret = self._secret(door.secret_name(partner))
        if request.content_type != "application/json":
            raise Problem(415, "content-type", "Unsupported media type", "events are application/json")
        body = await self._body(request)
        self._check(request.headers, body, secret)
        message = outgoing(door, partner, body, datetime.now(UTC), request.headers.get("traceparent"))
        await self._confirmed(message)
        log.debug("event.accepted", kind=door.kind, partner=partner, type=message.routing_key)
        return web.json_response({"status": "accepted"}, status=202)

    def _secret(self, name: str) -> SecretStr:
        secret = self.settings.secrets.get(name)
        if secret is None:
            raise Problem(404, "unknown-partner", "Unknown partner", "no such partner is known here")
        return secret

    async def _body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self.settings.gateway_body_seconds):
                return await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise self._too_large() from error
        except TimeoutError as error:
            detail = f"the body did not come within {self.settings.gateway_body_seconds:.0f} s"
            raise Problem(408, "slow", "Request time-out", detail) from error

    def _too_large(self) -> Problem:
        detail = f"an event may have {self.settings.gateway_body_bytes} bytes"
        return Problem(413, "too-large", "The body is too large", detail)

    def _check(self, headers: Mapping[str, str], body: bytes, secret: SecretStr) -> None:
        window = self.settings.gateway_replay_seconds
        if flaw := signature.flaw(headers, body, secret.get_secret_value(), time.time(), window):
            raise Problem(401, "signature", "The request is not signed as it must be", flaw)

    async def _confirmed(self, message: Outgoing) -> None:
        try:
            async with asyncio.timeout(self.settings.gateway_confirm_seconds):
                await self.publish([message])
        except (NotConfirmed, TimeoutError) as error:
            log.warning("event.not_confirmed", type=message.routing_key, error=str(error) or "deadline")
            raise self.come_again("the event was not stored") from error

    def come_again(self, detail: str) -> Problem:
        """503: post the same event again; it is the same message then."""
        wait = self.settings.gateway_retry_after
        return Problem(503, "unavailable", "Come again", f"{detail}; post it again", retry_after=wait)


def create_app(settings: Settings, publish: Publish) -> web.Application:
    """The application, without health and metrics: those are served on a port of their own."""
    gateway = Gateway(settings, publish)
    app = web.Application(client_max_size=settings.gateway_body_bytes, middlewares=[refusals, bounded(gateway)])
    add_pages(app)
    for door in DOORS:
        app.router.add_post(door.path, entrance(gateway, door), name=door.kind)
    return app


def entrance(gateway: Gateway, door: Door) -> Handler:
    async def enter(request: web.Request) -> web.Response:
        with SECONDS.labels(door.kind).time():
            return await gateway.receive(door, request)

    return enter


def bounded(gateway: Gateway) -> Middleware:
    """Turns away what comes while as many requests as allowed are open."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if gateway.open_requests >= gateway.settings.gateway_requests:
            raise gateway.come_again("too many events at the same time")
        gateway.open_requests += 1
        try:
            return await handler(request)
        finally:
            gateway.open_requests -= 1

    return admit


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is a problem document, also those that the router makes (404, 405)."""
    kind = request.match_info.route.name or "none"
    try:
        response = await handler(request)
    except Problem as problem:
        log.info("event.refused", kind=kind, status=problem.status, code=problem.code)
        response = problem.response()
    except web.HTTPException as error:
        response = Problem(error.status, "http", error.reason, f"{request.method} is not served here").response()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    REQUESTS.labels(kind, response.status).inc()
    return response
