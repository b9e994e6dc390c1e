"""The cases of the mixed scenario. Each makes one order for a place in the run; they take turns."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from deploy.local.mixed import changes, divergences, parcels, refusals, rubbish, stops
from deploy.local.mixed.expected import Expected, cancelled, completed
from deploy.local.mixed.sale import Place, approvals, expiries, placed, queued
from deploy.local.mixed.script import Cue, Script
from deploy.local.mixed.stores import HASTY, QUEUED
from deploy.local.mixed.suppliers import SECOND, Product, offer, unknown, unstocked
from deploy.local.world_data import PARTS
from deploy.local.world_orders import order as happy_order
from schemas.model import Message
from schemas.order import OrderPlaced, OrderPlacedV1
from services.channel_sync.polling import order_id

Case = Callable[[str, Place], Script]
_FAMILIES = {part.sku: part.family for part in PARTS}


def happy(case: str, place: Place) -> Script:
    """As the happy scenario has it; one PO for each family of parts."""
    messages = happy_order(place.number, place.seed, place.at)
    sold = next(m for m in messages if isinstance(m, OrderPlaced | OrderPlacedV1))
    pos = len({_FAMILIES[item.sku] for item in sold.items})
    return Script(case, sold.order_id, completed(pos), messages)


def split(case: str, place: Place) -> Script:
    order = placed(place, {"FAR-1001": 1, "AMO-2001": 2, "LAM-1004": 4})
    return Script(case, order.order_id, completed(2), [order])


def by_mail(case: str, place: Place) -> Script:
    order = placed(place, {"COR-1": 2})
    return Script(case, order.order_id, completed(), [order])


def stock_comes(case: str, place: Place) -> Script:
    product = unstocked(f"EST-{place.number:06d}", place.number)
    return _comes(case, place, product, "sourcing.out_of_stock.v1", "out_of_stock", "out of stock")


def supplier_comes(case: str, place: Place) -> Script:
    product = unknown(f"COT-{place.number:06d}", place.number)
    return _comes(case, place, product, "sourcing.quote_needed.v1", "quote_pending", "quote needed")


def _comes(case: str, place: Place, product: Product, fact: str, status: str, name: str) -> Script:
    """What it lacks is offered once it waits for it."""
    order = placed(place, {}, own=product)

    def then(now: datetime) -> Sequence[Message]:
        return [offer(SECOND, product, stock=10, since=now)]

    expected = completed(1, {name: 1}, through=("payment_confirmed", status, "ready_to_order", "delivered"))
    return Script(case, order.order_id, expected, [order], _offers(product), [Cue(fact, then)])


def all_lacks_in_turn(case: str, place: Place) -> Script:
    """First nobody sells it, then who does has none, then nobody sells it there any more, then somebody has it."""
    product = unknown(f"COT-{place.number:06d}", place.number)
    order = placed(place, {}, own=product)

    def offered(now: datetime, stock: int, ufs: tuple[str, ...] = ()) -> Sequence[Message]:
        return [offer(SECOND, product, stock=stock, since=now).model_copy(update={"ufs": ufs})]

    elsewhere = ("AC" if order.ship_to.uf != "AC" else "RR",)
    cues = [
        Cue("sourcing.quote_needed.v1", lambda now: offered(now, 0)),
        Cue("sourcing.out_of_stock.v1", lambda now: offered(now, 10, elsewhere)),
        Cue("sourcing.quote_needed.v1", lambda now: offered(now, 10), {"order_id": order.order_id}, times=2),
    ]
    through = ("quote_pending", "out_of_stock", "quote_pending", "ready_to_order", "delivered")
    end = completed(1, {"quote needed": 2, "out of stock": 1}, through=through)
    return Script(case, order.order_id, end, [order], cues=cues)


def no_stock(case: str, place: Place) -> Script:
    product = unstocked(f"EST-{place.number:06d}", place.number)
    return _limit(case, place, product, "out_of_stock", "out of stock")


def no_supplier(case: str, place: Place) -> Script:
    product = unknown(f"COT-{place.number:06d}", place.number)
    return _limit(case, place, product, "quote_pending", "quote needed")


def _limit(case: str, place: Place, product: Product, status: str, name: str) -> Script:
    """It never comes; the hasty store gives up."""
    order = placed(place, {}, own=product, store=HASTY)
    expected = cancelled({name: 1}, through=("payment_confirmed", status, "cancelled"))
    return Script(case, order.order_id, expected, [order], _offers(product))


def _offers(product: Product) -> list[Message]:
    return [offer(supplier_id, product) for supplier_id in product.offered_by]


def expired(case: str, place: Place) -> Script:
    order = placed(place, {"FIL-2004": 1}, paid="nothing", method="boleto", store="default")
    cue = Cue(_MOVED, lambda now: expiries(order, now), {"status": "payment_pending"})
    end = Expected("payment_slip_expired", {"accepted": 1}, ("payment_pending", "payment_slip_expired"))
    return Script(case, order.order_id, end, [order], cues=[cue])


def paid_late(case: str, place: Place, store: str = "default") -> Script:
    order = placed(place, {"FIL-2004": 1}, paid="nothing", method="boleto", store=store)
    cues = [
        Cue(_MOVED, lambda now: expiries(order, now - timedelta(seconds=1)), {"status": "payment_pending"}),
        Cue(_MOVED, lambda now: approvals(order, now), {"status": "payment_slip_expired"}),
    ]
    expired = ("payment_pending", "payment_slip_expired")
    if store == HASTY:
        end = cancelled(through=(*expired, "cancelled"), ready=False)
    else:
        end = completed(through=(*expired, "payment_confirmed", "delivered"))
    return Script(case, order.order_id, end, [order], cues=cues)


def paid_too_late(case: str, place: Place) -> Script:
    return paid_late(case, place, HASTY)


def said_twice(case: str, place: Place) -> Script:
    """Everything three times under its id, and the order and its payment once more as other events."""
    order = placed(place, {"PAL-1006": 2}, paid="nothing", payments=2)
    told = [order, *approvals(order, place.at)]
    return Script(case, order.order_id, completed(), [*told, *told], copies=3)


def out_of_order(case: str, place: Place) -> Script:
    """The payments first, then that the slip expired (before they came), then the order."""
    order = placed(place, {"ROL-2007": 2}, paid="nothing", payments=2)
    before = expiries(order, place.at + timedelta(minutes=1))
    return Script(case, order.order_id, completed(), [*approvals(order, place.at), *before, order])


def polled(case: str, place: Place) -> Script:
    order = placed(place, {"DIS-2003": 1}, store=QUEUED)
    id = order_id(QUEUED, order.channel_order_code)
    return Script(case, id, completed(), queued=queued(order))


def polled_cancelled(case: str, place: Place) -> Script:
    """Sold and cancelled before it was fetched."""
    order = placed(place, {"DIS-2003": 1}, store=QUEUED, paid="nothing")
    end = cancelled(ready=False, refunds=0, through=("payment_pending", "cancelled"))
    id = order_id(QUEUED, order.channel_order_code)
    return Script(case, id, end, queued=queued(order, status="cancelled"))


def five_hundred_lines(case: str, place: Place) -> Script:
    order = placed(place, {"LAM-1004": 1})
    line = order.items[0]
    items = tuple(line.model_copy(update={"line": n}) for n in range(1, 501))
    total = order.total + 499 * line.total
    payment = order.payments[0].model_copy(update={"amount": total})
    changed = {"items": items, "total": total, "payments": (payment,)}
    return Script(case, order.order_id, completed(), [order.model_copy(update=changed)])


def fulfilled_elsewhere(case: str, place: Place) -> Script:
    order = placed(place, {"FIL-2005": 1}, fulfilled=True)
    return Script(case, order.order_id, Expected("refused", {"refused": 1}), [order])


_MOVED: Literal["order.status_changed.v1"] = "order.status_changed.v1"

CASES: dict[str, Case] = {
    "happy": happy,
    "split": split,
    "PO refused, bought elsewhere": refusals.order,
    "line refused, bought elsewhere": refusals.line,
    "PO refused after its R": refusals.after_r,
    "one unit refused, bought elsewhere": refusals.unit,
    "silent supplier, bought elsewhere": refusals.silent,
    "prepaid": refusals.prepaid,
    "prepaid, the bank refuses": refusals.bank_refuses,
    "prepaid, the bank is late": refusals.bank_late,
    "happy, another": happy,
    "no stock, then stock": stock_comes,
    "no supplier, then one": supplier_comes,
    "no stock until the limit": no_stock,
    "no supplier until the limit": no_supplier,
    "cancelled before payment": stops.unpaid,
    "cancelled when half paid": stops.half_paid,
    "cancelled while waiting for a supplier": stops.waiting,
    "cancelled before the PO is sent": stops.unsent,
    "cancelled after the PO is sent": stops.sent,
    "cancelled after R is issued": stops.invoiced,
    "supplier too late to cancel": stops.too_late,
    "parcel crosses the cancellation": stops.crossed,
    "one supplier cancels, one is too late": stops.one_of_two,
    "store cancels nothing any more": stops.against_policy,
    "boleto expired": expired,
    "boleto paid late, accepted": paid_late,
    "boleto paid late, cancelled": paid_too_late,
    "changed before fulfilment": changes.before,
    "changed too late": changes.after,
    "said many times": said_twice,
    "told in the wrong order": out_of_order,
    "from the hub's queue": polled,
    "cancelled in the hub's queue": polled_cancelled,
    "supplier by e-mail": by_mail,
    "several parcels, delayed": parcels.several_parcels,
    "silent supplier wakes too late": refusals.wakes,
    "prepaid, PO refused": refusals.prepaid_order,
    "prepaid, one unit refused": refusals.prepaid_unit,
    "prepaid, cancelled after it is sent": stops.prepaid,
    "one R for two POs, a line refused": refusals.one_invoice,
    "marketplace's label, PO refused": refusals.labelled,
    "marketplace's label, cancelled after R": stops.labelled,
    "paid after it was cancelled": stops.paid_after,
    "asked twice to cancel": stops.asked_twice,
    "cancelled at some moment": stops.at_some_moment,
    "cancelled at another moment": stops.at_some_moment,
    "leaves before its R": parcels.leaves_early,
    "lost for a while": parcels.lost,
    "NF diverges, corrected": divergences.corrected,
    "NF diverges, corrected in parts": divergences.in_parts,
    "line refused when R is due, the next NF diverges": divergences.of_the_replacement,
    "NF diverges, cancelled": stops.divergent,
    "NF diverges, PO refused, nobody else has it": refusals.for_all("invoice_divergent", "DIV-1"),
    "NF diverges, PO refused, bought prepaid": refusals.then_prepaid("invoice_divergent", "DIV-PRE"),
    "NF diverges, PO refused, nobody else sells it": refusals.withdrawn("invoice_divergent", "DIV"),
    "PO confirmed and refused, nobody else has it": refusals.for_all("po_acknowledged", "CONF-1"),
    "PO confirmed and refused, bought prepaid": refusals.then_prepaid("po_acknowledged", "CONF-PRE"),
    "PO confirmed and refused, nobody else sells it": refusals.withdrawn("po_acknowledged", "CONF"),
    "PO refused, nobody else has it": refusals.for_all("po_dispatched", "CAN-SENT"),
    "PO refused, bought prepaid": refusals.then_prepaid("po_dispatched", "ENV-PRE"),
    "PO refused, nobody else sells it": refusals.withdrawn("po_dispatched", "ENV"),
    "cancelled after the PO is confirmed": stops.acknowledged,
    "cancelled while R waits for its taxes": stops.unbilled,
    "cancelled after S1 is issued": stops.packed,
    "lost, and given up": stops.given_up,
    "PO refused before it is taken, cancelled": stops.refused,
    "PO refused after its R, too late for SEFAZ": refusals.after_r_too_late,
    "PO refused after its R, too late, given up": refusals.after_r_given_up,
    "one of two parcels lost for a while": parcels.one_of_two_lost,
    "in two parcels, the second late": parcels.in_parts,
    "in two parcels, the second lost for a while": parcels.second_part_lost,
    "delivery problem, on its way again": parcels.resumed,
    "in two parcels, the second given up": parcels.second_part_given_up,
    "in two parcels, the second given up, sold by a hub": parcels.given_up_at_the_hub,
    "no supplier, no stock, no supplier": all_lacks_in_turn,
    "prepaid, the bank refuses, nobody else has it": refusals.bank_refuses_for_all,
    "NF instead of a confirmation": refusals.unconfirmed,
    "500 lines": five_hundred_lines,
    "fulfilled elsewhere": fulfilled_elsewhere,
    "offer with a negative price": rubbish.negative_offer,
    "order to a state that is none": rubbish.unknown_state,
    "order without lines": rubbish.no_lines,
}


def scripts(count: int, seed: int, at: datetime) -> list[Script]:
    """`count` orders placed at `at`, the cases by turns, the same for the same arguments."""
    cases = list(CASES.items())
    found: list[Script] = []
    for number in range(count):
        name, make = cases[number % len(cases)]
        found.append(make(name, Place(number, seed, at)))
    return found
