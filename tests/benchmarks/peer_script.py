"""What the fleet did for an order, step by step, as its own tables have it: what a peer must do to do the same."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg


@dataclass(frozen=True, slots=True)
class Script:
    """What happened to one order: `("fact", type)` and `("call", operation, request as JSON)`, in their order."""

    order: dict[str, Any]
    """As it was placed."""
    steps: tuple[tuple[str, ...], ...]

    @property
    def calls(self) -> int:
        return sum(step[0] == "call" for step in self.steps)


_SCRIPTS = """
with wanted as (select order_id from control_room.order_summary where status = 'completed'
           order by latest desc limit $1),
made as (
    select key, created_at, operation, request from order_intake.partner_call_done
    union all select key, created_at, operation, request from po_dispatch.partner_call_done
    union all select key, created_at, operation, request from billing.partner_call_done
    union all select key, created_at, operation, request from channel_sync.partner_call_done
    union all select f.key, c.created_at, c.operation, c.request from nf_reconciliation.partner_call_done c
        join po_dispatch.fulfilment f on f.po_numbers @> array[c.request ->> 'po_number']
),
happened as (
    select order_id, time as at, array['fact', type] as step from control_room.journal where exchange = 'fleet.events'
    union all select key, created_at, array['call', operation, request::text] from made
)
select order_id, (select convert_from(body, 'utf8')::jsonb -> 'data' from control_room.journal p
                  where p.order_id = w.order_id and p.type like 'order.placed.%' limit 1) as placed,
       (select jsonb_agg(to_jsonb(step) order by at) from happened h where h.order_id = w.order_id) as steps
from wanted w
"""


async def load_from(con: asyncpg.Connection, orders: int) -> list[Script]:
    """Of the orders that the fleet completed last, so many, from its tables."""
    rows = await con.fetch(_SCRIPTS, orders)
    return [Script(json.loads(row["placed"]), tuple(map(tuple, json.loads(row["steps"])))) for row in rows]


def save(file: Path, some: Sequence[Script]) -> None:
    file.write_text("".join(json.dumps(asdict(script)) + "\n" for script in some))


def load(file: Path) -> Iterator[Script]:
    for line in file.read_text().splitlines():
        said = json.loads(line)
        yield Script(said["order"], tuple(map(tuple, said["steps"])))
