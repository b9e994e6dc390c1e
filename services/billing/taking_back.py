"""PURE. What an R in force bills of goods that do not come, and the R without that.

What cannot be cancelled at SEFAZ any more is taken back by an entry NF of the retailer (finNFe 4, refNFe R). Where
nothing of R has left, it takes back the whole, as the cancellation would have: all that its POs still bring is billed
anew, and an order keeps one R. Where goods have left with it, it takes back no more than what does not come.
"""

from collections.abc import Iterator
from decimal import Decimal

from services.billing.apportion import ZERO, Share, divide
from services.billing.state import Bill, BilledPart, Invoice, InvoiceStatus


def taken_back(bill: Bill, invoice: Invoice) -> Invoice:
    kept = tuple(part for _, part in _parts(bill, invoice) if part is not None)
    if not any(bill.purchase_order(part.po_id).dispatched_at for part in kept):
        return invoice.model_copy(update={"status": InvoiceStatus.UNDONE})
    less = invoice.taken_back + at_stake(bill, invoice)
    return invoice.model_copy(update={"parts": kept, "taken_back": less, "shown": False})


def at_stake(bill: Bill, invoice: Invoice) -> Decimal:
    """BRL that it bills for goods that do not come."""
    return sum((_money(part) - (_money(kept) if kept else ZERO) for part, kept in _parts(bill, invoice)), ZERO)


def void_goods(bill: Bill, invoice: Invoice) -> tuple[str, ...]:
    """The POs of which it bills goods that do not come."""
    return tuple(dict.fromkeys(part.po_id for part, kept in _parts(bill, invoice) if kept != part))


def _parts(bill: Bill, invoice: Invoice) -> Iterator[tuple[BilledPart, BilledPart | None]]:
    """Each part, and what of it comes."""
    for part in invoice.parts:
        po = bill.purchase_order(part.po_id)
        left = 0 if po.void else sum(line.quantity for line in po.lines if line.line == part.po_line)
        yield part, _of(part, min(part.quantity, left))


def _of(part: BilledPart, quantity: int) -> BilledPart | None:
    """So many of its units, with their part of the money."""
    if quantity == part.quantity or not quantity:
        return part if quantity else None
    money = Share(goods=part.goods, discount=part.discount, freight=part.freight)
    share, _ = divide(money, [quantity, part.quantity - quantity])
    return part.model_copy(
        update={"quantity": quantity, "goods": share.goods, "discount": share.discount, "freight": share.freight}
    )


def _money(part: BilledPart) -> Decimal:
    return part.goods - part.discount + part.freight
