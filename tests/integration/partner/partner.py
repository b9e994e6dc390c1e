"""A partner as a real HTTP server, told by the test how to answer, and a service that calls it.

The service makes one call for each payment: `payment_id` is `<partner>/<lane>/<what>`, and what came of it is
written into the tally of the order.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web

from schemas.decision import Answered, Call, Context, Decision, Exhausted, Outcome, Request
from schemas.model import Model
from schemas.payment import PaymentApproved
from shared.partner.http import request
from shared.partner.operation import Attempt, Operation, Policy
from shared.worker.subscription import Answer, Service, Subscription
from tests.integration.worker.bench import NAME, TALLY, Tally, event, payment

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived: when (seconds of the loop's clock), about what, and under which key."""

    at: float
    partner: str
    what: str
    key: str
    worker: str
    asked: bool
    """Whether it asked for what had happened, rather than to do it."""


@dataclass
class Partner:
    """Answers in turn with what `acts` says about a thing, and with `ok` when nothing is left there."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    acts: dict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))
    down: bool = False
    """Answers 503, whatever is asked."""

    def about(self, what: str) -> list[Seen]:
        return [s for s in self.seen if s.what == what]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        partner, what = request.match_info["partner"], request.match_info["what"]
        key, worker = request.headers.get("Idempotency-Key", ""), request.headers.get("X-Worker", "")
        now = asyncio.get_running_loop().time()
        self.seen.append(Seen(now, partner, what, key, worker, request.method == "GET"))
        if self.down:
            return web.Response(status=503)
        act = self.acts[what].pop(0) if self.acts[what] else ok()
        return await act(request)


def ok(text: str = "ok") -> Act:
    async def act(_: web.Request) -> web.StreamResponse:
        return web.json_response({"text": text})

    return act


def status(code: int, **headers: str) -> Act:
    async def act(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return act


def cut(request: web.Request) -> Awaitable[web.StreamResponse]:
    """The connection ends after the request has been taken."""

    async def act() -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return act()


def after(happened: asyncio.Event, then: Act | None = None) -> Act:
    async def act(request: web.Request) -> web.StreamResponse:
        await happened.wait()
        return await (then or ok())(request)

    return act


@asynccontextmanager
async def serving() -> AsyncIterator[Partner]:
    partner = Partner()
    app = web.Application()
    app.router.add_route("*", "/{partner}/{what}", partner.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    partner.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield partner
    finally:
        await runner.cleanup()


class Ask(Request):
    """What is asked of the partner."""

    partner: str
    what: str


class Said(Model):
    """What the partner answers."""

    text: str


def calling(partner: Partner, policy: Policy | None = None, window: float = 60.0) -> Service:
    """A service that calls the partner for each payment, and counts what came of it."""

    def call(tally: Tally | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
        whom, lane, what = event.payment_id.split("/")
        asked = Call(whom, Ask(partner=whom, what=what), lane=lane, window=timedelta(seconds=window))
        return Decision(tally or Tally(), calls=[asked])

    async def send(asked: Ask, attempt: Attempt) -> Said:
        url, worker = f"{partner.url}/{asked.partner}/{asked.what}", str(id(attempt.session))
        reply = await request(attempt, "POST", url, json={}, headers={"X-Worker": worker})
        return Said.model_validate(reply.expect(200).json())

    async def query(asked: Ask, attempt: Attempt) -> Said | None:
        reply = await request(attempt, "GET", f"{partner.url}/{asked.partner}/{asked.what}")
        return None if reply.status == 404 else Said.model_validate(reply.expect(200).json())

    return Service(
        NAME,
        (Subscription(PaymentApproved, TALLY, call), Answer(Ask, Said, TALLY, answered, exhausted)),
        (Operation(Ask, send, policy or Policy(), query),),
    )


def answered(tally: Tally | None, answer: Answered[Ask, Said], ctx: Context[Any]) -> Outcome[Tally]:
    return Decision(Tally(seen=(*(tally or Tally()).seen, f"{answer.request.what}={answer.answer.text}")))


def exhausted(tally: Tally | None, call: Exhausted[Ask], ctx: Context[Any]) -> Outcome[Tally]:
    return Decision(Tally(seen=(*(tally or Tally()).seen, f"{call.request.what} exhausted")))


def ask(what: str, partner: str = "acme", lane: str | None = None, order: str = "ORD-1") -> bytes:
    """The event that makes the service ask; each thing has a lane of its own unless one is named."""
    return event(payment(order, f"{partner}/{lane or what}/{what}"))
