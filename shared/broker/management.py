"""A thin client of RabbitMQ's management API, for one virtual host."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=30)


class ManagementFailed(Exception):
    """The management API did not do what it was asked; the message says which request and why."""

    def __init__(self, detail: str, status: int | None = None, reason: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Management:
    """Requests to `<address>/api/…`. Paths are given in parts, which are quoted here."""

    session: aiohttp.ClientSession
    address: str
    vhost: str

    async def get(self, *parts: str) -> Any:
        """The answer as JSON; None where there is no such thing. Raises ManagementFailed."""
        return await self._request("GET", parts, None)

    async def put(self, *parts: str, body: Any = None) -> None:
        await self._request("PUT", parts, body or {})

    async def post(self, *parts: str, body: Any = None) -> None:
        await self._request("POST", parts, body or {})

    async def delete(self, *parts: str) -> None:
        await self._request("DELETE", parts, None)

    async def _request(self, method: str, parts: tuple[str, ...], body: Any) -> Any:
        path = "/api/" + "/".join(quote(part, safe="") for part in parts)
        try:
            async with self.session.request(method, self.address + path, json=body) as reply:
                if reply.status == 404 and method in ("GET", "DELETE"):
                    return None
                answer = await reply.json(content_type=None) if reply.status != 204 else None
                if reply.status >= 400:
                    raise self._failure(method, path, reply.status, answer)
                return answer
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            problem = str(error) or type(error).__name__
            raise ManagementFailed(
                f"no RabbitMQ management API answers at {self.address}: {problem} (FLEET_MANAGEMENT_URL)"
            ) from error

    def _failure(self, method: str, path: str, status: int, answer: Any) -> ManagementFailed:
        reason = str(answer.get("reason", answer.get("error", ""))) if isinstance(answer, dict) else ""
        detail = f"{method} {self.address}{path} answered {status}: {reason}"
        if status == 401:
            detail += " (the user or password is wrong, or the user has no management tag: FLEET_MANAGEMENT_URL)"
        return ManagementFailed(detail, status, reason)


def vhost_of(amqp_url: str) -> str:
    """The virtual host that an AMQP URL names; `/` where it names none."""
    path = urlsplit(amqp_url).path
    return unquote(path[1:]) if len(path) > 1 else "/"


@asynccontextmanager
async def connect(amqp_url: str, management_url: str) -> AsyncIterator[Management]:
    """The management API of the broker, as the user in `management_url`, or else as the one in `amqp_url`."""
    parts = urlsplit(management_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ManagementFailed("FLEET_MANAGEMENT_URL must look like http://user:password@host:15672")
    account = parts if parts.username else urlsplit(amqp_url)
    login = aiohttp.encode_basic_auth(unquote(account.username or "guest"), unquote(account.password or "guest"))
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")).rstrip("/")
    async with aiohttp.ClientSession(headers={"Authorization": login}, timeout=TIMEOUT) as session:
        yield Management(session, address, vhost_of(amqp_url))
