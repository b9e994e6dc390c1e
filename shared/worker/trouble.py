"""What PostgreSQL's errors mean for a batch: try again, look for the culprit, or stop until a person has helped.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import asyncio
from enum import Enum

import asyncpg


class Trouble(Enum):
    AWAY = "try the batch again, with backoff"
    CULPRIT = "one of the events cannot be stored: split, the culprit is dead"
    RACE = "another worker was faster: run the batch again at once"
    SETUP = "wrong role or missing migration: not ready until it is mended"


_AWAY = ("08", "25", "40", "53", "55", "57", "58")
_CULPRIT = ("21", "22", "23", "54", "P0")
_SETUP = ("28", "3F", "42", "3D")


def diagnose(error: BaseException) -> Trouble | None:
    """None: not the database's fault, but a bug."""
    state = sqlstate(error)
    if isinstance(error, asyncpg.UniqueViolationError) and (error.table_name or "").startswith("inbox"):
        return Trouble.RACE
    if isinstance(error, asyncpg.CheckViolationError) and "no partition" in str(error):
        return Trouble.SETUP
    if state[:2] in _CULPRIT or isinstance(error, asyncpg.DataError):
        return Trouble.CULPRIT
    if state[:2] in _SETUP:
        return Trouble.SETUP
    if state[:2] in _AWAY or isinstance(error, (asyncpg.PostgresError, OSError, asyncio.TimeoutError)):
        return Trouble.AWAY
    if isinstance(error, asyncpg.InterfaceError):
        return Trouble.AWAY
    return None


def sqlstate(error: BaseException) -> str:
    """The five characters, or the name of the error's class where there are none."""
    return getattr(error, "sqlstate", None) or type(error).__name__
