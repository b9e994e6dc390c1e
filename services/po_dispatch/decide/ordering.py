"""PURE. From a paid order to confirmed purchase orders: route, register in the ERP, create, send, confirm."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from schemas.billing import SupplierPaymentSettled
from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, later, unchanged
from schemas.model import Message
from schemas.order import OrderReady
from schemas.purchase_order import (
    Candidate,
    OutOfStock,
    PoLine,
    PurchaseOrderConfirmed,
    PurchaseOrderCreated,
    PurchaseOrderSent,
    QuoteNeeded,
)
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged, SupplierChanged, SupplierPoConfirmed
from services.po_dispatch.routing import Routing, Source, route
from services.po_dispatch.state import (
    Fulfilment,
    OrderLine,
    PurchaseOrder,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    RegisterPurchaseOrder,
    SendPurchaseOrder,
    Sourcing,
    SupplierAccess,
)

PO_SERIES = "po"
"""Numbers of POs of stores without an ERP."""
ERP = "erp"
_CENT = Decimal("0.01")


def on_order_ready(fulfilment: Fulfilment | None, event: OrderReady, ctx: Context[Sourcing]) -> Outcome[Fulfilment]:
    """Choose suppliers and make the POs, or say which lines cannot be bought; then the order waits as a whole.

    A marketplace makes one label for an order, so what it labels cannot come from two suppliers.
    """
    if fulfilment is not None:
        return unchanged(fulfilment)
    store = ctx.reference.store.at(ctx.now) if ctx.reference.store else None
    if store is None:
        return later("store.changed")
    lines = tuple(OrderLine(line=item.line, sku=item.sku, quantity=item.quantity) for item in event.items)
    routing = route(lines, _sources(ctx), event.ship_to.uf, one_shipment=event.logistics.label_by == "channel")
    opened = _opened(event, store, lines, routing)
    if not routing.chosen:
        return Decision(opened, events=_shortages(event.order_id, routing, ctx))
    return _purchased(opened, routing, store.has_erp, ctx)


def on_registered(
    fulfilment: Fulfilment | None,
    event: Answered[RegisterPurchaseOrder, PurchaseOrderRegistered],
    ctx: Context[None],
) -> Outcome[Fulfilment]:
    """The ERP's number makes the PO; now the supplier may have it."""
    po = fulfilment.po(event.request.po_id) if fulfilment else None
    if fulfilment is None or po is None:
        return Refused("unknown_po", f"no PO {event.request.po_id} was to be registered here")
    if po.number is not None:
        return unchanged(fulfilment)
    changed, events, calls = _numbered(fulfilment, po, event.answer.number, ctx)
    return Decision(changed, events=events, calls=calls)


def on_sent(
    fulfilment: Fulfilment | None, event: Answered[SendPurchaseOrder, PurchaseOrderReceived], ctx: Context[None]
) -> Outcome[Fulfilment]:
    po = fulfilment.po(event.request.po_id) if fulfilment else None
    if fulfilment is None or po is None:
        return Refused("unknown_po", f"no PO {event.request.po_id} was to be sent here")
    if po.sent_at is not None:
        return unchanged(fulfilment)
    sent = PurchaseOrderSent(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=event.request.number,
        supplier_id=po.supplier.supplier_id,
        sent_at=event.answered_at,
    )
    return Decision(fulfilment.with_po(po.model_copy(update={"sent_at": event.answered_at})), events=[sent])


def on_confirmed(fulfilment: Fulfilment | None, event: SupplierPoConfirmed, ctx: Context[None]) -> Outcome[Fulfilment]:
    """May come before our own call's answer. The first confirmation counts."""
    po = fulfilment.po_numbered(event.po_number) if fulfilment else None
    if fulfilment is None or po is None:
        return later("purchase_order.created")
    if event.supplier_id != po.supplier.supplier_id:
        return not_its_po(event.supplier_id, event.po_number)
    if po.confirmed_at is not None:
        return unchanged(fulfilment)
    confirmed = PurchaseOrderConfirmed(
        order_id=fulfilment.order_id,
        po_id=po.po_id,
        po_number=event.po_number,
        supplier_id=event.supplier_id,
        confirmed_at=event.confirmed_at,
        expected_ship_at=event.expected_ship_at,
    )
    return Decision(fulfilment.with_po(po.model_copy(update={"confirmed_at": event.confirmed_at})), events=[confirmed])


def on_payment_settled(
    fulfilment: Fulfilment | None, event: SupplierPaymentSettled, ctx: Context[None]
) -> Outcome[Fulfilment]:
    """A prepaid supplier gets its PO only now."""
    if fulfilment is None:
        return later("order.ready")
    po = fulfilment.po(event.po_id)
    if po is None:
        return Refused("unknown_po", f"order {event.order_id} has no PO {event.po_id}")
    if po.paid_at is not None:
        return unchanged(fulfilment)
    paid = po.model_copy(update={"paid_at": event.settled_at})
    ordered, calls = _order_if_due(fulfilment, paid)
    return Decision(fulfilment.with_po(ordered), calls=calls)


def not_its_po(supplier_id: str, po_number: str) -> Refused:
    return Refused("not_its_po", f"supplier {supplier_id} reports about PO {po_number}, which is another supplier's")


def _sources(ctx: Context[Sourcing]) -> list[Source]:
    found: list[Source] = []
    for timeline in ctx.reference.offers:
        offer: OfferChanged | None = timeline.at(ctx.now)
        if offer is not None:
            maker = ctx.reference.suppliers.get(offer.supplier_id)
            supplier: SupplierChanged | None = maker.at(ctx.now) if maker else None
            found.append(Source(offer, supplier))
    return found


def _opened(event: OrderReady, store: StoreChanged, lines: tuple[OrderLine, ...], routing: Routing) -> Fulfilment:
    return Fulfilment(
        order_id=event.order_id,
        store_id=event.store_id,
        lines=lines,
        recipient=event.customer,
        ship_to=event.ship_to,
        logistics=event.logistics,
        buyer=store.seller,
        lines_without_offer=routing.without_offer,
        lines_without_stock=routing.without_stock,
    )


def _shortages(order_id: str, routing: Routing, ctx: Context[Sourcing]) -> list[Message]:
    events: list[Message] = []
    if routing.without_offer:
        events.append(QuoteNeeded(order_id=order_id, order_lines=routing.without_offer, at=ctx.now))
    if routing.without_stock:
        events.append(OutOfStock(order_id=order_id, order_lines=routing.without_stock, at=ctx.now))
    return events


def _purchased(opened: Fulfilment, routing: Routing, has_erp: bool, ctx: Context[Sourcing]) -> Decision[Fulfilment]:
    """One PO for each supplier chosen. The ERP numbers them, or our own series does."""
    by_supplier: dict[str, list[OrderLine]] = defaultdict(list)
    for line in opened.lines:
        by_supplier[routing.chosen[line.line].offer.supplier_id].append(line)
    pos = tuple(_purchase_order(lines, routing, ctx) for _, lines in sorted(by_supplier.items()))
    fulfilment = opened.model_copy(update={"purchase_orders": pos})
    if has_erp:
        return Decision(fulfilment, calls=[_registration(po) for po in pos])
    events: list[Message] = []
    calls: list[Call] = []
    for po in pos:
        number = f"PO{ctx.numbers.take(PO_SERIES):010d}"
        fulfilment, created, orders = _numbered(fulfilment, po, number, ctx)
        events += created
        calls += orders
    return Decision(fulfilment, events=events, calls=calls)


def _purchase_order(lines: Sequence[OrderLine], routing: Routing, ctx: Context[Sourcing]) -> PurchaseOrder:
    supplier = routing.chosen[lines[0].line].supplier
    assert supplier is not None  # route() chooses no offer of an unknown supplier
    po_lines = tuple(_po_line(n, line, routing.chosen[line.line].offer) for n, line in enumerate(lines, 1))
    ours = {line.line for line in lines}
    candidates: tuple[Candidate, ...] = tuple(c for c in routing.candidates if c.order_line in ours)
    return PurchaseOrder(
        po_id=str(ctx.id(f"po:{supplier.supplier_id}")),
        supplier=SupplierAccess(
            supplier_id=supplier.supplier_id,
            cnpj=supplier.company.cnpj,
            api_url=supplier.api_url,
            secret_ref=supplier.secret_ref,
        ),
        terms=supplier.terms,
        lines=po_lines,
        total=sum((line.total for line in po_lines), Decimal("0.00")),
        candidates=candidates,
    )


def _po_line(number: int, line: OrderLine, offer: OfferChanged) -> PoLine:
    """The total is rounded half up, as the supplier's NF will."""
    return PoLine(
        line=number,
        order_line=line.line,
        offer_id=offer.offer_id,
        sku=offer.sku,
        supplier_sku=offer.supplier_sku,
        gtin=offer.gtin,
        name=offer.name,
        ncm=offer.ncm,
        unit=offer.unit,
        quantity=line.quantity,
        unit_cost=offer.cost,
        total=(line.quantity * offer.cost).quantize(_CENT, ROUND_HALF_UP),
    )


def _registration(po: PurchaseOrder) -> Call:
    request = RegisterPurchaseOrder(po_id=po.po_id, supplier_cnpj=po.supplier.cnpj, lines=po.lines, total=po.total)
    return Call(ERP, request)


def _numbered(
    fulfilment: Fulfilment, po: PurchaseOrder, number: str, ctx: Context[None] | Context[Sourcing]
) -> tuple[Fulfilment, list[Message], list[Call]]:
    created = PurchaseOrderCreated(
        order_id=fulfilment.order_id,
        store_id=fulfilment.store_id,
        po_id=po.po_id,
        po_number=number,
        order_po_ids=tuple(other.po_id for other in fulfilment.purchase_orders),
        supplier_id=po.supplier.supplier_id,
        supplier_cnpj=po.supplier.cnpj,
        lines=po.lines,
        total=po.total,
        terms=po.terms,
        ship_to_uf=fulfilment.ship_to.uf,
        created_at=ctx.now,
        candidates=po.candidates,
    )
    ordered, calls = _order_if_due(fulfilment, po.model_copy(update={"number": number, "candidates": ()}))
    return fulfilment.with_po(ordered), [created], calls


def _order_if_due(fulfilment: Fulfilment, po: PurchaseOrder) -> tuple[PurchaseOrder, list[Call]]:
    """Once it has its number and, where the supplier is prepaid, is paid."""
    unpaid = po.terms.kind == "prepaid" and po.paid_at is None
    if po.number is None or po.ordered or unpaid:
        return po, []
    request = SendPurchaseOrder(
        po_id=po.po_id,
        number=po.number,
        supplier=po.supplier,
        lines=po.lines,
        recipient=fulfilment.recipient,
        ship_to=fulfilment.ship_to,
        buyer=fulfilment.buyer,
    )
    return po.model_copy(update={"ordered": True}), [Call(po.supplier.partner, request)]
