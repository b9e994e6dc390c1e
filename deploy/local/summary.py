"""How a run of the fleet ended: what was counted, on the ledger and on the broker, and what is not as it should be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import aio_pika
import aiohttp
import asyncpg

from deploy.local import store
from deploy.local.audit import TYPES, Audit, audit
from deploy.local.fleet import Fleet
from deploy.local.mixed import audit as mixed_audit
from deploy.local.mixed.audit import Row
from deploy.local.mixed.script import Script
from deploy.local.mixed.suppliers import by_mail
from deploy.local.site import Site
from schemas.catalogue import SERVICES
from services.billing.balance import ledger_balance
from shared.broker.topology import UNROUTED, dead


@dataclass(frozen=True, slots=True)
class Summary:
    """How the run ended. Times in seconds, from the first published order to the last end."""

    orders: int
    completed: int
    purchase_orders: int
    invoices: int
    supplier_nfs: int
    remittance_nfs: int
    channel_updates: int
    mails: int
    dead_letters: int
    unrouted: int
    ledger_balanced: bool
    messages: int
    seconds: float
    restarts: dict[str, int]
    problems: tuple[str, ...]
    cases: tuple[Row, ...] = ()
    """Of the mixed scenario: each case, its expected end and the one found."""
    moves: tuple[tuple[str, str], ...] = ()
    """Of the mixed scenario: from which status to which its orders went."""
    expected_completed: int | None = None
    """None: all."""
    expected_dead_letters: int = 0

    @property
    def ok(self) -> bool:
        wanted = self.orders if self.expected_completed is None else self.expected_completed
        return (
            not self.problems
            and self.completed == wanted
            and self.dead_letters == self.expected_dead_letters
            and self.unrouted == 0
            and self.ledger_balanced
        )


async def summarise(
    place: Site, members: Fleet, con: asyncpg.Connection, order_ids: Sequence[str], seconds: float
) -> Summary:
    """How a run ended that took so many seconds. `con` is an administrator's."""
    facts = await store.load_facts(con, TYPES)
    effects, mails = await _partners(members)
    found: Audit = audit(order_ids, facts, effects, mails)
    return await _summary(place, members, con, found, len(order_ids), seconds)


async def summarise_mixed(
    place: Site,
    members: Fleet,
    con: asyncpg.Connection,
    plan: Sequence[Script],
    waiting: Sequence[str],
    seconds: float,
) -> Summary:
    """As `summarise`, of orders that were to end as their scripts say. `waiting`: what was never said."""
    found, counts = await audited(members, con, plan)
    ends = [script.expected.end for script in plan]
    summary = await _summary(
        place, members, con, Audit(counts, [*found.problems, *waiting]), len(plan), seconds, found.claims
    )
    return replace(
        summary,
        cases=tuple(found.rows),
        moves=tuple(sorted(found.moves)),
        expected_completed=found.completed,
        expected_dead_letters=ends.count("dead letter"),
    )


async def audited(
    members: Fleet, con: asyncpg.Connection, plan: Sequence[Script]
) -> tuple[mixed_audit.MixedAudit, dict[str, int]]:
    """Each order's end beside the one of its script, and what was counted of all."""
    facts = await store.load_facts(con, mixed_audit.TYPES)
    effects, mails = await _partners(members)
    found = mixed_audit.audit(plan, facts, effects, mails, await store.load_dead_subjects(con))
    return found, audit([], facts, effects, mails).counts


async def _summary(
    place: Site,
    members: Fleet,
    con: asyncpg.Connection,
    found: Audit,
    orders: int,
    seconds: float,
    claims: Decimal = Decimal("0.00"),
) -> Summary:
    open_work = await store.load_open_work(con)
    found.problems += [f"still under way: {count} {what}" for what, count in open_work.items()]
    billing = await asyncpg.connect(place.database_url_of("billing"))
    try:
        ledger = await ledger_balance(billing)
    finally:
        await billing.close()
    if not ledger.settled:
        found.problems.append(
            f"ledger: {ledger.owed_to_customer} owed, {ledger.open_payables} open, "
            f"{len(ledger.unbalanced_movements)} unbalanced, {len(ledger.unreconciled)} orders unreconciled"
        )
    if ledger.claims != claims:
        found.problems.append(f"ledger: claims of {ledger.claims} on suppliers, expected {claims}")
    unrouted, letters = await _left_on_the_broker(place)
    return Summary(
        orders=orders,
        dead_letters=letters + await store.load_dead_letters(con),
        unrouted=unrouted,
        ledger_balanced=ledger.balanced,
        messages=await store.load_message_count(con),
        seconds=round(seconds, 1),
        restarts=members.restarts,
        problems=tuple(found.problems),
        **found.counts,  # type: ignore[arg-type]  # the names of counts are fields
    )


async def _partners(members: Fleet) -> tuple[list[dict[str, str]], int]:
    """What partners did, and how many mails customers got: suppliers get their POs by mail too."""
    async with aiohttp.ClientSession(members.sandbox_url) as session:
        effects = await (await session.get("/_sandbox/effects")).json()
        mails = await (await session.get("/mail")).json()
    return effects, sum(mail["to"] not in by_mail() for mail in mails)


async def _left_on_the_broker(place: Site) -> tuple[int, int]:
    """Messages that nobody takes, and dead letters on their way."""
    connection = await aio_pika.connect(place.amqp_url)
    try:
        channel = await connection.channel()
        depths = {}
        for name in (UNROUTED, *(dead(service) for service in SERVICES)):
            queue = await channel.declare_queue(name, passive=True)
            depths[name] = int(queue.declaration_result.message_count or 0)
    finally:
        await connection.close()
    unrouted = depths.pop(UNROUTED)
    return unrouted, sum(depths.values())
