"""`fleet schemas export` and `check`: the published contract, and whether the code still keeps to it."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas import asyncapi, frozen, openapi
from schemas.catalogue import CATALOGUE, Entry, family_of, version_of
from schemas.envelope import adapter
from schemas.frozen import PUBLISHED, Change, Schema

EXAMPLES = Path(__file__).parent / "examples"
DOCUMENTS = {"asyncapi.yaml": asyncapi.document, "openapi-suppliers.yaml": openapi.document}
EXPORT = "run `fleet schemas export`"


class SchemaChanged(Exception):
    """A published schema changed in a way that only a new version may."""


def export(folder: Path = PUBLISHED, *, force: bool = False) -> list[Path]:
    """Writes what is new; returns the files that were written.

    `force` rewrites schemas that nobody has used yet. Raises SchemaChanged where a published one would change.
    """
    now = frozen.current()
    breaking = [change for change in frozen.changes(frozen.load(folder), now) if not change.additive]
    if breaking and not force:
        raise SchemaChanged("\n".join(advice(change) for change in breaking))
    folder.mkdir(parents=True, exist_ok=True)
    for stale in frozen.load(folder).keys() - now.keys():
        (folder / f"{stale}.json").unlink()
    texts = {f"{name}.json": frozen.dump(schema) for name, schema in now.items()}
    texts |= {name: written() for name, written in DOCUMENTS.items()}
    return [folder / name for name, text in texts.items() if _write(folder / name, text)]


def check(folder: Path = PUBLISHED, examples: Path = EXAMPLES) -> list[str]:
    """What is wrong with the published contract, each with what to do about it; empty: nothing."""
    published, now = frozen.load(folder), frozen.current()
    changes = frozen.changes(published, now)
    problems = [advice(change) for change in changes]
    problems += [f"{name}: is not published yet; {EXPORT}" for name in sorted(now.keys() - published.keys())]
    for name, written in DOCUMENTS.items():
        if not (folder / name).exists() or (folder / name).read_text() != written():
            problems.append(f"{name}: is not what the catalogue says; {EXPORT}")
    return problems + [p for entry in CATALOGUE for p in example_problems(entry, now[entry.type], examples)]


def advice(change: Change) -> str:
    """The change and what to do instead."""
    if change.additive:
        return f"{change} (optional, which is allowed); {EXPORT}"
    if change.schema == frozen.ENVELOPE:
        return f"{change}; the envelope is CloudEvents 1.0 and never changes: take it back"
    family, major = family_of(change.schema), version_of(change.schema)
    return (
        f"{change}; a published version never changes. Take it back, and make {family}.v{major + 1}: a class with that "
        f"TYPE, an entry in schemas/catalogue.py, and an upcaster from v{major} (as order.upcast_placed_v1 does)"
    )


def example_problems(entry: Entry, schema: Schema, folder: Path = EXAMPLES) -> list[str]:
    """What is wrong with the example of one message: it must satisfy model, JSON Schema and catalogue."""
    path = folder / f"{entry.type}.json"
    if not path.exists():
        return [f"{entry.type}: has no example; write one event to schemas/examples/{path.name}"]
    try:
        event = adapter(entry.model).validate_json(path.read_bytes())
    except ValidationError as error:
        return [
            f"schemas/examples/{path.name}: {where(problem['loc'])}: {problem['msg']}" for problem in error.errors()
        ]
    if (event.type, event.subject) != (entry.type, event.data.subject):
        return [f"schemas/examples/{path.name}: type and subject must be {entry.type} and {event.data.subject}"]
    data = json.loads(path.read_bytes())["data"]
    errors = Draft202012Validator(schema).iter_errors(data)
    return [f"schemas/examples/{path.name}: {error.json_path}: {error.message}" for error in errors]


def where(place: tuple[int | str, ...]) -> str:
    """A place in an event: `data.items[0].quantity`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".") or "the event"


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    path.write_text(text)
    return True
