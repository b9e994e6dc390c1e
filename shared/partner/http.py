"""One HTTP request to a partner, with failures told apart: not taken, uncertain, or answered."""

import email.utils
import json as _json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.operation import Attempt

_ELSEWHERE = re.compile(r"^[^?#]*/\.{1,2}(?:[/?#]|$)")
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the partner answered: a status below 500 other than 429, and the body."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON. Rejected: it is none."""
        try:
            return _json.loads(self.body) if self.body else None
        except ValueError as error:
            raise Rejected(f"answered {self.status} with a body that is not JSON: {self.body[:200]!r}") from error

    def expect(self, *statuses: int) -> "Reply":
        """Itself. Rejected: another status than the contract foresees."""
        if self.status not in statuses:
            raise Rejected(f"answered {self.status}, expected {statuses}: {self.body[:500].decode(errors='replace')}")
        return self


async def request(
    attempt: Attempt,
    method: str,
    url: str,
    *,
    json: Any = None,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Sends with the call's idempotency key. Unavailable: not taken. Uncertain: perhaps taken. Rejected: no such URL
    can be meant (dots as a part of the path would lead elsewhere)."""
    if _ELSEWHERE.search(url):
        raise Rejected(f"{method} {url}: a part of the path is only dots")
    all_headers = {"Idempotency-Key": attempt.idempotency_key, **(headers or {})}
    try:
        async with attempt.session.request(method, url, json=json, data=data, headers=all_headers) as response:
            body = await response.read()
    except aiohttp.RedirectClientError as error:  # it was sent: only where the partner led us next is nowhere
        raise Uncertain(f"{method} {url}: {type(error).__name__} {error}") from error
    except aiohttp.InvalidURL as error:
        raise Rejected(f"{method} {url}: not a URL") from error
    except _NOT_SENT as error:
        raise Unavailable(f"{method} {url}: {error}") from error
    except (TimeoutError, aiohttp.ClientError) as error:
        raise Uncertain(f"{method} {url}: {type(error).__name__} {error}") from error
    detail = f"{method} {url} answered {response.status}: {body[:200].decode(errors='replace')}"
    if response.status in (429, 503):
        raise Unavailable(detail, _retry_after(response.headers.get("Retry-After")))
    if response.status >= 500:
        raise Uncertain(detail)
    return Reply(response.status, body, dict(response.headers))


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = email.utils.parsedate_tz(value)
        return None if when is None else max(0.0, email.utils.mktime_tz(when) - time.time())
    except (ValueError, OverflowError):
        return None  # no time of any calendar: the call waits as if nothing had been said
