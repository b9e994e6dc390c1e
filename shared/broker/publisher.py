"""Publishes over a connection that it keeps up by itself: for those who only publish (gateway, command line)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import structlog

from shared.backoff import LONGEST, Backoff
from shared.broker.link import Link, open_link
from shared.broker.outgoing import NotConfirmed, Outgoing

log = structlog.get_logger()


class Publisher:
    """`publish` sends over the current connection, and fails at once while there is none."""

    def __init__(self, url: str, name: str, deadline: float = 10.0, longest: float = LONGEST) -> None:
        """`deadline`: seconds that a confirm may take; `longest`: between two tries to connect, at most."""
        self._url = url
        self._name = name
        self._deadline = deadline
        self._longest = longest
        self._link: Link | None = None
        self._up = asyncio.Event()

    @property
    def is_up(self) -> bool:
        return self._link is not None and self._link.is_up

    async def ready(self) -> None:
        """Returns when there is a connection."""
        await self._up.wait()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns when the broker has confirmed all. NotConfirmed: it has not, or there is no broker."""
        link = self._link
        if link is None or not link.is_up:
            raise NotConfirmed("no connection to the broker")
        try:
            async with asyncio.timeout(self._deadline * 2):
                await link.publish(messages, self._deadline)
        except TimeoutError as error:
            raise NotConfirmed("the broker blocks publishers") from error

    async def run(self) -> None:
        """Keeps the connection up until cancelled."""
        backoff = Backoff(longest=self._longest)
        while True:
            try:
                async with open_link(self._url, self._name) as link:
                    self._link = link
                    self._up.set()
                    since = monotonic()
                    log.info("broker.connected")
                    why = await asyncio.shield(link.lost)
                    log.warning("broker.lost", why=why)
                    if monotonic() - since > self._longest:  # what is closed at once must not be opened again at once
                        backoff.reset()
            except Exception as error:
                log.warning("broker.unreachable", error=str(error))
            finally:
                self._link = None
                self._up.clear()
            await backoff.wait()


@asynccontextmanager
async def running(publisher: Publisher, patience: float = 15.0) -> AsyncIterator[Publisher]:
    """The publisher, connected. TimeoutError: no broker within `patience` seconds."""
    task = asyncio.create_task(publisher.run())
    try:
        async with asyncio.timeout(patience):
            await publisher.ready()
        yield publisher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
