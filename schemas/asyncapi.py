"""The contract as one AsyncAPI 3.0 document.

Channels are exchanges, operations are what each service sends and receives.
"""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import yaml

from schemas.catalogue import CATALOGUE, Entry, family_of
from schemas.envelope import EVENT, PACK

HEADER = "# Written by `fleet schemas export`; do not edit.\n"
TOPICS = {
    "fleet.inbound": "What upstream systems, suppliers and channels publish.",
    "fleet.events": "What the services publish.",
}
DEAD = "Dead letters on their way to control_room; the routing key is the queue `<service>.dead`."

Node = dict[str, Any]


def document() -> str:
    """asyncapi.yaml as it is written to the file."""
    return HEADER + yaml.safe_dump(structure(), sort_keys=False, allow_unicode=True, width=110)


def structure() -> Node:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "dropfleet",
            "version": version("dropfleet"),
            "description": "Events of a dropshipping business over RabbitMQ: CloudEvents 1.0 in JSON, one a body or "
            f"many of one type a body ({PACK}). The event's type is the routing key.",
        },
        "defaultContentType": EVENT,
        "channels": {name: _channel(name, entries) for name, entries in _channels().items()},
        "operations": _operations(),
        "components": {"messages": {entry.type: _message(entry) for entry in CATALOGUE}},
    }


def _channels() -> dict[str, list[Entry]]:
    """Exchange → what travels there."""
    channels: dict[str, list[Entry]] = {}
    for entry in CATALOGUE:
        for exchange in sorted({exchange for service in entry.consumers for exchange in _exchanges(entry, service)}):
            channels.setdefault(exchange, []).append(entry)
    return channels


def _exchanges(entry: Entry, consumer: str) -> tuple[str, ...]:
    match entry.kind:
        case "inbound":
            return ("fleet.inbound",)
        case "fact":
            return ("fleet.events",)
        case "command":
            return (f"fleet.to.{consumer}",)
        case "dead_letter":
            return ("fleet.dead",)


def _channel(name: str, entries: Iterable[Entry]) -> Node:
    topic = name in TOPICS
    purpose = TOPICS.get(name) or (DEAD if name == "fleet.dead" else f"Commands to {name.removeprefix('fleet.to.')}.")
    exchange = {"name": name, "type": "topic" if topic else "direct", "durable": True, "autoDelete": False}
    return {
        "address": "{routing_key}",
        "description": purpose,
        "parameters": {"routing_key": {"description": "The event's type, or the queue of dead letters."}},
        "messages": {entry.type: {"$ref": f"#/components/messages/{entry.type}"} for entry in entries},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _operations() -> Node:
    """`<who>.<send or receive>.<exchange>` for everyone who sends or receives anything there."""
    parts: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in CATALOGUE:
        for who, action, exchange in sorted(_parts(entry)):
            parts.setdefault((who, action, exchange), []).append(entry)
    return {".".join(key): _operation(*key, entries) for key, entries in sorted(parts.items())}


def _parts(entry: Entry) -> set[tuple[str, str, str]]:
    receive = {(c, "receive", exchange) for c in entry.consumers for exchange in _exchanges(entry, c)}
    pairs = [(p, c) for p in entry.producers for c in entry.consumers if _sends(entry, p, c)]
    return receive | {(p, "send", exchange) for p, c in pairs for exchange in _exchanges(entry, c)}


def _sends(entry: Entry, producer: str, consumer: str) -> bool:
    """What every service sends as a command, it sends to itself."""
    return entry.kind != "command" or len(entry.producers) == 1 or producer == consumer


def _operation(who: str, action: str, exchange: str, entries: Iterable[Entry]) -> Node:
    verb = "publishes" if action == "send" else "takes"
    channel = f"#/channels/{exchange}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": f"{who} {verb} {', '.join(dict.fromkeys(family_of(e.type) for e in entries))}",
        "tags": [{"name": who}],
        "messages": [{"$ref": f"{channel}/messages/{e.type}"} for e in entries],
    }


def _message(entry: Entry) -> Node:
    envelope = {"$ref": "./envelope.json"}
    data = {"properties": {"type": {"const": entry.type}, "data": {"$ref": f"./{entry.type}.json"}}}
    summary = " ".join((entry.model.__doc__ or entry.type).split()) if entry.model.__doc__ else entry.type
    return {
        "name": entry.type,
        "title": entry.model.__name__,
        "summary": summary,
        "contentType": EVENT,
        "payload": {"allOf": [envelope, data]},
    }
