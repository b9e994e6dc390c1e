"""The composition root of billing: `python -m services.billing`."""

from schemas import billing, channel, nota_fiscal, order, purchase_order, refund, shipment, sourcing, store, supplier
from schemas.timeline import Timeline, keep
from services.billing import decide
from services.billing.partners import operations
from services.billing.reference import series_names
from services.billing.requests import (
    AuthoriseInvoice,
    CancelInvoice,
    CancellationAnswered,
    DispatchMarked,
    MarkDispatched,
    OrderRefund,
    OrderSupplierPayment,
    RefundTaken,
    SefazAnswered,
    SupplierPaymentTaken,
)
from services.billing.settings import Settings
from services.billing.state import (
    Bill,
)
from services.billing.store import find_bills, find_refunded, load_references, save_rows
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Answer, Service, Subscription, Subscriptions

BILL = Aggregate("bill", Bill, named="order_id")
STORE = Aggregate("store", Timeline[store.StoreChanged])
CHANNEL = Aggregate("channel", Timeline[channel.ChannelChanged])
SUPPLIER = Aggregate("supplier", Timeline[supplier.SupplierChanged])
TAX_PROFILE = Aggregate("tax_profile", Timeline[billing.TaxProfileChanged])

SUBSCRIPTIONS: Subscriptions = (
    Subscription(store.StoreChanged, STORE, keep),
    Subscription(channel.ChannelChanged, CHANNEL, keep),
    Subscription(supplier.SupplierChanged, SUPPLIER, keep),
    Subscription(billing.TaxProfileChanged, TAX_PROFILE, keep),
    Subscription(order.OrderReady, BILL, decide.on_order_ready, load=load_references, series=series_names),
    Subscription(order.OrderPaymentReceived, BILL, decide.on_payment_received),
    Subscription(
        purchase_order.PurchaseOrderCreated,
        BILL,
        decide.on_purchase_order_created,
        load=load_references,
        series=series_names,
    ),
    Subscription(
        nota_fiscal.SupplierNfMatched,
        BILL,
        decide.on_supplier_nf_matched,
        load=load_references,
        series=series_names,
    ),
    Answer(AuthoriseInvoice, SefazAnswered, BILL, decide.on_invoice_answered),
    Subscription(
        purchase_order.PurchaseOrderRefused,
        BILL,
        decide.on_purchase_order_refused,
        load=load_references,
        series=series_names,
    ),
    Subscription(
        purchase_order.PurchaseOrderCancelled,
        BILL,
        decide.on_purchase_order_cancelled,
        load=load_references,
        series=series_names,
    ),
    Subscription(sourcing.SourcingGivenUp, BILL, decide.on_given_up, load=load_references, series=series_names),
    Subscription(order.OrderCancellationStarted, BILL, decide.on_cancellation_started),
    Subscription(
        order.OrderCancellationRefused,
        BILL,
        decide.on_cancellation_refused,
        load=load_references,
        series=series_names,
    ),
    Subscription(purchase_order.FulfilmentStopped, BILL, decide.on_fulfilment_stopped, load=load_references),
    Answer(
        CancelInvoice,
        CancellationAnswered,
        BILL,
        decide.on_cancellation_answered,
        exhausted=decide.on_cancellation_exhausted,
        load=load_references,
        series=series_names,
    ),
    Subscription(
        order.OrderCancellationDecided,
        BILL,
        decide.on_cancellation_decided,
        load=load_references,
        series=series_names,
    ),
    Subscription(refund.RefundRequested, BILL, decide.on_refund_requested, load=load_references),
    Answer(OrderRefund, RefundTaken, BILL, decide.on_refund_taken),
    Subscription(refund.RefundReported, BILL, decide.on_refund_reported, find=find_refunded),
    Answer(MarkDispatched, DispatchMarked, BILL, decide.on_dispatch_marked),
    Subscription(nota_fiscal.RemittanceNfMatched, BILL, decide.on_remittance_nf_matched),
    Subscription(shipment.ShipmentDispatched, BILL, decide.on_shipment_dispatched),
    Subscription(shipment.ShipmentDelivered, BILL, decide.on_shipment_delivered),
    Answer(OrderSupplierPayment, SupplierPaymentTaken, BILL, decide.on_supplier_payment_taken),
    Subscription(billing.SupplierPaymentReported, BILL, decide.on_supplier_payment_reported, find=find_bills),
)


def service(settings: Settings) -> Service:
    return Service("billing", SUBSCRIPTIONS, operations(settings), save_rows)


def main() -> None:
    run(service(read(Settings)), read(Runtime))


if __name__ == "__main__":
    main()
