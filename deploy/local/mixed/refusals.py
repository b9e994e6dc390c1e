"""Cases of suppliers that do not deliver, and of those that want their money first."""

from collections.abc import Callable
from datetime import datetime, timedelta

from deploy.local.mixed.expected import cancelled, completed
from deploy.local.mixed.sale import Place, decided, placed
from deploy.local.mixed.script import Cue, Script, nothing, told
from deploy.local.mixed.stores import HASTY, STRICT, hurried
from deploy.local.mixed.suppliers import CHOOSY, SECOND, awaited, offer
from schemas.model import Message
from schemas.order import OrderCancellationDecided, OrderPlaced
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged

_MOVED = "order.status_changed.v1"
_REROUTED = ("po_dispatched", "delivered")
_ONCE = {"PO refused": 1, "PO rerouted": 1}
_BEFORE = {"po_dispatched": {}, "po_acknowledged": {"PO confirmed": 1}, "invoice_divergent": {"S2 diverged": 1}}
_BEFORE["invoice_divergent"] |= _BEFORE["po_acknowledged"]
"""What was there before a PO is refused in that status of its order."""


def order(case: str, place: Place) -> Script:
    goods = placed(place, {"REC-ALL": 2})
    more = {"PO": 2, "PO refused": 1, "PO rerouted": 1}
    return Script(case, goods.order_id, completed(1, more, through=_REROUTED), [goods])


def after_r(case: str, place: Place) -> Script:
    """R is cancelled at SEFAZ and what is bought elsewhere is billed anew; the NF that was paid is a claim."""
    goods = placed(place, {"REC-R": 2})
    twice = dict.fromkeys(("PO", "PO confirmed", "S2", "R", "supplier paid", "mail invoiced"), 2)
    more = twice | dict.fromkeys(("PO refused", "PO rerouted", "R cancelled"), 1)
    through = ("po_dispatched", "invoiced", "delivered")
    return Script(case, goods.order_id, completed(1, more, through=through), [goods])


def after_r_too_late(case: str, place: Place) -> Script:
    """As `after_r`, but too late for SEFAZ: what is bought elsewhere is billed once a person took R back. He says so
    twice."""
    reference, goods = _too_late_for_r(place)
    twice = dict.fromkeys(("PO", "PO confirmed", "S2", "R", "supplier paid", "mail invoiced"), 2)
    more = twice | dict.fromkeys(("PO refused", "PO rerouted", "R refused", "R cancelled"), 1)
    end = completed(1, more, through=("po_dispatched", "invoiced", "delivered"))

    def decide(now: datetime) -> list[OrderCancellationDecided]:
        return [decided(goods, "continue", now), decided(goods, "continue", now + timedelta(seconds=1))]

    return Script(case, goods.order_id, end, [goods], reference, [Cue("invoice.refused.v1", decide)])


def after_r_given_up(case: str, place: Place) -> Script:
    """As `after_r_too_late`, but the person wants the order cancelled: who replaces the goods has no R, and agrees."""
    reference, goods = _too_late_for_r(place)
    more = dict.fromkeys(("PO", "PO confirmed", "S2", "supplier paid"), 2)
    more |= dict.fromkeys(("PO refused", "PO rerouted", "PO cancelled", "R", "R refused", "R cancelled"), 1)
    more |= {"mail invoiced": 1, "cancellation": 1}
    end = cancelled(more, through=("po_dispatched", "invoiced", "cancelled"))
    decide = Cue("supplier_nf.matched.v1", lambda now: [decided(goods, "returned", now)], times=2)
    return Script(case, goods.order_id, end, [goods], reference, [decide])


def _too_late_for_r(place: Place) -> tuple[list[Message], OrderPlaced]:
    reference = hurried(f"curta-{place.seed}-{place.number:06d}")
    [store] = [message for message in reference if isinstance(message, StoreChanged)]
    return reference, placed(place, {"REC-R": 2}, store=store.store_id)


def line(case: str, place: Place) -> Script:
    goods = placed(place, {"VIDRO-1": 1, "REC-LINE": 2})
    more = {"PO refused": 1, "PO rerouted": 1}
    return Script(case, goods.order_id, completed(2, more, through=_REROUTED), [goods])


def unit(case: str, place: Place) -> Script:
    goods = placed(place, {"REC-UNIT": 3})
    more = {"PO refused": 1, "PO rerouted": 1}
    return Script(case, goods.order_id, completed(2, more, through=_REROUTED), [goods])


def silent(case: str, place: Place) -> Script:
    """Reminded at half of the hasty store's deadline, given up at its end."""
    goods = placed(place, {"MUDO-1": 1}, store=HASTY)
    more = {"PO": 2, "PO late": 1, "PO cancelled": 1, "PO rerouted": 1}
    asked = {"reminder": 1, "cancellation": 1}
    return Script(case, goods.order_id, completed(1, {**more, **asked}, through=_REROUTED), [goods])


def prepaid(case: str, place: Place) -> Script:
    goods = placed(place, {"PRE-OK": 2})
    through = ("ready_to_order", "supplier_payment_pending", "po_dispatched", "delivered")
    return Script(case, goods.order_id, completed(through=through), [goods])


def bank_refuses(case: str, place: Place) -> Script:
    goods = placed(place, {"PRE-BROKE": 1})
    more = {"PO": 2, "PO cancelled": 1, "PO rerouted": 1, "payment refused": 1}
    through = ("supplier_payment_pending", "po_dispatched", "delivered")
    return Script(case, goods.order_id, completed(1, more, through=through), [goods])


def bank_late(case: str, place: Place) -> Script:
    """The hasty store buys elsewhere; the money that the bank sends all the same is a claim on the supplier."""
    goods = placed(place, {"PRE-LATE": 1}, store=HASTY)
    more = {"PO": 2, "PO late": 1, "PO cancelled": 1, "PO rerouted": 1, "supplier paid": 2}
    through = ("supplier_payment_pending", "po_dispatched", "delivered")
    return Script(case, goods.order_id, completed(1, more, through=through), [goods])


def wakes(case: str, place: Place) -> Script:
    """Told that its PO is cancelled, the silent supplier confirms and invoices it: its NF is none of ours."""
    goods = placed(place, {"MUDO-2": 1}, store=HASTY)
    more = {"PO": 2, "PO late": 1, "PO cancelled": 1, "PO rerouted": 1, "S2 diverged": 1}
    asked = {"reminder": 1, "cancellation": 1}
    return Script(case, goods.order_id, completed(1, {**more, **asked}, through=_REROUTED), [goods])


def prepaid_order(case: str, place: Place) -> Script:
    """Paid and refused: a claim on the supplier."""
    goods = placed(place, {"PRE-ALL": 1})
    more = {"PO": 2, "PO refused": 1, "PO rerouted": 1, "supplier paid": 2}
    return Script(case, goods.order_id, completed(1, more, through=("supplier_payment_pending", *_REROUTED)), [goods])


def prepaid_unit(case: str, place: Place) -> Script:
    """Three are paid, two come: one is a claim."""
    goods = placed(place, {"PRE-UNIT": 3})
    more = {"PO refused": 1, "PO rerouted": 1}
    return Script(case, goods.order_id, completed(2, more, through=("supplier_payment_pending", *_REROUTED)), [goods])


def one_invoice(case: str, place: Place) -> Script:
    """R is per order: it waits for the S2 of what is bought elsewhere."""
    goods = placed(place, {"VIDRO-1": 1, "REC-LINE": 2}, store=STRICT)
    more = {"PO refused": 1, "PO rerouted": 1, "R": 1, "mail invoiced": 1}
    return Script(case, goods.order_id, completed(2, more, through=_REROUTED), [goods])


def labelled(case: str, place: Place) -> Script:
    """The marketplace's label goes to the supplier that delivers in the end."""
    goods = placed(place, {"REC-ALL": 1, "VIDRO-1": 1}, market=True)
    more = {"PO": 2, "PO refused": 1, "PO rerouted": 1}
    return Script(case, goods.order_id, completed(1, more, through=_REROUTED), [goods])


def bank_refuses_for_all(case: str, place: Place) -> Script:
    """Nobody else has it, and the hasty store gives up."""
    goods = placed(place, {"PRE-ONLY": 1}, store=HASTY)
    more = dict.fromkeys(("PO", "PO cancelled", "PO rerouted", "payment refused", "out of stock"), 1)
    end = cancelled(more, through=("supplier_payment_pending", "out_of_stock", "cancelled"))
    return Script(case, goods.order_id, end, [goods])


def for_all(status: str, sku: str) -> Callable[[str, Place], Script]:
    """Refused when the order is in that status; nobody else has it, and the hasty store gives up."""

    def case_of(case: str, place: Place) -> Script:
        goods = placed(place, {sku: 1}, store=HASTY)
        more = {"PO": 1, "out of stock": 1, **_ONCE, **_BEFORE[status]}
        end = cancelled(more, through=(status, "out_of_stock", "cancelled"))
        return Script(case, goods.order_id, end, [goods], cues=[_refusal(status)])

    return case_of


def then_prepaid(status: str, sku: str) -> Callable[[str, Place], Script]:
    """Refused when the order is in that status; who has it besides wants its money first."""

    def case_of(case: str, place: Place) -> Script:
        goods = placed(place, {sku: 1})
        end = completed(1, _twice(status), through=(status, "supplier_payment_pending", *_REROUTED))
        return Script(case, goods.order_id, end, [goods], cues=[_refusal(status)])

    return case_of


def withdrawn(status: str, kind: str) -> Callable[[str, Place], Script]:
    """Refused in that status, when nobody sells it any more; then somebody does."""

    def case_of(case: str, place: Place) -> Script:
        product = awaited(place.number, kind)
        goods = placed(place, {}, own=product)

        def withdraw(now: datetime) -> list[OfferChanged]:
            return [offer(CHOOSY, product, since=now, active=False)]

        def sell(now: datetime) -> list[OfferChanged]:
            return [offer(SECOND, product, stock=10, since=now)]

        cues = [
            Cue(_MOVED, withdraw, {"status": status}, visit=told("refusal")),
            Cue("sourcing.quote_needed.v1", sell),
        ]
        more = {"quote needed": 1, **_twice(status)}
        end = completed(1, more, through=(status, "quote_pending", "ready_to_order", *_REROUTED))
        return Script(case, goods.order_id, end, [goods], [offer(CHOOSY, product)], cues)

    return case_of


def unconfirmed(case: str, place: Place) -> Script:
    """Its NF is all that the supplier says."""
    goods = placed(place, {"NF-SO": 1})
    through = ("po_dispatched", "supplier_invoice_received", "delivered")
    return Script(case, goods.order_id, completed(1, {"PO confirmed": 0}, through=through), [goods])


def _refusal(status: str) -> Cue:
    return Cue(_MOVED, nothing, {"status": status}, visit=told("refusal"))


def _twice(status: str) -> dict[str, int]:
    """Bought again after it was refused in that status."""
    before = _BEFORE[status]
    return {"PO": 2, **_ONCE, **before, "PO confirmed": 1 + before.get("PO confirmed", 0)}
