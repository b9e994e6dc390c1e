"""Cases of suppliers that do not deliver, and of those that want their money first."""

from deploy.local.mixed.expected import completed
from deploy.local.mixed.sale import Place, placed
from deploy.local.mixed.script import Script
from deploy.local.mixed.stores import HASTY, STRICT

_REROUTED = ("po_dispatched", "delivered")


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
