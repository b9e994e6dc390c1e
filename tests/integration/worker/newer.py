"""A newer release of the victim: it knows a version and a type that the old one does not, publishes the new type, and
keeps more in its states.

`python -m tests.integration.worker.newer` runs it, `… newer apply` applies its topology. The catalogue is extended in
this process only, as a release does it: a class, an entry, an upcaster.
"""

import asyncio
import sys
from dataclasses import replace
from typing import Any

from schemas import catalogue
from schemas.catalogue import INTAKE, UPSTREAM, Entry
from schemas.decision import Context, Decision, Outcome
from schemas.model import Message
from schemas.order import OrderCompleted
from schemas.payment import PaymentApproved
from schemas.values import Amount, Id, Time
from shared.broker.apply import apply
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Service, Subscription
from tests.integration.worker.bench import NAME, TALLY, Tally


class PaymentApprovedV2(Message):
    """The next version: it says who has the money."""

    TYPE = "payment.approved.v2"
    SUBJECT = "order_id"

    order_id: Id
    payment_id: Id
    amount: Amount
    approved_at: Time
    acquirer: Id


class PaymentNoted(Message):
    """A new type: the service says it to itself."""

    TYPE = "payment.noted.v1"
    SUBJECT = "order_id"

    order_id: Id
    payment_id: Id


class NewerTally(Tally):
    """Its state has a field more."""

    acquirer: Id | None = None


NEWER_TALLY = Aggregate(TALLY.table, NewerTally)


def upcast(old: PaymentApproved) -> PaymentApprovedV2:
    return PaymentApprovedV2(**old.model_dump(), acquirer="unknown")


def count(tally: NewerTally | None, event: PaymentApprovedV2, ctx: Context[Any]) -> Outcome[NewerTally]:
    """As the old release does, and notes it."""
    note = PaymentNoted(order_id=event.order_id, payment_id=event.payment_id)
    known = (tally or NewerTally()).model_copy(update={"acquirer": event.acquirer})
    return said(known, event.order_id, event.payment_id, ctx, note)


def note(tally: NewerTally | None, event: PaymentNoted, ctx: Context[Any]) -> Outcome[NewerTally]:
    return said(tally or NewerTally(), event.order_id, f"noted-{event.payment_id}", ctx)


def said(known: NewerTally, order: str, what: str, ctx: Context[Any], *more: Message) -> Outcome[NewerTally]:
    fact = OrderCompleted(order_id=order, store_id="s", channel_id=what, completed_at=ctx.now)
    return Decision(known.model_copy(update={"seen": (*known.seen, what)}), events=[fact, *more])


def extend() -> None:
    """Makes the catalogue of this process the newer release's."""
    catalogue.CATALOGUE = (
        *(replace(e, upcast=upcast) if e.model is PaymentApproved else e for e in catalogue.CATALOGUE),
        Entry(PaymentApprovedV2, "inbound", (UPSTREAM,), (INTAKE,)),
        Entry(PaymentNoted, "fact", (INTAKE,), (INTAKE,)),
    )
    catalogue.by_type.cache_clear()
    catalogue.newest.cache_clear()


def main() -> None:
    extend()
    runtime = read(Runtime)
    if sys.argv[1:] == ["apply"]:
        asyncio.run(apply(runtime.amqp_url, runtime.management_url or ""))
        return
    run(
        Service(
            NAME,
            (Subscription(PaymentApprovedV2, NEWER_TALLY, count), Subscription(PaymentNoted, NEWER_TALLY, note)),
        ),
        runtime,
    )


if __name__ == "__main__":
    main()
