"""The suppliers' JSON API, as we call it: bodies and answers are `schemas.supplier_api`. What they tell us in return
comes through the gateway.

    POST /purchase-orders                        PurchaseOrderBody   200, 202; 409: another PO has the number
    POST /purchase-orders/{number}/cancellation  CancellationBody    200, 202; 404: it never had the PO
    POST /purchase-orders/{number}/reminder      ReminderBody        200, 202
    POST /purchase-orders/{number}/invoice       InvoiceBody         200, 202; 409: another R has come, not replaced

Answered is `{"number": …}`. A cancellation for `order_cancelled` is a question, whose answer comes as
`supplier.cancellation_answered` (none after 404: what it never had it does not deliver); for `silent` and `refused` the
PO is void already, and the supplier is told. Requests are signed as callbacks are: HMAC-SHA256 of
`<unix seconds>.<body>` under the secret that `secret_ref` names.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from schemas.model import Model
from schemas.purchase_order import PoLine
from schemas.supplier_api import CancellationBody, InvoiceBody, Line, PurchaseOrderBody, Recipient, ReminderBody
from services.po_dispatch.purchase_order import SupplierAccess
from services.po_dispatch.state import (
    CancellationReceived,
    CancelPurchaseOrder,
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    ReminderReceived,
    RemindSupplier,
    SendPurchaseOrder,
)
from shared.partner import http
from shared.partner.errors import Rejected
from shared.partner.operation import Attempt

Secrets = Mapping[str, SecretStr]


async def send_purchase_order(secrets: Secrets, request: SendPurchaseOrder, attempt: Attempt) -> PurchaseOrderReceived:
    """Rejected: the supplier knows another PO by this number (409), or does not understand this one."""
    customer = request.recipient
    body = PurchaseOrderBody(
        number=request.number,
        purpose=request.purpose,
        lines=tuple(_line(line) for line in request.lines),
        ship_to=request.ship_to,
        recipient=Recipient(name=customer.name, tax_id=customer.tax_id, phone=customer.phone),
        buyer=request.buyer,
        shipping_method=request.shipping_method,
        packaging=request.packaging,
        card=request.card,
        estimated_delivery=request.estimated_delivery,
    )
    reply = await _post(request.supplier, "/purchase-orders", body, secrets, attempt)
    return PurchaseOrderReceived(number=_same_number(reply, request.number))


async def cancel_purchase_order(
    secrets: Secrets, request: CancelPurchaseOrder, attempt: Attempt
) -> CancellationReceived:
    """That it was taken, not what comes of it."""
    path = f"/purchase-orders/{request.number}/cancellation"
    body = CancellationBody(number=request.number, reason=request.reason)
    reply = await _post(request.supplier, path, body, secrets, attempt)
    if reply.status == 404:
        return CancellationReceived(number=request.number, known=False)
    return CancellationReceived(number=_same_number(reply, request.number))


async def remind_supplier(secrets: Secrets, request: RemindSupplier, attempt: Attempt) -> ReminderReceived:
    body = ReminderBody(number=request.number, sent_at=request.sent_at, cancelled_at=request.due)
    reply = await _post(request.supplier, f"/purchase-orders/{request.number}/reminder", body, secrets, attempt)
    return ReminderReceived(number=_same_number(reply, request.number))


async def hand_over_invoice(secrets: Secrets, request: HandOverInvoice, attempt: Attempt) -> InvoiceReceived:
    """Rejected: the supplier does not know the PO, or has another R for it than the one that this replaces."""
    body = InvoiceBody(access_key=request.invoice_key, xml=request.xml, label=request.label, replaces=request.replaces)
    reply = await _post(request.supplier, f"/purchase-orders/{request.number}/invoice", body, secrets, attempt)
    return InvoiceReceived(number=_same_number(reply, request.number))


async def _post(supplier: SupplierAccess, path: str, body: Model, secrets: Secrets, attempt: Attempt) -> http.Reply:
    secret = secrets.get(f"supplier:{supplier.secret_ref}")
    if secret is None:
        raise Rejected(f"FLEET_SECRETS has no supplier:{supplier.secret_ref} for supplier {supplier.supplier_id}")
    payload = body.model_dump_json(exclude_none=True).encode()
    headers = {"Content-Type": "application/json", **_signature(secret.get_secret_value(), payload)}
    return await http.request(attempt, "POST", f"{supplier.api_url}{path}", data=payload, headers=headers)


def _signature(secret: str, payload: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + payload, hashlib.sha256).hexdigest()
    return {"X-Fleet-Timestamp": stamp, "X-Fleet-Signature": f"v1={digest}"}


def _line(line: PoLine) -> Line:
    return Line(
        line=line.line,
        supplier_sku=line.supplier_sku,
        gtin=line.gtin,
        name=line.name,
        ncm=line.ncm,
        unit=line.unit,
        quantity=line.quantity,
        unit_cost=line.unit_cost,
    )


def _same_number(reply: http.Reply, number: str) -> str:
    answer: Any = reply.expect(200, 202).json()
    answered = answer.get("number") if isinstance(answer, dict) else None
    if not isinstance(answered, str):
        raise Rejected(f"the answer has no text 'number': {str(answer)[:200]}")
    if answered != number:
        raise Rejected(f"the supplier answered for PO {answered!r}, asked was {number!r}")
    return answered
