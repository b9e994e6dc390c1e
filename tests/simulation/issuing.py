"""What a supplier's own system writes about a PO: its sale NF (S2) and its shipping NF (S1)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from deploy.local.partners.documents import CitedInvoice, Customer, SoldLine
from deploy.local.world_data import SUPPLIERS, SupplierFacts
from schemas.purchase_order import PoLine
from services.billing.invoice_arithmetic import cents
from services.po_dispatch.state import SendPurchaseOrder
from tests.simulation import documents
from tests.simulation.documents import PO_NUMBER

FACTS: dict[str, SupplierFacts] = {facts.supplier_id: facts for facts in SUPPLIERS}


def sold(order: SendPurchaseOrder, lines: Sequence[PoLine], number: int, at: datetime, wire: bool) -> str:
    """S2 of these lines, in base64."""
    facts = FACTS[order.supplier.supplier_id]
    return documents.sale(
        facts.company,
        order.buyer,
        [_line(line) for line in lines],
        order.number,
        delivery_uf=order.ship_to.uf,
        own_make=facts.own_make,
        owed=sum((cents(line.quantity * line.unit_cost) for line in lines), Decimal("0.00")),
        due=at.date() + timedelta(days=facts.terms_days),
        number=number,
        at=at,
        wire=wire,
    )


def shipped(order: SendPurchaseOrder, cited: CitedInvoice, number: int, at: datetime, wire: bool) -> str:
    """S1 of the whole PO, in base64. It cites R."""
    facts = FACTS[order.supplier.supplier_id]
    return documents.remittance(
        facts.company,
        Customer(order.recipient.name, order.recipient.tax_id, order.ship_to),
        [_line(line) for line in order.lines],
        order.number,
        cited,
        number=number,
        at=at,
        wire=wire,
    )


def _line(line: PoLine) -> SoldLine:
    return SoldLine(
        po_number=PO_NUMBER,
        po_line=line.line,
        sku=line.supplier_sku,
        name=line.name,
        ncm=line.ncm,
        quantity=Decimal(line.quantity),
        unit_price=line.unit_cost,
        gtin=line.gtin,
        unit=line.unit,
    )
