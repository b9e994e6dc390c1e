"""The ERP's and the suppliers' field names. Requests to suppliers are signed as their callbacks are:
HMAC-SHA256 of `<unix seconds>.<body>` under the secret that `secret_ref` names.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import SecretStr

from schemas.purchase_order import PoLine
from services.po_dispatch.purchase_order import SupplierAccess
from services.po_dispatch.settings import Settings
from services.po_dispatch.state import (
    CancellationReceived,
    CancelPurchaseOrder,
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    RegisterPurchaseOrder,
    ReminderReceived,
    RemindSupplier,
    SendPurchaseOrder,
)
from shared.partner import http
from shared.partner.errors import Rejected
from shared.partner.operation import Attempt, Operation, Policy

PO_NUMBER_LENGTH = 15
"""xPed takes no more."""
Secrets = Mapping[str, SecretStr]


def operations(settings: Settings) -> tuple[Operation, ...]:
    """All are idempotent at the other side, so an uncertain call is sent again."""
    return (
        Operation(RegisterPurchaseOrder, partial(register_purchase_order, settings.erp_url), Policy(concurrency=16)),
        Operation(SendPurchaseOrder, partial(send_purchase_order, settings.secrets)),
        Operation(CancelPurchaseOrder, partial(cancel_purchase_order, settings.secrets)),
        Operation(RemindSupplier, partial(remind_supplier, settings.secrets)),
        Operation(HandOverInvoice, partial(hand_over_invoice, settings.secrets)),
    )


async def register_purchase_order(
    erp_url: str, request: RegisterPurchaseOrder, attempt: Attempt
) -> PurchaseOrderRegistered:
    """Rejected: the ERP's number is none that an NF could cite."""
    body = {
        "referencia": request.po_id,
        "fornecedor_cnpj": request.supplier_cnpj,
        "itens": [
            {"item": line.line, "sku": line.sku, "quantidade": line.quantity, "custo": format(line.unit_cost, "f")}
            for line in request.lines
        ],
        "total": str(request.total),
    }
    reply = await http.request(attempt, "POST", f"{erp_url}/pedidos-compra", json=body)
    number = _field(reply.expect(200, 201).json(), "numero")
    if not 1 <= len(number) <= PO_NUMBER_LENGTH:
        raise Rejected(f"the ERP's number {number!r} does not fit xPed, which takes {PO_NUMBER_LENGTH} characters")
    return PurchaseOrderRegistered(number=number)


async def send_purchase_order(secrets: Secrets, request: SendPurchaseOrder, attempt: Attempt) -> PurchaseOrderReceived:
    """Rejected: the supplier knows another PO by this number (409), or does not understand this one."""
    body = {
        "number": request.number,
        "purpose": request.purpose,
        "lines": [_line(line) for line in request.lines],
        "ship_to": request.ship_to.model_dump(mode="json"),
        "recipient": request.recipient.model_dump(mode="json", include={"name", "tax_id", "phone"}, exclude_none=True),
        "buyer": request.buyer.model_dump(mode="json"),
        **request.model_dump(
            mode="json",
            include={"shipping_method", "packaging", "card", "estimated_delivery"},
            exclude_none=True,
        ),
    }
    reply = await _post(request.supplier, "/purchase-orders", body, secrets, attempt)
    return PurchaseOrderReceived(number=_same_number(reply.expect(200, 202), request.number))


async def cancel_purchase_order(
    secrets: Secrets, request: CancelPurchaseOrder, attempt: Attempt
) -> CancellationReceived:
    """Its answer comes later, as `supplier.cancellation_answered`; 404: it never got the PO, and needs none."""
    path = f"/purchase-orders/{request.number}/cancellation"
    reply = await _post(request.supplier, path, {"reason": request.reason}, secrets, attempt)
    if reply.status == 404:
        return CancellationReceived(number=request.number, known=False)
    return CancellationReceived(number=_same_number(reply.expect(200, 202), request.number))


async def remind_supplier(secrets: Secrets, request: RemindSupplier, attempt: Attempt) -> ReminderReceived:
    body = {"confirm_until": request.due.isoformat()}
    reply = await _post(request.supplier, f"/purchase-orders/{request.number}/reminder", body, secrets, attempt)
    return ReminderReceived(number=_same_number(reply.expect(200, 202), request.number))


async def hand_over_invoice(secrets: Secrets, request: HandOverInvoice, attempt: Attempt) -> InvoiceReceived:
    """Rejected: the supplier does not know the PO, or has another R for it than the one that this replaces."""
    body: dict[str, Any] = {"access_key": request.invoice_key, "xml": request.xml}
    if request.label is not None:
        body["label"] = request.label.model_dump(mode="json", exclude_none=True)
    if request.replaces is not None:
        body["replaces"] = request.replaces
    reply = await _post(request.supplier, f"/purchase-orders/{request.number}/invoice", body, secrets, attempt)
    return InvoiceReceived(number=_same_number(reply.expect(200, 202), request.number))


async def _post(
    supplier: SupplierAccess, path: str, body: Mapping[str, Any], secrets: Secrets, attempt: Attempt
) -> http.Reply:
    secret = secrets.get(f"supplier:{supplier.secret_ref}")
    if secret is None:
        raise Rejected(f"FLEET_SECRETS has no supplier:{supplier.secret_ref} for supplier {supplier.supplier_id}")
    payload = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **_signature(secret.get_secret_value(), payload)}
    return await http.request(attempt, "POST", f"{supplier.api_url}{path}", data=payload, headers=headers)


def _signature(secret: str, payload: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + payload, hashlib.sha256).hexdigest()
    return {"X-Fleet-Timestamp": stamp, "X-Fleet-Signature": f"v1={digest}"}


def _line(line: PoLine) -> dict[str, Any]:
    return {
        "line": line.line,
        "supplier_sku": line.supplier_sku,
        "gtin": line.gtin,
        "name": line.name,
        "ncm": line.ncm,
        "unit": line.unit,
        "quantity": line.quantity,
        "unit_cost": format(line.unit_cost, "f"),
    }


def _same_number(reply: http.Reply, number: str) -> str:
    answered = _field(reply.json(), "number")
    if answered != number:
        raise Rejected(f"the supplier answered for PO {answered!r}, asked was {number!r}")
    return answered


def _field(answer: Any, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise Rejected(f"the answer has no text {name!r}: {str(answer)[:200]}")
    return value
