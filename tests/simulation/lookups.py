"""What the services' `find` and `load` functions answer, read from tables in memory instead of by SQL.

By the real function, so that a subscription with a new one fails loudly. `test_lookups` compares them with PostgreSQL.
"""

from collections.abc import Callable, Mapping
from typing import Any

from schemas.order import OrderAccepted
from services.billing import store as billing
from services.billing.reference import Reference as BillingReference
from services.channel_sync import store as channel_sync
from services.channel_sync.state import Reference as ChannelReference
from services.nf_reconciliation import reading
from services.nf_reconciliation import store as nf
from services.nf_reconciliation.candidates import fitting
from services.nf_reconciliation.checks import kind_of
from services.nf_reconciliation.document_fields import Document
from services.nf_reconciliation.state import Received
from services.order_intake import store as order_intake
from services.po_dispatch import store as po_dispatch
from services.po_dispatch.state import WOKEN_AT_ONCE, Sourcing, WaitingOrder
from tests.simulation.documents import document_of
from tests.sourcing_rows import offers_by_sku, suppliers_by_id

Tables = Mapping[str, Mapping[str, Any]]
"""By name; rows in the order of their last update."""
_NONE: Mapping[str, Any] = {}


def _rows(tables: Tables, name: str) -> Mapping[str, Any]:
    return tables.get(name, _NONE)


def by_po_number(tables: Tables, message: Any) -> str | None:
    rows = _rows(tables, "fulfilment").items()
    return next((key for key, f in rows if any(po.number == message.po_number for po in f.purchase_orders)), None)


def by_tracking_code(tables: Tables, message: Any) -> str | None:
    code = message.tracking_code
    for key, fulfilment in reversed(_rows(tables, "fulfilment").items()):
        if any(s.tracking_code == code for po in fulfilment.purchase_orders for s in po.shipments):
            return str(key)
    return None


def sourcing(tables: Tables, key: str, message: Any) -> Sourcing:
    return _sourcing(tables, message.store_id, {item.sku for item in message.items})


def resourcing(tables: Tables, key: str, message: Any) -> Sourcing:
    fulfilment = _rows(tables, "fulfilment").get(key)
    order = fulfilment.order if fulfilment is not None else None
    return _sourcing(tables, order.store_id, {line.sku for line in order.lines}) if order else Sourcing()


def _sourcing(tables: Tables, store_id: str, skus: set[str]) -> Sourcing:
    timelines = [o for _, o in sorted(_rows(tables, "offer").items()) if any(v.sku in skus for v in o.versions)]
    makers = {v.supplier_id for offer in timelines for v in offer.versions}
    known = _rows(tables, "supplier")
    suppliers = suppliers_by_id({id: known[id] for id in sorted(makers) if id in known})
    rules = tuple(rule for _, rule in sorted(_rows(tables, "shipping_rule").items()))
    store = _rows(tables, "store").get(store_id)
    packaging = _rows(tables, "packaging").get(store_id) if store is not None else None
    return Sourcing(store, offers_by_sku(timelines, skus), suppliers, rules, packaging)


def waiting(tables: Tables, key: str, message: Any) -> tuple[WaitingOrder, ...]:
    """Who waits for the offer's SKU, the oldest order first."""
    found = []
    for id, fulfilment in _rows(tables, "fulfilment").items():
        lines = [line for line in fulfilment.waiting if line.sku == message.sku]
        if lines:
            unconnected = any(line.line in fulfilment.lines_without_offer for line in lines)
            quantity = sum(line.quantity for line in lines)
            store = _rows(tables, "store").get(fulfilment.order.store_id)
            splits = store is not None and any(version.split_lines for version in store.versions)
            only, several = len(fulfilment.waiting) == 1, len(lines) > 1
            uf, placed_at = fulfilment.order.ship_to.uf, fulfilment.order.placed_at
            order = WaitingOrder(id, quantity, only, unconnected, several or splits, uf, placed_at)
            found.append((placed_at, id, order))
    return _page([order for _, _, order in sorted(found, key=lambda one: one[:2])], message)


def waiting_longest(tables: Tables, key: str, message: Any) -> tuple[WaitingOrder, ...]:
    found = [(f.order.placed_at, id) for id, f in _rows(tables, "fulfilment").items() if f.waiting]
    return _page([WaitingOrder(id, 0, placed_at=placed_at) for placed_at, id in sorted(found)], message)


def _page(waiting: list[WaitingOrder], message: Any) -> tuple[WaitingOrder, ...]:
    """Those behind the last one that was woken."""
    after = getattr(message, "after", None)
    behind = [o for o in waiting if after is None or (o.placed_at, o.order_id) > (after.placed_at, after.order_id)]
    return tuple(behind[:WOKEN_AT_ONCE])


def bill_of(tables: Tables, message: Any) -> str | None:
    rows = _rows(tables, "bill").items()
    return next((key for key, b in rows if any(p.payable_id == message.payable_id for p in b.payables)), None)


def billing_reference(tables: Tables, key: str, message: Any) -> BillingReference:
    bill = _rows(tables, "bill").get(key)
    order = bill.order if bill is not None else None
    known = [po.created.supplier_id for po in bill.purchase_orders if po.created] if bill is not None else []
    supplier = getattr(message, "supplier_id", None)
    store = order.store_id if order is not None else getattr(message, "store_id", None)
    channel = order.channel_id if order is not None else getattr(message, "channel_id", None)
    suppliers = _rows(tables, "supplier")
    return BillingReference(
        store=_rows(tables, "store").get(store or ""),
        channel=_rows(tables, "channel").get(channel or ""),
        tax_profile=_rows(tables, "tax_profile").get(store or ""),
        suppliers={id: suppliers[id] for id in (*known, *([supplier] if supplier else ())) if id in suppliers},
        supplied=type(message).__name__ == "SupplierNfMatched"
        or (bill is not None and any(po.supplier_nfs for po in bill.purchase_orders)),
    )


def channel_order_of(tables: Tables, report: Any) -> str | None:
    wanted = (report.channel_id, report.channel_order_code)
    for key, order in _rows(tables, "channel_order").items():
        if order.sale is not None and (order.sale.channel_id, order.sale.channel_order_code) == wanted:
            return str(key)
    return None


def channel_reference(tables: Tables, key: str, message: Any) -> ChannelReference:
    order = _rows(tables, "channel_order").get(key)
    sale = order.sale if order is not None else None
    if sale is None and isinstance(message, OrderAccepted):
        sale = message
    if sale is None:
        return ChannelReference()
    return ChannelReference(_rows(tables, "channel").get(sale.channel_id), _rows(tables, "store").get(sale.store_id))


def store_of(tables: Tables, key: str, message: Any) -> Any:
    return _rows(tables, "store").get(message.store_id)


def invoice_document(tables: Tables, key: str, message: Any) -> Any:
    return document_of(message.xml)


def received(tables: Tables, key: str, message: Any) -> Received:
    document = document_of(message.xml)
    stores, pos = _rows(tables, "store"), _rows(tables, "purchase_order")
    sellers = {version.seller.cnpj for timeline in stores.values() for version in timeline.versions}
    cited = {line.po_number for line in document.lines} if isinstance(document, Document) else set()
    created = {number: pos[number].created for number in cited if number in pos}
    return Received(
        document=document,
        supplier=_rows(tables, "supplier").get(message.supplier_id),
        stores_known=bool(stores),
        for_a_store=isinstance(document, Document) and document.receiver.tax_id in sellers,
        order_ids={number: po.order_id for number, po in created.items() if po is not None},
        candidates=_candidates(pos, message.supplier_id, document),
    )


def _candidates(pos: Mapping[str, Any], supplier_id: str, document: Any) -> tuple[str, ...]:
    if not isinstance(document, Document) or any(line.po_number is not None for line in document.lines):
        return ()
    ours = {number: po for number, po in pos.items() if po.created and po.created.supplier_id == supplier_id}
    if kind_of(document) == "remittance":
        cited = set(document.cites)
        return tuple(sorted(n for n, po in ours.items() if cited & {i.invoice_key for i in po.invoices}))
    skus = {line.sku for line in document.lines}
    able = [po for po in ours.values() if skus <= {line.supplier_sku for line in po.created.lines}]
    newest = sorted(able, key=lambda po: po.created.created_at, reverse=True)[: nf.CANDIDATES]
    return fitting(document, newest)


FIND: dict[Any, Callable[[Tables, Any], str | None]] = {
    po_dispatch.find_by_po_number: by_po_number,
    po_dispatch.find_by_tracking_code: by_tracking_code,
    billing.find_bills: bill_of,
    channel_sync.find_orders: channel_order_of,
}
LOAD: dict[Any, Callable[[Tables, str, Any], Any]] = {
    order_intake.load_stores: store_of,
    po_dispatch.load_sourcing: sourcing,
    po_dispatch.load_resourcing: resourcing,
    po_dispatch.load_waiting: waiting,
    po_dispatch.load_waiting_longest: waiting_longest,
    billing.load_references: billing_reference,
    channel_sync.load_references: channel_reference,
    nf.load_stores: store_of,
    nf.load_received: received,
    reading.load_invoices: invoice_document,
}
