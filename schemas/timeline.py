"""Reference data (suppliers, stores, channels, rules) arrives as messages that hold from a time on.

A timeline keeps the versions of one thing; a late or repeated message changes nothing it should not.

Which version is read, in every service:

* How an order is treated is agreed when it is placed: its store's settings (one R per PO or per order, an ERP or none,
  routing, deadlines, the return window …) and whether its channel takes one R only are those of `current(placed_at)`.
  A version that starts later changes the orders that are placed from then on, and none that is under way.
* Who the parties to it are, and where they are reached (seller, sender and language of mails, API, token, release
  rules, a supplier's tolerance), is what holds when it is used: `current(now)`, of what an order or a PO names already.
* What is chosen or charged must be in force (suppliers, offers, shipping rules, packaging, tax profiles, whether a
  queue is asked): `at(now)`; what is not in force yet is as good as not known.
"""

from datetime import datetime, timedelta
from typing import Any, Generic, Self, TypeVar

from schemas.decision import Context, Decision
from schemas.model import Dated, Model
from schemas.values import Time

KEPT = timedelta(days=90)


V = TypeVar("V", bound=Dated)


class Timeline(Model, Generic[V]):
    """Versions of one thing, oldest first."""

    versions: tuple[V, ...] = ()
    sent_at: tuple[Time, ...] = ()
    """When each version was said, in the same order."""

    def at(self, now: datetime) -> V | None:
        """The version in force at `now`; None where it starts later."""
        return next((v for v in reversed(self.versions) if v.valid_from <= now), None)

    def current(self, now: datetime) -> V:
        """The version in force, or the first to come."""
        for later in self.versions[:0:-1]:  # not the first: it is the answer whenever it starts
            if later.valid_from <= now:
                return later
        return self.versions[0]

    def said(self) -> dict[datetime, datetime]:
        """When the version that starts at an instant was said."""
        return dict(zip((v.valid_from for v in self.versions), self.sent_at, strict=False))

    def with_version(self, version: V, sent: datetime, past: datetime | None = None) -> Self:
        """With this version in the place of the one that starts at the same instant; without those that were over
        before `past`, by default long before it was sent."""
        past = past or sent - KEPT
        said = self.said() | {version.valid_from: sent}
        others = [v for v in self.versions if v.valid_from != version.valid_from]
        every = sorted([*others, version], key=lambda v: v.valid_from)
        over = [v for v in every if v.valid_from <= past][:-1]
        kept = tuple(every[len(over) :])
        return self.model_copy(
            update={"versions": kept, "sent_at": tuple(said.get(v.valid_from, v.valid_from) for v in kept)}
        )


def keep(known: Timeline[V] | None, version: V, ctx: Context[Any], kept_for: timedelta = KEPT) -> Decision[Timeline[V]]:
    """The decision on `*.changed`: remember the version; of two for the same instant the later sent holds.
    `kept_for`: so long what is past is still of use."""
    sent = ctx.cause.time
    if known is None:
        return Decision(Timeline.of_valid(versions=(version,), sent_at=(sent,)))
    if version in known.versions:
        return Decision(known)
    said = known.said().get(version.valid_from)
    if said is not None and sent < said:
        return Decision(known)
    return Decision(known.with_version(version, sent, min(sent, ctx.now) - kept_for))
