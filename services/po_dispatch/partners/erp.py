"""The ERP's field names."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from schemas.purchase_order import PoLine
from services.po_dispatch.state import (
    PurchaseOrderRegistered,
    PurchaseOrderRevised,
    PurchaseOrderVoided,
    RegisterPurchaseOrder,
    RevisePurchaseOrder,
    VoidPurchaseOrder,
)
from shared.partner import http
from shared.partner.errors import Rejected
from shared.partner.operation import Attempt

PO_NUMBER_LENGTH = 15
"""xPed takes no more."""


async def register_purchase_order(
    erp_url: str, request: RegisterPurchaseOrder, attempt: Attempt
) -> PurchaseOrderRegistered:
    """Rejected: the ERP's number is none that an NF could cite."""
    body = {
        "referencia": request.po_id,
        "fornecedor_cnpj": request.supplier_cnpj,
        "itens": _items(request.lines),
        "total": str(request.total),
    }
    reply = await http.request(attempt, "POST", f"{erp_url}/pedidos-compra", json=body)
    answer = reply.expect(200, 201).json()
    number = answer.get("numero") if isinstance(answer, dict) else None
    if not isinstance(number, str):
        raise Rejected(f"the answer has no text 'numero': {str(answer)[:200]}")
    if not 1 <= len(number) <= PO_NUMBER_LENGTH:
        raise Rejected(f"the ERP's number {number!r} does not fit xPed, which takes {PO_NUMBER_LENGTH} characters")
    return PurchaseOrderRegistered(number=number)


async def revise_purchase_order(erp_url: str, request: RevisePurchaseOrder, attempt: Attempt) -> PurchaseOrderRevised:
    """Rejected: the ERP does not know the PO."""
    url = f"{erp_url}/pedidos-compra/{quote(request.number, safe='')}"
    body = {"itens": _items(request.lines), "total": str(request.total)}
    reply = await http.request(attempt, "PUT", url, json=body)
    reply.expect(200)
    return PurchaseOrderRevised(number=request.number)


async def void_purchase_order(erp_url: str, request: VoidPurchaseOrder, attempt: Attempt) -> PurchaseOrderVoided:
    """Rejected: the ERP does not know the PO."""
    url = f"{erp_url}/pedidos-compra/{quote(request.number, safe='')}/situacao"
    reply = await http.request(attempt, "POST", url, json={"situacao": "cancelado"})
    reply.expect(200)
    return PurchaseOrderVoided(number=request.number)


def _items(lines: Sequence[PoLine]) -> list[dict[str, Any]]:
    return [
        {"item": line.line, "sku": line.sku, "quantidade": line.quantity, "custo": format(line.unit_cost, "f")}
        for line in lines
    ]
