"""Reminders that are due become messages to the service itself, in the transaction that takes them away."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

from asyncpg import Pool

from schemas.runtime import ReminderDue
from shared.broker.outgoing import Outgoing
from shared.database import connection
from shared.worker import store
from shared.worker.outbox import Outbox

Send = Callable[[UUID, list[Outgoing]], Awaitable[None]]

LIMIT = 256


async def carry_on(pool: Pool, service: str, send: Send) -> None:
    """Sends all that are due. A crash in between leaves the outgoing row; ids derive from the reminder."""
    while True:
        batch = uuid4()
        async with connection(pool) as con, con.transaction():
            due = await store.take_due_reminders(con, LIMIT)
            if not due:
                return
            outbox = Outbox(service, batch, datetime.now(UTC))
            for row in due:
                outbox.add(
                    ReminderDue(name=row["name"], key=row["key"], due=row["due"], note=json.loads(row["note"])),
                    id=str(uuid5(row["generation"], "due")),
                    correlation=row["correlation"],
                )
            messages = outbox.packed()
            await store.save_outgoing(con, batch, messages)
        await send(batch, messages)
        if len(due) < LIMIT:
            return
