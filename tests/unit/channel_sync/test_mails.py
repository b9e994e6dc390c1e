"""What the customer reads."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.channel import Mail
from schemas.decision import Decision
from schemas.store import Deadlines, StoreChanged
from schemas.timeline import Timeline
from services.channel_sync import decide, mails
from services.channel_sync.requests import SendMail
from services.channel_sync.state import Invoice, Reference, Sale, Shipment
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
        mails.invoiced(store, sale(), invoice(), within=timedelta(hours=24)),
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
    assert "em até 24 horas" in mails.invoiced(store, sale(), invoice(), within=timedelta(hours=24)).text
    assert "despachados" not in mails.invoiced(store, sale(), invoice(), within=None).text


@pytest.mark.parametrize(
    ("span", "portuguese", "english"),
    [
        (timedelta(seconds=4), "1 hora.", "1 hour."),
        (timedelta(hours=47, minutes=1), "48 horas.", "48 hours."),
        (timedelta(hours=73), "4 dias.", "4 days."),
    ],
)
def test_invoice_promises_dispatch_within_the_stores_own_time(span: timedelta, portuguese: str, english: str) -> None:
    for language, words in (("pt", f"em até {portuguese}"), ("en", f"within {english}")):
        assert words in mails.invoiced(b.store_changed(mail_language=language), sale(), invoice(), within=span).text


@pytest.mark.parametrize(("placed", "promised"), [(timedelta(days=-2), "12 horas"), (timedelta(hours=-1), "48 horas")])
def test_dispatch_is_promised_as_the_store_promised_it_when_the_customer_ordered(
    placed: timedelta, promised: str
) -> None:
    """The store had 12 hours until a day ago, and has 48 since."""
    old = b.store_changed(deadlines=Deadlines(dispatch=timedelta(hours=12)))
    new = b.store_changed(valid_from=b.NOW - timedelta(days=1), deadlines=Deadlines(dispatch=timedelta(hours=48)))
    known = Reference(b.references().channel, Timeline[StoreChanged](versions=(old, new)))
    taken = decide.on_order_accepted(None, b.accepted(placed_at=b.NOW + placed), b.context("accepted", ref=known))
    assert isinstance(taken, Decision)
    decision = decide.on_invoice_issued(taken.state, b.invoiced(), b.context("invoiced", ref=known))
    assert isinstance(decision, Decision)
    written = [call.request.mail.text for call in decision.calls if isinstance(call.request, SendMail)]
    assert promised in written[-1]


def test_mail_is_sent_in_the_stores_language_from_its_address() -> None:
    store = b.store_changed(mail_language="en", mail_sender="orders@example.net")
    order = b.Order(store=store).hear(b.accepted(), b.status_changed())
    [request] = order.requests
    assert isinstance(request, SendMail)
    assert (request.mail.subject, request.mail.sender) == ("Your order MAG-1 is confirmed", "orders@example.net")
