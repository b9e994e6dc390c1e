"""Cases of cancellation: at each stage, with the supplier's yes, its "too late", and a parcel that crosses it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from deploy.local.mixed.expected import NOTHING_MORE, Expected, cancelled, completed
from deploy.local.mixed.sale import Place, approvals, decided, placed
from deploy.local.mixed.script import Cue, Script, lost_by_carrier, nothing, told
from deploy.local.mixed.stores import STRICT, untaxed
from deploy.local.mixed.suppliers import unknown
from schemas.order import OrderCancellationRequested, OrderPlaced

_MOVED = "order.status_changed.v1"
Wisher = Literal["customer", "store"]
_MOMENTS = (
    "order.accepted.v1",
    "order.ready.v1",
    "purchase_order.created.v1",
    "purchase_order.sent.v1",
    "purchase_order.confirmed.v1",
    "supplier_nf.matched.v1",
    "invoice.issued.v1",
    "invoice.handed_over.v1",
    "remittance_nf.matched.v1",
)


_BILLED = dict.fromkeys(
    ("PO", "PO confirmed", "PO cancelled", "S2", "R", "R handed over", "R cancelled", "mail invoiced", "supplier paid",
     "cancellation"), 1)  # fmt: skip
"""Of a PO that is cancelled after its R."""


def unpaid(case: str, place: Place) -> Script:
    order = placed(place, {"FIL-2004": 1}, paid="nothing")
    end = cancelled(ready=False, refunds=0, through=("payment_pending", "cancelled"))
    return _stopped(case, order, end, _MOVED, status="payment_pending")


def half_paid(case: str, place: Place) -> Script:
    order = placed(place, {"FIL-2004": 1}, paid="half")
    end = cancelled(ready=False, through=("payment_pending", "cancelled"))
    return _stopped(case, order, end, _MOVED, status="payment_pending")


def waiting(case: str, place: Place) -> Script:
    product = unknown(f"COT-{place.number:06d}", place.number)
    order = placed(place, {}, own=product, payments=2)
    end = cancelled(refunds=2, through=("payment_confirmed", "quote_pending", "cancelled"), more={"quote needed": 1})
    return _stopped(case, order, end, _MOVED, status="quote_pending")


def unsent(case: str, place: Place) -> Script:
    """The PO waits for the bank, whose money becomes a claim on the supplier."""
    order = placed(place, {"PRE-LATE": 1})
    more = {"PO": 1, "PO cancelled": 1, "supplier paid": 1}
    end = cancelled(more, through=("ready_to_order", "supplier_payment_pending", "cancelled"))
    return _stopped(case, order, end, _MOVED, status="supplier_payment_pending")


def refused(case: str, place: Place) -> Script:
    """The supplier refuses the PO before it answers the call that brings it, and is asked to cancel it after that."""
    order = placed(place, {"CAN-REC": 1})
    more = {"PO": 1, "PO refused": 1, "cancellation": 1}
    end = cancelled(more, through=("ready_to_order", "cancelled"))
    script = _stopped(case, order, end, _MOVED, status="ready_to_order")
    return replace(script, cues=[replace(cue, visit=told("refusal")) for cue in script.cues])


def sent(case: str, place: Place) -> Script:
    order = placed(place, {"CAN-SENT": 1}, payments=2)
    more = {"PO": 1, "PO cancelled": 1, "cancellation": 1}
    end = cancelled(more, refunds=2, through=("po_dispatched", "cancelled"))
    return _stopped(case, order, end, "purchase_order.sent.v1")


def invoiced(case: str, place: Place) -> Script:
    """R is cancelled at SEFAZ; the supplier's NF was paid."""
    order = placed(place, {"CAN-R": 1})
    end = cancelled(_BILLED, through=("po_dispatched", "invoiced", "cancelled"))
    return _stopped(case, order, end, "invoice.handed_over.v1")


def acknowledged(case: str, place: Place) -> Script:
    order = placed(place, {"CONF-1": 1})
    more = dict.fromkeys(("PO", "PO confirmed", "PO cancelled", "cancellation"), 1)
    end = cancelled(more, through=("po_acknowledged", "cancelled"))
    return _stopped(case, order, end, _MOVED, status="po_acknowledged")


def divergent(case: str, place: Place) -> Script:
    """The wrong NF is never owed."""
    order = placed(place, {"DIV-1": 1})
    more = dict.fromkeys(("PO", "PO confirmed", "PO cancelled", "S2 diverged", "cancellation"), 1)
    end = cancelled(more, through=("supplier_invoice_received", "invoice_divergent", "cancelled"))
    return _stopped(case, order, end, _MOVED, status="invoice_divergent")


def unbilled(case: str, place: Place) -> Script:
    """R waits for the taxes of its store; the NF that matched is not paid any more."""
    store = untaxed(f"nova-{place.seed}-{place.number:06d}")
    order = placed(place, {"VIDRO-1": 1}, store=store.store_id)
    more = dict.fromkeys(("PO", "PO confirmed", "PO cancelled", "S2", "cancellation"), 1)
    end = cancelled(more, through=("supplier_invoice_received", "awaiting_invoice", "cancelled"))
    return replace(_stopped(case, order, end, _MOVED, status="awaiting_invoice"), reference=[store])


def packed(case: str, place: Place) -> Script:
    """S1 is there; the parcel has not left."""
    order = placed(place, {"CAN-S1": 1})
    end = cancelled({**_BILLED, "S1": 1}, through=("invoiced", "awaiting_shipment", "cancelled"))
    return _stopped(case, order, end, _MOVED, status="awaiting_shipment")


def given_up(case: str, place: Place) -> Script:
    """The parcel is lost, and the store gives it up: nobody is asked. R stays, until an entry NF undoes it.

    Lost when S1 has matched: of a PO that is cancelled first it would diverge.
    """
    order = placed(place, {"PER-2": 1})
    more = {
        **_BILLED,
        **dict.fromkeys(("S1", "parcel", "mail shipped", "delivery problem"), 1),
        "cancellation": 0,
        "billing stopped": 2,
    }
    end = cancelled(more, through=("shipped", "delivery_problem", "cancelled"))
    script = _stopped(case, order, end, _MOVED, by="store", status="delivery_problem")
    lose = Cue("remittance_nf.matched.v1", nothing, visit=lost_by_carrier)
    decide = Cue("billing.stopped.v1", lambda now: [decided(order, "returned", now)])
    return replace(script, cues=[lose, *script.cues, decide])


def too_late(case: str, place: Place) -> Script:
    order = placed(place, {"CAN-LATE": 1})
    return _stopped(case, order, _refused(), "purchase_order.confirmed.v1")


def crossed(case: str, place: Place) -> Script:
    """The goods leave while the supplier is being asked."""
    order = placed(place, {"CAN-SHIP": 1})
    return _stopped(case, order, _refused(), "invoice.handed_over.v1")


def one_of_two(case: str, place: Place) -> Script:
    """What the one has cancelled already is bought again, from the same: it was we who wanted it."""
    order = placed(place, {"CAN-SENT": 1, "CAN-LATE": 1})
    more = {"PO": 3, "PO cancelled": 1, "PO rerouted": 1}
    return _stopped(case, order, _refused(2, {**more, "cancellation": 2}), "purchase_order.sent.v1", times=2)


def prepaid(case: str, place: Place) -> Script:
    """What the supplier was paid is a claim on it."""
    order = placed(place, {"PRE-CAN": 2})
    more = {"PO": 1, "PO cancelled": 1, "supplier paid": 1, "cancellation": 1}
    end = cancelled(more, through=("supplier_payment_pending", "po_dispatched", "cancelled"))
    return _stopped(case, order, end, "purchase_order.sent.v1")


def labelled(case: str, place: Place) -> Script:
    """As `invoiced`, of an order that a marketplace labels."""
    order = placed(place, {"CAN-R": 1}, market=True)
    script = invoiced(case, place)
    return replace(script, messages=[order])


def paid_after(case: str, place: Place) -> Script:
    """The money comes when the order is cancelled, and goes back."""
    script = unpaid(case, place)
    order = script.messages[0]
    assert isinstance(order, OrderPlaced)
    pay = Cue("order.cancelled.v1", lambda now: approvals(order, now))
    end = cancelled(ready=False, through=("payment_pending", "cancelled"))
    return replace(script, expected=end, cues=[*script.cues, pay])


def asked_twice(case: str, place: Place) -> Script:
    """The supplier has said that it is too late: the second wish is refused without asking it again."""
    script = too_late(case, place)
    again = Cue("order.cancellation_refused.v1", script.cues[0].then)
    counts = {**script.expected.counts, "cancellation refused": 2}
    return replace(script, expected=replace(script.expected, counts=counts), cues=[*script.cues, again])


def against_policy(case: str, place: Place) -> Script:
    """Refused by the store's own setting: nobody is asked."""
    order = placed(place, {"VIDRO-1": 1}, store=STRICT)
    return _stopped(case, order, completed(1, {"cancellation refused": 1}), _MOVED, status="po_dispatched")


def at_some_moment(case: str, place: Place) -> Script:
    """Wished as soon as something is seen, with suppliers that agree until the goods leave: either end may be right."""
    goods = ({"VIDRO-1": 1}, {"VIDRO-1": 1, "AMO-2001": 2})[place.number // len(_MOMENTS) % 2]
    order = placed(place, goods)
    return _stopped(case, order, Expected("either"), _MOMENTS[place.number % len(_MOMENTS)])


def _refused(pos: int = 1, more: Mapping[str, int] = NOTHING_MORE) -> Expected:
    asked = {"cancellation started": 1, "cancellation refused": 1, "PO too late to cancel": 1, "cancellation": 1}
    return completed(pos, asked | {**more})


def _stopped(
    case: str,
    order: OrderPlaced,
    expected: Expected,
    fact: str,
    *,
    times: int = 1,
    by: Wisher = "customer",
    **having: str,
) -> Script:
    """Somebody wants it cancelled once that is seen."""

    def wish(now: datetime) -> list[OrderCancellationRequested]:
        return [
            OrderCancellationRequested(order_id=order.order_id, requested_by=by, reason="desistência", requested_at=now)
        ]

    return Script(case, order.order_id, expected, [order], cues=[Cue(fact, wish, having, times)])
