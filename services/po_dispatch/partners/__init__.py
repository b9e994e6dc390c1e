"""ERP and suppliers: each supplier as its `api` says, by HTTP or by mail; the operations are the same."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from schemas.model import Model
from services.po_dispatch.partners import supplier_mail
from services.po_dispatch.partners.erp import register_purchase_order, revise_purchase_order, void_purchase_order
from services.po_dispatch.partners.supplier_api import (
    cancel_purchase_order,
    hand_over_invoice,
    remind_supplier,
    send_purchase_order,
)
from services.po_dispatch.settings import Settings
from services.po_dispatch.state import (
    CancelPurchaseOrder,
    HandOverInvoice,
    RegisterPurchaseOrder,
    RemindSupplier,
    RevisePurchaseOrder,
    SendPurchaseOrder,
    VoidPurchaseOrder,
)
from shared.partner.errors import Rejected
from shared.partner.operation import Attempt, Operation, Policy
from shared.partner.smtp import MailServer

__all__ = ["hand_over_invoice", "operations", "send_purchase_order"]

Send = Callable[[Any, Attempt], Awaitable[Model]]
Mail = Callable[[MailServer, Any, Attempt], Awaitable[Model]]


def operations(settings: Settings) -> tuple[Operation, ...]:
    """All are idempotent at the other side (a mail sent again carries the same id), so an uncertain call is sent
    again."""
    server = MailServer(settings.smtp_url, settings.mail_timeout) if settings.smtp_url else None
    secrets = settings.secrets
    return (
        Operation(RegisterPurchaseOrder, partial(register_purchase_order, settings.erp_url), Policy(concurrency=16)),
        Operation(RevisePurchaseOrder, partial(revise_purchase_order, settings.erp_url), Policy(concurrency=16)),
        Operation(VoidPurchaseOrder, partial(void_purchase_order, settings.erp_url), Policy(concurrency=16)),
        Operation(SendPurchaseOrder, _either(partial(send_purchase_order, secrets), supplier_mail.send, server)),
        Operation(CancelPurchaseOrder, _either(partial(cancel_purchase_order, secrets), supplier_mail.cancel, server)),
        Operation(RemindSupplier, _either(partial(remind_supplier, secrets), supplier_mail.remind, server)),
        Operation(HandOverInvoice, _either(partial(hand_over_invoice, secrets), supplier_mail.hand_over, server)),
    )


def _either(by_http: Send, by_mail: Mail, server: MailServer | None) -> Send:
    """Rejected: a supplier wants mails and no mail server is set."""

    async def send(request: Any, attempt: Attempt) -> Model:
        if request.supplier.api == "http":
            return await by_http(request, attempt)
        if server is None:
            raise Rejected(f"FLEET_SMTP_URL is not set, and supplier {request.supplier.supplier_id} takes POs by mail")
        return await by_mail(server, request, attempt)

    return send
