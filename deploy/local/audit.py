"""PURE: was everything done, once, and in order? From what the journal and the partners saw of a run."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.billing import InvoiceIssued
from schemas.channel import ChannelUpdated, CustomerNotified
from schemas.nota_fiscal import RemittanceNfMatched, SupplierNfMatched
from schemas.order import OrderCompleted, OrderStatusChanged
from schemas.purchase_order import PurchaseOrderCreated

TYPES = tuple(
    m.TYPE
    for m in (
        PurchaseOrderCreated,
        InvoiceIssued,
        SupplierNfMatched,
        RemittanceNfMatched,
        ChannelUpdated,
        CustomerNotified,
        OrderStatusChanged,
        OrderCompleted,
    )
)
LINE = (
    "payment_confirmed",
    "ready_to_order",
    "po_dispatched",
    "awaiting_invoice",
    "invoiced",
    "awaiting_shipment",
    "shipped",
    "delivered",
    "completed",
)
"""What the history of every order that completes must show, in this order."""

Facts = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(slots=True)
class Audit:
    """Counts of a run, and everything that is not as it must be."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def audit(order_ids: Iterable[str], facts: Facts, effects: Sequence[Mapping[str, Any]], mails: int) -> Audit:
    """`effects` are what partners did, `mails` how many mails the customers got."""
    by_type: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for type, data in facts:
        by_type[type].append(data)
    result = Audit()
    _count(result, by_type, mails)
    _orders(result, set(order_ids), by_type)
    _purchase_orders(result, by_type)
    _told_once(result, by_type, mails)
    result.problems += repeated_effects(effects)
    return result


def _count(result: Audit, by_type: Mapping[str, list[Mapping[str, Any]]], mails: int) -> None:
    def distinct(type: str, *names: str) -> int:
        return len({tuple(data[name] for name in names) for data in by_type.get(type, [])})

    result.counts = {
        "completed": distinct(OrderCompleted.TYPE, "order_id"),
        "purchase_orders": distinct(PurchaseOrderCreated.TYPE, "po_id"),
        "invoices": distinct(InvoiceIssued.TYPE, "access_key"),
        "supplier_nfs": distinct(SupplierNfMatched.TYPE, "access_key"),
        "remittance_nfs": distinct(RemittanceNfMatched.TYPE, "access_key"),
        "channel_updates": distinct(ChannelUpdated.TYPE, "order_id", "fact", "reference"),
        "mails": mails,
    }


def _orders(result: Audit, order_ids: set[str], by_type: Mapping[str, list[Mapping[str, Any]]]) -> None:
    """Every order completed, through every status of the line, in order."""
    changes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for change in by_type.get(OrderStatusChanged.TYPE, []):
        changes[change["order_id"]].append(change)
    for order_id in sorted(order_ids):
        history = history_of(changes[order_id])
        line = [status for status in history if status in LINE]
        if line != list(LINE):
            result.problems.append(f"{order_id}: status history is {' → '.join(history) or 'empty'}")
    completed = Counter(data["order_id"] for data in by_type.get(OrderCompleted.TYPE, []))
    result.problems += [f"{order}: completed {n} times" for order, n in completed.items() if n != 1]


def history_of(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The statuses as they followed each other: each change names the one before. The order in which they arrived
    says nothing, where one replica sends later what it saved before another."""
    left = list(changes)
    history: list[str] = []
    while left:
        before = history[-1] if history else None
        following = next((c for c in left if c.get("previous") == before), left[0])
        left.remove(following)
        history.append(following["status"])
    return history


def _purchase_orders(result: Audit, by_type: Mapping[str, list[Mapping[str, Any]]]) -> None:
    """Exactly one R, one S2 and one S1 for each PO."""
    created = Counter(data["po_id"] for data in by_type.get(PurchaseOrderCreated.TYPE, []))
    documents = {
        "R": Counter(po for data in by_type.get(InvoiceIssued.TYPE, []) for po in data["po_ids"]),
        "S2": Counter(data["po_id"] for data in by_type.get(SupplierNfMatched.TYPE, [])),
        "S1": Counter(data["po_id"] for data in by_type.get(RemittanceNfMatched.TYPE, [])),
    }
    result.problems += [f"PO {po}: created {n} times" for po, n in created.items() if n != 1]
    for name, counted in documents.items():
        result.problems += [f"PO {po}: {counted[po]} {name}" for po in created if counted[po] != 1]
        result.problems += [f"PO {po}: {name} for a PO that was not created" for po in counted if po not in created]


def _told_once(result: Audit, by_type: Mapping[str, list[Mapping[str, Any]]], mails: int) -> None:
    """Channel and customer were told every fact once: invoice or XML, tracking and delivery where the rules say so."""
    told = Counter((d["order_id"], d["fact"], d["reference"]) for d in by_type.get(ChannelUpdated.TYPE, []))
    mailed = Counter((d["order_id"], d["fact"], d["reference"]) for d in by_type.get(CustomerNotified.TYPE, []))
    for what, counted in (("channel told", told), ("customer mailed", mailed)):
        result.problems += [f"{slot}: {what} {n} times" for slot, n in counted.items() if n != 1]
    if mails != sum(mailed.values()):
        result.problems.append(f"{mails} mails arrived, but {sum(mailed.values())} were noted as sent")
    invoices = {(d["order_id"], d["access_key"]) for d in by_type.get(InvoiceIssued.TYPE, [])}
    known = {(order, reference) for order, fact, reference in told if fact == "invoice"}
    result.problems += [f"{order}: the channel was not told of R {key}" for order, key in sorted(invoices - known)]
    facts_of: dict[str, set[str]] = defaultdict(set)
    for order, fact, _ in mailed:
        facts_of[order].add(fact)
    for data in by_type.get(OrderCompleted.TYPE, []):
        missing = {"confirmed", "shipped", "delivered"} - facts_of[data["order_id"]]
        if missing:
            result.problems.append(f"{data['order_id']}: no mail about {', '.join(sorted(missing))}")


def repeated_effects(effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """No partner did the same thing for the same business key under two idempotency keys."""
    keys: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for effect in effects:
        keys[effect["partner"], effect["operation"], effect["key"]].add(effect["idempotency_key"])
    return [
        f"{partner}: {operation} of {key} was done {len(used)} times"
        for (partner, operation, key), used in sorted(keys.items())
        if len(used) > 1
    ]
