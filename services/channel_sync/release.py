"""What a channel may be told now, what waits and for what, and what it is never told. Pure.

The rules are data (`channel.changed`); the most specific one for the order's logistics wins.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from schemas.channel import ChannelChanged, Fact, ReleaseRule
from services.channel_sync.state import (
    ChannelOrder,
    Delivery,
    Invoice,
    PartialRefund,
    Sale,
    Shipment,
    Stage,
)


class Verdict(NamedTuple):
    """What is to become of one fact: SENT (it is due), HELD or NOT_TOLD, and why. REFUSED: the channel takes none, and
    a person must do what it does not."""

    stage: Stage
    why: str = ""


Unjudged = tuple[Fact, str, Callable[[], Verdict]]
"""A fact, its reference, and what says what is to become of it."""


def rule_for(rules: Sequence[ReleaseRule], logistics: str) -> ReleaseRule:
    """The rule of this logistics, else the channel's general one, else the default."""
    exact = next((r for r in rules if r.logistics == logistics), None)
    general = next((r for r in rules if r.logistics is None), None)
    return exact or general or ReleaseRule()


def facts(order: ChannelOrder, sale: Sale, channel: ChannelChanged) -> Iterator[Unjudged]:
    """Each fact known of the order, in the order in which a channel takes them. Most were told long ago, so each is
    judged only where it is asked for."""
    rule = rule_for(channel.rules, sale.logistics.type)
    if order.cancellation == "done":
        yield from _of_cancelled(order, channel)
        return
    for invoice in order.invoices:
        yield "invoice", invoice.access_key, partial(_invoice, order, sale, channel, rule, invoice)
    for shipment in order.shipments:
        yield "shipment", shipment.tracking_code, partial(_shipment, order, channel, rule, shipment)
    by_parcel = _knows_tracking(channel, rule) is None
    for delivery in order.deliveries if by_parcel else ():
        yield "delivered", delivery.shipment_id, partial(_parcel_delivery, order, channel, rule, delivery)
    for po_id in dict.fromkeys(d.po_id for d in order.deliveries if not by_parcel):
        yield "delivered", po_id, partial(_delivery, order, channel, rule, po_id)
    for refund in order.partial_refunds:
        yield "refunded", refund.refund_id, partial(_refund, channel, refund)


def _of_cancelled(order: ChannelOrder, channel: ChannelChanged) -> Iterator[Unjudged]:
    """That it is cancelled is all that is still told; what was held is not."""
    for telling in order.tellings:
        if telling.stage is Stage.HELD:
            yield telling.fact, telling.reference, partial(Verdict, Stage.NOT_TOLD, "not told: the order is cancelled")
    for refund in order.partial_refunds:
        why = "refund not told: the order is cancelled, and all of it goes back"
        yield "refunded", refund.refund_id, partial(Verdict, Stage.NOT_TOLD, why)
    yield "cancelled", "", partial(_cancelled, order, channel)


def _cancelled(order: ChannelOrder, channel: ChannelChanged) -> Verdict:
    if order.reported is not None and order.reported.status == "cancelled":
        return Verdict(Stage.NOT_TOLD, f"cancelled not told: {channel.name} has said it itself")
    if channel.api == "mercado_livre":
        return Verdict(Stage.NOT_TOLD, f"cancelled not told: the API of {channel.name} takes none")
    return Verdict(Stage.SENT)


def _invoice(order: ChannelOrder, sale: Sale, channel: ChannelChanged, rule: ReleaseRule, invoice: Invoice) -> Verdict:
    if order.is_cancelled(invoice.access_key):
        return Verdict(Stage.NOT_TOLD, "NF not told: it was cancelled")
    if channel.api == "mercado_livre" and sale.logistics.shipment_id is None:
        return Verdict(Stage.HELD, f"NF held: the order names no shipment of {channel.name}")
    tracked = order.label is not None or bool(order.shipments_of(*invoice.po_ids))
    if rule.nf_key == "with_tracking" and not tracked:
        return Verdict(Stage.HELD, f"NF held: {channel.name} takes it with the tracking")
    return Verdict(Stage.SENT)


def _shipment(order: ChannelOrder, channel: ChannelChanged, rule: ReleaseRule, shipment: Shipment) -> Verdict:
    if (knows := _knows_tracking(channel, rule)) is not None:
        return Verdict(Stage.NOT_TOLD, knows)
    invoice = order.invoice_of(shipment.po_id)
    if invoice is None:
        return Verdict(Stage.HELD, f"tracking held: the NF of PO {shipment.po_id} is not issued yet")
    if rule.tracking == "after_nf" and (waits := _nf_missing(order, channel, invoice)) is not None:
        return Verdict(Stage.HELD, f"tracking held: {waits}")
    return Verdict(Stage.SENT)


def _parcel_delivery(order: ChannelOrder, channel: ChannelChanged, rule: ReleaseRule, delivery: Delivery) -> Verdict:
    """Each parcel by its tracking, which the channel must know before."""
    if (says := _says_delivered(order, channel, rule)) is not None:
        return Verdict(Stage.NOT_TOLD, says)
    parcel = next((s for s in order.shipments if s.shipment_id == delivery.shipment_id), None)
    match None if parcel is None else order.stage_of("shipment", parcel.tracking_code):
        case Stage.CONFIRMED:
            return Verdict(Stage.SENT)
        case Stage.REFUSED:
            return Verdict(Stage.HELD, f"delivered held: {channel.name} refused the tracking")
        case _:
            return Verdict(Stage.HELD, f"delivered held: {channel.name} has not confirmed the tracking")


def _delivery(order: ChannelOrder, channel: ChannelChanged, rule: ReleaseRule, po_id: str) -> Verdict:
    """A channel that knows no tracking hears of a PO when all its goods are there."""
    if (says := _says_delivered(order, channel, rule)) is not None:
        return Verdict(Stage.NOT_TOLD, says)
    parcels = order.shipments_of(po_id)
    arrived = {d.shipment_id for d in order.deliveries}
    missing = 0 if po_id in order.rest_arrived else sum(p.shipment_id not in arrived for p in parcels)
    if missing or not parcels:
        return Verdict(Stage.HELD, f"delivered held: {missing} of {len(parcels)} parcels of PO {po_id} are under way")
    if not order.has_arrived(po_id):
        return Verdict(Stage.HELD, f"delivered held: goods of PO {po_id} have not left yet")
    invoice = order.invoice_of(po_id)
    if invoice is None:
        return Verdict(Stage.HELD, f"delivered held: the NF of PO {po_id} is not issued yet")
    if (waits := _nf_missing(order, channel, invoice)) is not None:
        return Verdict(Stage.HELD, f"delivered held: {waits}")
    return Verdict(Stage.SENT)


def _refund(channel: ChannelChanged, refund: PartialRefund) -> Verdict:
    if channel.api == "mercado_livre":
        why = f"BRL {refund.amount} not paid back: the API of {channel.name} takes no refund, a person pays it there"
        return Verdict(Stage.REFUSED, why)
    return Verdict(Stage.SENT)


def _says_delivered(order: ChannelOrder, channel: ChannelChanged, rule: ReleaseRule) -> str | None:
    """Why a channel is not told of deliveries; None where it is."""
    if rule.delivered_by == "marketplace" or channel.api == "mercado_livre":
        return f"delivered not told: {channel.name} says it itself"
    if rule.delivered_by == "either" and order.marketplace_delivered_at is not None:
        return f"delivered not told: {channel.name} has said it itself"
    return None


def _knows_tracking(channel: ChannelChanged, rule: ReleaseRule) -> str | None:
    """Why a channel is told no tracking; None where it is."""
    if rule.tracking == "from_label":
        return f"tracking not told: {channel.name} made the label"
    if rule.tracking == "not_needed":
        return f"tracking not told: {channel.name} does not need it"
    if channel.api == "mercado_livre":
        return f"tracking not told: the API of {channel.name} takes none"
    return None


def _nf_missing(order: ChannelOrder, channel: ChannelChanged, invoice: Invoice) -> str | None:
    """What a channel that wants the NF first waits for."""
    match order.stage_of("invoice", invoice.access_key):
        case Stage.CONFIRMED:
            return None
        case Stage.REFUSED:
            return f"{channel.name} refused the NF"
        case _:
            return f"{channel.name} has not confirmed the NF"
