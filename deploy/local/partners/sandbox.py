"""What all sandbox partners share: effects counted by idempotency key, faults on demand, signed callbacks."""

import asyncio
import hashlib
import hmac
import json
import logging
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from aiohttp.typedefs import Middleware

_log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Faults:
    """What a partner does wrong, each a share of calls from 0 to 1; delays in seconds."""

    error: float = 0.0
    """answers 500 without an effect"""
    too_many: float = 0.0
    """answers 429 with Retry-After: 1, without an effect"""
    lost_answer: float = 0.0
    """has its effect, then cuts the connection"""
    silent: float = 0.0
    """takes the call and says nothing, without an effect, for `patience` seconds, then cuts the connection"""
    late: float = 0.0
    """has its effect at once, and answers after `patience` seconds"""
    patience: float = 30.0
    """seconds: longer than a caller waits"""
    delay: float = 0.0
    """longest time before an answer"""
    duplicate_callback: float = 0.0
    """sends a callback twice"""
    rate: float | None = None
    """calls per second that each endpoint takes; what is above it is answered 429. None: no limit"""
    injected: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """how often each fault was really injected"""


@dataclass(slots=True)
class Effect:
    """Something a partner did because it was asked."""

    partner: str
    operation: str
    key: str
    """business key: an order id, a PO number, an access key"""
    idempotency_key: str
    times: int = 1
    """how often it was asked for under this idempotency key; it was done once"""
    answer: Any = None


class Sandbox:
    """The memory of all partners in this process. Effects are looked up by `(partner, operation, idempotency key)`."""

    def __init__(self, gateway_url: str, secrets: dict[str, str], *, pace: float = 0.05) -> None:
        self.gateway_url = gateway_url
        self.secrets = secrets
        self.pace = pace
        """seconds between what a partner is asked and what it does next"""
        self.faults: dict[str, Faults] = defaultdict(Faults)
        self.partners = {name.rpartition(":")[2] for name in secrets}
        """names under which faults are injected: in a middleware, or in call backs"""
        self.effects: dict[tuple[str, str, str], Effect] = {}
        self.readers: dict[str, Callable[[EmailMessage], None]] = {}
        """Who reads the mails to an address."""
        self._parcels: dict[str, Callable[[], Awaitable[None]] | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: ClientSession | None = None

    def once(self, partner: str, operation: str, key: str, idempotency_key: str, do: Callable[[], Any]) -> Any:
        """Has the effect the first time, answers the same every time."""
        slot = (partner, operation, idempotency_key)
        if (known := self.effects.get(slot)) is not None:
            known.times += 1
            return known.answer
        answer = do()
        self.effects[slot] = Effect(partner, operation, key, idempotency_key, answer=answer)
        return answer

    def later(self, work: Awaitable[None]) -> None:
        """Runs something in the background (a callback, the next step of a supplier)."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a partner's next step failed", exc_info=error)

    def labelled(self, tracking_code: str, carry: Callable[[], Awaitable[None]]) -> None:
        """A marketplace made this label: its own logistics carry the parcel, and `carry` reports its delivery."""
        self._parcels.setdefault(tracking_code, carry)

    def shipped(self, tracking_code: str) -> bool:
        """A supplier hands a parcel over. True: a marketplace carries it and reports; False: the supplier's carrier."""
        if tracking_code not in self._parcels:
            return False
        carry, self._parcels[tracking_code] = self._parcels[tracking_code], None
        if carry is not None:
            self.later(carry())
        return True

    async def call_back(self, path: str, partner: str, body: dict[str, Any]) -> None:
        """Posts a signed event to the gateway until it answers 202; a 4xx is the sandbox's own bug and is raised."""
        payload = json.dumps(body).encode()
        secret = self.secrets[secret_name(path)]
        copies = 2 if random.random() < self.faults[partner].duplicate_callback else 1
        self.faults[partner].injected["duplicate_callback"] += copies - 1
        for _ in range(copies):
            await self._deliver(path, secret, payload)

    async def _deliver(self, path: str, secret: str, payload: bytes) -> None:
        wait = 0.2
        while True:
            try:
                async with self.session.post(
                    f"{self.gateway_url}{path}",
                    data=payload,
                    headers=signature(secret, payload),
                ) as response:
                    text = await response.text()
                    if response.status == 202:
                        return
                    if response.status < 500 and response.status != 429:
                        raise RuntimeError(f"the gateway refused {path}: {response.status} {text}")
            except (TimeoutError, ClientError):
                pass
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)

    @property
    def session(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=10))
        return self._session

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def middleware(self, partner: str) -> Middleware:
        """Injects the partner's faults around its handlers; for `web.Application(middlewares=[…])`."""

        self.partners.add(partner)
        free_at: dict[str, float] = defaultdict(float)

        def too_fast(request: web.Request, rate: float) -> bool:
            resource = request.match_info.route.resource
            endpoint = f"{request.method} {'' if resource is None else resource.canonical}"
            now = time.monotonic()
            free_at[endpoint] = max(free_at[endpoint], now - 1) + 1 / rate
            if free_at[endpoint] <= now:
                return False
            free_at[endpoint] -= 1 / rate
            return True

        @web.middleware
        async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
            faults = self.faults[partner]
            if faults.rate and too_fast(request, faults.rate):
                faults.injected["rate"] += 1
                return web.json_response({"erro": "limite"}, status=429, headers={"Retry-After": "1"})
            if faults.delay:
                faults.injected["delay"] += 1
                await asyncio.sleep(random.random() * faults.delay)
            if random.random() < faults.error:
                faults.injected["error"] += 1
                return web.json_response({"erro": "falha interna"}, status=500)
            if random.random() < faults.too_many:
                faults.injected["too_many"] += 1
                return web.json_response({"erro": "limite"}, status=429, headers={"Retry-After": "1"})
            if random.random() < faults.silent:
                faults.injected["silent"] += 1
                await asyncio.sleep(faults.patience)
                return _cut_off(request, web.Response(status=504))
            response = await handler(request)
            if random.random() < faults.late:
                faults.injected["late"] += 1
                await asyncio.sleep(faults.patience)
            if random.random() < faults.lost_answer:
                faults.injected["lost_answer"] += 1
                return _cut_off(request, response)
            return response

        return faulty


def secret_name(path: str) -> str:
    """Under which name the secret for a door of the gateway is known.

    >>> secret_name("/v1/suppliers/farol-sul/events"), secret_name("/v1/erp/events")
    ('supplier:farol-sul', 'erp')
    """
    kind, _, partner = path.removeprefix("/v1/").removesuffix("/events").partition("/")
    return f"{kind.removesuffix('s')}:{partner}" if partner else kind


def _cut_off(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """The response, which nobody will get."""
    if request.transport is not None:
        request.transport.abort()
    return response


def signature(secret: str, payload: bytes, at: int | None = None) -> dict[str, str]:
    """Headers of a signed callback: HMAC-SHA256 over `<unix seconds>.<body>`."""
    stamp = str(int(time.time()) if at is None else at)
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + payload, hashlib.sha256).hexdigest()
    return {
        "X-Fleet-Timestamp": stamp,
        "X-Fleet-Signature": f"v1={digest}",
        "Content-Type": "application/json",
    }
