"""`fleet orders settle`: a person decides on R in force that is too late to cancel."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import uuid4

import typer
from pydantic import ValidationError

from schemas import envelope
from schemas.order import OrderCancellationDecided
from services.control_room import console
from services.control_room.console import as_json, broker_to_act, run, show, stop
from services.control_room.engineer import Actor, Why
from services.control_room.servers import reading, send
from services.control_room.settings import ConsoleSettings
from services.control_room.standing import undecided
from shared.broker.outgoing import Outgoing
from shared.settings import read

INBOUND = "fleet.inbound"

As = Annotated[
    Literal["continue", "returned"],
    typer.Option(
        "--as",
        help="continue: it goes on, and what replaces the goods is billed anew; "
        "returned: it is cancelled and refunded, where suppliers and store still allow it.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="What was decided as one JSON document on stdout.")]
EntryNf = Annotated[list[str] | None, typer.Option("--entry-nf", help="Access key of an entry NF that undoes R.")]


def settle_order(
    order_id: Annotated[str, typer.Argument(metavar="ORDER")],
    *,
    decision: As,
    why: Why,
    actor: Actor,
    entry_nf: EntryNf = None,
    json: Json = False,
) -> None:
    """Decide on R in force that is too late to cancel: a cancellation found it, or it bills goods that do not come.

    Either way an entry NF of the retailer (finNFe 4) undoes it.
    """
    decided = _decided(order_id, decision, why, actor, entry_nf or [])
    broker = broker_to_act()

    async def publish() -> None:
        settings = read(ConsoleSettings)
        async with reading(settings.database_url) as con:
            lines = await console.load_timeline(con, order_id)
        if not lines:
            raise stop(f"the journal knows no order {order_id!r}")
        if not undecided(lines):
            raise stop(f"there is nothing to settle: order {order_id} has no R that waits for a person")
        await send(broker, [message(decided)], settings.console_confirm_seconds)

    run(publish())
    if json:
        show(as_json(decided.model_dump(mode="json")))
        return
    show(f"order {order_id}: told to {'go on' if decision == 'continue' else 'be cancelled and refunded'}")


def message(decided: OrderCancellationDecided) -> Outgoing:
    """As an AMQP message from the person who decided."""
    source = f"/engineers/{quote(decided.decided_by)[:200]}"
    body = envelope.encode(decided, id=str(uuid4()), source=source, time=decided.decided_at)
    return Outgoing(INBOUND, decided.TYPE, envelope.EVENT, body, uuid4().hex)


def _decided(
    order_id: str, decision: Literal["continue", "returned"], why: str, actor: str, entry_nfs: list[str]
) -> OrderCancellationDecided:
    """BadParameter: something does not fit the message."""
    try:
        return OrderCancellationDecided(
            order_id=order_id,
            decision=decision,
            decided_by=actor,
            reason=why,
            entry_nf_keys=tuple(entry_nfs),
            decided_at=datetime.now(UTC),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise typer.BadParameter(f"{'/'.join(map(str, first['loc']))}: {first['msg']}") from error
