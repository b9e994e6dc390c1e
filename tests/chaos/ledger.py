"""The ledger check after a run: was everything that was accepted done, once, by everybody whom it concerns?"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import asyncpg
from asyncpg import Connection

from deploy.local.fleet import Fleet
from deploy.local.partners import hub, mercado_livre
from deploy.local.summary import Summary, summarise
from deploy.local.world_data import SUPPLIERS
from schemas.catalogue import SERVICES
from schemas.runtime import DeadLetterBatchRequested
from tests.chaos.causes import Entry, Memory, not_handled, without_cause
from tests.chaos.field import Field
from tests.chaos.letters import load_letters, load_mendings, wrong_letters

REMINDERS = {"order_intake": frozenset({"complete"}), "po_dispatch": frozenset({"shipping_gate"})}
SHOWN = 5
"""Problems of one kind that are listed."""

ONCE_FOR_EACH: Mapping[tuple[str, str], str] = {
    ("erp", "pedido-venda"): "orders",
    ("erp", "despachado"): "orders",
    ("erp", "concluido"): "orders",
    ("erp", "pedido-compra"): "purchase_orders",
    ("erp", "nota-entrada"): "supplier_nfs",
    ("erp", "pagamento"): "supplier_nfs",
    ("supplier", "purchase_order"): "purchase_orders",
    ("supplier", "sale_nf"): "purchase_orders",
    ("supplier", "invoice"): "purchase_orders",
    ("supplier", "remittance_nf"): "purchase_orders",
    ("supplier", "shipment"): "purchase_orders",
    ("sefaz", "autorizacao"): "invoices",
    ("channel", "update"): "channel_updates",
    ("mail", "send"): "mails",
}
"""Effects by kind of partner and operation, and of what there must be one for each."""
_SUPPLIERS = {supplier.supplier_id for supplier in SUPPLIERS}


async def check(ground: Field, seconds: float) -> tuple[Summary, list[str]]:
    """The demo's summary, and everything that is not as it must be, its problems included."""
    con = await asyncpg.connect(ground.site.database_url)
    try:
        summary = await summarise(ground.site, ground.fleet, con, sorted(ground.placed), seconds)
        entries = await load_entries(con)
        memories = {service: await load_memory(con, service) for service in SERVICES}
        letters, mendings = await load_letters(con), await load_mendings(con)
    finally:
        await con.close()
    problems = list(summary.problems) + _known_of(entries, memories)
    problems += wrong_letters(letters, mendings, ground.upstream.right, ground.engineer.campaigns)
    problems += _counted(summary, await load_effects(ground.fleet))
    if summary.completed != summary.orders:
        problems.append(f"{summary.completed} of {summary.orders} orders completed")
    if summary.dead_letters or summary.unrouted:
        problems.append(f"{summary.dead_letters} dead letters, {summary.unrouted} unrouted messages")
    return summary, problems


def _known_of(entries: Sequence[Entry], memories: Mapping[str, Memory]) -> list[str]:
    strays = without_cause(entries, memories)
    lost = not_handled(entries, memories)
    return [
        *_shown("no cause in the journal", [f"{e.type} {e.id} ({e.cause})" for e in strays]),
        *_shown("lost on its way", [f"{e.type} {e.id} to {s}" for e, s in lost]),
    ]


def _counted(summary: Summary, effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every effect that there must be is there; `audit` has seen that none is there twice."""
    counts = Counter(_kind(effect["partner"], effect["operation"]) for effect in effects)
    wanted = {kind: getattr(summary, what) for kind, what in ONCE_FOR_EACH.items()}
    wrong = {kind: count for kind, count in counts.items() if count != wanted.get(kind)} | {
        kind: 0 for kind, count in wanted.items() if count and kind not in counts
    }
    return [f"{kind[0]}: {count} × {kind[1]}, not {wanted.get(kind, 0)}" for kind, count in wrong.items()]


def _kind(partner: str, operation: str) -> tuple[str, str]:
    if partner in _SUPPLIERS:
        return "supplier", operation
    return ("channel", "update") if partner in (hub.NAME, mercado_livre.NAME) else (partner, operation)


def _shown(what: str, found: Sequence[str]) -> list[str]:
    more = [f"{what}: and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [f"{what}: {one}" for one in found[:SHOWN]] + more


async def load_entries(con: Connection) -> list[Entry]:
    rows = await con.fetch(
        "select source, id, type, causation, substring(exchange from '^fleet\\.to\\.(.*)$'), "
        "case when type = $1 then body end from control_room.journal order by position",
        DeadLetterBatchRequested.TYPE,
    )
    entries: list[Entry] = []
    for *told, body in rows:
        entry = Entry(*told)
        letters = json.loads(body)["data"]["letters"] if body else []
        entries += entry.orders([letter["occurrence"] for letter in letters]) if letters else [entry]
    return entries


async def load_memory(con: Connection, service: str) -> Memory:
    handled = await con.fetch(f"select ref from {service}.inbox")
    calls = await con.fetch(
        f"select id from {service}.partner_call union all select id from {service}.partner_call_done"
    )
    return Memory(
        frozenset(row["ref"] for row in handled),
        frozenset(row["id"] for row in calls),
        REMINDERS.get(service, frozenset()),
    )


async def load_effects(fleet: Fleet) -> list[Mapping[str, Any]]:
    async with aiohttp.ClientSession(fleet.sandbox_url) as session:
        return list(await (await session.get("/_sandbox/effects")).json())
