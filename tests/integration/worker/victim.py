"""A worker as a process of its own, `python -m tests.integration.worker.victim`, that dies where a test wants it to.

`VICTIM_DIES=publish:3` is SIGKILL just before the third publish of messages that are committed, `ack:3` just before
the third ack, when the messages are published and confirmed. A payment called `deadly` ends the process while it is
being decided. Nothing in the worker knows of this: the two methods are wrapped here.
"""

import itertools
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from schemas.decision import Context, Outcome
from schemas.payment import PaymentApproved
from shared.broker.link import Link
from shared.broker.outgoing import Outgoing
from shared.service import run
from shared.settings import Runtime, read
from tests.integration.worker.bench import Tally, count, service

DEADLY = 3
"""Exit code of a process that a decision has ended."""


def deadly(tally: Tally | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Tally]:
    if event.payment_id == "deadly":
        os._exit(DEADLY)
    return count(tally, event, ctx)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_publish(nth: int) -> None:
    """Publishes of nothing do not count."""
    publish, calls = Link.publish, itertools.count(1)

    async def counted(link: Link, messages: Sequence[Outgoing], *rest: Any) -> None:
        if messages and next(calls) == nth:
            die()
        await publish(link, messages, *rest)

    Link.publish = counted  # type: ignore[method-assign, assignment]


def die_before_ack(nth: int) -> None:
    ack, calls = Link.ack_up_to, itertools.count(1)

    async def counted(link: Link, tag: int) -> None:
        if next(calls) == nth:
            die()
        await ack(link, tag)

    Link.ack_up_to = counted  # type: ignore[method-assign, assignment]


DEATHS: dict[str, Callable[[int], None]] = {"publish": die_before_publish, "ack": die_before_ack}


def main() -> None:
    where, _, nth = os.environ.get("VICTIM_DIES", "").partition(":")
    if where:
        DEATHS[where](int(nth))
    run(service(deadly), read(Runtime))


if __name__ == "__main__":
    main()
