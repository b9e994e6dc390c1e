"""What each R of a bill will say, before it has a number: what could keep it from being written shows here."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from pydantic import ValidationError

from schemas.access_key import CODE_BY_UF, control_code
from schemas.billing import TaxProfileChanged
from schemas.channel import ChannelChanged
from schemas.decision import NotYet, Refused, later
from schemas.nota_fiscal import NfLine
from schemas.order import Item, OrderReady
from schemas.purchase_order import PoLine
from schemas.store import StoreChanged
from schemas.timeline import Timeline
from schemas.values import Uf
from services.billing import shares
from services.billing.apportion import ZERO, Share, unit_price
from services.billing.document_fields import (
    Intermediary,
    InvoiceDocument,
    InvoiceItem,
    Issuer,
    ItemTax,
    Payment,
    Receiver,
    Shipper,
)
from services.billing.invoice_arithmetic import access_key
from services.billing.invoice_parties import intermediary, other_shippers, payments, receiver
from services.billing.reference import Reference
from services.billing.state import Bill, BilledPart, PurchaseOrder
from services.billing.tax_profile import cfop, item_tax

MOST_ITEMS = 990
EMISSION = "1"
"""tpEmis: normal."""
HOURS_FROM_UTC = {"AC": -5, "AM": -4, "MS": -4, "MT": -4, "RO": -4, "RR": -4}
"""The other states keep Brasília's time, three hours behind UTC."""


@dataclass(frozen=True, slots=True)
class Draft:
    """R without its number."""

    po_ids: tuple[str, ...]
    order: OrderReady
    store: StoreChanged
    profile: TaxProfileChanged
    items: tuple[InvoiceItem, ...]
    parts: tuple[BilledPart, ...]
    total: Decimal
    issuer: Issuer
    receiver: Receiver
    payments: tuple[Payment, ...]
    shippers: tuple[Shipper, ...]
    intermediary: Intermediary | None

    def numbered(self, number: int, invoice_id: str, now: datetime) -> InvoiceDocument:
        """The document with its key. The time is the issuer's, and its month is the key's."""
        uf = self.issuer.address.uf
        issued_at = now.replace(microsecond=0).astimezone(timezone(timedelta(hours=HOURS_FROM_UTC.get(uf, -3))))
        code = control_code(invoice_id, number)
        return InvoiceDocument(
            series=self.profile.series,
            number=number,
            code=code,
            access_key=access_key(
                CODE_BY_UF[uf], issued_at, self.issuer.cnpj, self.profile.series, number, EMISSION, code
            ),
            issued_at=issued_at,
            nature=self.profile.operation,
            issuer=self.issuer,
            receiver=self.receiver,
            items=self.items,
            payments=self.payments,
            shipper=self.shippers[0],
            intermediary=self.intermediary,
            order_code=self.order.channel_order_code[:60],
            text=other_shippers(self.shippers[1:]),
        )


def drafts(bill: Bill, reference: Reference, now: datetime) -> tuple[Draft, ...] | NotYet | Refused:
    """The R that can be issued now. NotYet: reference data that they need has not come."""
    order = bill.order
    billed = {po_id for invoice in bill.billing for po_id in invoice.po_ids}
    if (
        order is None
        or bill.stopping.holds
        or not any(po.supplied and po.po_id not in billed for po in bill.purchase_orders)
    ):
        return ()
    if reference.store is None:
        return later("store.changed")
    if reference.channel is None:
        return later("channel.changed")
    groups = list(_ready(bill, _per_order(order, reference.store, reference.channel)))
    profile = reference.tax_profile.at(now) if reference.tax_profile else None
    store, channel = reference.store.current(now), reference.channel.current(now)
    made: list[Draft] = []
    for group in groups:
        if profile is None:
            return later("tax_profile.changed")
        draft = _draft(bill, order, group, store, channel, profile, reference, now)
        if not isinstance(draft, Draft):
            return draft
        made.append(draft)
    return tuple(made)


def _per_order(order: OrderReady, store: Timeline[StoreChanged], channel: Timeline[ChannelChanged]) -> bool:
    """Whether one R bills the whole order: agreed when it was placed."""
    agreed = store.current(order.placed_at)
    return channel.current(order.placed_at).one_invoice_only or agreed.invoice_per == "order"


def _ready(bill: Bill, per_order: bool) -> Iterable[tuple[PurchaseOrder, ...]]:
    """What each R bills. None is ready before all POs of the order are known; one for all, before they cover it.

    Where a part is billed already the rest is billed by PO: settings that are heard of late stop no order.

    What replaces goods that do not come waits until these are heard to be void, and an R that bills them is cancelled.
    """
    pos = tuple(bill.purchase_order(po_id) for po_id in bill.sale_po_ids)
    if not pos or any(po.created is None for po in pos):
        return
    billed = {po_id for invoice in bill.billing for po_id in invoice.po_ids}
    twice = shares.bought_twice(bill)
    if billed or not per_order:
        yield from ((po,) for po in pos if po.supplied and po.po_id not in billed and _is_free(po, twice))
    elif bill.covered and not twice and all(po.supplied for po in pos):
        yield pos


def _is_free(po: PurchaseOrder, twice: Collection[int]) -> bool:
    return not any(line.order_line in twice for line in po.lines)


def _draft(
    bill: Bill,
    order: OrderReady,
    pos: Sequence[PurchaseOrder],
    store: StoreChanged,
    channel: ChannelChanged,
    profile: TaxProfileChanged,
    reference: Reference,
    now: datetime,
) -> Draft | NotYet | Refused:
    shippers: list[Shipper] = []
    for supplier_id in dict.fromkeys(po.created.supplier_id for po in pos if po.created is not None):
        if (supplier := reference.suppliers.get(supplier_id)) is None:
            return later(f"supplier.changed of {supplier_id}")
        shippers.append(Shipper(**dict(supplier.current(now).company)))
    try:
        items = _items(bill, order, pos, profile, store.seller.address.uf)
        if not isinstance(items, tuple):
            return items
        total = sum((share.total for _, share, _ in items), ZERO)
        return Draft(
            po_ids=tuple(po.po_id for po in pos),
            order=order,
            store=store,
            profile=profile,
            items=tuple(item for item, _, _ in items),
            parts=tuple(part for _, _, part in items),
            total=total,
            issuer=Issuer(regime=profile.regime, **dict(store.seller)),
            receiver=receiver(order),
            payments=payments(order, total),
            shippers=tuple(shippers),
            intermediary=intermediary(channel),
        )
    except ValidationError as error:
        return Refused("invoice_cannot_be_written", str(error))


def _items(
    bill: Bill, order: OrderReady, pos: Sequence[PurchaseOrder], profile: TaxProfileChanged, seller: Uf
) -> tuple[tuple[InvoiceItem, Share, BilledPart], ...] | NotYet | Refused:
    ordered = {item.line: item for item in order.items}
    unbilled = shares.of_unbilled(bill, order)
    found: list[tuple[InvoiceItem, Share, BilledPart]] = []
    for po in pos:
        for line in po.lines:
            if (item := ordered.get(line.order_line)) is None:
                return Refused(
                    "unknown_order_line", f"PO {po.po_id} supplies line {line.order_line}, which nobody ordered"
                )
            source = _source(po, line)
            tax = item_tax(profile, source.origin, seller, order.ship_to.uf)
            if isinstance(tax, NotYet):
                return tax
            share = unbilled[po.po_id, line.line]
            written = _item(item, line, source, share, cfop(profile, seller, order.ship_to.uf), tax)
            found.append((written, share, _part(po.po_id, line, share)))
    if len(found) > MOST_ITEMS:
        return Refused("too_many_items", f"R takes {MOST_ITEMS} items, these POs have {len(found)}")
    return tuple(found)


def _part(po_id: str, line: PoLine, share: Share) -> BilledPart:
    return BilledPart(
        order_line=line.order_line,
        po_id=po_id,
        po_line=line.line,
        quantity=line.quantity,
        goods=share.goods,
        discount=share.discount,
        freight=share.freight,
    )


def _source(po: PurchaseOrder, line: PoLine) -> NfLine:
    """The S2 line that R repeats the goods of: the first by access key, where several cover it."""
    return next(found for nf in po.supplier_nfs for found in nf.lines if found.po_line == line.line)


def _item(item: Item, line: PoLine, source: NfLine, share: Share, code: str, tax: ItemTax) -> InvoiceItem:
    return InvoiceItem(
        sku=item.sku[:60],
        gtin=source.gtin or line.gtin or item.gtin,
        description=item.name,
        ncm=source.ncm,
        cfop=code,
        unit=line.unit,
        quantity=Decimal(line.quantity),
        unit_price=unit_price(share.goods, line.quantity, item.unit_price),
        discount=share.discount,
        freight=share.freight,
        tax=tax,
    )
