"""Reference data (suppliers, stores, channels, rules) arrives as messages that hold from a time on.

A timeline keeps the versions of one thing; a late or repeated message changes nothing it should not.
"""

from datetime import datetime, timedelta
from typing import Generic, Self, TypeVar

from schemas.decision import Context, Decision
from schemas.model import Dated, Model
from schemas.values import Time

KEPT = timedelta(days=90)


V = TypeVar("V", bound=Dated)


class Timeline(Model, Generic[V]):
    """Versions of one thing, oldest first."""

    versions: tuple[V, ...] = ()
    updated_at: Time | None = None

    def at(self, now: datetime) -> V | None:
        """The version in force at `now`; None where it starts later."""
        return next((v for v in reversed(self.versions) if v.valid_from <= now), None)

    def current(self, now: datetime) -> V:
        """The version in force, or the first to come."""
        return self.at(now) or self.versions[0]

    def with_version(self, version: V, now: datetime) -> Self:
        others = [v for v in self.versions if v.valid_from != version.valid_from]
        versions = sorted([*others, version], key=lambda v: v.valid_from)
        past = [v for v in versions if v.valid_from <= now - KEPT][:-1]
        return self.model_copy(update={"versions": tuple(v for v in versions if v not in past), "updated_at": now})


def keep(timeline: Timeline[V] | None, version: V, ctx: Context[None]) -> Decision[Timeline[V]]:
    """The decision on `*.changed`: remember the version; of two for the same instant the later sent holds."""
    known = timeline or Timeline()
    if version in known.versions:
        return Decision(known)
    same = next((v for v in known.versions if v.valid_from == version.valid_from), None)
    if same is not None and known.updated_at is not None and ctx.cause.time < known.updated_at:
        return Decision(known)
    return Decision(known.with_version(version, ctx.cause.time))
