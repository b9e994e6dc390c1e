"""Frozen JSON Schemas: what each version of each message looks like, and whether one that was published has changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.catalogue import CATALOGUE
from schemas.envelope import Event
from schemas.model import Message

PUBLISHED = Path(__file__).parent / "published"
ENVELOPE = "envelope"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORDS = frozenset({"title", "description", "examples", "$defs", "$id", "$schema"})
"""What may be worded anew at any time."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between a frozen schema and the model now. Additive: an optional field more."""

    schema: str
    place: str
    detail: str
    additive: bool = False

    def __str__(self) -> str:
        return f"{self.schema}: {self.place} {self.detail}"


def current() -> dict[str, dict[str, Any]]:
    """JSON Schemas by name: the data of every version, and the envelope."""
    schemas = {entry.type: _schema(entry.model, entry.type) for entry in CATALOGUE}
    return {ENVELOPE: _envelope(), **schemas}


def load(folder: Path = PUBLISHED) -> dict[str, dict[str, Any]]:
    """The frozen schemas by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def dump(schema: Schema) -> str:
    """As it is written to a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def changes(frozen: Mapping[str, Schema], now: Mapping[str, Schema]) -> list[Change]:
    """What changed since the schemas were frozen. A schema that was never frozen is not among it."""
    found = [Change(name, "the message", "was removed") for name in frozen.keys() - now.keys()]
    for name in frozen.keys() & now.keys():
        before, after = resolve(frozen[name]), resolve(now[name])
        found += [Change(name, place, detail, additive) for place, detail, additive in _compare(before, after, "data")]
    return sorted(found, key=str)


def resolve(schema: Schema) -> Any:
    """The schema with every `$ref` replaced by what it points to."""
    return _resolve(schema, schema.get("$defs", {}))


def _resolve(node: Any, definitions: Schema) -> Any:
    if isinstance(node, list):
        return [_resolve(item, definitions) for item in node]
    if not isinstance(node, Mapping):
        return node
    if reference := node.get("$ref"):
        return {**_resolve(definitions[reference.rpartition("/")[2]], definitions), **_without(node, "$ref")}
    return {key: _resolve(value, definitions) for key, value in node.items()}


def _without(node: Schema, key: str) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != key}


Found = tuple[str, str, bool]


def _compare(before: Any, after: Any, place: str) -> Iterator[Found]:
    """Walks both; every keyword but words must be the same, and every field must still be there."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        if before != after:
            yield place, f"was {json.dumps(before)} and is now {json.dumps(after)}", False
        return
    yield from _fields(before, after, place)
    for keyword in sorted((before.keys() | after.keys()) - WORDS - {"properties", "required"}):
        yield from _keyword(keyword, before, after, place)


def _fields(before: Schema, after: Schema, place: str) -> Iterator[Found]:
    old, new = before.get("properties", {}), after.get("properties", {})
    was, now = set(before.get("required", ())), set(after.get("required", ()))
    for name in old:
        if name not in new:
            yield f"{place}.{name}", "was removed", False
            continue
        if (name in was) != (name in now):
            yield f"{place}.{name}", "is now required" if name in now else "is no longer required", False
        yield from _compare(old[name], new[name], f"{place}.{name}")
    for name in (name for name in new if name not in old):
        yield f"{place}.{name}", "is new and required" if name in now else "is new", name not in now


def _keyword(keyword: str, before: Schema, after: Schema, place: str) -> Iterator[Found]:
    old, new = before.get(keyword), after.get(keyword)
    if keyword in ("items", "additionalProperties", "propertyNames") and isinstance(old, Mapping):
        yield from _compare(old, new, f"{place}[]")
    elif keyword == "anyOf" and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            yield from _compare(one, other, place)
    elif old != new:
        yield place, f"has {keyword} {json.dumps(new)} instead of {json.dumps(old)}", False


def _schema(model: type[Message], name: str) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": f"urn:dropfleet:{name}", **model.model_json_schema(), "title": name}


def _envelope() -> dict[str, Any]:
    """Extension attributes that we do not know are allowed, as CloudEvents wants."""
    schema = Event[Message].model_json_schema()
    data = {"type": "object", "description": "One message: the schema is the file named like the event's type."}
    properties = {**schema["properties"], "data": data}
    schema = _without(_without({**schema, "properties": properties}, "$defs"), "additionalProperties")
    return {"$schema": DIALECT, "$id": "urn:dropfleet:envelope", **schema, "title": "CloudEvents 1.0 in JSON"}
