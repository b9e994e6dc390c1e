"""Runs channel_sync: settings in, the subscription table handed to the worker."""

from schemas.billing import InvoiceCancelled, InvoiceIssued
from schemas.channel import (
    ChannelChanged,
    ChannelOrderGiven,
    ChannelOrderReported,
    ChannelOrderUnreadable,
    ChannelPollDue,
    ChannelSyncRequested,
)
from schemas.order import (
    OrderAccepted,
    OrderCancellationRefused,
    OrderCancellationStarted,
    OrderCancelled,
    OrderChanged,
    OrderChangeRefused,
    OrderCompleted,
    OrderRefused,
    OrderStatusChanged,
)
from schemas.purchase_order import PurchaseOrderConfirmed, PurchaseOrderCreated, PurchaseOrderRefused, PurchaseOrderSent
from schemas.refund import RefundFailed, RefundOrdered, RefundSettled
from schemas.shipment import (
    ShipmentDelayed,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentIrregular,
    ShipmentProblemReported,
    ShipmentResumed,
)
from schemas.sourcing import SourcingGivenUp
from schemas.store import StoreChanged
from schemas.timeline import Timeline, keep
from services.channel_sync import decide, endings, giving, polling, store
from services.channel_sync.partners import operations
from services.channel_sync.requests import (
    ChannelAnswered,
    ConfirmOrder,
    FetchOrder,
    MailAnswered,
    OrderConfirmed,
    OrderFetched,
    SendInvoiceXml,
    SendMail,
    TellCancellation,
    TellDelivery,
    TellInvoice,
    TellRefund,
    TellShipment,
)
from services.channel_sync.settings import Settings
from services.channel_sync.state import ChannelOrder, Queue
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Answer, Service, Subscription, Subscriptions, Timer

ORDER = Aggregate("channel_order", ChannelOrder, named="order_id")
CHANNEL = Aggregate("channel", Timeline[ChannelChanged])
STORE = Aggregate("store", Timeline[StoreChanged])
QUEUE = Aggregate("channel_queue", Queue, named="channel_id")
REFERENCE = store.load_references

SUBSCRIPTIONS: Subscriptions = (
    Subscription(ChannelChanged, CHANNEL, polling.on_channel_changed),
    Subscription(StoreChanged, STORE, keep),
    Subscription(OrderAccepted, ORDER, decide.on_order_accepted, load=REFERENCE),
    Subscription(OrderRefused, ORDER, decide.on_order_refused),
    Subscription(OrderStatusChanged, ORDER, decide.on_order_status_changed, load=REFERENCE),
    Subscription(OrderCompleted, ORDER, decide.on_order_completed),
    Subscription(PurchaseOrderCreated, ORDER, decide.on_purchase_order),
    Subscription(PurchaseOrderSent, ORDER, decide.on_purchase_order),
    Subscription(PurchaseOrderConfirmed, ORDER, decide.on_purchase_order),
    Subscription(PurchaseOrderRefused, ORDER, decide.on_purchase_order_refused, load=REFERENCE),
    Subscription(InvoiceIssued, ORDER, decide.on_invoice_issued, load=REFERENCE),
    Subscription(ShipmentDispatched, ORDER, decide.on_shipment_dispatched, load=REFERENCE),
    Subscription(ShipmentIrregular, ORDER, decide.on_shipment_trouble),
    Subscription(ShipmentProblemReported, ORDER, decide.on_shipment_trouble),
    Subscription(ShipmentResumed, ORDER, decide.on_shipment_resumed),
    Subscription(ShipmentDelivered, ORDER, decide.on_shipment_delivered, load=REFERENCE),
    Subscription(ChannelOrderReported, ORDER, decide.on_channel_order_reported, find=store.find_orders, load=REFERENCE),
    Subscription(OrderChanged, ORDER, endings.on_order_changed, load=REFERENCE),
    Subscription(OrderChangeRefused, ORDER, endings.on_noted),
    Subscription(OrderCancellationStarted, ORDER, endings.on_cancellation),
    Subscription(OrderCancellationRefused, ORDER, endings.on_cancellation),
    Subscription(OrderCancelled, ORDER, endings.on_order_cancelled, load=REFERENCE),
    Subscription(InvoiceCancelled, ORDER, endings.on_invoice_cancelled, load=REFERENCE),
    Subscription(ShipmentDelayed, ORDER, endings.on_shipment_delayed, load=REFERENCE),
    Subscription(SourcingGivenUp, ORDER, endings.on_given_up, load=REFERENCE),
    Subscription(RefundOrdered, ORDER, endings.on_refund_ordered, load=REFERENCE),
    Subscription(RefundSettled, ORDER, endings.on_refund_settled, load=REFERENCE),
    Subscription(RefundFailed, ORDER, endings.on_noted),
    Subscription(ChannelSyncRequested, STORE, polling.on_sync_requested, load=store.load_polled),
    Subscription(ChannelOrderGiven, ORDER, giving.on_order_given),
    Subscription(ChannelOrderUnreadable, ORDER, giving.on_order_unreadable),
    Subscription(ChannelPollDue, QUEUE, polling.on_poll_due, load=store.load_channels),
    Timer(polling.POLL, QUEUE, polling.on_poll_due, load=store.load_channels),
    Answer(
        FetchOrder,
        OrderFetched,
        QUEUE,
        polling.on_fetched,
        exhausted=polling.on_queue_unreachable,
        load=store.load_channels,
    ),
    Answer(
        ConfirmOrder,
        OrderConfirmed,
        QUEUE,
        polling.on_confirmed,
        exhausted=polling.on_queue_unreachable,
        load=store.load_channels,
    ),
    Answer(TellCancellation, ChannelAnswered, ORDER, decide.on_told, load=REFERENCE),
    Answer(TellRefund, ChannelAnswered, ORDER, decide.on_told, load=REFERENCE),
    Answer(TellInvoice, ChannelAnswered, ORDER, decide.on_told, load=REFERENCE),
    Answer(TellShipment, ChannelAnswered, ORDER, decide.on_told, load=REFERENCE),
    Answer(TellDelivery, ChannelAnswered, ORDER, decide.on_told, load=REFERENCE),
    Answer(SendInvoiceXml, ChannelAnswered, ORDER, decide.on_told, load=REFERENCE),
    Answer(SendMail, MailAnswered, ORDER, decide.on_mailed),
)


def service(settings: Settings) -> Service:
    return Service("channel_sync", SUBSCRIPTIONS, operations(settings))


def main() -> None:
    run(service(read(Settings)), read(Runtime))


if __name__ == "__main__":
    main()
