"""Stores what partners answered: what comes while others are being stored goes together into the next transaction.

An answer is stored on its call's row together with the message that tells the service.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import structlog
from asyncpg import Connection, Pool

from schemas.model import Model
from shared.broker.outgoing import Outgoing
from shared.database import connection
from shared.partner import store
from shared.partner.report import answered
from shared.worker.store import save_outgoing

log = structlog.get_logger()


@dataclass(slots=True)
class Given:
    """An answer that waits to be stored."""

    call: store.Leased
    answer: Model
    stored: bool = False


class Answers:
    """Many calls end at once; whose turn it is stores all that wait."""

    def __init__(self, service: str, pool: Pool, send: Callable[[UUID, list[Outgoing]], Awaitable[None]]) -> None:
        self._service = service
        self._pool = pool
        self._send = send
        self._waiting: list[Given] = []
        self._turn = asyncio.Lock()

    async def add(self, call: store.Leased, answer: Model) -> None:
        """Returns when it is stored. Raises what PostgreSQL raises: then the lease runs out, and the call is made again
        as uncertain."""
        mine = Given(call, answer)
        self._waiting.append(mine)
        async with self._turn:
            if mine.stored:
                return
            batch, messages = await self._save_with_others(mine)
        if messages:
            await self._send(batch, messages)

    async def _save_with_others(self, mine: Given) -> tuple[UUID, list[Outgoing]]:
        """All that wait; where that fails, this one alone: one answer that the database refuses fails no other."""
        group, self._waiting = self._waiting, []
        try:
            return await self._save(group)
        except BaseException as error:
            self._waiting[:0] = [given for given in group if given is not mine]
            if len(group) == 1 or not isinstance(error, Exception):
                raise
        return await self._save([mine])

    async def _save(self, group: list[Given]) -> tuple[UUID, list[Outgoing]]:
        """Nearly always all leases hold, and one statement does it."""
        batch, now = uuid4(), datetime.now(UTC)
        answers = [(g.call, g.answer.model_dump_json()) for g in group]
        messages = answered(self._service, batch, [(g.call, g.answer) for g in group], now)
        async with connection(self._pool) as con:
            if not await store.save_answers_and_messages(con, answers, batch, messages):
                return await self._save_what_is_ours(con, batch, group, answers)
        for given in group:
            given.stored = True
        return batch, messages

    async def _save_what_is_ours(
        self, con: Connection, batch: UUID, group: list[Given], answers: list[tuple[store.Leased, str]]
    ) -> tuple[UUID, list[Outgoing]]:
        async with con.transaction():
            stored = await store.save_answers(con, answers)
            kept = [(g.call, g.answer) for g in group if g.call.id in stored]
            messages = answered(self._service, batch, kept, datetime.now(UTC))
            if messages:
                await save_outgoing(con, batch, messages)
        for given in group:
            given.stored = True
            if given.call.id not in stored:
                log.warning("call.lease_lost", call=str(given.call.id), partner=given.call.partner)
        return batch, messages
