"""The service whose dead letters are replayed: it stores a payment; with `--bug` it dies of it. Run as a process.

It runs under the name of order_intake, because queues and rights derive from the catalogue.
"""

import sys
from pathlib import Path
from typing import Any

from schemas.decision import Context, Decision, Outcome
from schemas.model import Model
from schemas.order import OrderCompleted
from schemas.payment import PaymentApproved
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Service, Subscription

NAME = "order_intake"
MIGRATIONS = Path(__file__).parent / "migrations" / "replay"


class Paid(Model):
    """The state: what was paid."""

    payment_id: str


def on_paid(state: Paid | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Paid]:
    if state is not None:
        raise ValueError("it was replayed twice")
    said = OrderCompleted(order_id=event.order_id, store_id="s", channel_id="c", completed_at=ctx.now)
    return Decision(Paid(payment_id=event.payment_id), events=[said])


def on_paid_with_a_bug(state: Paid | None, event: PaymentApproved, ctx: Context[Any]) -> Outcome[Paid]:
    raise KeyError("the bug")


def service(has_bug: bool) -> Service:
    decide = on_paid_with_a_bug if has_bug else on_paid
    return Service(NAME, (Subscription(PaymentApproved, Aggregate("replayed", Paid), decide),))


if __name__ == "__main__":
    run(service("--bug" in sys.argv), read(Runtime))
