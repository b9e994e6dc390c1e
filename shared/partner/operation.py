"""What can be asked of partners: one literal table per service, request → how to send it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from aiohttp import ClientSession

from schemas.decision import Request
from schemas.model import Model


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one call. The idempotency key is the same for every try."""

    session: ClientSession
    call_id: str
    number: int
    """1 for the first try."""
    created_at: datetime

    @property
    def idempotency_key(self) -> str:
        return self.call_id


Send = Callable[[Any, Attempt], Awaitable[Model]]
"""`send(request, attempt) -> answer` in our words. Raises Unavailable, Uncertain or Rejected."""
Query = Callable[[Any, Attempt], Awaitable[Model | None]]
"""Asks whether an uncertain call had its effect: its answer, or None where it had none."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a partner wants to be called. Seconds; `rate` in calls per second for all replicas together."""

    timeout: float = 10.0
    concurrency: int = 8
    rate: float | None = None
    uncertain: Literal["resend", "query", "stop"] = "resend"


@dataclass(frozen=True, slots=True)
class Operation:
    """A request and how it is sent."""

    request: type[Request]
    send: Send
    policy: Policy = field(default_factory=Policy)
    query: Query | None = None

    @property
    def name(self) -> str:
        return self.request.__name__
