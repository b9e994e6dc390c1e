"""How long a batch waits for more: no longer than its first event is late already, and never after a quiet moment."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import SimpleNamespace
from typing import Any

from shared.broker.link import Delivery
from shared.worker.intake import Intake

GATHER = 0.4
"""Seconds: so much longer than a step of a test that a busy machine makes no difference."""
ROUTES: Any = SimpleNamespace(assign=lambda item: None)


def intake(prefetch: int = 512) -> Intake:
    runtime: Any = SimpleNamespace(
        retention_days=21, prefetch=512, prefetch_bytes=2**20, batch_events=256, gather_seconds=GATHER
    )
    made = Intake(ROUTES, runtime)
    made.prefetch = prefetch
    return made


COMPLETED = {"order_id": "ORD-1", "store_id": "s", "channel_id": "c", "completed_at": "2026-07-01T12:00:00Z"}


def arrives(
    at: Intake, tag: int, late: float, kind: str = "order.completed.v1", data: dict[str, Any] = COMPLETED
) -> None:
    """An event that was published so many seconds ago."""
    event = {
        "specversion": "1.0",
        "id": f"e{tag}",
        "source": "/shop",
        "type": kind,
        "subject": "ORD-1",
        "time": (datetime.now(UTC) - timedelta(seconds=late)).isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }
    body = json.dumps(event).encode()
    at.deliver(Delivery(tag, "billing", "fleet.events", kind, "application/cloudevents+json", {}, body, False))
    at.fill()
    assert at._next.items[-1].fault is None


async def gathered(at: Intake) -> tuple[int, float]:
    """How many events the next batch has, and how long it waited."""
    started = monotonic()
    batch = await at.next_batch()
    return len(batch.items), monotonic() - started


async def test_late_event_waits_for_those_that_come_after_it() -> None:
    one = intake()
    one.committed_several()
    arrives(one, 1, late=5)
    asyncio.get_running_loop().call_later(GATHER / 8, arrives, one, 2, 0.0)
    events, waited = await gathered(one)
    assert events == 2
    assert waited > GATHER * 0.7


async def test_event_that_is_not_late_waits_for_nobody() -> None:
    one = intake()
    one.committed_several()
    arrives(one, 1, late=-5)  # by a clock that is ahead of ours
    assert (await gathered(one))[1] < GATHER / 2


async def test_late_event_after_a_quiet_moment_waits_for_nobody() -> None:
    one = intake()
    arrives(one, 1, late=5)
    assert (await gathered(one))[1] < GATHER / 2


async def test_batch_that_has_all_that_may_come_waits_for_nobody() -> None:
    one = intake(prefetch=2)
    one.committed_several()
    arrives(one, 1, late=5)
    arrives(one, 2, late=5)
    events, waited = await gathered(one)
    assert (events, waited < GATHER / 2) == (2, True)


async def test_what_a_campaign_asks_for_is_a_batch_and_waits_for_nobody() -> None:
    one = intake()
    one.committed_several()
    asked = [{"place": n, "occurrence": f"0198a2e1-7c44-7a08-b3c5-0d9f8e7a6b5{n}"} for n in range(3)]
    request = {"service": "billing", "campaign_id": "c-1", "action": "replay", "letters": asked}
    arrives(one, 1, 5, "dead_letter.batch_requested.v1", request)
    one.deliver(Delivery(2, "billing", "", "x", "text/plain", {}, b"?", False))
    one.fill()
    events, waited = await gathered(one)
    assert (events, waited < GATHER / 2) == (3, True)


async def test_answers_about_many_letters_wait_for_nobody() -> None:
    one = intake()
    one.committed_several()
    answers = [{"place": n, "outcome": "handled"} for n in range(2)]
    said = {"service": "billing", "campaign_id": "c-1", "answers": answers, "answered_at": "2026-07-01T12:00:00Z"}
    arrives(one, 1, 5, "dead_letter.batch_answered.v1", said)
    assert (await gathered(one))[1] < GATHER / 2
