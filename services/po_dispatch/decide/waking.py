"""PURE. What changed may be what an order waits for: a word to ourselves for each that it may help.

Oldest first, and of those that lack nothing else no more than the stock goes for. One that may be bought in portions is
woken by any stock, as the rest may be with others. Where many wait, each page of them has a message of its own, until
the stock is used up. An order that overtook its offer, or waits for one that holds only later, is found by its own
reminder (see `reminders`).
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from schemas.decision import Context, Decision
from schemas.model import Message
from schemas.sourcing import LastWoken, OfferWakingDue, SourcingRetryDue, SupplierWakingDue
from schemas.supplier import OfferChanged, SupplierChanged
from schemas.timeline import Timeline, keep
from services.po_dispatch.state import WOKEN_AT_ONCE, WaitingOrder

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
    return Decision(kept.state, events=_offered(event.offer_id, event.sku, event.stock, event.ufs, ctx.reference))


def on_offer_waking_due(
    offer: Timeline[OfferChanged] | None, event: OfferWakingDue, ctx: Context[Waiting]
) -> Decision[Timeline[OfferChanged]]:
    """The next page. What the offer has become meanwhile each order sees for itself."""
    return Decision(offer, events=_offered(event.offer_id, event.sku, event.stock, event.ufs, ctx.reference))


def on_supplier_changed(
    supplier: Timeline[SupplierChanged] | None, event: SupplierChanged, ctx: Context[Waiting]
) -> Decision[Timeline[SupplierChanged]]:
    """Its offers may count from now on, where they did not until now."""
    kept = keep(supplier, event, ctx)
    before = supplier.at(ctx.now) if supplier is not None else None
    if kept.state == supplier or not event.active or (before is not None and before.active):
        return kept
    return Decision(kept.state, events=_sold(event.supplier_id, ctx.reference))


def on_supplier_waking_due(
    supplier: Timeline[SupplierChanged] | None, event: SupplierWakingDue, ctx: Context[Waiting]
) -> Decision[Timeline[SupplierChanged]]:
    return Decision(supplier, events=_sold(event.supplier_id, ctx.reference))


def _sold(supplier_id: str, waiting: Waiting) -> list[Message]:
    woken: list[Message] = [SourcingRetryDue(order_id=order.order_id) for order in waiting]
    last = _last_of_many(waiting)
    return [*woken, SupplierWakingDue(supplier_id=supplier_id, after=last)] if last else woken


def _offered(offer_id: str, sku: str, stock: int, ufs: Collection[str], waiting: Waiting) -> list[Message]:
    helped, left = _helped(waiting, stock, ufs)
    woken: list[Message] = [SourcingRetryDue(order_id=order.order_id, offer_id=offer_id) for order in helped]
    last = _last_of_many(waiting)
    if last is None or not (left or any(order.unconnected for order in waiting)):
        return woken
    return [*woken, OfferWakingDue(offer_id=offer_id, sku=sku, stock=left, ufs=tuple(ufs), after=last)]


def _last_of_many(waiting: Waiting) -> LastWoken | None:
    """None: behind them nobody waits."""
    if len(waiting) < WOKEN_AT_ONCE:
        return None
    return LastWoken(placed_at=waiting[-1].placed_at, order_id=waiting[-1].order_id)


def _helped(waiting: Waiting, stock: int, ufs: Collection[str]) -> tuple[list[WaitingOrder], int]:
    """Those whose line was connected to nobody learn that it is, stock or not. Stock is left to those it is offered
    to: an offer for other states helps an order as little as none. (A supplier that did not deliver a line may be asked
    for it again by this very change of its offer.) With what is left of the stock."""
    helped: list[WaitingOrder] = []
    for order in waiting:
        if ufs and order.uf is not None and order.uf not in ufs:
            helped += [order] if order.unconnected else []
        elif order.unconnected or order.quantity <= stock or (order.in_portions and stock > 0):
            helped.append(order)
            stock -= order.quantity if order.only and order.quantity <= stock else 0
    return helped, stock
