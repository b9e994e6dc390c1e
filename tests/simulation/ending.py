"""What must hold when nothing is left to happen: every order at its end, every effect once, the money in balance."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from deploy.local.audit import LINE
from schemas.billing import InvoiceIssued
from schemas.channel import ChannelUpdated, CustomerNotified
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfMatched
from schemas.order import OrderCompleted, OrderStatusChanged
from schemas.purchase_order import PurchaseOrderCreated
from services.billing.balance import order_balance
from services.billing.ledger import Movement
from services.billing.state import Bill

if TYPE_CHECKING:
    from tests.simulation.world import World


def problems(world: "World") -> Iterator[str]:
    yield from _left_over(world)
    yield from _orders(world)
    yield from _documents(world)
    yield from _told(world)
    yield from _effects(world)
    yield from _ledger(world)
    yield from _causes(world)


def _left_over(world: "World") -> Iterator[str]:
    """Nothing waits anywhere."""
    yield from (f"unrouted: {pack.routing_key}" for pack in world.broker.unrouted)
    yield from (f"dead letter: {pack.routing_key}" for pack in world.broker.dead_letters)
    for service, store in world.stores.items():
        if waiting := world.broker.queues[service]:
            yield f"{service}: {len(waiting)} messages in its queue"
        yield from (
            f"{service}: {r.kept.type} {r.kept.id} {r.kept.status}: {r.kept.error}" for r in store.kept.values()
        )
        yield from (f"{service}: outgoing row {row} was not sent" for row in store.outgoing)
        yield from (
            f"{service}: {type(c.request).__name__} for {c.key} is {c.status}"
            for c in store.calls.values()
            if c.status != "closed"
        )
        yield from (f"{service}: reminder {slot}" for slot in store.reminders)
        yield from (f"{service}: lock {key} is held" for key in store.locks)
    for replica in world.replicas:
        if replica.unacked:
            yield f"{replica.name}: {len(replica.unacked)} unacked"


def _orders(world: "World") -> Iterator[str]:
    history: dict[str, list[str]] = defaultdict(list)
    for change in world.facts(OrderStatusChanged):
        history[change.order_id].append(change.status)
    completed = {fact.order_id for fact in world.facts(OrderCompleted)}
    for order_id in world.order_ids:
        line = [status for status in history[order_id] if status in LINE]
        if line != list(LINE):
            yield f"{order_id}: its history is {' → '.join(history[order_id]) or 'empty'}"
        if order_id not in completed:
            yield f"{order_id}: has not completed"


def _documents(world: "World") -> Iterator[str]:
    """Each PO has one R and one S1, and its lines are invoiced by S2 to the last piece."""
    created = {po.po_id: po for po in world.facts(PurchaseOrderCreated)}
    billed = Counter(po_id for r in world.facts(InvoiceIssued) for po_id in r.po_ids)
    remitted = Counter(nf.po_id for nf in world.facts(RemittanceNfMatched))
    supplied: dict[str, Counter[int]] = defaultdict(Counter)
    for nf in world.facts(SupplierNfMatched):
        for line in nf.lines:
            supplied[nf.po_id][line.po_line] += int(line.quantity)
    for po_id, po in created.items():
        if (billed[po_id], remitted[po_id]) != (1, 1):
            yield f"PO {po.po_number}: {billed[po_id]} R, {remitted[po_id]} S1"
        if supplied[po_id] != Counter({line.line: line.quantity for line in po.lines}):
            yield f"PO {po.po_number}: its S2 cover {dict(supplied[po_id])}"
    numbers = sorted(int(po.po_number[2:]) for po in created.values() if po.po_number.startswith("PO"))
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"our own PO numbers are {numbers}"


def _told(world: "World") -> Iterator[str]:
    """The channel knows every R, the customer had every mail."""
    told = {(f.order_id, f.reference) for f in world.facts(ChannelUpdated) if f.fact == "invoice"}
    for r in world.facts(InvoiceIssued):
        if (r.order_id, r.access_key) not in told:
            yield f"{r.order_id}: the channel was not told of R {r.access_key}"
    mailed: dict[str, set[str]] = defaultdict(set)
    for mail in world.facts(CustomerNotified):
        mailed[mail.order_id].add(mail.fact)
    for order_id in world.order_ids:
        if missing := {"confirmed", "invoiced", "shipped", "delivered"} - mailed[order_id]:
            yield f"{order_id}: no mail about {', '.join(sorted(missing))}"


def _effects(world: "World") -> Iterator[str]:
    yield from world.partners.wrong
    for (partner, operation, about), keys in world.partners.effects.items():
        if len(keys) != 1:
            yield f"{partner}: {operation} of {about} was done {len(keys)} times"


def _ledger(world: "World") -> Iterator[str]:
    """By billing's own rule, and nobody is owed anything, less what an order without an ERP leaves to a person."""
    store = world.stores["billing"]
    accounts: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in store.rows.values():
        if isinstance(row, Movement):
            accounts[row.order_id][row.debit] += row.amount
            accounts[row.order_id][row.credit] -= row.amount
    bills: dict[str, Any] = store.tables.get("bill", {})
    for order_id in sorted({*accounts, *bills}):
        bill: Bill | None = bills.get(order_id)
        balance = order_balance(order_id, accounts[order_id], bill)
        yield from (f"{order_id}: {wrong}" for wrong in balance.wrong)
        if balance.owed_to_customer:
            yield f"{order_id}: the customer is owed {balance.owed_to_customer}"
        by_hand = bill is None or bill.order is None or bill.order.erp_order_number is None
        if balance.open_payables and not by_hand:
            yield f"{order_id}: {balance.open_payables} is still open"


def _causes(world: "World") -> Iterator[str]:
    """Everything that was said has a cause that its speaker has handled, or answers a call."""
    ids: dict[str, set[str]] = defaultdict(set)
    for service, store in world.stores.items():
        ids[service] = {*world.invariants.handled[service].values(), *(str(id) for id in store.calls)}
    for event in world.invariants.said.values():
        service = event.source.rpartition("/")[2]
        if event.causation is not None and event.causation not in ids[service]:
            yield f"{event.data.TYPE} {event.id}: its cause {event.causation} was not handled by {service}"
