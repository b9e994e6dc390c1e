"""How channels and the mail server are asked: one table, request → who sends it."""

from services.channel_sync.partners.hub import Hub
from services.channel_sync.partners.mercado_livre import MercadoLivre
from services.channel_sync.partners.smtp import MailServer
from services.channel_sync.requests import (
    ConfirmOrder,
    FetchOrder,
    SendInvoiceXml,
    SendMail,
    TellCancellation,
    TellDelivery,
    TellInvoice,
    TellShipment,
)
from services.channel_sync.settings import Settings
from shared.partner.operation import Operation, Policy

_MINUTE = 60.0


def operations(settings: Settings) -> tuple[Operation, ...]:
    """All is resent when uncertain: a hub knows the idempotency key, Mercado Livre the NF's key, and the receivers
    of a mail its Message-ID."""
    hub, mercado_livre = Hub(settings.secrets), MercadoLivre(settings.secrets)
    mail_server = MailServer(settings.smtp_url, settings.mail_timeout)
    channel = Policy(timeout=20.0, concurrency=8, uncertain="resend")
    queue = Policy(timeout=20.0, concurrency=1, uncertain="resend")
    mail = Policy(timeout=_MINUTE, concurrency=8, uncertain="resend")
    return (
        Operation(TellInvoice, hub.tell_invoice, channel),
        Operation(TellShipment, hub.tell_shipment, channel),
        Operation(TellDelivery, hub.tell_delivery, channel),
        Operation(TellCancellation, hub.tell_cancellation, channel),
        Operation(FetchOrder, hub.fetch_order, queue),
        Operation(ConfirmOrder, hub.confirm_order, queue),
        Operation(SendInvoiceXml, mercado_livre.send_invoice_xml, channel),
        Operation(SendMail, mail_server.send, mail),
    )
