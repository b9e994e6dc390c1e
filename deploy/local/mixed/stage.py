"""Plays the scripts: publishes the orders, a limited number at a time, and their later messages on cue."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
from asyncpg import Connection

from deploy.local import store
from deploy.local.fleet import Fleet
from deploy.local.mixed import stores
from deploy.local.mixed.script import Cue, Rubbish, Script
from deploy.local.partners.sandbox import signature
from schemas import envelope
from schemas.catalogue import by_type
from schemas.model import Message
from shared.broker.outgoing import Outgoing
from shared.broker.publisher import Publisher
from shared.broker.topology import INBOUND

AT_ONCE = 40
"""Orders under way: few enough that deadlines of seconds are missed only by those that are to miss them."""
SOURCE = "/upstream/demo"
_REFUND_ORDERED = "refund.ordered.v1"


class Stage:
    """One performance. `con` is an administrator's, for this object alone."""

    def __init__(self, scripts: Sequence[Script], fleet: Fleet, publisher: Publisher, con: Connection) -> None:
        self._scripts = scripts
        self._fleet = fleet
        self._publisher = publisher
        self._con = con
        self._cues: dict[str, list[Cue]] = {s.key: list(s.cues) for s in scripts}
        self._seen: set[int] = set()
        self._counted: dict[tuple[str, str, tuple[tuple[str, str], ...]], int] = defaultdict(int)
        self._visits: list[tuple[list[Outgoing], str]] = []
        """Pages to visit, each once all have handled what was said before."""
        self._types = sorted({cue.type for s in scripts for cue in s.cues} | {_REFUND_ORDERED})

    @property
    def waiting_cues(self) -> list[str]:
        """What was never said, because its cue did not come."""
        silent = [f"{key}: never saw {cue.type}" for key, cues in self._cues.items() for cue in cues]
        return silent + [f"never visited {page}" for _, page in self._visits]

    async def play(self) -> None:
        """Until cancelled: the last cue may come late."""
        left = list(self._scripts)
        async with aiohttp.ClientSession() as session:
            while True:
                under_way = await _under_way(self._con, self._scripts[: len(self._scripts) - len(left)]) if left else 0
                for script in left[: max(0, AT_ONCE - under_way)]:
                    await self._begin(script, session)
                    left.pop(0)
                await self._answer_cues(session)
                await self._visit(session)
                await asyncio.sleep(0.2)

    async def is_over(self, con: Connection) -> bool:
        """Whether every order that ends has its end."""
        return not await _under_way(con, self._scripts)

    async def close_queue(self) -> None:
        """The hub's queue is asked no more: nothing is under way for ever."""
        closed = stores.channel(self._fleet.sandbox_url)
        await self._say([closed.model_copy(update={"valid_from": datetime.now(UTC), "polls": False})])

    async def _begin(self, script: Script, session: aiohttp.ClientSession) -> None:
        if script.rubbish is not None:
            await self._publisher.publish([_rubbish(script.rubbish)])
        if script.queued is not None:
            url = f"{self._fleet.sandbox_url}/hub/queue/orders"
            async with session.post(url, json=dict(script.queued)) as answer:
                answer.raise_for_status()
        await self._say(script.messages, script.copies)

    async def _say(self, messages: Sequence[Message], copies: int = 1) -> list[Outgoing]:
        events = [_event(message) for message in messages]
        await self._publisher.publish([event for event in events for _ in range(copies)])
        return events

    async def _answer_cues(self, session: aiohttp.ClientSession) -> None:
        newest = max(self._seen, default=0)
        for position, type, data in await store.load_facts_since(self._con, newest, self._types):
            if position in self._seen:
                continue
            self._seen.add(position)
            if type == _REFUND_ORDERED and data["by"] == "channel":
                await self._report_refund(data, session)
            for cue in [c for c in self._cues.get(data["order_id"], ()) if _is_meant(c, type, data)]:
                await self._count(cue, data, session)

    async def _count(self, cue: Cue, data: dict[str, Any], session: aiohttp.ClientSession) -> None:
        order_id = data["order_id"]
        name = (order_id, cue.type, tuple(sorted(cue.having.items())))
        self._counted[name] += 1
        if self._counted[name] == cue.times:
            self._cues[order_id].remove(cue)
            events = await self._say(cue.then(datetime.now(UTC)))
            if cue.visit is not None:
                self._visits.append((events, cue.visit(data)))

    async def _visit(self, session: aiohttp.ClientSession) -> None:
        due = [visit for visit in self._visits if await self._are_handled(visit[0])]
        for visit in due:
            async with session.post(f"{self._fleet.sandbox_url}{visit[1]}") as answer:
                answer.raise_for_status()
            self._visits.remove(visit)

    async def _are_handled(self, events: Sequence[Outgoing]) -> bool:
        pairs = [
            (service, envelope.reference(SOURCE, event.message_id))
            for event in events
            for service in by_type()[event.routing_key].consumers
        ]
        return all([await store.has_handled(self._con, service, ref) for service, ref in pairs])

    async def _report_refund(self, data: dict[str, Any], session: aiohttp.ClientSession) -> None:
        """A marketplace pays back what it took; the seller's ERP learns it from the statement of account."""
        now = datetime.now(UTC).isoformat()
        reported = {"refund_id": data["refund_id"], "outcome": "settled", "bank_reference": "extrato"}
        body = {"id": data["refund_id"], "type": "refund.reported", "data": reported | {"reported_at": now}}
        payload = json.dumps(body).encode()
        headers = signature(self._fleet.site.partner_secrets["erp"], payload)
        while True:
            try:
                url = f"{self._fleet.gateway_url}/v1/erp/events"
                async with session.post(url, data=payload, headers=headers) as answer:
                    if answer.status == 202:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)


async def _under_way(con: Connection, begun: Sequence[Script]) -> int:
    statuses = await store.load_status_of_orders(con)
    named = ((s.expected.ends, statuses.get(s.key)) for s in begun if s.expected.end not in ("refused", "dead letter"))
    return sum(found not in ends for ends, found in named)


def _is_meant(cue: Cue, type: str, data: dict[str, Any]) -> bool:
    return cue.type == type and all(data.get(name) == value for name, value in cue.having.items())


def _event(message: Message) -> Outgoing:
    id = str(uuid4())
    body = envelope.encode(message, id=id, source=SOURCE, time=datetime.now(UTC))
    return Outgoing(INBOUND, message.TYPE, envelope.EVENT, body, id)


def _rubbish(said: Rubbish) -> Outgoing:
    id = str(uuid4())
    body = {
        "specversion": "1.0",
        "id": id,
        "source": SOURCE,
        "type": said.type,
        "subject": said.subject,
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": said.data,
    }
    return Outgoing(INBOUND, said.type, envelope.EVENT, json.dumps(body).encode(), id)
