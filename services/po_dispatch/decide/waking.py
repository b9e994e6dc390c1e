"""PURE. What changed may be what an order waits for: a word to ourselves for each that it may help.

Oldest first, and of those that lack nothing else no more than the stock goes for. One that may be bought in portions is
woken by any stock, as the rest may be with others. An order that overtook its offer, or waits for one that holds only
later, is found by its own reminder (see `reminders`).
"""

from collections.abc import Sequence
from datetime import timedelta

from schemas.decision import Context, Decision
from schemas.purchase_order import SourcingRetryDue
from schemas.supplier import OfferChanged, SupplierChanged
from schemas.timeline import Timeline, keep
from services.po_dispatch.state import WaitingOrder

Waiting = Sequence[WaitingOrder]
_PAST_OFFERS_KEPT = timedelta(days=1)
"""Stock and price of an offer may change every hour, and only the newest ones are bought by; a day is far more than
clocks differ."""


def on_offer_changed(
    offer: Timeline[OfferChanged] | None, event: OfferChanged, ctx: Context[Waiting]
) -> Decision[Timeline[OfferChanged]]:
    kept = keep(offer, event, ctx, _PAST_OFFERS_KEPT)
    if not ctx.reference or not event.active or kept.state == offer:
        return kept
    return Decision(kept.state, events=[_retry(order, event) for order in _helped(ctx.reference, event)])


def on_supplier_changed(
    supplier: Timeline[SupplierChanged] | None, event: SupplierChanged, ctx: Context[Waiting]
) -> Decision[Timeline[SupplierChanged]]:
    """Its offers may count from now on."""
    kept = keep(supplier, event, ctx)
    if kept.state == supplier or not event.active:
        return kept
    return Decision(kept.state, events=[SourcingRetryDue(order_id=order.order_id) for order in ctx.reference])


def _helped(waiting: Waiting, offer: OfferChanged) -> list[WaitingOrder]:
    """Those whose line was connected to nobody learn that it is, stock or not. Stock is left to those it is offered
    to: an offer for other states helps an order as little as none. (A supplier that did not deliver a line may be asked
    for it again by this very change of its offer.)"""
    helped: list[WaitingOrder] = []
    stock = offer.stock
    for order in waiting:
        if offer.ufs and order.uf is not None and order.uf not in offer.ufs:
            helped += [order] if order.unconnected else []
        elif order.unconnected or order.quantity <= stock or (order.in_portions and stock > 0):
            helped.append(order)
            stock -= order.quantity if order.only and order.quantity <= stock else 0
    return helped


def _retry(order: WaitingOrder, offer: OfferChanged) -> SourcingRetryDue:
    return SourcingRetryDue(order_id=order.order_id, offer_id=offer.offer_id)
