"""Runs channel_sync: settings in, the subscription table handed to the worker."""

from schemas.billing import InvoiceIssued
from schemas.channel import ChannelChanged, ChannelOrderReported
from schemas.order import OrderAccepted, OrderCompleted, OrderRefused, OrderStatusChanged
from schemas.purchase_order import (
    PurchaseOrderConfirmed,
    PurchaseOrderCreated,
    PurchaseOrderSent,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentIrregular,
    ShipmentProblemReported,
)
from schemas.store import StoreChanged
from schemas.timeline import Timeline, keep
from services.channel_sync import decide, store
from services.channel_sync.partners import operations
from services.channel_sync.requests import (
    ChannelAnswered,
    MailAnswered,
    SendInvoiceXml,
    SendMail,
    TellDelivery,
    TellInvoice,
    TellShipment,
)
from services.channel_sync.settings import Settings
from services.channel_sync.state import ChannelOrder
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Answer, Service, Subscription, Subscriptions

ORDER = Aggregate("channel_order", ChannelOrder)
CHANNEL = Aggregate("channel", Timeline[ChannelChanged])
STORE = Aggregate("store", Timeline[StoreChanged])
REFERENCE = store.load_references

SUBSCRIPTIONS: Subscriptions = (
    Subscription(ChannelChanged, CHANNEL, keep),
    Subscription(StoreChanged, STORE, keep),
    Subscription(OrderAccepted, ORDER, decide.on_order_accepted, load=REFERENCE),
    Subscription(OrderRefused, ORDER, decide.on_order_refused),
    Subscription(OrderStatusChanged, ORDER, decide.on_order_status_changed, load=REFERENCE),
    Subscription(OrderCompleted, ORDER, decide.on_order_completed),
    Subscription(PurchaseOrderCreated, ORDER, decide.on_purchase_order),
    Subscription(PurchaseOrderSent, ORDER, decide.on_purchase_order),
    Subscription(PurchaseOrderConfirmed, ORDER, decide.on_purchase_order),
    Subscription(InvoiceIssued, ORDER, decide.on_invoice_issued, load=REFERENCE),
    Subscription(ShipmentDispatched, ORDER, decide.on_shipment_dispatched, load=REFERENCE),
    Subscription(ShipmentIrregular, ORDER, decide.on_shipment_trouble),
    Subscription(ShipmentProblemReported, ORDER, decide.on_shipment_trouble),
    Subscription(ShipmentDelivered, ORDER, decide.on_shipment_delivered, load=REFERENCE),
    Subscription(ChannelOrderReported, ORDER, decide.on_channel_order_reported, find=store.find_orders, load=REFERENCE),
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
