"""PURE: what comes out of a `<service>.dead` queue, made readable for the worker.

A service's own dead letters travel under the queue's name as routing key. What the broker itself dead-lettered
(delivery limit) is the raw message with an `x-death` header: nobody wrote a letter, so one is written here,
one for each event, under ids derived from the message.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from schemas import envelope
from schemas.runtime import DeadLetterRecorded
from schemas.text import storable
from services.control_room.decide import WRITTEN_HERE
from services.control_room.entry import Entry, entries
from shared.broker.link import Delivery

SUFFIX = ".dead"
SOURCE = "/dropfleet/control_room/broker"


def adopt(delivery: Delivery) -> Delivery:
    """The delivery as `dead_letter.recorded`. Of other queues: as it is."""
    if not delivery.queue.endswith(SUFFIX):
        return delivery
    death = _death(delivery.headers)
    if death is None:
        return replace(delivery, routing_key=DeadLetterRecorded.TYPE)
    letters = [part for entry in entries(delivery) for part in _letter(delivery, death, entry).parts(entry.body)]
    events = [envelope.encode(letter, id=letter.part_id, source=SOURCE, time=letter.last_at) for letter in letters]
    body = b"[" + b",".join(events) + b"]"
    return replace(delivery, routing_key=DeadLetterRecorded.TYPE, content_type=envelope.PACK, headers={}, body=body)


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The broker's latest note of why it moved the message; None: a service published it here."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    return first if isinstance(first, Mapping) else None


def _letter(delivery: Delivery, death: Mapping[str, Any], entry: Entry) -> DeadLetterRecorded:
    service = delivery.queue.removesuffix(SUFFIX)
    at = death.get("time")
    moved_at = at.astimezone(UTC) if isinstance(at, datetime) else datetime.now(UTC)
    count = delivery.headers.get("x-delivery-count")
    return DeadLetterRecorded(
        occurrence=str(envelope.reference(f"/broker/{service}/{_identity(entry)}", moved_at.isoformat())),
        service=service,
        service_version=WRITTEN_HERE,
        reason="delivery_limit",
        error=f"the broker moved it out of {_said(death, 'queue')!r}: {_said(death, 'reason')}",
        event_type=entry.type or entry.routing_key or _routing_key(death),
        event_source=entry.source,
        event_id=entry.id,
        event_subject=entry.subject,
        attempts=count if isinstance(count, int) else 1,
        first_at=moved_at,
        last_at=moved_at,
        content_type=envelope.EVENT if entry.type is not None else delivery.content_type or None,
        headers=json.loads(json.dumps(delivery.headers, default=str)),
        body="",
    )


def _identity(entry: Entry) -> str:
    return hashlib.sha256(entry.body).hexdigest() if entry.type is None else str(entry.ref)


def _said(death: Mapping[str, Any], name: str) -> str:
    return storable(str(death.get(name, "unknown")))[:200]


def _routing_key(death: Mapping[str, Any]) -> str | None:
    keys = death.get("routing-keys")
    return storable(str(keys[0])) if isinstance(keys, list) and keys else None
