"""Suppliers without an API: the PO as a mail with a PDF to read and a CSV to take in, R as its XML and label.

What they answer is reported for them, as an API would (`supplier.po_confirmed` …); their NF says the same.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTPUTF8

from services.po_dispatch.partners.po_document import as_csv, as_pdf
from services.po_dispatch.purchase_order import SupplierAccess
from services.po_dispatch.state import (
    CancellationReceived,
    CancelPurchaseOrder,
    CancelReason,
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    ReminderReceived,
    RemindSupplier,
    SendPurchaseOrder,
)
from shared.partner.errors import Rejected
from shared.partner.operation import Attempt
from shared.partner.smtp import MailServer, mark

_WHY: dict[CancelReason, str] = {
    "order_cancelled": "O cliente desistiu da compra. Podem cancelar este pedido? Respondam sim ou tarde demais.",
    "silent": "Este pedido foi cancelado, porque não foi confirmado no prazo. Por favor, não enviem.",
    "refused": "Este pedido foi recusado e comprado de outro fornecedor. Está cancelado: por favor, não enviem.",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    content_type: str
    content: bytes


async def send(server: MailServer, request: SendPurchaseOrder, attempt: Attempt) -> PurchaseOrderReceived:
    number = request.number
    text = (
        f"Segue o pedido de compra {number}, em PDF e em CSV.\n\nPor favor, confirmem o recebimento e citem o número "
        f"{number} na nota fiscal (xPed) e o número da linha (nItemPed).\n\n{request.buyer.name}\n"
    )
    attachments = (
        Attachment(f"{number}.pdf", "application/pdf", as_pdf(request, attempt.created_at)),
        Attachment(f"{number}.csv", "text/csv", as_csv(request)),
    )
    await _mail(server, attempt, request.supplier, f"Pedido de compra {number}", text, attachments)
    return PurchaseOrderReceived(number=number)


async def cancel(server: MailServer, request: CancelPurchaseOrder, attempt: Attempt) -> CancellationReceived:
    subject = f"Cancelamento do pedido de compra {request.number}"
    await _mail(server, attempt, request.supplier, subject, f"{_WHY[request.reason]}\n")
    return CancellationReceived(number=request.number)


async def remind(server: MailServer, request: RemindSupplier, attempt: Attempt) -> ReminderReceived:
    until = request.due.strftime("%d/%m/%Y %H:%M UTC")
    text = f"O pedido de compra {request.number} ainda não foi confirmado. Sem resposta até {until}, será cancelado.\n"
    await _mail(server, attempt, request.supplier, f"Lembrete: pedido de compra {request.number}", text)
    return ReminderReceived(number=request.number)


async def hand_over(server: MailServer, request: HandOverInvoice, attempt: Attempt) -> InvoiceReceived:
    text = (
        f"Segue a nota fiscal de venda do pedido de compra {request.number} (chave {request.invoice_key}).\n"
        "Por favor, emitam a nota de remessa citando esta chave, e enviem.\n"
    )
    if request.replaces is not None:
        text += f"Ela substitui a nota {request.replaces}, que foi cancelada.\n"
    attachments = [Attachment(f"{request.invoice_key}.xml", "application/xml", base64.b64decode(request.xml))]
    if (label := request.label) is not None:
        name = f"etiqueta-{label.tracking_code}"
        attachments.append(Attachment(name, label.content_type, base64.b64decode(label.content)))
    await _mail(server, attempt, request.supplier, f"Nota fiscal do pedido {request.number}", text, attachments)
    return InvoiceReceived(number=request.number)


async def _mail(
    server: MailServer,
    attempt: Attempt,
    supplier: SupplierAccess,
    subject: str,
    text: str,
    attachments: Sequence[Attachment] = (),
) -> None:
    """Rejected: there is no address, or the mail server refuses it for good."""
    if supplier.order_email is None or supplier.mail_sender is None:
        raise Rejected(f"supplier {supplier.supplier_id} takes mails, but has no order_email")
    mail = EmailMessage(policy=SMTPUTF8)
    mail["From"] = supplier.mail_sender
    mail["To"] = supplier.order_email
    mail["Subject"] = subject
    mail.set_content(text)
    for one in attachments:
        kind, _, subtype = one.content_type.partition("/")
        mail.add_attachment(one.content, maintype=kind, subtype=subtype, filename=one.name)
    mark(mail, supplier.mail_sender, attempt)
    refusal = await server.send(supplier.mail_sender, supplier.order_email, mail.as_bytes())
    if refusal is not None:
        raise Rejected(f"{supplier.order_email}: {refusal}")
