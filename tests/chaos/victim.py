"""A service as a process of its own, `python -m tests.chaos.victim`, that dies at the step where it is told to.

An order to die is a file `SERVICE.STEP` in CHAOS_ORDERS, with the number of the passage that is fatal. The replica that
gets there renames the file to `SERVICE.STEP.died.PID`, which is the proof, and ends by SIGKILL. Nothing in the services
knows of this: the functions at the steps are wrapped here. Time-outs that are no settings are shortened here too.
"""

import importlib
import inspect
import os
import runpy
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from schemas.catalogue import CONSUMERS, CONTROL_ROOM, GATEWAY

PARTNER_SECONDS = 3.0
"""How long a call to a partner may take here, instead of 10 to 60 s."""
COMMAND_SECONDS = 3.0
"""How long a statement may take here, instead of 60 s."""
LEASE_SECONDS = 12.0
"""For how long nobody else makes the calls of a process that was killed, instead of 20 s."""
AWAY_SECONDS = 3.0
"""How long to wait at most before the broker is tried again, instead of 30 s."""


@dataclass(frozen=True, slots=True)
class Step:
    """A place in the code: right before or right after a function, where `when(result)` holds."""

    module: str
    function: str
    before: bool = False
    when: Callable[[Any], bool] = lambda result: True


def _has_outgoing(parts: Any) -> bool:
    return any(batch.outgoing for batch in parts)


CYCLE = {
    "decoded": Step("shared.worker.intake", "decode"),
    "decided": Step("shared.worker.deciding", "Deciding.decide"),
    "saved": Step("shared.worker.store", "save_done"),  # and not committed
    "committed": Step("shared.worker.transact", "Transactor.handle", when=_has_outgoing),  # and not published
    "published": Step("shared.broker.link", "Link.ack_up_to", before=True),  # and not acked
    "called": Step("shared.partner.answers", "Answers.add", before=True),  # and the answer not stored
    "answered": Step("shared.worker.worker", "Worker.send_saved", before=True),  # stored and not published
}
STEPS: dict[str, dict[str, Step]] = {
    **dict.fromkeys(CONSUMERS, CYCLE),
    GATEWAY: {
        "received": Step("shared.broker.publisher", "Publisher.publish", before=True),
        "confirmed": Step("shared.broker.publisher", "Publisher.publish"),  # and the partner was not told
    },
    CONTROL_ROOM: {
        **{name: step for name, step in CYCLE.items() if name not in ("called", "answered")},
        "entered": Step("services.control_room.journal", "entries"),
        "kept": Step("services.control_room.store", "save_orders"),  # and not committed
    },
}


def main() -> None:
    service, orders = os.environ["CHAOS_SERVICE"], Path(os.environ["CHAOS_ORDERS"])
    try_again_soon()  # before anything takes the constant over
    for name, step in STEPS[service].items():
        wrap(step, lambda order=orders / f"{service}.{name}": passed(order))
    if service != GATEWAY:
        be_impatient()
    runpy.run_module(f"services.{service}", run_name="__main__", alter_sys=True)


def wrap(step: Step, pass_by: Callable[[], None]) -> None:
    """Raises AttributeError where the function is gone: a step that is never passed would prove nothing."""
    owner: Any = importlib.import_module(step.module)
    *path, name = step.function.split(".")
    for part in path:
        owner = getattr(owner, part)
    real = getattr(owner, name)

    def after(result: Any) -> Any:
        if not step.before and step.when(result):
            pass_by()
        return result

    async def wrapped_async(*args: Any, **named: Any) -> Any:
        if step.before:
            pass_by()
        return after(await real(*args, **named))

    def wrapped(*args: Any, **named: Any) -> Any:
        if step.before:
            pass_by()
        return after(real(*args, **named))

    setattr(owner, name, wrapped_async if inspect.iscoroutinefunction(real) else wrapped)


def passed(order: Path) -> None:
    """Dies here if this passage is the fatal one. With two replicas one of them takes the order."""
    try:
        left = int(order.read_text() or 1)
        if left > 1:
            order.write_text(str(left - 1))
            return
        order.rename(order.with_name(f"{order.name}.died.{os.getpid()}"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def try_again_soon() -> None:
    """All of the fleet waiting for one long backoff would prove no more than a short one does."""
    from shared import backoff

    backoff.LONGEST = AWAY_SECONDS
    backoff.Backoff.__init__.__defaults__ = (backoff.FIRST, AWAY_SECONDS)


def be_impatient() -> None:
    """Minutes of waiting would prove no more than seconds do."""
    from shared import database
    from shared.partner import caller
    from shared.partner.caller import Caller
    from shared.partner.operation import Policy

    database.COMMAND_SECONDS = COMMAND_SECONDS
    caller.LEASE = timedelta(seconds=LEASE_SECONDS)
    caller.RENEW_EVERY = LEASE_SECONDS / 4
    policy_of = Caller._policy
    make = Caller._try

    def shorter(policy: Policy) -> Policy:
        return replace(policy, timeout=min(policy.timeout, PARTNER_SECONDS))

    def policy(self: Caller, operation: str) -> Policy:
        return shorter(policy_of(self, operation))

    async def impatient(self: Caller, session: Any, operation: Any, call: Any) -> Any:
        return await make(self, session, replace(operation, policy=shorter(operation.policy)), call)

    Caller._policy = policy  # type: ignore[method-assign]
    Caller._try = impatient  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
