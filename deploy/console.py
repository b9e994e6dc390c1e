"""What commands print: tables for people, JSON for programs, and one line where something went wrong."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 160
"""Columns where nobody looks at once (a file, a pager, grep)."""
out = Console(highlight=False)
if not out.is_terminal:
    out = Console(highlight=False, width=max(out.width, PIPE_WIDTH))


def show_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def fail(message: object) -> NoReturn:
    """Say it on stderr and end with exit code 1."""
    sys.stderr.write(f"fleet: {message}\n")
    raise typer.Exit(1)


@contextmanager
def failing_clearly(*errors: type[BaseException]) -> Iterator[None]:
    """Turns errors that are not bugs (a server away, a wrong file) into their message and exit code 1."""
    try:
        yield
    except errors as error:
        fail(str(error).strip() or type(error).__name__)
