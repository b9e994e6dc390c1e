"""Dead letters, their orders and outcomes, deliveries and lines, with overrides."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from schemas import envelope
from schemas.decision import Cause, Context, Numbers
from schemas.runtime import DeadLetterFailed, DeadLetterRecorded, DeadLetterResolved
from shared.broker.link import Delivery

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OCCURRENCE = "5d0c0b9e-0000-4000-8000-000000000001"


def ctx(id: str = "cause-1", now: datetime = AT) -> Context[None]:
    ref = envelope.reference("/test", id)
    cause = Cause(id, "/test", "dead_letter.recorded.v1", OCCURRENCE, now, ref)
    return Context(now, cause, None, Numbers({}), OCCURRENCE)


def event(**changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/dropfleet/order_intake",
        "type": "order.status_changed.v1",
        "subject": "ORD-1",
        "time": "2026-11-22T12:00:00+00:00",
        "data": {"order_id": "ORD-1", "status": "payment_confirmed", "changed_at": "2026-11-22T12:00:00Z"},
        **changes,
    }


def letter(**changes: Any) -> DeadLetterRecorded:
    fields: dict[str, Any] = {
        "occurrence": OCCURRENCE,
        "service": "billing",
        "service_version": "0.1.0",
        "reason": "decision_raised",
        "error": "Traceback\nKeyError: 'x'",
        "event_type": "order.ready.v1",
        "event_source": "/dropfleet/order_intake",
        "event_id": "e-1",
        "event_subject": "ORD-1",
        "key": "invoice:ORD-1",
        "attempts": 1,
        "first_at": AT,
        "last_at": AT,
        "content_type": envelope.EVENT,
        "body": base64.b64encode(json.dumps(event()).encode()).decode(),
        **changes,
    }
    return DeadLetterRecorded(**fields)


def resolved(**changes: Any) -> DeadLetterResolved:
    fields: dict[str, Any] = {
        "occurrence": OCCURRENCE,
        "replay_id": "act-1",
        "service": "billing",
        "outcome": "handled",
        "resolved_at": AT,
    }
    return DeadLetterResolved(**{**fields, **changes})


def failed(**changes: Any) -> DeadLetterFailed:
    fields: dict[str, Any] = {
        "occurrence": OCCURRENCE,
        "replay_id": "act-1",
        "service": "billing",
        "error": "KeyError: 'x'",
        "failed_at": AT,
    }
    return DeadLetterFailed(**{**fields, **changes})


def delivery(body: Any, **changes: Any) -> Delivery:
    fields: dict[str, Any] = {
        "tag": 1,
        "queue": "control_room.journal",
        "exchange": "fleet.events",
        "routing_key": "order.status_changed.v1",
        "content_type": envelope.PACK if isinstance(body, list) else envelope.EVENT,
        "headers": {},
        "redelivered": False,
    }
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(**{**fields, "body": raw, **changes})
