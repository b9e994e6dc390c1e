"""PURE. From chosen suppliers to purchase orders: registered in the ERP or numbered by us, created, sent when due."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from schemas.decision import Call, Context, Decision
from schemas.model import Message
from schemas.purchase_order import Candidate, PoLine, PurchaseOrderCreated
from schemas.store import StoreChanged
from schemas.supplier import ShippingRuleChanged
from services.po_dispatch.catalogue import Offer, Supplier
from services.po_dispatch.purchase_order import PurchaseOrder, SupplierAccess
from services.po_dispatch.routing import Source
from services.po_dispatch.shipping_rules import Goods, method_of
from services.po_dispatch.state import (
    CustomerOrder,
    Fulfilment,
    OrderLine,
    RegisterPurchaseOrder,
    SendPurchaseOrder,
    Sourcing,
)

PO_SERIES = "po"
"""Numbers of POs of stores without an ERP."""
ERP = "erp"
_CENT = Decimal("0.01")


def purchased(
    fulfilment: Fulfilment,
    bought: Sequence[tuple[OrderLine, Source]],
    candidates: Sequence[Candidate],
    store: StoreChanged,
    ctx: Context[Sourcing],
) -> Decision[Fulfilment]:
    """One more PO for each supplier chosen. The ERP numbers them, or our own series does."""
    assert fulfilment.order is not None  # nothing is routed before order.ready
    by_supplier: dict[str, list[tuple[OrderLine, Source]]] = defaultdict(list)
    for line, source in bought:
        by_supplier[source.offer.supplier_id].append((line, source))
    new = tuple(_purchase_order(fulfilment.order, theirs, candidates, ctx) for _, theirs in sorted(by_supplier.items()))
    fulfilment = fulfilment.model_copy(update={"purchase_orders": (*fulfilment.purchase_orders, *new)})
    if store.has_erp:
        return Decision(fulfilment, calls=[_registration(po) for po in new])
    events: list[Message] = []
    calls: list[Call] = []
    for po in new:
        fulfilment, created, orders = numbered(fulfilment, po, f"PO{ctx.numbers.take(PO_SERIES):010d}", ctx)
        events += created
        calls += orders
    return Decision(fulfilment, events=events, calls=calls)


def numbered(
    fulfilment: Fulfilment, po: PurchaseOrder, number: str, ctx: Context[None] | Context[Sourcing]
) -> tuple[Fulfilment, list[Message], list[Call]]:
    """The PO exists from now on, for everybody; the supplier gets it, when it is due."""
    assert fulfilment.order is not None
    at = fulfilment.after_all(ctx.now)
    created = PurchaseOrderCreated(
        order_id=fulfilment.order_id,
        store_id=fulfilment.order.store_id,
        po_id=po.po_id,
        po_number=number,
        order_po_ids=fulfilment.po_ids,
        supplier_id=po.supplier.supplier_id,
        supplier_cnpj=po.supplier.cnpj,
        lines=po.lines,
        total=po.total,
        terms=po.terms,
        ship_to_uf=fulfilment.order.ship_to.uf,
        created_at=at,
        placed_at=fulfilment.order.placed_at,
        candidates=po.candidates,
        shipping_method=po.shipping_method,
        shipping_reason=po.shipping_reason,
        packaging=po.packaging,
        card=po.card,
    )
    named = po.model_copy(update={"number": number, "candidates": (), "created_at": at})
    ordered, calls = order_if_due(fulfilment.order, named, ctx)
    return fulfilment.with_po(ordered).model_copy(update={"told_at": at}), [created], calls


def order_if_due(
    order: CustomerOrder, po: PurchaseOrder, ctx: Context[None] | Context[Sourcing]
) -> tuple[PurchaseOrder, list[Call]]:
    """Once it has its number and, where the supplier is prepaid, is paid."""
    if po.number is None or po.ordered_at is not None or (po.is_prepaid and po.paid_at is None):
        return po, []
    request = SendPurchaseOrder(
        po_id=po.po_id,
        number=po.number,
        supplier=po.supplier,
        lines=po.lines,
        recipient=order.recipient,
        ship_to=order.ship_to,
        buyer=order.buyer,
        shipping_method=po.shipping_method,
        packaging=po.packaging,
        card=po.card,
        estimated_delivery=po.estimated_delivery,
    )
    return po.model_copy(update={"ordered_at": ctx.now}), [Call(po.supplier.partner, request)]


def line_total(quantity: int, unit_cost: Decimal) -> Decimal:
    """Rounded half up, as the supplier's NF will."""
    return (quantity * unit_cost).quantize(_CENT, ROUND_HALF_UP)


def _purchase_order(
    order: CustomerOrder,
    bought: Sequence[tuple[OrderLine, Source]],
    candidates: Sequence[Candidate],
    ctx: Context[Sourcing],
) -> PurchaseOrder:
    lines, offers = [line for line, _ in bought], [source.offer for _, source in bought]
    supplier = bought[0][1].supplier
    assert supplier is not None  # route() chooses no offer of an unknown supplier
    po_lines = tuple(_po_line(n, line, offer) for n, (line, offer) in enumerate(zip(lines, offers, strict=True), 1))
    ours = {line.line for line in lines}
    method, reason = _shipping(order, lines, offers, ctx)
    packaging = ctx.reference.packaging.at(ctx.now) if ctx.reference.packaging else None
    return PurchaseOrder(
        po_id=_po_id(supplier.supplier_id, ctx),
        supplier=_access(supplier, order),
        terms=supplier.terms,
        lines=po_lines,
        total=sum((line.total for line in po_lines), Decimal("0.00")),
        candidates=tuple(c for c in candidates if c.order_line in ours),
        shipping_method=method,
        shipping_reason=reason,
        packaging=packaging.packaging if packaging else None,
        card=packaging.card if packaging else None,
        estimated_delivery=ctx.now + timedelta(days=max(offer.lead_time_days for offer in offers)),
    )


def _po_id(supplier_id: str, ctx: Context[Sourcing]) -> str:
    return str(ctx.id(f"po:{supplier_id}"))


def has_bought(fulfilment: Fulfilment, ctx: Context[Sourcing]) -> bool:
    """Whether POs were made because of this very event: what is open since then is told by another one."""
    return any(po.po_id == _po_id(po.supplier.supplier_id, ctx) for po in fulfilment.purchase_orders)


def _shipping(
    order: CustomerOrder, lines: Sequence[OrderLine], offers: Sequence[Offer], ctx: Context[Sourcing]
) -> tuple[str | None, str]:
    if order.logistics.label_by == "channel":
        return None, "the channel's logistics carry it"
    rules = [rule for timeline in ctx.reference.shipping_rules if (rule := timeline.at(ctx.now)) is not None]
    goods = Goods(
        store_id=order.store_id,
        ship_to=order.ship_to,
        skus=frozenset(line.sku for line in lines),
        weight_g=_weight(lines, offers),
        value=sum((line.value for line in lines), Decimal("0.00")),
    )
    found: Sequence[ShippingRuleChanged] = rules
    return method_of(found, goods)


def _weight(lines: Sequence[OrderLine], offers: Sequence[Offer]) -> int:
    """0, unknown, where it is of one of them: half a weight would choose the wrong method."""
    if any(offer.weight_g == 0 for offer in offers):
        return 0
    return sum(line.quantity * offer.weight_g for line, offer in zip(lines, offers, strict=True))


def _access(supplier: Supplier, order: CustomerOrder) -> SupplierAccess:
    return SupplierAccess(
        supplier_id=supplier.supplier_id,
        cnpj=supplier.cnpj,
        api_url=supplier.api_url,
        secret_ref=supplier.secret_ref,
        api=supplier.api,
        order_email=supplier.order_email,
        mail_sender=order.mail_sender if supplier.api == "email" else None,
    )


def _po_line(number: int, line: OrderLine, offer: Offer) -> PoLine:
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
        total=line_total(line.quantity, offer.cost),
    )


def _registration(po: PurchaseOrder) -> Call:
    request = RegisterPurchaseOrder(po_id=po.po_id, supplier_cnpj=po.supplier.cnpj, lines=po.lines, total=po.total)
    return Call(ERP, request)
