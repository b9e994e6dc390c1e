"""A newer release of the victim: it knows a version and a type that the old one does not, and publishes the new type.

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
from shared.worker.subscription import Service, Subscription
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


def upcast(old: PaymentApproved) -> PaymentApprovedV2:
    return PaymentApprovedV2(**old.model_dump(), acquirer="unknown")


def count(tally: Tally | None, event: PaymentApprovedV2, ctx: Context[Any]) -> Outcome[Tally]:
    """As the old release does, and notes it."""
    note = PaymentNoted(order_id=event.order_id, payment_id=event.payment_id)
    return said(tally, event.order_id, event.payment_id, ctx, note)


def note(tally: Tally | None, event: PaymentNoted, ctx: Context[Any]) -> Outcome[Tally]:
    return said(tally, event.order_id, f"noted-{event.payment_id}", ctx)


def said(tally: Tally | None, order: str, what: str, ctx: Context[Any], *more: Message) -> Outcome[Tally]:
    known = tally or Tally()
    fact = OrderCompleted(order_id=order, store_id="s", channel_id=what, completed_at=ctx.now)
    return Decision(Tally(seen=(*known.seen, what)), events=[fact, *more])


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
        Service(NAME, (Subscription(PaymentApprovedV2, TALLY, count), Subscription(PaymentNoted, TALLY, note))), runtime
    )


if __name__ == "__main__":
    main()
