"""PURE: the sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.control_room.entry import instant
from services.control_room.standing.ending import cancelling, found, not_paid_back, unsettled, withheld
from services.control_room.standing.facts import Data, Facts, Names, count, listed, living, problems, span
from services.control_room.standing.purchase_order import PoStanding, purchase_orders, said
from services.control_room.timeline import Told

_ENDED = ("completed", "cancelled", "refused")


@dataclass(frozen=True, slots=True)
class Standing:
    """`sentence` says it all; `purchase_orders` say it for each PO that is alive."""

    sentence: str
    purchase_orders: tuple[PoStanding, ...] = ()


def standing(lines: Sequence[Told], names: Names, now: datetime, dead_letters: Sequence[Data] = ()) -> Standing:
    """Where the order stands. `dead_letters`: those about it that are open."""
    facts = Facts(lines)
    status = _status(facts)
    pos = tuple(purchase_orders(facts, names, now)) if status not in _ENDED else ()
    sentence = _ended(facts, status) or cancelling(facts, names, now) or _before_buying(facts, status, names, now)
    if sentence is None and pos:
        least = min(pos, key=lambda po: po.step)
        others = len(pos) - 1
        sentence = said(least, now) + (f" (and {others} more PO{'s' if others > 1 else ''})" if others else "")
    sentence = sentence or f"in status {status or 'unknown'}"
    if status not in _ENDED and "bills_void_goods" not in sentence and (left := unsettled(facts)) is not None:
        sentence = f"{sentence}; {left}"
    if status != "cancelled" and (owed := not_paid_back(facts)) is not None:
        sentence = f"{sentence}; {owed}"
    if (held := withheld(facts)) is not None:
        sentence = f"{sentence}; {held}"
    if (late := found(facts)) is not None:
        sentence = f"{sentence}; {late}"
    return Standing(_with_letters(sentence, dead_letters), pos)


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
            return f"refused: {problems(facts.last('order.refused'))}"
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
        case "payment_confirmed":
            return _buying_again(facts, now)
        case "quote_pending":
            return _sourcing(facts, "sourcing.quote_needed", "a supplier", changed, names.deadlines.quote, now)
        case "out_of_stock":
            return _sourcing(facts, "sourcing.out_of_stock", "stock", changed, names.deadlines.stock, now)
        case "delivered":
            return f"delivered{since}: completes when the return window is over"
    return None


def _buying_again(facts: Facts, now: datetime) -> str | None:
    """What a PO does not bring is bought elsewhere; None where another PO was made since."""
    lost = facts.newest("purchase_order.refused", "purchase_order.cancelled", "purchase_order.rerouted")
    made = facts.at("purchase_order.created")
    if lost is None or (living(facts) and made is not None and made > lost[0]):
        return None
    number = lost[1].get("po_number")
    return f"waiting for what PO {number} does not bring to be bought elsewhere since {span(now - lost[0])}"


def _sourcing(facts: Facts, type: str, what: str, changed: datetime | None, limit: timedelta, now: datetime) -> str:
    """The store's limit counts from when the order began to wait so, however often it is said after that."""
    found = facts.last(type)
    if found is None:
        return f"waiting for {what}"
    since = min(changed or found[0], found[0])
    waits = f"waiting for {what} for {count(listed(found[1], 'order_lines'))} since {span(now - since)}"
    due = (changed or found[0]) + limit
    if due > now:
        return f"{waits}; cancelled in {span(due - now)}"
    return f"{waits}; the store's limit was over {span(now - due)} ago, and it was not cancelled: a person must decide"


def _with_letters(sentence: str, letters: Sequence[Data]) -> str:
    if not letters:
        return sentence
    services = ", ".join(sorted({str(letter.get("service")) for letter in letters}))
    return f"{sentence}; held up by {len(letters)} dead letter{'s' if len(letters) > 1 else ''} of {services}"
