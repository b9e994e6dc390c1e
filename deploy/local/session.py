"""A running `fleet up`: one for a folder, and the variables with which commands in other terminals reach it.

Each role has what it needs and no more.
"""

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from deploy.local import record
from deploy.local.lock import attempt
from deploy.local.site import Site
from schemas.catalogue import CONTROL_ROOM, UPSTREAM
from shared.broker.users import ENGINEER

NAMES = ("FLEET_AMQP_URL", "FLEET_MANAGEMENT_URL", "FLEET_PASSWORDS")
"""Variables that not every role has."""


class NotRunning(Exception):
    """No `fleet up` runs in the folder, or it is not ready yet."""


class AlreadyRunning(Exception):
    """Another `fleet up` has the folder."""


class Exports(BaseModel):
    """Variables by role."""

    reader: dict[str, str]
    engineer: dict[str, str]
    administrator: dict[str, str]


def exports(site: Site) -> Exports:
    """The reader publishes as the upstream system and looks at control_room's slice. The engineer may order actions on
    dead letters too. The administrator's addresses are for `topology`, `migrate` and looking at everything."""
    looking = {
        "FLEET_UPSTREAM_AMQP_URL": site.amqp_url_of(UPSTREAM),
        "FLEET_DATABASE_URL": site.reading_url_of(CONTROL_ROOM),
    }
    return Exports(
        reader=looking,
        engineer={**looking, "FLEET_AMQP_URL": site.amqp_url_of(ENGINEER)},
        administrator={
            "FLEET_UPSTREAM_AMQP_URL": site.amqp_url_of(UPSTREAM),
            "FLEET_AMQP_URL": site.amqp_url,
            "FLEET_MANAGEMENT_URL": site.management_url,
            "FLEET_DATABASE_URL": site.database_url,
            "FLEET_PASSWORDS": json.dumps(site.passwords),
        },
    )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """The folder is this `fleet up`'s for the block. Raises AlreadyRunning."""
    descriptor = attempt(folder / "up.lock")
    if descriptor is None:
        raise AlreadyRunning(f"`fleet up` runs in {folder} already; `fleet env` tells how to reach it")
    try:
        _file(folder).unlink(missing_ok=True)
        yield
    finally:
        _file(folder).unlink(missing_ok=True)
        os.close(descriptor)


def announce(folder: Path, found: Exports) -> None:
    """From now on `load` finds them."""
    record.save(_file(folder), found)


def load(folder: Path) -> Exports:
    """The variables of the `fleet up` that runs in the folder. Raises NotRunning."""
    if not _is_taken(folder / "up.lock"):
        raise NotRunning(f"no `fleet up` runs in {folder}")
    if (found := record.load(_file(folder), Exports)) is None:
        raise NotRunning(f"`fleet up` in {folder} is not ready yet")
    return found


def lines(variables: Mapping[str, str]) -> list[str]:
    """For `eval` in a POSIX shell. What an earlier `eval` left of another role goes."""
    gone = [f"unset {name}" for name in NAMES if name not in variables]
    return gone + [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def _is_taken(lock: Path) -> bool:
    if not lock.exists():
        return False
    descriptor = attempt(lock)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _file(folder: Path) -> Path:
    return folder / "exports.json"
