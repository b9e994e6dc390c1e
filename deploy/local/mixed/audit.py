"""PURE: did every order of the mixed scenario end as it must? Its path, its facts and mails, what partners did."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from deploy.local.audit import history_of, repeated_effects
from deploy.local.mixed.expected import FACTS
from deploy.local.mixed.script import Script

STATUS_CHANGED, NOTIFIED, UPDATED = "order.status_changed.v1", "customer.notified.v1", "channel.updated.v1"
SETTLED, REFUNDED = "refund.settled.v1", "channel refunded"
TYPES = (*FACTS, STATUS_CHANGED, NOTIFIED, UPDATED)
ASKED = ("reminder", "cancellation")
"""What suppliers are asked, by PO number; counted by order."""
ERP = ("concluido", "cancelado", "alteracao-pedido-venda")
"""What the ERP was told, by order id."""
REGISTERED, REVISED, VOIDED = "pedido-compra", "alteracao-pedido-compra", "cancelamento-pedido-compra"
"""What the ERP was told, by PO id."""

BUYING = ("quote_pending", "out_of_stock", "supplier_payment_pending")
ALLOWED: Mapping[str | None, tuple[str, ...]] = {
    None: ("payment_pending", "payment_confirmed"),
    "payment_pending": ("payment_confirmed", "payment_slip_expired", "cancelled"),
    "payment_slip_expired": ("payment_confirmed", "cancelled"),
    "payment_confirmed": ("quote_pending", "out_of_stock", "ready_to_order", "cancelled"),
    "quote_pending": ("ready_to_order", "out_of_stock", "cancelled"),
    "out_of_stock": ("ready_to_order", "quote_pending", "cancelled"),
    "ready_to_order": ("supplier_payment_pending", "po_dispatched", "cancelled"),
    "supplier_payment_pending": ("po_dispatched", "out_of_stock", "cancelled"),
    "po_dispatched": ("po_acknowledged", "supplier_invoice_received", *BUYING, "cancelled"),
    "po_acknowledged": ("supplier_invoice_received", *BUYING, "cancelled"),
    "supplier_invoice_received": ("awaiting_invoice", "invoice_divergent", "cancelled"),
    "invoice_divergent": ("supplier_invoice_received", "awaiting_invoice", *BUYING, "cancelled"),
    "awaiting_invoice": ("invoiced", "invoice_divergent", "cancelled"),
    "invoiced": ("awaiting_shipment", "awaiting_invoice", "cancelled"),
    "awaiting_shipment": ("shipped", "cancelled"),
    "shipped": ("delivered", "delivery_problem"),
    "delivery_problem": ("shipped", "delivered", "cancelled"),
    "delivered": ("completed",),
}
"""The canonical table: which status may follow which."""
REROUTED_BACK = (*BUYING, "ready_to_order")
"""Where re-routing alone may take an order from further on."""

Facts = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(slots=True)
class Row:
    """One case: of so many orders so many ended exactly as expected."""

    case: str
    orders: int = 0
    exact: int = 0
    expected: str = ""
    found: str = ""
    """As the orders ended; where all are exact it is what was expected."""


@dataclass(slots=True)
class MixedAudit:
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    completed: int = 0
    """Orders that had to complete."""
    moves: set[tuple[str, str]] = field(default_factory=set)
    """From which status to which orders really went."""
    claims: Decimal = Decimal("0.00")
    """What must be claimed back from suppliers: advances of POs that are void."""

    @property
    def exact(self) -> bool:
        return not self.problems


class Found:
    """What was seen of each order."""

    def __init__(self, facts: Facts, effects: Sequence[Mapping[str, Any]], letters: Sequence[str]) -> None:
        self.letters = Counter(letters)
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.changes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.told: Counter[tuple[str, str, str]] = Counter()
        self.mailed: Counter[tuple[str, str, str]] = Counter()
        self.refunded: dict[str, Decimal] = defaultdict(Decimal)
        """BRL, by order."""
        order_of = {d["po_number"]: d["order_id"] for type, d in facts if type == "purchase_order.created.v1"}
        void, refused = _void(facts), _refused(facts)
        for type, data in facts:
            if type == "purchase_order.sent.v1" and data["po_id"] in void:
                continue
            if type == "invoice.handed_over.v1" and data["po_id"] in refused:
                continue
            self._note(type, data, str(data.get("order_id") or order_of.get(data.get("po_number"), "")))
        for effect in effects:
            if effect["operation"] in ASKED:
                self.counts[order_of.get(effect["key"], "")][effect["operation"]] += 1
            elif effect["operation"] in ERP:
                self.counts[effect["key"]][effect["operation"]] += 1

    def _note(self, type: str, data: Mapping[str, Any], order_id: str) -> None:
        if type == STATUS_CHANGED:
            self.changes[order_id].append(data)
        elif type == NOTIFIED:
            self.mailed[order_id, data["fact"], data["reference"]] += 1
            self.counts[order_id][f"mail {data['fact']}"] += 1
        elif type == UPDATED:
            self.told[order_id, data["fact"], data["reference"]] += 1
            self.counts[order_id][REFUNDED] += data["fact"] == "refunded"
        else:
            self.counts[order_id][FACTS[type]] += 1
            self.refunded[order_id] += Decimal(data.get("amount", 0)) if type == SETTLED else 0

    def end(self, order_id: str) -> str:
        history = history_of(self.changes[order_id])
        if history:
            return history[-1]
        if self.counts[order_id]["refused"]:
            return "refused"
        return "dead letter" if self.letters[order_id] else "nothing"


def audit(
    scripts: Sequence[Script], facts: Facts, effects: Sequence[Mapping[str, Any]], mails: int, letters: Sequence[str]
) -> MixedAudit:
    """`mails` arrived at customers; `letters`: the subject of each dead letter."""
    found = Found(facts, effects, letters)
    result = MixedAudit(claims=_claims(facts))
    rows: dict[str, Row] = {}
    result.moves = {
        (c["previous"], c["status"]) for id in found.changes for c in found.changes[id] if c.get("previous")
    }
    for script in scripts:
        row = rows.setdefault(
            script.case, Row(script.case, expected=_said(script.expected.end, script.expected.counts))
        )
        wrong = list(_wrong(script, found))
        row.orders += 1
        end = found.end(script.key) if script.expected.end == "either" else script.expected.end
        result.completed += end == "completed"
        row.exact += not wrong
        if wrong or not row.found:
            row.found = _said(found.end(script.key), found.counts[script.key])
        result.problems += [f"{script.case} ({script.key}): {problem}" for problem in wrong]
    result.rows = list(rows.values())
    result.problems += _strangers(scripts, found)
    result.problems += [f"{slot}: channel told {n} times" for slot, n in found.told.items() if n != 1]
    result.problems += [f"{slot}: customer mailed {n} times" for slot, n in found.mailed.items() if n != 1]
    if mails != found.mailed.total():
        result.problems.append(f"{mails} mails arrived, but {found.mailed.total()} were noted as sent")
    result.problems += [*_books(facts, effects), *repeated_effects(effects)]
    return result


def _wrong(script: Script, found: Found) -> list[str]:
    expected, counts = script.expected, found.counts[script.key]
    wrong = []
    if (end := found.end(script.key)) not in expected.ends:
        wrong.append(f"ended as {end}, expected {' or '.join(expected.ends)}")
    wanted = _whole(end, counts) if expected.end == "either" else expected.counts
    for name in sorted({*wanted} if expected.end == "either" else {*wanted, *counts}):
        if counts[name] != wanted.get(name, 0):
            wrong.append(f"{counts[name]} {name}, expected {wanted.get(name, 0)}")
    if expected.refunded not in (None, found.refunded[script.key]):
        wrong.append(f"{found.refunded[script.key]} refunded, expected {expected.refunded}")
    letters = 1 if expected.end == "dead letter" else 0
    if found.letters[script.key] != letters:
        wrong.append(f"{found.letters[script.key]} dead letters, expected {letters}")
    history = history_of(found.changes[script.key])
    wrong += _path(history, expected.through, is_rerouted=bool(counts["PO rerouted"]))
    return wrong


def _whole(end: str, counts: Mapping[str, int]) -> dict[str, int]:
    """What must agree with what, whichever way a race went."""
    never = (
        "S1 diverged",
        "R refused",
        "refund failed",
        "channel refused",
        "NF refused",
        "irregular",
        "delivery problem",
    )
    living = counts["PO"] - counts["PO cancelled"]
    wanted = dict.fromkeys(never, 0) | {"accepted": 1, "R": counts["R cancelled"], "S1": 0, "parcel": 0}
    if end == "cancelled":
        done = ("cancelled", "cancellation started", "mail cancelled", "cancelado", "refund", "mail refunded")
        return wanted | dict.fromkeys(done, 1) | {"completed": 0, "concluido": 0, "PO": counts["PO cancelled"]}
    once = ("ready", "completed", "concluido", "mail confirmed", "mail delivered")
    each = ("S1", "parcel", "parcel delivered", "mail shipped", "PO sent")
    more = {"cancelled": 0, "cancelado": 0, "refund requested": 0, "R": counts["R cancelled"] + living}
    answered = {"cancellation refused": 1} if counts["cancellation started"] else {}
    return wanted | dict.fromkeys(once, 1) | dict.fromkeys(each, living) | more | answered


def _path(history: Sequence[str], through: Sequence[str], *, is_rerouted: bool) -> list[str]:
    """Every move is one of the table's (or re-routing's), and it led through what was expected."""
    wrong = []
    before: str | None = None
    for status in history:
        if status not in ALLOWED.get(before, ()) and not (is_rerouted and status in REROUTED_BACK):
            wrong.append(f"moved from {before} to {status}")
        before = status
    left = iter(history)
    if not all(status in left for status in through):
        wrong.append(f"went {' → '.join(history)}, expected through {' → '.join(through)}")
    return wrong


def _strangers(scripts: Sequence[Script], found: Found) -> list[str]:
    known = {script.key for script in scripts}
    wrong = [f"dead letter of {subject!r}, which is none of ours" for subject in found.letters if subject not in known]
    return wrong + [f"{dict(counts)} of {id!r}, which is none of ours" for id, counts in found.counts.items()
                    if id not in known and counts]  # fmt: skip


def _void(facts: Facts) -> set[str]:
    """POs that were cancelled or refused as a whole."""
    cancelled = {d["po_id"] for type, d in facts if type == "purchase_order.cancelled.v1"}
    return cancelled | _refused(facts)


def _refused(facts: Facts) -> set[str]:
    """POs that were refused as a whole."""
    return {d["po_id"] for type, d in facts if type == "purchase_order.refused.v1" and not d["lines"]}


def _books(facts: Facts, effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of the POs that the ERP numbered it was told which are void or come in part, and of no other one."""
    done = {name: {e["key"] for e in effects if e["operation"] == name} for name in (REGISTERED, REVISED, VOIDED)}
    partly = {d["po_id"] for type, d in facts if type == "purchase_order.refused.v1" and d["lines"]}
    unlike = sorted((partly ^ done[REVISED]) & done[REGISTERED])
    void, created = _void(facts), {d["po_id"] for type, d in facts if type == "purchase_order.created.v1"}
    silent = sorted((void & done[REGISTERED]) - done[VOIDED])
    wrong = sorted((done[VOIDED] & created) - void)
    return [
        *(f"erp: was not told that PO {id} is void" for id in silent),
        *(f"erp: was told that PO {id} is void, and it is not" for id in wrong),
        *(f"erp: has PO {id} otherwise than it comes" for id in unlike),
    ]


def _claims(facts: Facts) -> Decimal:
    """What suppliers were paid beyond what their S2 ask for goods that come."""
    void = _void(facts)
    left: dict[str, Decimal] = {}
    paid: dict[str, Decimal] = defaultdict(Decimal)
    asked: dict[str, Decimal] = defaultdict(Decimal)
    for type, data in facts:
        if type == "supplier_payment.settled.v1":
            paid[data["po_id"]] += Decimal(data["amount"])
        elif type == "supplier_nf.matched.v1" and data["po_id"] not in void:
            asked[data["po_id"]] += Decimal(data["payable"])
        elif type == "purchase_order.refused.v1":
            left[data["po_id"]] = min(Decimal(data["total"]), left.get(data["po_id"], Decimal(data["total"])))
    due = {po_id: min(asked[po_id], left.get(po_id, asked[po_id])) for po_id in paid}
    return sum((max(paid[po_id] - due[po_id], Decimal(0)) for po_id in paid), Decimal("0.00"))


def _said(end: str, counts: Mapping[str, int]) -> str:
    """What a row shows: the end, and the documents and money on the way."""
    names = ("PO", "PO refused", "PO cancelled", "R", "R cancelled", "S2", "S1", "parcel", "refund")
    parts = [f"{counts[name]} {name}" for name in names if counts.get(name)]
    mails = sum(count for name, count in counts.items() if name.startswith("mail "))
    return ", ".join([end, *parts, *([f"{mails} mails"] if mails else [])])
