"""What the customer reads."""

from typing import Any

import pytest

from schemas.channel import Mail
from services.channel_sync import mails
from services.channel_sync.requests import SendMail
from services.channel_sync.state import Invoice, Sale, Shipment
from tests.unit.channel_sync import builders as b


def sale() -> Sale:
    order = b.Order().hear(b.accepted()).state
    assert order is not None
    assert order.sale is not None
    return order.sale


def shipment(**fields: Any) -> Shipment:
    order = b.Order().hear(b.accepted(), b.dispatched(**fields)).state
    assert order is not None
    return order.shipments[0]


def invoice() -> Invoice:
    order = b.Order().hear(b.accepted(), b.invoiced()).state
    assert order is not None
    return order.invoices[0]


def all_mails(language: str) -> list[Mail]:
    store = b.store_changed(mail_language=language)
    return [
        mails.confirmed(store, sale()),
        mails.invoiced(store, sale(), invoice(), shipped=False),
        mails.shipped(store, sale(), shipment()),
        mails.delivered(store, sale()),
    ]


@pytest.mark.parametrize("language", ["pt", "en"])
def test_every_mail_names_order_customer_and_store(language: str) -> None:
    for mail in all_mails(language):
        assert "MAG-1" in mail.subject
        assert "MAG-1" in mail.text
        assert "Maria da Conceição" in mail.text
        assert mail.text.endswith("Estrada Boa\n")
        assert (mail.sender, mail.recipient) == ("pedidos@example.com", "maria@example.org")
        assert mail.text.startswith("Olá" if language == "pt" else "Hello")


def test_confirmation_lists_items_and_total_as_the_language_writes_money() -> None:
    assert "2 x Pastilha de freio: R$ 1.234,50" in all_mails("pt")[0].text
    assert "Total: R$ 1,234.50" in all_mails("en")[0].text


def test_shipment_names_carrier_code_url_and_estimate() -> None:
    text = all_mails("pt")[2].text
    for part in ("Transportes Sul", "TRK1", "https://rastreio.example.com/TRK1", "23/11/2026"):
        assert part in text
    assert "2026-11-23" in all_mails("en")[2].text


def test_shipment_without_url_and_estimate_says_nothing_of_them() -> None:
    text = mails.shipped(b.store_changed(), sale(), shipment(tracking_url=None, estimated_delivery=None)).text
    assert "Acompanhe" not in text
    assert "Previsão" not in text
    assert "None" not in text


def test_invoice_promises_dispatch_only_of_what_has_not_left() -> None:
    store = b.store_changed()
    assert "24 horas" in mails.invoiced(store, sale(), invoice(), shipped=False).text
    assert "24 horas" not in mails.invoiced(store, sale(), invoice(), shipped=True).text


def test_mail_is_sent_in_the_stores_language_from_its_address() -> None:
    store = b.store_changed(mail_language="en", mail_sender="orders@example.net")
    order = b.Order(store=store).hear(b.accepted(), b.status_changed())
    [request] = order.requests
    assert isinstance(request, SendMail)
    assert (request.mail.subject, request.mail.sender) == ("Your order MAG-1 is confirmed", "orders@example.net")
