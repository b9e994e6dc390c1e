"""What follows from what is known of an order: calls to its channel, mails to its customer, and holds. Pure.

Every decision ends here, so it does not matter in which order the messages came.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial

from schemas.channel import ChannelChanged, ChannelUpdateRefused, Fact, Mail
from schemas.decision import Call, Context, Decision, Outcome, Request, later
from schemas.model import Message
from schemas.refund import RefundCause
from schemas.store import StoreChanged
from services.channel_sync import mails
from services.channel_sync.release import facts, rule_for
from services.channel_sync.requests import (
    Access,
    SendInvoiceXml,
    SendMail,
    TellCancellation,
    TellDelivery,
    TellInvoice,
    TellRefund,
    TellShipment,
)
from services.channel_sync.state import ChannelOrder, Invoice, MailFact, Notice, Reference, Sale, Stage, Telling

_DECIDED = (Stage.SENT, Stage.CONFIRMED, Stage.REFUSED)
MAIL = "mail"
NOT_TAKEN = "not_taken"
"""The code of a refusal that the channel need not be asked for."""
_REASONS: Mapping[RefundCause, str] = {
    "cancelled": "cancelled by the seller",
    "given_up": "a part of the order cannot be delivered",
    "overpaid": "paid twice",
}


def follow(order: ChannelOrder, ctx: Context[Reference], events: tuple[Message, ...] = ()) -> Outcome[ChannelOrder]:
    """The state with all that is due now sent, the calls that send it, and `events`."""
    sale = order.sale
    if sale is None:
        return Decision(order, events)
    if ctx.reference.channel is None:
        return later("channel.changed")
    if ctx.reference.store is None:
        return later("store.changed")
    channel, store = ctx.reference.channel.current(ctx.now), ctx.reference.store.current(ctx.now)
    order, told, refused = _tell(order, sale, channel, ctx)
    agreed = ctx.reference.store.current(sale.placed_at or ctx.now)
    order, mailed = _notify(order, sale, store, agreed.deadlines.dispatch)
    return Decision(order, (*events, *refused), [*told, *mailed])


def _tell(
    order: ChannelOrder, sale: Sale, channel: ChannelChanged, ctx: Context[Reference]
) -> tuple[ChannelOrder, list[Call], list[Message]]:
    calls: list[Call] = []
    refused: list[Message] = []
    for fact, reference, judge in facts(order, sale, channel):
        known = order.telling(fact, reference)
        if known is not None and known.stage in _DECIDED:
            continue
        stage, why = judge()
        if known is not None and (known.stage, known.why) == (stage, why):
            continue
        if stage is Stage.SENT:
            calls.append(Call(f"channel:{channel.channel_id}", _request(order, sale, channel, fact, reference)))
        telling = Telling.of_valid(fact=fact, reference=reference, stage=stage, why=why, since=ctx.now)
        if stage is Stage.REFUSED:
            refused.append(_refused(order, sale, telling))
        order = order.with_telling(telling)
    return _without_sent_xml(order), calls, refused


def _refused(order: ChannelOrder, sale: Sale, telling: Telling) -> ChannelUpdateRefused:
    return ChannelUpdateRefused(
        order_id=order.order_id,
        channel_id=sale.channel_id,
        fact=telling.fact,
        reference=telling.reference,
        code=NOT_TAKEN,
        detail=telling.why,
    )


def _request(order: ChannelOrder, sale: Sale, channel: ChannelChanged, fact: Fact, reference: str) -> Request:
    match fact:
        case "invoice":
            return _invoice_request(order, sale, channel, reference)
        case "shipment":
            return _shipment_request(order, sale, channel, reference)
        case "delivered":
            return _delivery_request(order, sale, channel, reference)
        case "cancelled":
            return TellCancellation(
                access=_access(channel), order_code=sale.channel_order_code, reason=_REASONS["cancelled"]
            )
        case "refunded":
            return _refund_request(order, sale, channel, reference)


def _invoice_request(order: ChannelOrder, sale: Sale, channel: ChannelChanged, access_key: str) -> Request:
    invoice = next(i for i in order.invoices if i.access_key == access_key)
    if channel.api == "mercado_livre":
        assert sale.logistics.shipment_id is not None, "release.py holds an NF that has no shipment there"
        assert invoice.xml is not None, "the XML is kept until it was sent"
        return SendInvoiceXml(
            access=_access(channel),
            shipment_id=sale.logistics.shipment_id,
            access_key=access_key,
            xml=invoice.xml,
        )
    return TellInvoice(
        access=_access(channel),
        order_code=sale.channel_order_code,
        access_key=access_key,
        series=invoice.series,
        number=invoice.number,
        issued_at=invoice.issued_at,
        xml=invoice.xml if rule_for(channel.rules, sale.logistics.type).needs_xml else None,
    )


def _shipment_request(order: ChannelOrder, sale: Sale, channel: ChannelChanged, tracking_code: str) -> Request:
    shipment = next(s for s in order.shipments if s.tracking_code == tracking_code)
    invoice = order.invoice_of(shipment.po_id)
    assert invoice is not None, "release.py holds a tracking whose NF is not issued"
    return TellShipment(
        access=_access(channel),
        order_code=sale.channel_order_code,
        carrier=shipment.carrier,
        tracking_code=tracking_code,
        tracking_url=shipment.tracking_url,
        invoice_key=invoice.access_key,
        dispatched_at=shipment.dispatched_at,
    )


def _delivery_request(order: ChannelOrder, sale: Sale, channel: ChannelChanged, reference: str) -> Request:
    """`reference`: the parcel, or the PO where the channel knows no tracking."""
    parcel = next((s for s in order.shipments if s.shipment_id == reference), None)
    about = [d for d in order.deliveries if reference in (d.shipment_id, d.po_id)]
    return TellDelivery(
        access=_access(channel),
        order_code=sale.channel_order_code,
        po_id=about[0].po_id,
        shipment_id=parcel.shipment_id if parcel else None,
        tracking_codes=(parcel.tracking_code,) if parcel else (),
        delivered_at=max(d.delivered_at for d in about),
    )


def _refund_request(order: ChannelOrder, sale: Sale, channel: ChannelChanged, refund_id: str) -> Request:
    refund = next(r for r in order.partial_refunds if r.refund_id == refund_id)
    return TellRefund(
        access=_access(channel),
        order_code=sale.channel_order_code,
        refund_id=refund_id,
        payment_id=refund.payment_id,
        amount=refund.amount,
        reason=_REASONS[refund.cause],
    )


def _access(channel: ChannelChanged) -> Access:
    return Access(api_url=channel.api_url, token_ref=channel.token_ref)


def _without_sent_xml(order: ChannelOrder) -> ChannelOrder:
    """The call carries the XML from here on; the state is read and written often."""
    if all(i.xml is None or order.stage_of("invoice", i.access_key) not in _DECIDED for i in order.invoices):
        return order
    invoices = tuple(
        i.model_copy(update={"xml": None}) if order.stage_of("invoice", i.access_key) in _DECIDED else i
        for i in order.invoices
    )
    return order.model_copy(update={"invoices": invoices})


def _notify(
    order: ChannelOrder, sale: Sale, store: StoreChanged, dispatch: timedelta
) -> tuple[ChannelOrder, list[Call]]:
    """`dispatch`: how soon after R the goods were promised to leave, when the customer ordered."""
    sent = {(notice.fact, notice.reference) for notice in order.notices}
    due = [
        (fact, reference, written())
        for fact, reference, written in _mails(order, sale, store, dispatch)
        if (fact, reference) not in sent
    ]
    if not due:
        return order, []
    notices = [Notice.of_valid(fact=fact, reference=reference, stage=Stage.SENT, why="") for fact, reference, _ in due]
    calls = [Call(MAIL, SendMail(mail=mail, fact=fact, reference=reference)) for fact, reference, mail in due]
    return order.model_copy(update={"notices": (*order.notices, *notices)}), calls


def _mails(
    order: ChannelOrder, sale: Sale, store: StoreChanged, dispatch: timedelta
) -> Iterator[tuple[MailFact, str, Callable[[], Mail]]]:
    """Every mail that the order deserves so far, oldest fact first. An NF or a parcel implies that it is confirmed.

    None is written yet: most were sent long ago.
    """
    if order.paid or order.invoices or order.shipments:
        yield "confirmed", "", partial(mails.confirmed, store, sale)
    for invoice in (i for i in order.invoices if not order.is_cancelled(i.access_key)):
        yield "invoiced", invoice.access_key, partial(_invoiced, order, sale, store, invoice, dispatch)
    for shipment in order.shipments:
        yield "shipped", shipment.shipment_id, partial(mails.shipped, store, sale, shipment)
    for delay in order.delays:
        yield "delayed", delay.reference, partial(mails.delayed, store, sale, delay)
    if order.given_up is not None and order.cancellation != "done":
        reference = order.given_up.at.isoformat()
        yield "given_up", reference, partial(mails.given_up, store, sale, order.given_up)
    if order.delivered_po_ids is not None and all(order.has_left(po_id) for po_id in order.delivered_po_ids):
        yield "delivered", "", partial(mails.delivered, store, sale)
    if order.cancellation == "done":
        yield "cancelled", "", partial(mails.cancelled, store, sale, paid=order.paid or order.to_refund)
    for refund in order.refunds:
        yield "refunded", refund.refund_id, partial(mails.refunded, store, sale, refund.amount)


def _invoiced(order: ChannelOrder, sale: Sale, store: StoreChanged, invoice: Invoice, dispatch: timedelta) -> Mail:
    gone = all(order.has_left(po_id) for po_id in invoice.po_ids)
    return mails.invoiced(store, sale, invoice, within=None if gone else dispatch)
