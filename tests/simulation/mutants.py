"""Broken parts: each is a bug that somebody could write. The simulation must notice every one of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

from schemas.decision import Decision
from schemas.order import OrderReady
from services.billing.requests import (
    OrderSupplierPayment,
)
from shared.worker.incoming import Incoming
from shared.worker.subscription import Answer, Service, Subscription
from tests.simulation.broker import Broker, Waiting
from tests.simulation.event import Pack
from tests.simulation.fleet import fleet
from tests.simulation.partners import Partners
from tests.simulation.replica import Replica
from tests.simulation.scheduler import Steps
from tests.simulation.store import CallRow, ReminderRow, Slot, Store
from tests.simulation.world import Parts


class ForgetsWhatItHandled(Store):
    """The inbox is not looked at."""

    def is_known(self, ref: UUID) -> bool:
        return ref in self.kept


class ForgetsOutgoing(Store):
    """What is to be sent is only in memory."""

    def save_outgoing(self, row: int, packs: tuple[Pack, ...], now: float) -> None:
        pass


class LocksNothing(Store):
    def lock(self, keys: Sequence[str], holder: object) -> bool:
        return True


class ForgetsNumbers(Store):
    """A number that was taken is given out again."""

    @property
    def series(self) -> dict[str, int]:  # type: ignore[override]
        return {}

    @series.setter
    def series(self, _: dict[str, int]) -> None:
        pass


class FencesNothing(Store):
    """Whoever made the call stores its answer, also when its lease is long over."""

    def save_answer(self, call: CallRow, token: int, row: int, packs: tuple[Pack, ...], now: float) -> bool:
        if call.status in ("answered", "closed"):
            self.save_outgoing(row, packs, now)
            return True
        return Store.save_answer(self, call, call.token, row, packs, now)


class LosesReminders(Replica):
    """A reminder is taken away in one transaction and said in another."""

    def _remind(self) -> Steps:
        due: list[tuple[Slot, ReminderRow]] = self.store.take_due_reminders(self.world.scheduler.now)
        for _ in range(30 * len(due)):
            yield "reminders taken"
        for slot, row in due:
            self.store.reminders[slot] = row
        yield from super()._remind()


class AcksAtOnce(Replica):
    """A delivery is acked when it is taken."""

    def _opened(self, waiting: Waiting) -> list[Incoming]:
        found = super()._opened(waiting)
        self.ack_up_to(self._tag)
        return found


class PublishesTooEarly(Replica):
    """What a decision says is sent before its transaction is committed."""

    def _commit(self, transaction: Any, batch: Any) -> bool:
        for pack in transaction.packs:
            self.world.publish(self, pack)
        return super()._commit(transaction, batch)


class NeverSweeps(Replica):
    """Nobody sends what a dead process left."""

    def _sweep(self, older_than: float) -> Steps:
        yield from ()


class LosesMessages(Broker):
    """One message in two hundred is lost."""

    def publish(self, pack: Pack) -> None:
        if self._random.random() > 0.005:
            super().publish(pack)


class NewKeyAtEveryTry(Partners):
    """The idempotency key changes with the attempt."""

    def _do(self, call: CallRow) -> Any:
        again = replace(call, id=uuid5(call.id, str(call.attempt)))
        return super()._do(again)


def _with_decision(model: type, broken: Callable[[Any], Any]) -> tuple[Service, ...]:
    """The fleet, with the decisions on this message or answer replaced."""

    def mend(subscription: Any) -> Any:
        about = getattr(subscription, "message", None) or getattr(subscription, "request", None)
        is_meant = isinstance(subscription, (Subscription, Answer)) and about is model
        return replace(subscription, decide=broken(subscription.decide)) if is_meant else subscription

    return tuple(replace(s, subscriptions=tuple(mend(one) for one in s.subscriptions)) for s in fleet())


def _says_all_twice(decide: Callable[..., Any]) -> Callable[..., Any]:
    def decided(state: Any, message: Any, ctx: Any) -> Any:
        outcome = decide(state, message, ctx)
        if not isinstance(outcome, Decision):
            return outcome
        return replace(outcome, events=(*outcome.events, *outcome.events), calls=(*outcome.calls, *outcome.calls))

    return decided


def _forgets_that_it_decided(decide: Callable[..., Any]) -> Callable[..., Any]:
    """Every delivery of the message looks like the first one."""

    def decided(state: Any, message: Any, ctx: Any) -> Any:
        return decide(None, message, ctx)

    return decided


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    parts: Callable[[], Parts]


MUTANTS = (
    Mutant("the inbox is not looked at", lambda: Parts(store=ForgetsWhatItHandled)),
    Mutant("outgoing messages are not saved", lambda: Parts(store=ForgetsOutgoing)),
    Mutant("keys are not locked", lambda: Parts(store=LocksNothing)),
    Mutant("number series are not saved", lambda: Parts(store=ForgetsNumbers)),
    Mutant("leases are not fenced", lambda: Parts(store=FencesNothing)),
    Mutant("reminders are lost by a crash", lambda: Parts(replica=LosesReminders)),
    Mutant("deliveries are acked at once", lambda: Parts(replica=AcksAtOnce)),
    Mutant("messages are sent before the commit", lambda: Parts(replica=PublishesTooEarly)),
    Mutant("left-over messages are not sent", lambda: Parts(replica=NeverSweeps)),
    Mutant("the broker loses messages", lambda: Parts(broker=LosesMessages)),
    Mutant("idempotency keys change", lambda: Parts(partners=NewKeyAtEveryTry)),
    Mutant("a decision says all twice", lambda: Parts(services=_with_decision(OrderReady, _says_all_twice))),
    Mutant(
        "a payment's answer forgets its bill",
        lambda: Parts(services=_with_decision(OrderSupplierPayment, _forgets_that_it_decided)),
    ),
)
