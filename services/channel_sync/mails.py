"""The customer's mails, in Portuguese and English. Pure: facts in, subject and text out.

Plain text only: it reads the same in every mail program. Dates are those of Brasília.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Literal

from schemas.channel import Mail
from schemas.store import StoreChanged
from services.channel_sync.state import Delay, GivenUp, Invoice, Sale, Shipment

Language = Literal["pt", "en"]
_BRASILIA = timezone(timedelta(hours=-3))
_HOURS: dict[Language, tuple[str, str]] = {"pt": ("hora", "horas"), "en": ("hour", "hours")}
_DAYS: dict[Language, tuple[str, str]] = {"pt": ("dia", "dias"), "en": ("day", "days")}
_PORTUGUESE = str.maketrans(",.", ".,")


def confirmed(store: StoreChanged, sale: Sale) -> Mail:
    code, items = sale.channel_order_code, _items(sale, store.mail_language)
    if store.mail_language == "en":
        subject = f"Your order {code} is confirmed"
        body = (
            f"Your payment has arrived and your order {code} is confirmed.\n\n{items}\n\n"
            "We will write again when the invoice is issued and when your parcel is on its way."
        )
    else:
        subject = f"Pedido {code} confirmado"
        body = (
            f"Recebemos o seu pagamento e o pedido {code} está confirmado.\n\n{items}\n\n"
            "Avisaremos quando a nota fiscal for emitida e quando o seu pedido for enviado."
        )
    return _mail(store, sale, subject, body)


def invoiced(store: StoreChanged, sale: Sale, invoice: Invoice, *, within: timedelta | None) -> Mail:
    """`within`: how soon the goods leave; None where they have left already and nothing is promised any more."""
    code, key = sale.channel_order_code, _grouped(invoice.access_key)
    if store.mail_language == "en":
        subject = f"Invoice issued for your order {code}"
        promise = "" if within is None else f"\n\nYour goods will be dispatched within {_span(within, 'en')}."
        body = f"The invoice (nota fiscal {invoice.number}) of your order {code} is issued.\nAccess key: {key}{promise}"
    else:
        subject = f"Nota fiscal do pedido {code} emitida"
        promise = "" if within is None else f"\n\nOs produtos serão despachados em até {_span(within, 'pt')}."
        body = f"A nota fiscal {invoice.number} do pedido {code} foi emitida.\nChave de acesso: {key}{promise}"
    return _mail(store, sale, subject, body)


def shipped(store: StoreChanged, sale: Sale, shipment: Shipment) -> Mail:
    """Carrier, tracking code and, where they are known, URL and estimated delivery."""
    code = sale.channel_order_code
    english = store.mail_language == "en"
    lines = [
        f"{'Carrier' if english else 'Transportadora'}: {shipment.carrier}",
        f"{'Tracking code' if english else 'Código de rastreamento'}: {shipment.tracking_code}",
    ]
    if shipment.tracking_url is not None:
        lines.append(f"{'Follow it here' if english else 'Acompanhe aqui'}: {shipment.tracking_url}")
    if shipment.estimated_delivery is not None:
        day = _day(shipment.estimated_delivery, store.mail_language)
        lines.append(f"{'Estimated delivery' if english else 'Previsão de entrega'}: {day}")
    subject = f"Your order {code} is on its way" if english else f"Pedido {code} enviado"
    opening = f"A parcel of your order {code} has left." if english else f"Um volume do pedido {code} foi enviado."
    return _mail(store, sale, subject, "\n".join([opening, "", *lines]))


def delivered(store: StoreChanged, sale: Sale) -> Mail:
    code = sale.channel_order_code
    if store.mail_language == "en":
        subject = f"Your order {code} was delivered"
        body = f"Your order {code} was delivered. We hope you enjoy it.\n\nIf anything is wrong, reply to this mail."
    else:
        subject = f"Pedido {code} entregue"
        body = (
            f"O pedido {code} foi entregue. Esperamos que goste.\n\nSe algo não estiver certo, responda a este e-mail."
        )
    return _mail(store, sale, subject, body)


def delayed(store: StoreChanged, sale: Sale, delay: Delay) -> Mail:
    """With the new dates, as far as they are known."""
    code, language = sale.channel_order_code, store.mail_language
    english = language == "en"
    dates = [
        (delay.expected_ship_at, "New dispatch date", "Nova data de envio"),
        (delay.estimated_delivery, "New delivery estimate", "Nova previsão de entrega"),
    ]
    lines = [f"{en if english else pt}: {_day(at, language)}" for at, en, pt in dates if at is not None]
    if english:
        subject, opening = f"Your order {code} is delayed", f"Your order {code} will take longer than we told you."
        closing = "We are sorry about that and will write again as soon as it moves."
    else:
        subject, opening = f"Pedido {code} com atraso", f"O pedido {code} vai demorar mais do que informamos."
        closing = "Pedimos desculpas e avisaremos assim que houver novidades."
    return _mail(store, sale, subject, "\n".join([opening, *lines, "", closing]))


def given_up(store: StoreChanged, sale: Sale, gone: GivenUp) -> Mail:
    """All that does not come by now; the money's mail follows when it has gone back."""
    code = sale.channel_order_code
    items = "\n".join(f"{gone.lines[i.line]} x {i.name}" for i in sale.items if i.line in gone.lines)
    if store.mail_language == "en":
        subject = f"Items of your order {code} cannot be delivered"
        body = (
            f"We are sorry: of your order {code} we cannot deliver\n\n{items}\n\n"
            "What you paid for that will be refunded; we will write again when it is. The rest of your order goes on."
        )
    else:
        subject = f"Itens do pedido {code} não serão entregues"
        body = (
            f"Pedimos desculpas: do pedido {code} não conseguiremos entregar\n\n{items}\n\n"
            "O valor pago por isso será estornado; avisaremos quando isso acontecer. O restante do pedido segue."
        )
    return _mail(store, sale, subject, body)


def cancelled(store: StoreChanged, sale: Sale, *, paid: bool) -> Mail:
    """`paid`: money goes back, so the mail says that another one will follow."""
    code = sale.channel_order_code
    if store.mail_language == "en":
        subject = f"Your order {code} was cancelled"
        refund = "\n\nWhat you paid will be refunded; we will write again when it is." if paid else ""
        body = f"Your order {code} was cancelled.{refund}"
    else:
        subject = f"Pedido {code} cancelado"
        refund = "\n\nO valor pago será estornado; avisaremos quando isso acontecer." if paid else ""
        body = f"O pedido {code} foi cancelado.{refund}"
    return _mail(store, sale, subject, body)


def refunded(store: StoreChanged, sale: Sale, amount: Decimal) -> Mail:
    code, money = sale.channel_order_code, _MONEY[store.mail_language](amount)
    if store.mail_language == "en":
        subject, body = f"Refund of your order {code}", f"We have refunded {money} of your order {code}."
    else:
        subject, body = f"Estorno do pedido {code}", f"O valor de {money} do pedido {code} foi estornado."
    return _mail(store, sale, subject, body)


def _mail(store: StoreChanged, sale: Sale, subject: str, body: str) -> Mail:
    greeting, closing = ("Hello", "Kind regards") if store.mail_language == "en" else ("Olá", "Atenciosamente")
    text = f"{greeting}, {sale.customer_name},\n\n{body}\n\n{closing},\n{store.name}\n"
    return Mail(sender=store.mail_sender, recipient=sale.customer_email, subject=subject, text=text)


def _items(sale: Sale, language: Language) -> str:
    money = _MONEY[language]
    lines = [f"{item.quantity} x {item.name}: {money(item.total)}" for item in sale.items]
    return "\n".join([*lines, f"Total: {money(sale.total)}"])


def _money_pt(amount: Decimal) -> str:
    return "R$ " + f"{amount:,.2f}".translate(_PORTUGUESE)


def _money_en(amount: Decimal) -> str:
    return f"R$ {amount:,.2f}"


_MONEY: dict[Language, Callable[[Decimal], str]] = {"pt": _money_pt, "en": _money_en}


def _day(time: datetime, language: Language) -> str:
    day = time.astimezone(_BRASILIA)
    return day.strftime("%Y-%m-%d" if language == "en" else "%d/%m/%Y")


def _span(span: timedelta, language: Language) -> str:
    """In hours up to three days, then in days; a part of one is a whole one."""
    hours = max(1, -(-span // timedelta(hours=1)))
    count, units = (hours, _HOURS) if hours <= 72 else (-(-hours // 24), _DAYS)
    return f"{count} {units[language][count != 1]}"


def _grouped(access_key: str) -> str:
    """In groups of four, as a DANFE prints it."""
    return " ".join(access_key[i : i + 4] for i in range(0, len(access_key), 4))
