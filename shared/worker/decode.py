"""From bytes to events. Nothing that anybody publishes may stop the worker: it ends as an event or as a fault."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from schemas import catalogue, envelope
from schemas.model import Message, places
from shared.broker.frames import UNREADABLE
from shared.broker.link import Delivery
from shared.broker.topology import INBOUND
from shared.worker.incoming import Fault, Incoming, Kept, Replay

_TYPE = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*\.v[1-9][0-9]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f]")

OURS = "/dropfleet/"
"""Sources of our own services begin so."""


def decode(delivery: Delivery, retention: timedelta) -> list[Incoming]:
    """The events of a delivery, in order; at least one, even of a body that is rubbish."""
    pack = _media_type(delivery) == envelope.PACK
    fault = _refused(delivery)
    if fault is not None:
        return refused(delivery, fault)
    model = _model(delivery.routing_key)
    if model is not None:
        events = _valid(delivery, model, pack)
        if events is not None:
            return [_incoming(e, delivery, i if pack else None, retention) for i, e in enumerate(events)]
    return list(_one_by_one(delivery, model, pack, retention))


def refused(delivery: Delivery, fault: Fault) -> list[Incoming]:
    """The events of a delivery that is not decoded."""
    if _media_type(delivery) == envelope.PACK:
        return _apart(delivery, fault)
    return [_unreadable(delivery, fault)]


def decode_all_kept(rows: Sequence[tuple[Kept, bytes | None]]) -> list[Incoming]:
    """As `decode_kept`, with those of a type that were valid events when they came in one go."""
    found: dict[int, Incoming] = {}
    by_type: dict[str, list[tuple[int, Kept]]] = {}
    for n, (row, edited) in enumerate(rows):
        if row.type is not None and row.reason in _VALID and not (edited or row.edited):
            by_type.setdefault(row.type, []).append((n, row))
    for type, some in by_type.items():
        together = Delivery(0, "", "", type, envelope.PACK, {}, b"[%b]" % b",".join(row.body for _, row in some), False)
        model = _model(type)
        events = (model and len(some) > 1 and _valid(together, model, True)) or ()
        if len(events) == len(some):
            items = [_incoming(event, together, None, _EVER) for event in events]
            found |= {
                n: _kept(item, row, row.body)
                for (n, row), item in zip(some, items, strict=True)
                if item.fault is None and (item.source, item.id) == (row.source, row.id)
            }
    return [found[n] if n in found else decode_kept(row, edited) for n, (row, edited) in enumerate(rows)]


_VALID = ("decision_raised", "database_refused", "refused", "held")
"""Reasons that are found only after an event was decoded without a fault."""
_EVER = timedelta(days=36500)


def decode_kept(row: Kept, edited: bytes | None = None) -> Incoming:
    """An event that the inbox kept, decoded again, however old, as it was edited last."""
    body = edited or row.edited or row.body
    is_pack = (row.content_type or "").startswith(envelope.PACK)
    event = Delivery(0, "", "", row.type or "", envelope.PACK if is_pack else envelope.EVENT, {}, body, False)
    items = decode(event, _EVER)
    item = items[0]
    if len(items) > 1:
        item.fault = Fault("undecodable", "a whole pack was kept as one dead letter; publish its events again")
    elif not row.source.startswith("/unknown/") and (item.source, item.id) != (row.source, row.id):
        item.fault = item.fault or Fault("invalid", "an edit keeps the event's source and id")
    return _kept(item, row, body)


def _kept(item: Incoming, row: Kept, body: bytes) -> Incoming:
    """The event as what the row keeps."""
    item.ref, item.source, item.id = row.ref, row.source, row.id
    item.kept, item.delivery, item.body = row, None, body
    if row.status == "waiting" and row.replay_id is not None and row.occurrence is not None:
        item.replay = Replay(row.occurrence, row.replay_id, False, None)
    return item


def refused_kept(row: Kept, fault: Fault) -> Incoming:
    """The event that the inbox kept, not decoded."""
    return Incoming(row.ref, row.source, row.id, row.type, row.subject, fault, kept=row, body=row.body)


def decode_brought(body: bytes) -> Incoming:
    """An event that a replay brings along: the broker dead-lettered it before this service kept anything of it."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    type = _text(said.get("type")) if isinstance(said, dict) else None
    item = decode(Delivery(0, "", "", type or "", envelope.EVENT, {}, body, False), timedelta(days=36500))[0]
    item.delivery, item.body = None, body
    return item


def _media_type(delivery: Delivery) -> str:
    return delivery.content_type.partition(";")[0].strip().lower()


def _model(routing_key: str) -> type[Message] | None:
    entry = catalogue.by_type().get(routing_key)
    return entry.model if entry is not None else None


def _refused(delivery: Delivery) -> Fault | None:
    if _media_type(delivery) not in (envelope.EVENT, envelope.PACK):
        return Fault(
            "undecodable",
            f"content type is {delivery.content_type!r}; publish {envelope.EVENT!r}, or {envelope.PACK!r} for many",
        )
    if (why := delivery.headers.get(UNREADABLE)) is not None:
        return Fault("undecodable", f"the message's headers cannot be read: {why}")
    if {"CC", "BCC"} & delivery.headers.keys():
        return Fault("invalid", "the message carries a CC or BCC header; publish it once for each routing key")
    return None


def _valid(delivery: Delivery, model: type[Message], pack: bool) -> list[envelope.Event[Any]] | None:
    """All events where all are valid: the usual case, in one go."""
    try:
        if pack:
            events: list[envelope.Event[Any]] = envelope.pack_adapter(model).validate_json(
                delivery.body, extra="ignore"
            )
            return events or None
        return [envelope.adapter(model).validate_json(delivery.body, extra="ignore")]
    except ValidationError:
        return None


def _incoming(event: envelope.Event[Any], delivery: Delivery, index: int | None, retention: timedelta) -> Incoming:
    item = Incoming(
        ref=event.ref,
        source=event.source,
        id=event.id,
        type=event.type,
        subject=event.subject,
        time=event.time,
        correlation=event.correlationid,
        trace=event.traceparent,
        delivery=delivery,
        index=index,
    )
    if _poses_as_ours(delivery, event.source):
        return _known_in_part(delivery, {"subject": event.subject}, item.raw, index, _posing(event.source))
    if event.type != delivery.routing_key:
        item.fault = Fault("invalid", f"type is {event.type!r} but the routing key is {delivery.routing_key!r}")
    elif event.time < datetime.now(UTC) - retention and not _is_ours(delivery, event.source):
        item.fault = Fault(
            "too_old", f"time is {event.time.isoformat()}; the inbox remembers {retention.days} days only"
        )
    else:
        try:
            item.data = catalogue.upcast(event.data)
        except (ValidationError, ValueError) as error:
            item.fault = Fault("invalid", f"cannot be brought to the newest version: {error}")
    return item


def _is_ours(delivery: Delivery, source: str) -> bool:
    """Whether one of our services said it. Anybody can write a source; the exchange tells who was let in."""
    return source.startswith(OURS) and delivery.exchange != INBOUND


def _poses_as_ours(delivery: Delivery, source: str) -> bool:
    """At the entry for outside parties only services that make the type have our name: channel_sync polls orders."""
    if delivery.exchange != INBOUND or not source.startswith(OURS):
        return False
    entry = catalogue.by_type().get(delivery.routing_key)
    return entry is None or source.removeprefix(OURS) not in {*catalogue.SERVICES} & {*entry.producers}


def _posing(source: str) -> Fault:
    return Fault("invalid", f"source: {source!r} is a name of our own services, and came in through {INBOUND}")


def _one_by_one(
    delivery: Delivery, model: type[Message] | None, pack: bool, retention: timedelta
) -> Iterator[Incoming]:
    try:
        parsed = json.loads(delivery.body.decode())
        bodies = envelope.slices(delivery.body) if pack and isinstance(parsed, list) else [delivery.body]
    except (ValueError, RecursionError) as error:
        yield _unreadable(delivery, Fault("undecodable", f"not JSON: {error}"))
        return
    if pack and not (isinstance(parsed, list) and parsed):
        yield _unreadable(delivery, Fault("undecodable", "a pack is a JSON array with at least one event"))
        return
    for index, (body, loose) in enumerate(zip(bodies, parsed if pack else [parsed], strict=True)):
        yield _judged(delivery, model, body, loose, index if pack else None, retention)


def _apart(delivery: Delivery, fault: Fault) -> list[Incoming]:
    """A pack that is not decoded, cut into its events all the same, so that each can be replayed. Those that were
    handled before are known."""
    try:
        bodies = envelope.slices(delivery.body)
        events = [_known_in_part(delivery, json.loads(b), b, n, fault) for n, b in enumerate(bodies)]
    except (ValueError, RecursionError):
        events = []
    return events or [_unreadable(delivery, fault)]


def _judged(
    delivery: Delivery, model: type[Message] | None, body: bytes, loose: Any, index: int | None, retention: timedelta
) -> Incoming:
    """One event, valid, or with the fault that says what is wrong where."""
    if model is None:
        return _known_in_part(delivery, loose, body, index, _unknown(delivery.routing_key))
    try:
        event = envelope.adapter(model).validate_json(body, extra="ignore")
    except ValidationError as error:
        return _known_in_part(delivery, loose, body, index, Fault("invalid", places(error)))
    return _incoming(event, delivery, index, retention)


def _unknown(routing_key: str) -> Fault:
    """Only what the topology of some release binds comes here, so a well-formed type is one that a newer one knows."""
    newest = catalogue.newest(catalogue.family_of(routing_key))
    if newest is None:
        may_pass = _TYPE.fullmatch(routing_key) is not None
        return Fault("unknown_type", f"nobody knows the message type {routing_key!r} in this release", may_pass)
    if catalogue.version_of(routing_key) > catalogue.version_of(newest.type):
        return Fault("unknown_version", f"{routing_key!r} is newer than {newest.type!r}, which is known here", True)
    return Fault("unknown_type", f"{routing_key!r} is not a version of {newest.type!r} that ever was published")


def _known_in_part(delivery: Delivery, loose: Any, body: bytes, index: int | None, fault: Fault) -> Incoming:
    """An event with a fault: what its envelope says is taken as far as it says it."""
    said = loose if isinstance(loose, dict) else {}
    source, id = _text(said.get("source")), _text(said.get("id"))
    if not source or not id or (delivery.exchange == INBOUND and source.startswith(OURS)):
        source, id = f"/unknown/{_text(delivery.routing_key) or 'none'}"[:255], hashlib.sha256(body).hexdigest()
    return Incoming(
        ref=envelope.reference(source, id),
        source=source,
        id=id,
        type=_text(delivery.routing_key),
        subject=_text(said.get("subject")),
        fault=fault,
        delivery=delivery,
        index=index,
    )


def _unreadable(delivery: Delivery, fault: Fault) -> Incoming:
    return _known_in_part(delivery, None, delivery.body, None, fault)


def _text(value: Any) -> str | None:
    """A string that a database and an envelope's attribute take, or None."""
    if not isinstance(value, str) or not value.strip():
        return None
    return _CONTROL.sub("�", value.encode(errors="replace").decode())[:255]
