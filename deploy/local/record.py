"""What a server's folder remembers between runs, as one JSON file that only its owner can read."""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

Record = TypeVar("Record", bound=BaseModel)


def load(path: Path, kind: type[Record]) -> Record | None:
    """The record, or None when there is none. Raises pydantic's ValidationError when the file is damaged."""
    return kind.model_validate_json(path.read_bytes()) if path.exists() else None


def save(path: Path, record: BaseModel) -> None:
    """Replace the record at once: a reader, or a run after a crash, sees the old one or the new one."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(record.model_dump_json(indent=2))
    os.replace(draft, path)
