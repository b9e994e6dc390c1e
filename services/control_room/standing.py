"""PURE: where an order stands and what it waits for, in one sentence, out of what the journal has of it.

Lenient, as all that reads the journal: what does not say something is left out of the sentence. Deadlines are those of
the order's store, as it was described last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schemas.store import Deadlines
from services.control_room.entry import instant
from services.control_room.timeline import Told

Data = Mapping[str, Any]
_ENDED = ("completed", "cancelled", "refused")


@dataclass(frozen=True, slots=True)
class Names:
    """What people call suppliers, and how long the order's store waits for each thing."""

    suppliers: Mapping[str, str] = field(default_factory=dict)
    """Company names by supplier id."""
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True, slots=True)
class PoStanding:
    """One PO: what it waits for, since when, and what happens at `due` unless it comes before."""

    number: str
    supplier: str
    step: int
    """How far it has come: the least of an order's POs is what the order waits for."""
    waits: str
    since: datetime | None = None
    due: datetime | None = None
    then: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """`sentence` says it all; `purchase_orders` say it for each PO that is alive."""

    sentence: str
    purchase_orders: tuple[PoStanding, ...] = ()


class Facts:
    """The facts of an order by type, newest last."""

    def __init__(self, lines: Sequence[Told]) -> None:
        self._by_type: dict[str, list[tuple[datetime, Data]]] = {}
        for line in lines:
            if line.type is not None and isinstance(line.data, Mapping):
                self._by_type.setdefault(line.type.rpartition(".v")[0], []).append((line.time, line.data))

    def all(self, type: str, **named: Any) -> list[tuple[datetime, Data]]:
        """Those that say so, oldest first."""
        return [f for f in self._by_type.get(type, ()) if all(f[1].get(k) == v for k, v in named.items())]

    def last(self, type: str, **named: Any) -> tuple[datetime, Data] | None:
        return next(reversed(self.all(type, **named)), None)

    def at(self, type: str, **named: Any) -> datetime | None:
        """When it was said last."""
        found = self.last(type, **named)
        return found and found[0]


def standing(lines: Sequence[Told], names: Names, now: datetime, dead_letters: Sequence[Data] = ()) -> Standing:
    """Where the order stands. `dead_letters`: those about it that are open."""
    facts = Facts(lines)
    status = _status(facts)
    pos = tuple(_purchase_orders(facts, names, now)) if status not in _ENDED else ()
    sentence = _ended(facts, status) or _cancelling(facts, names, now) or _before_buying(facts, status, names, now)
    if sentence is None and pos:
        least = min(pos, key=lambda po: po.step)
        others = len(pos) - 1
        sentence = said(least, now) + (f" (and {others} more PO{'s' if others > 1 else ''})" if others else "")
    sentence = _with_unsettled(sentence or f"in status {status or 'unknown'}", facts, status)
    return Standing(_with_letters(sentence, dead_letters), pos)


def said(po: PoStanding, now: datetime) -> str:
    """A PO's part of the sentence: what it waits for, since when, and what comes of it."""
    since = f" since {span(now - po.since)}" if po.since is not None else ""
    if po.due is None:
        return f"{po.waits}{since}"
    when = f"in {span(po.due - now)}" if po.due > now else f"overdue by {span(now - po.due)}"
    return f"{po.waits}{since}; {po.then} {when}" if po.due > now else f"{po.waits}{since}; {when}"


def span(time: timedelta) -> str:
    """A time in its largest unit: `45 s`, `12 min`, `3 h`, `2 d`."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "d"):
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _status(facts: Facts) -> str | None:
    if (changed := facts.all("order.status_changed")) != []:
        newest = max(changed, key=lambda f: (instant(f[1].get("changed_at")) or f[0], f[0]))
        return str(newest[1].get("status"))
    return "refused" if facts.last("order.refused") else None


def _ended(facts: Facts, status: str | None) -> str | None:
    match status:
        case "completed":
            return "completed: everything was delivered and the return window is over"
        case "cancelled":
            return f"cancelled ({_reason(facts)}); {_refund(facts)}"
        case "refused":
            return f"refused: {_problems(facts.last('order.refused'))}"
    return None


def _reason(facts: Facts) -> str:
    found = facts.last("order.cancelled") or facts.last("order.cancellation_started")
    return str(found[1].get("reason") or found[1].get("cause")) if found else "no reason was given"


def _refund(facts: Facts) -> str:
    asked, settled = facts.all("refund.requested"), facts.all("refund.settled")
    if not asked:
        return "nothing had been paid"
    if facts.last("refund.failed") and len(settled) < len(asked):
        return "a refund failed: a person must pay it back"
    if len(settled) >= len(asked):
        return "what was paid is refunded"
    return "waiting for the bank to settle the refund"


def undecided(lines: Sequence[Told]) -> bool:
    """Whether a cancellation found R in force and waits for a person's decision."""
    facts = Facts(lines)
    started, refused = facts.at("order.cancellation_started"), facts.at("order.cancellation_refused")
    stopped = facts.last("billing.stopped")
    if started is None or stopped is None or stopped[0] < started or facts.last("order.cancelled"):
        return False
    return bool(stopped[1].get("invoices_in_force")) and (refused is None or refused < started)


def _cancelling(facts: Facts, names: Names, now: datetime) -> str | None:
    started, refused = facts.last("order.cancellation_started"), facts.at("order.cancellation_refused")
    if started is None or (refused is not None and refused >= started[0]):
        return None
    since = f"being cancelled since {span(now - started[0])}"
    if stopped := facts.last("billing.stopped"):
        kept = stopped[1].get("invoices_in_force") or []
        if kept:
            what = f"R {kept[0]} cannot be cancelled any more ({_problems(stopped)})"
            return f"{since}: a person must decide, {what}; `fleet orders settle` tells"
        return f"{since}: waiting for the order to be closed"
    if facts.last("fulfilment.stopped"):
        return f"{since}: waiting for SEFAZ to cancel the invoice"
    asked = [po for po in _living(facts) if facts.last("purchase_order.sent", po_id=po["po_id"])]
    if asked:
        who = ", ".join(f"{_supplier(po, names)} (PO {po.get('po_number')})" for po in asked)
        return f"{since}: waiting for the answer of {who}"
    return f"{since}: waiting for purchasing to stop"


def _before_buying(facts: Facts, status: str | None, names: Names, now: datetime) -> str | None:
    changed = facts.at("order.status_changed", status=status)
    since = f" since {span(now - changed)}" if changed is not None else ""
    match status:
        case None:
            return "placed; not accepted yet" if facts.last("order.placed") else "not placed yet"
        case "payment_pending":
            return f"waiting for the customer's payment{since}"
        case "payment_slip_expired":
            return f"the slip expired{since}: waiting for a late payment, or for a cancellation"
        case "payment_confirmed" if not facts.last("order.ready"):
            return f"waiting for the ERP to register the order{since}"
        case "payment_confirmed" if not facts.last("purchase_order.created"):
            return f"waiting for its purchase orders to be registered{since}"
        case "quote_pending":
            return _sourcing(facts, "sourcing.quote_needed", "a supplier", names.deadlines.quote, now)
        case "out_of_stock":
            return _sourcing(facts, "sourcing.out_of_stock", "stock", names.deadlines.stock, now)
        case "delivered":
            return f"delivered{since}: completes when the return window is over"
    return None


def _sourcing(facts: Facts, type: str, what: str, limit: timedelta, now: datetime) -> str:
    found = facts.last(type)
    if found is None:
        return f"waiting for {what}"
    lines = ", ".join(map(str, found[1].get("order_lines") or ())) or "?"
    due = found[0] + limit
    end = f"; cancelled in {span(due - now)}" if due > now else ""
    return f"waiting for {what} for line {lines} since {span(now - found[0])}{end}"


def _living(facts: Facts) -> list[Data]:
    """The POs that are neither cancelled nor refused as a whole, by number."""
    void = {data.get("po_id") for _, data in facts.all("purchase_order.cancelled")}
    void |= {data.get("po_id") for _, data in facts.all("purchase_order.refused") if not data.get("lines")}
    created = {data.get("po_id"): data for _, data in facts.all("purchase_order.created")}
    return sorted((po for id, po in created.items() if id not in void), key=lambda po: str(po.get("po_number")))


def _purchase_orders(facts: Facts, names: Names, now: datetime) -> Iterator[PoStanding]:
    for po in _living(facts):
        supplier, number = _supplier(po, names), str(po.get("po_number"))
        step, waits, since, due, then = _step(facts, po, names, now)
        yield PoStanding(number, supplier, step, waits, since, due, then)


Step = tuple[int, str, datetime | None, datetime | None, str]


def _step(facts: Facts, po: Data, names: Names, now: datetime) -> Step:
    """How far a PO is, the furthest first: a late message about an earlier step does not take it back."""
    id, deadlines = po.get("po_id"), names.deadlines
    supplier, number = _supplier(po, names), str(po.get("po_number"))
    shipped, issued = facts.at("shipment.dispatched", po_id=id), _issued(facts, id)
    if facts.last("shipment.delivered", po_id=id) and shipped:
        return 9, f"PO {number} from {supplier} was delivered", facts.at("shipment.delivered", po_id=id), None, ""
    if (problem := facts.last("shipment.problem_reported", po_id=id)) and shipped:
        return 8, f"delivery problem of PO {number}: {problem[1].get('detail') or '?'}", problem[0], None, ""
    if shipped:
        return 8, f"waiting for the carrier to deliver PO {number} from {supplier}", shipped, None, ""
    if (s1 := facts.at("remittance_nf.matched", po_id=id)) is not None:
        due = issued and issued + deadlines.dispatch
        return 7, f"waiting for {supplier} to ship PO {number}", s1, due, "alert"
    if (given := facts.at("invoice.handed_over", po_id=id)) is not None:
        due = issued and issued + deadlines.dispatch
        return 6, f"waiting for the remessa NF of PO {number} from {supplier}", given, due, "alert"
    if issued is not None:
        return 5, f"waiting for the invoice (and the label) of PO {number} to reach {supplier}", issued, None, ""
    if (refused := _rejected(facts)) and "bills_void_goods" in _problems(refused):
        why = f"an R in force bills what PO {number} replaces ({_problems(refused)}): a person must settle it"
        return 4, why, *_from(refused)
    if refused:
        why = f"SEFAZ rejected the invoice of PO {number} ({_problems(refused)}): a person must correct it"
        return 4, why, *_from(refused)
    if (matched := facts.last("supplier_nf.matched", po_id=id)) and not matched[1].get("open_lines"):
        return 4, f"waiting for the invoice of PO {number} to be authorised", *_from(matched)
    if diverged := facts.last("supplier_nf.diverged", po_number=number):
        detail = f"{_problems(diverged)}: a person decides, or {supplier} sends a correct one"
        return 3, f"the NF of PO {number} from {supplier} diverges, {detail}", *_from(diverged)
    return _ordered(facts, po, names, now)


def _ordered(facts: Facts, po: Data, names: Names, now: datetime) -> Step:
    id, deadlines = po.get("po_id"), names.deadlines
    supplier, number = _supplier(po, names), str(po.get("po_number"))
    sent, confirmed = facts.at("purchase_order.sent", po_id=id), facts.at("purchase_order.confirmed", po_id=id)
    if sent is None and _is_prepaid(po) and not facts.last("supplier_payment.settled", po_id=id):
        since = facts.at("purchase_order.created", po_id=id)
        due = since and since + deadlines.prepayment
        return 0, f"waiting for the advance payment of PO {number} to {supplier}", since, due, "routed again"
    if sent is None:
        since = facts.at("purchase_order.created", po_id=id)
        return 0, f"waiting for {supplier}'s system to take PO {number}", since, None, ""
    if confirmed is None and not facts.last("supplier_nf.matched", po_id=id):
        half, end = sent + deadlines.confirmation / 2, sent + deadlines.confirmation
        then, due = ("reminder", half) if half > now else ("routed again", end)
        return 1, f"waiting for {supplier} to confirm PO {number}", sent, due, then
    due = sent + deadlines.supplier_nf
    return 2, f"waiting for the NF of PO {number} from {supplier}", confirmed or sent, due, "reminder"


def _from(fact: tuple[datetime, Data]) -> tuple[datetime, None, str]:
    return fact[0], None, ""


def _issued(facts: Facts, po_id: Any) -> datetime | None:
    """When the R that bills the PO was issued, unless it was cancelled."""
    cancelled = {data.get("access_key") for _, data in facts.all("invoice.cancelled")}
    billing = [
        at
        for at, data in facts.all("invoice.issued")
        if po_id in (data.get("po_ids") or ()) and data.get("access_key") not in cancelled
    ]
    return max(billing, default=None)


def _rejected(facts: Facts) -> tuple[datetime, Data] | None:
    refused, over = facts.last("invoice.refused"), [facts.at("invoice.issued"), _undone_at(facts)]
    return refused if refused is not None and all(at is None or at < refused[0] for at in over) else None


def _undone_at(facts: Facts) -> datetime | None:
    """When R's in force were last taken back by a person's decision."""
    return max((at for at, data in facts.all("billing.stopped") if data.get("decision")), default=None)


def _with_unsettled(sentence: str, facts: Facts, status: str | None) -> str:
    """With the R in force that bills goods which do not come, wherever the order stands otherwise."""
    cancelled = {data.get("invoice_id") for _, data in facts.all("invoice.cancelled")}
    told = [fact for fact in facts.all("invoice.refused") if "bills_void_goods" in _problems(fact)]
    undone = _undone_at(facts)
    told = [fact for fact in told if undone is None or fact[0] > undone]
    left = [fact for fact in told if fact[1].get("invoice_id") not in cancelled]
    if status in _ENDED or not left or "bills_void_goods" in sentence:
        return sentence
    data = left[-1][1]
    which = f"R {data.get('series')}/{data.get('number')}"
    why = f"is in force and bills goods that do not come ({_problems(left[-1])})"
    return f"{sentence}; {which} {why}: a person must settle it"


def _is_prepaid(po: Data) -> bool:
    terms = po.get("terms")
    return isinstance(terms, Mapping) and terms.get("kind") == "prepaid"


def _supplier(po: Data, names: Names) -> str:
    id = str(po.get("supplier_id"))
    return names.suppliers.get(id, id)


def _problems(fact: tuple[datetime, Data] | None) -> str:
    said = fact[1] if fact else {}
    found = [p for name in ("problems", "reasons") for p in said.get(name) or () if isinstance(p, Mapping)]
    return ", ".join(dict.fromkeys(str(p.get("code")) for p in found)) or "no reason was given"


def _with_letters(sentence: str, letters: Sequence[Data]) -> str:
    if not letters:
        return sentence
    services = ", ".join(sorted({str(letter.get("service")) for letter in letters}))
    return f"{sentence}; held up by {len(letters)} dead letter{'s' if len(letters) > 1 else ''} of {services}"
