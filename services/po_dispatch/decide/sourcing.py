"""PURE. Who delivers what is open: for an order that is ready, and again whenever lines of it are open again.

What is open is bought as a whole or waits as a whole: half an order that cannot be completed would be cancelled anyway.
A line of which no supplier has enough is bought in portions where the store allows it.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from schemas.decision import Context, Decision, NotYet, Outcome, later, unchanged
from schemas.model import Message
from schemas.order import Item, OrderReady
from schemas.runtime import ReminderDue
from schemas.sourcing import OutOfStock, QuoteNeeded, SourcingRetryDue
from schemas.store import StoreChanged
from services.po_dispatch.decide.making import has_bought, purchased
from services.po_dispatch.routing import Market, Routing, route
from services.po_dispatch.routing.options import market_of
from services.po_dispatch.routing.splitting import split
from services.po_dispatch.state import CustomerOrder, Fulfilment, OrderLine, Sourcing

_PLACES = Decimal("0.0000000001")


def on_order_ready(fulfilment: Fulfilment | None, event: OrderReady, ctx: Context[Sourcing]) -> Outcome[Fulfilment]:
    """Choose suppliers and make the POs, or say which lines cannot be bought; then the order waits."""
    if fulfilment is not None and fulfilment.order is not None:
        return unchanged(fulfilment)
    if ctx.reference.store is None:
        return later("store.changed")
    known = fulfilment or Fulfilment(order_id=event.order_id)
    order = _opened(event, ctx.reference.store.current(event.placed_at), ctx.reference.store.current(ctx.now))
    return bought(known.model_copy(update={"order": order}), ctx)


def on_retry_due(
    fulfilment: Fulfilment | None, event: SourcingRetryDue | ReminderDue, ctx: Context[Sourcing]
) -> Outcome[Fulfilment]:
    """An offer changed, lines are open again, or it was not tried for a while."""
    if fulfilment is None or fulfilment.order is None or has_bought(fulfilment, ctx):
        return unchanged(fulfilment)
    return bought(fulfilment, ctx)


def bought(fulfilment: Fulfilment, ctx: Context[Sourcing]) -> Decision[Fulfilment] | NotYet:
    order, lines = fulfilment.order, fulfilment.open_lines
    if order is None or fulfilment.stop is not None or not lines:
        return Decision(fulfilment.model_copy(update={"waiting": ()}))
    if ctx.reference.store is None:
        return later("store.changed")
    store = ctx.reference.store.current(order.placed_at)
    market = market_of({line.sku for line in lines}, ctx.reference, ctx.now, order.ship_to.uf, store.routing)
    market = replace(market, barred=_barred(fulfilment, lines, market))
    one_label = order.logistics.label_by == "channel"
    routing = route(lines, market, one_shipment=one_label, only=_with_the_label(fulfilment))
    chosen, candidates = [(line, routing.chosen[line.line]) for line in lines if routing.chosen], routing.candidates
    if not chosen and store.split_lines and not one_label:
        portions = split(lines, routing, market)
        chosen, candidates = (list(portions.bought), portions.candidates) if portions else ([], ())
    if not chosen:
        return _short(fulfilment, lines, routing, ctx)
    able = fulfilment.model_copy(update={"waiting": (), "lines_without_offer": (), "lines_without_stock": ()})
    return purchased(able, chosen, candidates, store, ctx)


def _with_the_label(fulfilment: Fulfilment) -> frozenset[str] | None:
    """A marketplace makes one label for an order: what it labels cannot come from a second supplier."""
    assert fulfilment.order is not None
    if fulfilment.order.logistics.label_by != "channel" or not fulfilment.living:
        return None
    return frozenset(po.supplier.supplier_id for po in fulfilment.living)


def _barred(fulfilment: Fulfilment, lines: Sequence[OrderLine], market: Market) -> frozenset[tuple[int, str]]:
    """Order lines and suppliers that did not deliver them and have not changed an offer for it since."""
    bars = {(bar.order_line, bar.supplier_id): bar.since for bar in fulfilment.bars}
    if not bars:
        return frozenset()
    changed = {
        (line.line, offer.supplier_id)
        for line in lines
        for offer in market.offers[line.sku]
        if (since := bars.get((line.line, offer.supplier_id))) is not None and offer.changed_at > since
    }
    return frozenset(bars.keys() - changed)


def _short(
    fulfilment: Fulfilment, lines: Sequence[OrderLine], routing: Routing, ctx: Context[Sourcing]
) -> Decision[Fulfilment]:
    """Told when it is another shortage than the last one."""
    lacking = {*routing.without_offer, *routing.without_stock}
    waits = fulfilment.model_copy(
        update={
            "waiting": tuple(line for line in lines if line.line in lacking),
            "lines_without_offer": routing.without_offer,
            "lines_without_stock": routing.without_stock,
        }
    )
    told = (fulfilment.lines_without_offer, fulfilment.lines_without_stock)
    events: list[Message] = []
    if told != (routing.without_offer, routing.without_stock):
        at = fulfilment.after_all(ctx.now)
        waits = waits.model_copy(update={"told_at": at})
        if routing.without_offer:
            events.append(QuoteNeeded(order_id=waits.order_id, order_lines=routing.without_offer, at=at))
        if routing.without_stock:
            events.append(OutOfStock(order_id=waits.order_id, order_lines=routing.without_stock, at=at))
    return Decision(waits, events=events)


def _opened(event: OrderReady, agreed: StoreChanged, now: StoreChanged) -> CustomerOrder:
    """By the store's settings that were agreed when it was placed; who buys and who writes is the store as it is. Not
    validated: all of it was."""
    return CustomerOrder.of_valid(
        store_id=event.store_id,
        placed_at=event.placed_at,
        lines=tuple(_line(item) for item in event.items),
        recipient=event.customer,
        ship_to=event.ship_to,
        logistics=event.logistics,
        buyer=now.seller,
        mail_sender=now.mail_sender,
        deadlines=agreed.deadlines,
    )


def _line(item: Item) -> OrderLine:
    price = max(Decimal(0), item.total / item.quantity).quantize(_PLACES).normalize()
    return OrderLine(line=item.line, sku=item.sku, quantity=item.quantity, unit_price=price)
