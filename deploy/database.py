"""`fleet migrate`: roles, schemas and tables of the services."""

from pathlib import Path
from typing import Annotated

import psycopg
import typer

import services
from deploy.console import fail, failing_clearly, out, show_json
from deploy.settings import DatabaseSettings
from schemas.catalogue import CONTROL_ROOM, SERVICES
from shared.migrate import MigrationFailed, migrate
from shared.settings import read

READERS = {CONTROL_ROOM: "control_room_reader"}
"""Services with a second role that only looks, and the name of its password."""


def migrate_services(
    names: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="All when none is named.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Create each service's role and schema in FLEET_DATABASE_URL and apply its migrations, as often as one likes.

    FLEET_PASSWORDS (JSON: service → password) has the passwords of the roles; with one for control_room_reader there
    is a role that may look at dead letters and orders, and change nothing.
    """
    wanted = tuple(names or SERVICES)
    if unknown := sorted(set(wanted) - set(SERVICES)):
        fail(f"no service with a database is named {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    settings = read(DatabaseSettings)
    if missing := [name for name in wanted if name not in settings.passwords]:
        fail(f"FLEET_PASSWORDS has no password for {', '.join(missing)}")
    done: dict[str, list[str]] = {}
    with failing_clearly(MigrationFailed, psycopg.Error):
        for name in wanted:
            reader = settings.passwords.get(READERS.get(name, ""))
            migrated = migrate(settings.database_url, name, folders_of(name), settings.passwords[name], reader)
            done[name] = list(migrated.applied)
            if not json:
                out.print(f"{name}: {', '.join(migrated.applied) or 'nothing to apply'}")
    if json:
        show_json(done)


def folders_of(service: str) -> list[Path]:
    """The folders with a service's own migrations."""
    folders = [Path(root) / service / "migrations" for root in services.__path__]
    return [folder for folder in folders if folder.is_dir()]
