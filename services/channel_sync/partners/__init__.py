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
    TellRefund,
    TellShipment,
)
from services.channel_sync.settings import Settings
from shared.partner.operation import Operation, Policy

_MINUTE = 60.0
HUB_RATE, LISTING_RATE = 9.0, 1.0
"""Calls per second that a hub takes of one account at each of its endpoints, and where it lists orders; above that it
answers 429. Every telling reads the order back at one and the same endpoint, so all tellings together keep to the
first; a queue is listed and confirmed on its own, by a partner of its own (`queue:<channel_id>`)."""


def operations(settings: Settings) -> tuple[Operation, ...]:
    """All is resent when uncertain: a hub knows the idempotency key, Mercado Livre the NF's key, and the receivers
    of a mail its Message-ID."""
    hub, mercado_livre = Hub(settings.secrets), MercadoLivre(settings.secrets)
    mail_server = MailServer(settings.smtp_url, settings.mail_timeout)
    tell = Policy(timeout=20.0, concurrency=8, rate=HUB_RATE, uncertain="resend")
    listing = Policy(timeout=20.0, concurrency=1, rate=LISTING_RATE, uncertain="resend")
    confirming = Policy(timeout=20.0, concurrency=1, rate=HUB_RATE, uncertain="resend")
    direct = Policy(timeout=20.0, concurrency=8, uncertain="resend")
    mail = Policy(timeout=_MINUTE, concurrency=8, uncertain="resend")
    return (
        Operation(TellInvoice, hub.tell_invoice, tell),
        Operation(TellShipment, hub.tell_shipment, tell),
        Operation(TellDelivery, hub.tell_delivery, tell),
        Operation(TellCancellation, hub.tell_cancellation, tell),
        Operation(TellRefund, hub.tell_refund, tell),
        Operation(FetchOrder, hub.fetch_order, listing),
        Operation(ConfirmOrder, hub.confirm_order, confirming),
        Operation(SendInvoiceXml, mercado_livre.send_invoice_xml, direct),
        Operation(SendMail, mail_server.send, mail),
    )
