"""A purchase order on paper (PDF) and for a spreadsheet (CSV, UTF-8, comma, one row per line). In Portuguese."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from fpdf import FPDF

from schemas.values import Address
from services.po_dispatch.state import SendPurchaseOrder

COLUMNS = ("linha", "codigo", "ean", "descricao", "ncm", "unidade", "quantidade", "custo_unitario", "total")
_WIDTHS = (10, 32, 28, 110, 22, 14, 20, 25, 25)


def as_csv(po: SendPurchaseOrder) -> bytes:
    """Numbers with a point, as a program reads them."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("pedido", *COLUMNS))
    rows.writerows((po.number, *row) for row in _rows(po))
    return text.getvalue().encode("utf-8-sig")


def as_pdf(po: SendPurchaseOrder, at: datetime) -> bytes:
    """`at`: the date on it, the same whenever it is made again."""
    pdf = FPDF(orientation="landscape", format="A4")
    pdf.set_creation_date(at)
    pdf.set_title(f"Pedido de compra {po.number}")
    pdf.add_page()
    pdf.set_font("helvetica", "B", 16)
    pdf.cell(0, 10, f"Pedido de compra {po.number}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("helvetica", size=10)
    pdf.multi_cell(0, 5, _latin("\n".join(_head(po, at))), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(3)
    pdf.set_font("helvetica", size=8)
    with pdf.table(col_widths=_WIDTHS, text_align="LEFT") as table:
        for cells in (COLUMNS, *_rows(po)):
            row = table.row()
            for cell in cells:
                row.cell(_latin(cell))
    total = sum((line.total for line in po.lines), Decimal("0.00"))
    pdf.set_font("helvetica", "B", 10)
    pdf.cell(0, 8, f"Total: R$ {total}", new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


def _head(po: SendPurchaseOrder, at: datetime) -> Iterator[str]:
    yield f"Data: {at:%d/%m/%Y}   Finalidade: {'venda' if po.purpose == 'sale' else 'reenvio'}"
    yield f"Faturar para: {po.buyer.name}, CNPJ {po.buyer.cnpj}, IE {po.buyer.state_registration}"
    yield f"    {_address(po.buyer.address)}"
    yield f"Entregar a: {po.recipient.name}, CPF/CNPJ {po.recipient.tax_id}"
    yield f"    {_address(po.ship_to)}"
    for label, value in (("Envio", po.shipping_method), ("Embalagem", po.packaging), ("Cartão", po.card)):
        if value:
            yield f"{label}: {value}"
    if po.estimated_delivery is not None:
        yield f"Entrega prevista: {po.estimated_delivery:%d/%m/%Y}"


def _rows(po: SendPurchaseOrder) -> Iterator[tuple[str, ...]]:
    for line in po.lines:
        cost = format(line.unit_cost, "f")
        known = (str(line.line), line.supplier_sku, line.gtin or "", line.name, line.ncm, line.unit)
        yield (*known, str(line.quantity), cost, str(line.total))


def _address(place: Address) -> str:
    street = f"{place.street}, {place.number} {place.complement}".strip()
    return f"{street}, {place.district}, {place.city}/{place.uf}, CEP {place.postal_code}"


def _latin(text: str) -> str:
    """The PDF's own fonts know Latin-1, which Portuguese needs no more than; what else there is becomes `?`."""
    return text.encode("latin-1", errors="replace").decode("latin-1")
