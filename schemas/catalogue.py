"""Every message of the fleet: who makes it, who takes it, and how an old version becomes a new one.

`INBOUND`, `FACTS` and `COMMANDS` are told apart by the exchange that they travel on. A published
version never changes: add a class with the next version, an entry here, and an upcaster beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from schemas import (
    billing,
    channel,
    nota_fiscal,
    order,
    payment,
    purchase_order,
    refund,
    replay,
    runtime,
    shipment,
    sourcing,
    store,
    supplier,
)
from schemas.model import Message

INTAKE, DISPATCH, NF, BILLING, CHANNEL = (
    "order_intake",
    "po_dispatch",
    "nf_reconciliation",
    "billing",
    "channel_sync",
)
CONSUMERS = (INTAKE, DISPATCH, NF, BILLING, CHANNEL)
CONTROL_ROOM = "control_room"
SERVICES = (*CONSUMERS, CONTROL_ROOM)
GATEWAY = "gateway"
UPSTREAM = "upstream"
ENGINEER = "engineer"
"""A person at the command line of the control room."""

Kind = Literal["inbound", "fact", "command", "dead_letter"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one message. `upcast` makes the next version of it; None for the newest."""

    model: type[Message]
    kind: Kind
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    upcast: Callable[[Any], Message] | None = None

    @property
    def type(self) -> str:
        return self.model.TYPE


def _inbound(
    model: type[Message],
    *consumers: str,
    by: tuple[str, ...] = (UPSTREAM,),
    upcast: Callable[[Any], Message] | None = None,
) -> Entry:
    return Entry(model, "inbound", by, consumers, upcast)


def _fact(model: type[Message], producer: str, *consumers: str) -> Entry:
    return Entry(model, "fact", (producer,), consumers)


def _command(model: type[Message], producers: tuple[str, ...], consumers: tuple[str, ...]) -> Entry:
    return Entry(model, "command", producers, consumers)


CATALOGUE: tuple[Entry, ...] = (
    _inbound(order.OrderPlacedV1, INTAKE, upcast=order.upcast_placed_v1),
    _inbound(order.OrderPlaced, INTAKE, by=(UPSTREAM, CHANNEL)),
    _inbound(payment.PaymentApproved, INTAKE, by=(UPSTREAM, CHANNEL)),
    _inbound(payment.PaymentExpired, INTAKE, by=(UPSTREAM, CHANNEL)),
    _inbound(order.OrderChangeRequested, INTAKE, by=(UPSTREAM, CHANNEL)),
    _inbound(order.OrderCancellationRequested, INTAKE, by=(UPSTREAM, CHANNEL)),
    _inbound(order.OrderCancellationDecided, BILLING, by=(UPSTREAM, ENGINEER)),
    _inbound(store.StoreChanged, *CONSUMERS),
    _inbound(supplier.SupplierChanged, DISPATCH, NF, BILLING),
    _inbound(supplier.OfferChanged, DISPATCH),
    _inbound(supplier.ShippingRuleChanged, DISPATCH),
    _inbound(supplier.PackagingChanged, DISPATCH),
    _inbound(billing.TaxProfileChanged, BILLING),
    _inbound(channel.ChannelChanged, BILLING, CHANNEL),
    _inbound(supplier.SupplierPoConfirmed, DISPATCH, by=(GATEWAY,)),
    _inbound(supplier.SupplierPoRefused, DISPATCH, by=(GATEWAY,)),
    _inbound(supplier.SupplierCancellationAnswered, DISPATCH, by=(GATEWAY,)),
    _inbound(supplier.SupplierDelayReported, DISPATCH, by=(GATEWAY,)),
    _inbound(supplier.SupplierNfIssued, NF, by=(GATEWAY,)),
    _inbound(supplier.SupplierShipped, DISPATCH, by=(GATEWAY,)),
    _inbound(supplier.CarrierReported, DISPATCH, by=(GATEWAY,)),
    _inbound(billing.SupplierPaymentReported, BILLING, by=(GATEWAY,)),
    _inbound(refund.RefundReported, BILLING, by=(GATEWAY,)),
    _inbound(channel.ChannelSyncRequested, CHANNEL),
    _inbound(channel.ChannelOrderReported, CHANNEL, by=(GATEWAY, CHANNEL)),
    _fact(order.OrderAccepted, INTAKE, CHANNEL),
    Entry(order.OrderRefused, "fact", (INTAKE, CHANNEL), (CHANNEL,)),
    _fact(order.OrderChanged, INTAKE, CHANNEL),
    Entry(order.OrderChangeRefused, "fact", (INTAKE, CHANNEL), (CHANNEL,)),
    _fact(order.OrderReady, INTAKE, DISPATCH, BILLING),
    _fact(order.OrderPaymentReceived, INTAKE, BILLING),
    _fact(order.OrderCancellationStarted, INTAKE, DISPATCH, BILLING, CHANNEL),
    _fact(order.OrderCancellationRefused, INTAKE, DISPATCH, BILLING, CHANNEL),
    _fact(order.OrderCancelled, INTAKE, CHANNEL),
    _fact(order.OrderLinesGivenUp, INTAKE, DISPATCH),
    _fact(refund.RefundRequested, INTAKE, BILLING),
    _fact(order.OrderStatusChanged, INTAKE, CHANNEL),
    _fact(order.OrderCompleted, INTAKE, CHANNEL),
    _fact(sourcing.QuoteNeeded, DISPATCH, INTAKE),
    _fact(sourcing.OutOfStock, DISPATCH, INTAKE),
    _fact(sourcing.SourcingGivenUp, DISPATCH, INTAKE, BILLING, CHANNEL),
    _fact(purchase_order.PurchaseOrderCreated, DISPATCH, INTAKE, NF, BILLING, CHANNEL),
    _fact(purchase_order.PurchaseOrderSent, DISPATCH, INTAKE, CHANNEL),
    _fact(purchase_order.PurchaseOrderConfirmed, DISPATCH, INTAKE, CHANNEL),
    _fact(purchase_order.PurchaseOrderRefused, DISPATCH, INTAKE, NF, BILLING, CHANNEL),
    _fact(purchase_order.PurchaseOrderRerouted, DISPATCH, INTAKE),
    _fact(purchase_order.PurchaseOrderCancelled, DISPATCH, INTAKE, NF, BILLING),
    _fact(purchase_order.PurchaseOrderCancelRefused, DISPATCH, INTAKE),
    _fact(purchase_order.PurchaseOrderLate, DISPATCH, INTAKE),
    _fact(purchase_order.FulfilmentStopped, DISPATCH, INTAKE, BILLING),
    _fact(purchase_order.InvoiceHandedOver, DISPATCH, INTAKE),
    _fact(shipment.ShipmentDispatched, DISPATCH, INTAKE, BILLING, CHANNEL),
    _fact(shipment.ShipmentIrregular, DISPATCH, CHANNEL),
    _fact(shipment.ShipmentProblemReported, DISPATCH, INTAKE, CHANNEL),
    _fact(shipment.ShipmentResumed, DISPATCH, INTAKE, CHANNEL),
    _fact(shipment.ShipmentFound, DISPATCH, INTAKE),
    _fact(shipment.ShipmentDelayed, DISPATCH, INTAKE, CHANNEL),
    _fact(shipment.ShipmentDelivered, DISPATCH, INTAKE, BILLING, CHANNEL),
    _fact(nota_fiscal.SupplierNfMatched, NF, INTAKE, DISPATCH, BILLING),
    _fact(nota_fiscal.SupplierNfDiverged, NF, INTAKE),
    _fact(nota_fiscal.SupplierNfRefused, NF, DISPATCH),
    _fact(nota_fiscal.RemittanceNfMatched, NF, INTAKE, DISPATCH, BILLING),
    _fact(nota_fiscal.RemittanceNfDiverged, NF, DISPATCH),
    _fact(billing.InvoiceIssued, BILLING, INTAKE, DISPATCH, NF, CHANNEL),
    _fact(billing.InvoiceRefused, BILLING, INTAKE),
    _fact(billing.InvoiceCancelled, BILLING, INTAKE, DISPATCH, NF, CHANNEL),
    _fact(billing.InvoiceReduced, BILLING, INTAKE),
    _fact(billing.BillingStopped, BILLING, INTAKE),
    _fact(refund.RefundOrdered, BILLING, INTAKE, CHANNEL),
    _fact(refund.RefundSettled, BILLING, INTAKE, CHANNEL),
    _fact(refund.RefundFailed, BILLING, INTAKE, CHANNEL),
    _fact(billing.PayableOpened, BILLING, INTAKE),
    _fact(billing.PayableWithheld, BILLING, INTAKE),
    _fact(billing.SupplierPaymentOrdered, BILLING, INTAKE),
    _fact(billing.SupplierPaymentSettled, BILLING, INTAKE, DISPATCH),
    _fact(billing.SupplierPaymentRefused, BILLING, INTAKE, DISPATCH),
    _fact(channel.ChannelUpdated, CHANNEL, INTAKE),
    _fact(channel.ChannelUpdateRefused, CHANNEL, INTAKE),
    _fact(channel.LabelAvailable, CHANNEL, DISPATCH),
    _fact(channel.DeliveryReported, CHANNEL, DISPATCH),
    _fact(channel.CustomerNotified, CHANNEL, INTAKE),
    _command(sourcing.SourcingRetryDue, (DISPATCH,), (DISPATCH,)),
    _command(sourcing.OfferWakingDue, (DISPATCH,), (DISPATCH,)),
    _command(sourcing.SupplierWakingDue, (DISPATCH,), (DISPATCH,)),
    _command(channel.ChannelOrderGiven, (CHANNEL,), (CHANNEL,)),
    _command(channel.ChannelOrderUnreadable, (CHANNEL,), (CHANNEL,)),
    _command(channel.ChannelPollDue, (CHANNEL,), (CHANNEL,)),
    _command(nota_fiscal.NfMatchRequested, (NF,), (NF,)),
    _command(nota_fiscal.NfMatchAnswered, (NF,), (NF,)),
    _command(nota_fiscal.NfMatchSettled, (NF,), (NF,)),
    _command(nota_fiscal.NfPoNoted, (NF,), (NF,)),
    _command(nota_fiscal.NfInvoiceNoted, (NF,), (NF,)),
    _command(runtime.CallAnswered, CONSUMERS, CONSUMERS),
    _command(runtime.CallExhausted, CONSUMERS, CONSUMERS),
    _command(runtime.ReminderDue, SERVICES, SERVICES),
    _command(runtime.DeadLetterReplayRequested, (CONTROL_ROOM,), SERVICES),
    _command(runtime.DeadLetterDiscardRequested, (CONTROL_ROOM,), SERVICES),
    _command(runtime.DeadLetterBatchRequested, (CONTROL_ROOM,), SERVICES),
    _command(runtime.DeadLetterInspectRequested, (CONTROL_ROOM,), SERVICES),
    _command(replay.ReplayCampaignOrdered, (CONTROL_ROOM,), (CONTROL_ROOM,)),
    _command(replay.ReplayLettersListed, (CONTROL_ROOM,), (CONTROL_ROOM,)),
    _command(replay.ReplayCampaignSteered, (CONTROL_ROOM,), (CONTROL_ROOM,)),
    _command(replay.ReplayStepDue, (CONTROL_ROOM,), (CONTROL_ROOM,)),
    _command(replay.ReplayInspectionDue, (CONTROL_ROOM,), (CONTROL_ROOM,)),
    Entry(runtime.DeadLetterResolved, "fact", SERVICES, (CONTROL_ROOM,)),
    Entry(runtime.DeadLetterReleased, "fact", SERVICES, (CONTROL_ROOM,)),
    Entry(runtime.DeadLetterBatchAnswered, "fact", SERVICES, (CONTROL_ROOM,)),
    Entry(runtime.DeadLetterInspected, "fact", SERVICES, (CONTROL_ROOM,)),
    Entry(runtime.DeadLetterFailed, "fact", SERVICES, (CONTROL_ROOM,)),
    Entry(runtime.DeadLetterRecorded, "dead_letter", SERVICES, (CONTROL_ROOM,)),
)


@cache
def by_type() -> dict[str, Entry]:
    return {entry.type: entry for entry in CATALOGUE}


@cache
def newest(family: str) -> Entry | None:
    """The newest entry of `<subject>.<fact>`; None where nobody knows it."""
    versions = [e for e in CATALOGUE if family_of(e.type) == family]
    return max(versions, key=lambda e: version_of(e.type), default=None)


def family_of(type: str) -> str:
    return type.rpartition(".v")[0]


def version_of(type: str) -> int:
    """The major version in a type; 0 where there is none."""
    digits = type.rpartition(".v")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def upcast(data: Message) -> Message:
    """The newest version of what a message says."""
    while (step := by_type()[data.TYPE].upcast) is not None:
        data = step(data)
    return data
